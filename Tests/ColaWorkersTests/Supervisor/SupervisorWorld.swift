import ColaCore
import ColaTesting
import ColaWorkers

/// Processes, a keeper, a broker and an operator, as a supervisor sees them; all of them misbehave as a seed says.
///
/// What must hold is checked with the world's own books, after each step (`SupervisorWorld+Checks`).
final class SupervisorWorld {
    struct Process {
        let number: Int
        let worker: WorkerName
        let since: Instant
        var isUp = false
        var isHalted = false
        var ignoresEnd = false
        var isSlowToDie = false
        var isDying = false
        var hasSettled = false
    }

    enum Item {
        case started(InstanceID, Int)
        case startFailed(InstanceID, Int)
        case ready(InstanceID, Int)
        case exit(InstanceID, Int, ExitStatus)
        case settle(InstanceID, Int)
        case keeperReady
    }

    struct Due {
        let at: Instant
        let number: Int
        let item: Item
    }

    static let names = ["a", "b", "c", "d"].compactMap(WorkerName.init)

    let seed: UInt64
    let rate: Supervisor.StartRate
    var random: SplitMix64
    var now = Instant(1_000_000_000)
    var supervisor: Supervisor
    var due: [Due] = []
    var count = 0

    var definitions: [WorkerName: WorkerDefinition] = [:]
    var scaled: [WorkerName: ClosedRange<Int>] = [:]
    /// How many each could have when it was last defined.
    var lastMost: [WorkerName: Int] = [:]
    var processes: [InstanceID: Process] = [:]
    var inHand: [InstanceID: Int] = [:]
    var workerOf: [InstanceID: WorkerName] = [:]
    var fed: Set<InstanceID> = []
    var waiting: [WorkerName: Int] = [:]
    var published = 0
    var done = 0
    var hasKeeper = false
    /// Nothing misbehaves any more.
    var isQuiet = false
    var isAllGone = false
    var violations: [String] = []

    // Books for the checks.
    var startLevel = 0.0
    var startLevelAt = Instant(1_000_000_000)
    var streaks: [InstanceID: Int] = [:]
    var restUntil: [InstanceID: Instant] = [:]
    var stoppingSince: [InstanceID: Instant] = [:]
    var reached: Set<InstanceState> = []
    var ends: [String: Int] = [:]

    init(seed: UInt64) {
        self.seed = seed
        random = SplitMix64(seed: seed)
        var rate = Supervisor.StartRate()
        // So few that there are not enough of them.
        if seed.isMultiple(of: 2) { (rate.perSecond, rate.burst) = (3, 4) }
        self.rate = rate
        supervisor = Supervisor(seed: seed, rate: rate, at: now)
    }

    func violate(_ text: String) {
        if violations.count < 5 { violations.append("\(text) (at \(now.rawValue / 1_000_000) ms)") }
    }

    func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    func milliseconds(_ range: ClosedRange<Int64>) -> Instant {
        now.advanced(byMilliseconds: .random(in: range, using: &random))
    }

    func schedule(_ item: Item, at instant: Instant) {
        count += 1
        due.append(Due(at: instant, number: count, item: item))
    }

    // MARK: The run

    func run(steps: Int) {
        apply(.keeperReady)
        hasKeeper = true
        reload()
        for _ in 0..<steps where violations.isEmpty { step() }
        if violations.isEmpty { becomeQuiet() }
        if violations.isEmpty { end() }
    }

    private func step() {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<62: advance()
        case 62..<80: feed()
        case 80..<86:
            guard let name = Self.names.randomElement(using: &random) else { return }
            let messages = Int.random(in: 1...20, using: &random)
            waiting[name, default: 0] += messages
            published += messages
            report(name)
        case 86..<90: Self.names.forEach(report)
        case 90..<95: command()
        case 95..<96: reload()
        case 96..<97:
            guard let id = workerOf.keys.sorted().randomElement(using: &random) else { return }
            apply(chance(40) ? .heldBack(id, "the disk is full") : .letGo(id))
        case 97: if chance(30) { loseKeeper() }
        case 98: jump()
        default: apply(.tick)
        }
    }

    /// Goes on to what happens next.
    func advance() {
        let next = due.min { ($0.at, $0.number) < ($1.at, $1.number) }
        let deadline = supervisor.nextDeadline
        if let deadline, next.map({ deadline < $0.at }) ?? true {
            now = max(now, deadline)
            apply(.tick)
            if let after = supervisor.nextDeadline, after <= now { violate("a tick did not do what was due") }
        } else if let next {
            due.removeAll { $0.number == next.number }
            now = max(now, next.at)
            happen(next.item)
        }
    }

    /// Everything sleeps for a while, the processes too.
    private func jump() {
        let nanoseconds = Int64.random(in: 1...3_600, using: &random) * 1_000_000_000
        now = Instant(now.rawValue + nanoseconds)
        due = due.map { Due(at: Instant($0.at.rawValue + nanoseconds), number: $0.number, item: $0.item) }
        stoppingSince = stoppingSince.mapValues { Instant($0.rawValue + nanoseconds) }
    }

    private func loseKeeper() {
        guard hasKeeper else { return }
        hasKeeper = false
        // Those that were up for long had turned out well.
        for (id, process) in processes where process.isUp {
            guard let definition = supervisor.definition(of: id), definition.mode != .exec else { continue }
            if process.since.advanced(byMilliseconds: definition.backoff.resetAfter) <= now { good() }
        }
        processes = [:]
        apply(.keeperLost)
        schedule(.keeperReady, at: milliseconds(10...2_000))
    }

    // MARK: The broker

    /// Hands a message to everybody who is fed and has room.
    func feed() {
        for id in fed.sorted() {
            guard fed.contains(id), let name = workerOf[id], waiting[name, default: 0] > 0, chance(70),
                let definition = supervisor.definition(of: id), inHand[id, default: 0] < definition.prefetch,
                definition.mode != .exec || inHand[id, default: 0] == 0
            else { continue }
            waiting[name, default: 0] -= 1
            inHand[id, default: 0] += 1
            if definition.mode != .exec, let process = processes[id] {
                let pace: ClosedRange<Int64> = isQuiet ? 1...100 : chance(90) ? 1...500 : 500...5_000
                schedule(.settle(id, process.number), at: milliseconds(pace))
            }
            apply(.took(id))
        }
    }

    func report(_ name: WorkerName) {
        let ready = waiting[name, default: 0]
        apply(
            .backlog(
                name, ready: ready, oldestMilliseconds: ready == 0 ? 0 : .random(in: 0...60_000, using: &random),
                ratePerSecond: chance(30) ? 0 : .random(in: 0...50, using: &random)))
    }

    // MARK: The processes

    private func happen(_ item: Item) {
        switch item {
        case .keeperReady:
            hasKeeper = true
            apply(.keeperReady)
        case .started(let id, let number):
            guard processes[id]?.number == number else { return }
            processes[id]?.isUp = true
            apply(.started(id, processID: Int32(number)))
        case .startFailed(let id, let number):
            guard processes[id]?.number == number else { return }
            processes[id] = nil
            apply(.startFailed(id, "there is no such program"))
        case .ready(let id, let number):
            guard let process = processes[id], process.number == number else { return }
            guard !process.isHalted else { return schedule(item, at: milliseconds(50...100)) }
            apply(.isReady(id))
        case .settle(let id, let number):
            guard let process = processes[id], process.number == number else { return }
            guard !process.isHalted else { return schedule(item, at: milliseconds(50...100)) }
            if !process.hasSettled { good() }
            processes[id]?.hasSettled = true
            streaks[id] = 0
            inHand[id, default: 0] -= 1
            done += 1
            apply(.settled(id))
        case .exit(let id, let number, let status):
            guard let process = processes[id], process.number == number else { return }
            if process.isHalted, !process.isDying { return schedule(item, at: milliseconds(50...100)) }
            processes[id] = nil
            let isExec = supervisor.definition(of: id)?.mode == .exec
            if let definition = supervisor.definition(of: id) {
                if definition.mode == .exec {
                    if !definition.exitCodes.isCrash(status) { good() }
                } else if process.isUp,
                    process.since.advanced(byMilliseconds: definition.backoff.resetAfter) <= now
                {
                    streaks[id] = 0
                    good()
                }
            }
            apply(.exited(id, status, ResourceUsage(userMicroseconds: 1, systemMicroseconds: 1, residentBytesMost: 1)))
            // What it does as something else begins anew.
            if isExec { streaks[id] = 0 }
        }
    }

    func spawn(_ id: InstanceID, _ definition: WorkerDefinition) {
        checkSpawn(id, definition)
        count += 1
        var process = Process(number: count, worker: definition.name, since: now)
        if !isQuiet {
            process.ignoresEnd = chance(10)
            process.isSlowToDie = chance(3)
        }
        processes[id] = process
        let number = process.number
        if !isQuiet, chance(8) { return schedule(.startFailed(id, number), at: milliseconds(0...50)) }
        let start = milliseconds(0...50)
        schedule(.started(id, number), at: start)
        func later(_ range: ClosedRange<Int64>) -> Instant {
            start.advanced(byMilliseconds: .random(in: range, using: &random))
        }
        if definition.mode == .exec {
            guard isQuiet || !chance(4) else { return }
            let codes: [Int32] = [0, 0, 0, 0, 75, 1, 9, 127]
            let code = isQuiet ? 0 : codes.randomElement(using: &random) ?? 0
            let status = isQuiet || !chance(10) ? ExitStatus.code(code) : .signal(11, isCoreDumped: true)
            schedule(.exit(id, number, status), at: later(isQuiet ? 1...100 : 1...1_000))
        } else {
            if isQuiet || !chance(5) { schedule(.ready(id, number), at: later(0...400)) }
            guard !isQuiet, chance(50) else { return }
            let status: ExitStatus = chance(30) ? .code(0) : chance(50) ? .code(1) : .signal(9, isCoreDumped: false)
            schedule(.exit(id, number, status), at: later(chance(60) ? 0...300 : 300...30_000))
        }
    }

    /// Most see it, and end when they have answered everything, or before.
    func endInput(of id: InstanceID) {
        guard let process = processes[id] else { return violate("the input of \(id) ends, which has no process") }
        guard supervisor.definition(of: id)?.mode == .stream else { return violate("\(id) has no input") }
        guard isQuiet || chance(70) else { return }
        schedule(.exit(id, process.number, .code(0)), at: milliseconds(0...1_500))
    }

    func signal(_ id: InstanceID, _ signal: Signal) {
        guard let process = processes[id] else { return }
        switch signal {
        case .kill:
            processes[id]?.isDying = true
            let end = milliseconds(process.isSlowToDie ? 5_000...12_000 : 0...20)
            schedule(.exit(id, process.number, .signal(9, isCoreDumped: false)), at: end)
        case .stop: processes[id]?.isHalted = true
        case .proceed: processes[id]?.isHalted = false
        default:
            guard !process.ignoresEnd else { return }
            schedule(
                .exit(id, process.number, chance(50) ? .code(0) : .signal(15, isCoreDumped: false)),
                at: milliseconds(0...800))
        }
    }
}
