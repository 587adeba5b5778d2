internal import ColaCore
internal import ColaServer
internal import ColaStore
internal import NIOCore

/// One run under a seed: a clock, a network, a disk, a server that dies and comes back, and clients that do as they
/// please.
///
/// One thread, one queue of events; all that happens is drawn from the seed, so a run that went wrong goes wrong again,
/// to the byte. The server in it is the real one: sessions, connection handlers, broker loop, core and the protocol of
/// the store. What is promised is checked by ``Ledger`` against what clients saw.
package final class World {
    package enum Phase { case open, healing, draining, over }

    package let seed: UInt64
    package internal(set) var trace: Trace
    /// What broke, first thing first.
    package var violations: [String] { ledger.violations }

    /// Nanoseconds since the world began.
    private(set) var time: Int64 = 0
    private(set) var phase = Phase.open
    var random: SplitMix64
    let plan: Plan
    let places: [Place] = Place.all
    let ledger: Ledger
    let disk = MemoryStore.Disk()
    let clock = SimulatedClock()
    var process: SimulatedProcess?
    var clients: [SimulatedClient] = []
    /// How many lives the server had.
    private(set) var lives = 0
    /// What a run did, so that a test can see that it did something.
    package internal(set) var tally = Tally()
    private var events = EventQueue()
    private var lastLink = 0

    /// Without any event the server's timers are looked at this often. Nanoseconds.
    private static let stepMost: Int64 = 2_000_000
    /// More events than any run has: one that does not end is a finding.
    private static let eventsMost = 2_000_000

    package convenience init(seed: UInt64, keepsTrace: Bool = false) {
        self.init(seed: seed, keepsTrace: keepsTrace) { _ in }
    }

    /// - Parameter adjust: changes what the seed has drawn, for a run with a purpose.
    init(seed: UInt64, keepsTrace: Bool = false, adjust: (inout Plan) -> Void) {
        self.seed = seed
        trace = Trace(keepsAll: keepsTrace)
        random = SplitMix64(seed: seed)
        var plan = Plan(&random)
        adjust(&plan)
        self.plan = plan
        ledger = Ledger(places: places)
    }

    /// Runs it all: set up, live, heal, drain, compare.
    package func run() {
        startServer()
        setUp()
        for number in 1...plan.clients { clients.append(SimulatedClient(number: number, world: self)) }
        for client in clients { client.begin() }
        scheduleFault()
        pass(plan.duration)
        heal()
        drain()
        end()
    }

    /// Nothing is left that holds anything else.
    func end() {
        phase = .over
        process?.end()
        process = nil
        clients = []
        events.removeAll()
    }

    // MARK: Time

    func after(_ delay: Int64, _ body: @escaping () -> Void) { events.add(at: time + delay, body) }

    func at(_ time: Int64, _ body: @escaping () -> Void) { events.add(at: max(time, self.time), body) }

    func pass(_ duration: Int64) { run(until: { false }, within: duration) }

    /// - Returns: whether it came to be in that time.
    @discardableResult
    func run(until isDone: () -> Bool, within duration: Int64) -> Bool {
        let end = time + duration
        while !isDone() {
            guard violations.isEmpty else { return false }
            let next = min(events.nextTime ?? .max, time + Self.stepMost)
            guard next <= end else {
                time = end
                turnServer()
                return isDone()
            }
            time = next
            turnServer()
            if events.nextTime == time, let event = events.popFirst() {
                tally.events += 1
                if tally.events > Self.eventsMost { complain("the run does not end") }
                event.body()
                turnServer()
            }
        }
        return true
    }

    private func turnServer() {
        process?.advance(to: time)
        if process?.isSpinning ?? false {
            complain("the server spins: it does the same again and again, and no time passes")
        }
        driveDisk()
    }

    func enter(_ phase: Phase) {
        self.phase = phase
        note("now \(phase)")
    }

    // MARK: Chance

    func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    func draw(nanoseconds most: Int64) -> Int64 { Int64.random(in: 0...max(0, most), using: &random) }

    /// One in `count` times.
    func isOne(in count: Int) -> Bool { Int.random(in: 1...count, using: &random) == 1 }

    func pick<Value>(_ values: [Value]) -> Value? { values.randomElement(using: &random) }

    // MARK: Telling

    func note(_ text: @autoclosure () -> String) { trace.note(time, text()) }

    func note(_ bytes: ByteBuffer) { trace.note(bytes) }

    func complain(_ sentence: String) {
        note("VIOLATION \(sentence)")
        ledger.complain(sentence)
    }

    // MARK: The server

    func startServer() {
        lives += 1
        do {
            process = try SimulatedProcess(
                life: lives, at: time, disk: disk, clock: clock, options: plan.options,
                failed: { [unownedWorld = UnownedWorld(self)] in unownedWorld.value.note("the store failed") })
            note("server \(lives) starts")
        } catch {
            complain("the server does not start: \(error)")
        }
    }

    /// A new link to the server, if there is one.
    func connect(_ client: SimulatedClient, _ traits: Link.Traits) -> Link? {
        guard let process else { return nil }
        lastLink += 1
        let link = Link(number: lastLink, life: process.life, traits: traits, world: self, client: client)
        do {
            try link.attach(process.eventLoop, highWaterMark: plan.highWaterMark)
            try process.accept(link)
            link.socket.begin()
        } catch {
            complain("a connection is not accepted: \(error)")
        }
        return link
    }
}

/// Unchecked: a simulation has one thread.
struct UnownedWorld: @unchecked Sendable {
    unowned let value: World
    init(_ value: World) { self.value = value }
}

extension World {
    /// What a person needs to look into it: what broke, the last that happened, and how to see it again.
    package var report: String {
        "seed \(seed):\n" + violations.joined(separator: "\n") + "\n--- the last events\n"
            + trace.last.joined(separator: "\n") + "\n--- replay with COLA_SEED=\(seed)"
    }
}
