import ColaCore
import ColaServer
import ColaWorkers
import OrderedCollections
import Testing

/// A supervisor with workers in a known state, and a kernel that says what the test wants.
struct WorkerScene {
    var supervisor: Supervisor
    var now = Instant(10_000_000_000)
    /// What the kernel knows, by the id of the process.
    var processes: [Int32: ProcessSnapshot] = [:]
    var messages: [InstanceID: HeldMessage] = [:]

    /// `naps` with two processes of the ids 101 and 102, `zips` with none yet.
    init() throws {
        supervisor = Supervisor(seed: 1, at: now)
        let naps = try #require(WorkerName("naps"))
        var definition = WorkerDefinition(name: naps, queue: "jobs", command: ["sleep", "60"], mode: .stream)
        definition.processes = 2...2
        definition.environment = ["TOKEN": "secret"]
        let zips = WorkerDefinition(name: try #require(WorkerName("zips")), queue: "files", command: ["zip"])
        _ = supervisor.apply(.configure([zips, definition]), at: now)
        let actions = supervisor.apply(.keeperReady, at: now)
        var processID: Int32 = 100
        for case .spawn(let id, _, _) in actions {
            processID += 1
            _ = supervisor.apply(.started(id, processID: processID), at: now)
            _ = supervisor.apply(.isReady(id), at: now)
            processes[processID] = try Self.process(processID)
        }
        now = now.advanced(byMilliseconds: 2_000)
    }

    static func process(_ id: Int32) throws -> ProcessSnapshot {
        let line = "\(id) (sleep) S 90 \(id) \(id) 0 0 0 0 0 0 0 250 75 0 0 20 5 3 0 1000 8462336 10 0\n"
        return ProcessSnapshot(
            id, try #require(ProcessStat(Array(line.utf8))), uptimeTicks: 6_000, ticksPerSecond: 100, pageBytes: 4096,
            openFiles: 4,
            detail: ProcessSnapshot.Detail(
                status: ProcessFields(Array("voluntary_ctxt_switches:\t41\n".utf8)), io: ProcessFields([]),
                waitChannel: Array("do_wait".utf8), limits: ProcessLimits([])))
    }

    var rows: WorkerRows {
        let (processes, messages) = (processes, messages)
        return WorkerRows(of: supervisor, at: now) { id, _ in
            processes[id]
        } messageInHand: {
            messages[$0]
        }
    }

    /// The number of the first instance of `naps`.
    func firstNap() throws -> InstanceID {
        try #require(supervisor.status.first { $0.definition.name.description == "naps" }?.instances.first?.id)
    }
}
