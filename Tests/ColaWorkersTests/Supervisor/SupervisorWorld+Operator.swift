import ColaCore
import ColaWorkers

extension SupervisorWorld {
    // MARK: Settings

    /// A new set of definitions; some of them as they were.
    func reload() {
        var all: [WorkerDefinition] = []
        for name in Self.names where chance(75) {
            if let old = definitions[name], chance(50) {
                all.append(changed(old))
            } else {
                all.append(makeDefinition(name))
            }
        }
        configure(all)
    }

    func configure(_ all: [WorkerDefinition]) {
        for name in Self.names {
            let new = all.first { $0.name == name }
            let hasNoMeasure = new?.queue == nil && scaled[name]?.count != 1
            if new == nil || hasNoMeasure || definitions[name]?.processes != new?.processes { scaled[name] = nil }
        }
        for definition in all { lastMost[definition.name] = definition.processes.upperBound }
        definitions = [:]
        for definition in all { definitions[definition.name] = definition }
        restUntil = [:]
        streaks = [:]
        apply(.configure(all))
    }

    private func makeDefinition(_ name: WorkerName) -> WorkerDefinition {
        let mode = WorkerDefinition.Mode.allCases.randomElement(using: &random) ?? .exec
        var definition = WorkerDefinition(name: name, queue: "q", command: ["run"], mode: mode)
        let least = Int.random(in: 0...3, using: &random)
        definition.processes = least...(chance(50) ? least : least + .random(in: 1...4, using: &random))
        definition.stop.grace = [0, 100, 1_000, 3_000].randomElement(using: &random) ?? 0
        definition.startLimit = 1_000
        definition.timeLimit = chance(50) ? .random(in: 200...2_000, using: &random) : nil
        definition.backoff.delay = ExponentialDelay(
            first: 100, most: 5_000, factor: 2, jitter: chance(50) ? 0.2 : 0)
        definition.backoff.crashes = .random(in: 1...3, using: &random)
        definition.autoscale.idleFor = .random(in: 1_000...20_000, using: &random)
        if mode != .exec, chance(40) {
            definition.restart = chance(50) ? .onFailure : .never
        }
        if mode == .client, !definition.isScaled, chance(20) { definition.queue = nil }
        return definition
    }

    private func changed(_ old: WorkerDefinition) -> WorkerDefinition {
        var new = old
        if chance(30) { new.command.append("-v") }
        if chance(30) { new.stop.grace = 500 }
        if chance(20), new.queue != nil { new.queue = new.queue == "q" ? "r" : "q" }
        if chance(20) { new.processes = new.processes.lowerBound...(new.processes.lowerBound + 1) }
        if new.queue == nil { new.processes = new.processes.lowerBound...new.processes.lowerBound }
        return new
    }

    // MARK: Commands

    func command() {
        let commands: [OperatorCommand] = [
            .start, .start, .stop, .restart, .pause, .resume, .resume, .kill, .scale(0...0), .scale(2...2),
            .scale(1...4),
        ]
        guard let command = commands.randomElement(using: &random) else { return }
        let ids = workerOf.keys.sorted()
        if chance(50), let id = ids.randomElement(using: &random) {
            self.command(command, .instance(id))
        } else if let name = Self.names.randomElement(using: &random) {
            self.command(command, .worker(name))
        }
    }

    func command(_ command: OperatorCommand, _ target: OperatorCommand.Target) {
        do throws(SupervisorError) {
            restUntil = [:]
            streaks = [:]
            if case .scale(let range) = command, case .worker(let name) = target,
                let definition = definitions[name], range.count == 1 || definition.queue != nil
            {
                scaled[name] = range
            }
            trace("\(command) \(target)")
            perform(try supervisor.apply(command, to: target, at: now))
        } catch {
            switch error {
            case .noWorker(let name, _): if definitions[name] != nil { violate("\(name) was not found") }
            case .noInstance(let id): if workerOf[id] != nil { violate("instance \(id) was not found") }
            case .scalesWorkersOnly, .noQueue: break
            case .tooMany, .shuttingDown: violate("\(error)")
            }
        }
    }

    // MARK: The end

    /// From now on all goes well: what is wanted must be there in the end, and nothing else.
    func becomeQuiet() {
        isQuiet = true
        for (id, process) in processes.sorted(by: { $0.key < $1.key }) {
            processes[id]?.ignoresEnd = false
            // What would never have ended does now.
            if inHand[id, default: 0] > 0, supervisor.definition(of: id)?.mode == .exec {
                schedule(.exit(id, process.number, .code(0)), at: milliseconds(1...100))
            }
        }
        for name in Self.names where definitions[name] != nil { command(.resume, .worker(name)) }
        for id in workerOf.keys.sorted() { apply(.letGo(id)) }
        pass(milliseconds: 120_000)
        for name in Self.names where definitions[name] != nil { command(.start, .worker(name)) }
        for name in Self.names where definitions[name] == nil {
            published -= waiting.removeValue(forKey: name) ?? 0
        }
        pass(milliseconds: 600_000)
        for name in Self.names { report(name) }
        pass(milliseconds: 300_000)
        checkDesired()
    }

    func pass(milliseconds: Int64) {
        let until = now.advanced(byMilliseconds: milliseconds)
        var nextReport = now
        while violations.isEmpty {
            if nextReport <= now {
                Self.names.forEach(report)
                nextReport = now.advanced(byMilliseconds: 1_000)
            }
            feed()
            let next = (due.map(\.at) + [supervisor.nextDeadline].compactMap { $0 }).min() ?? until
            if min(next, nextReport) >= until { break }
            if next > nextReport {
                now = max(now, nextReport)
            } else {
                advance()
            }
        }
        now = max(now, until)
        apply(.tick)
    }

    func end() {
        isQuiet = false
        for id in processes.keys { processes[id]?.ignoresEnd = chance(50) }
        let limit: Int64? = chance(50) ? .random(in: 0...2_000, using: &random) : nil
        apply(.shutdown(withinMilliseconds: limit))
        let begin = now
        while !isAllGone, violations.isEmpty {
            if due.isEmpty, supervisor.nextDeadline == nil {
                return violate("the shutdown waits for nothing")
            }
            advance()
        }
        if !processes.isEmpty { violate("\(processes.count) processes are left") }
        let most = (limit ?? 6_000) + 12_100
        if now.rawValue - begin.rawValue > most * 1_000_000 { violate("the shutdown took too long") }
    }
}
