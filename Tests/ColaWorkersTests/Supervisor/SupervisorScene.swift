import ColaCore
import ColaWorkers
import Testing

/// A supervisor with one worker, `w`, and what it wanted to be done last.
struct SupervisorScene {
    var supervisor: Supervisor
    var now = Instant(0)
    private(set) var actions: [SupervisorAction] = []
    let worker: WorkerName

    init(rate: Supervisor.StartRate = .init(), _ definition: WorkerDefinition) {
        worker = definition.name
        supervisor = Supervisor(seed: 1, rate: rate, at: now)
        apply(.keeperReady)
        apply(.configure([definition]))
    }

    static func definition(
        _ mode: WorkerDefinition.Mode, _ processes: ClosedRange<Int> = 1...1,
        _ change: (inout WorkerDefinition) -> Void = { _ in }
    ) throws -> WorkerDefinition {
        var definition = WorkerDefinition(
            name: try #require(WorkerName("w")), queue: "q", command: ["run"], mode: mode)
        definition.processes = processes
        definition.backoff.delay.jitter = 0
        change(&definition)
        return definition
    }

    mutating func apply(_ event: SupervisorEvent) { actions = supervisor.apply(event, at: now) }

    mutating func command(_ command: OperatorCommand, _ id: InstanceID? = nil) throws {
        actions = try supervisor.apply(command, to: id.map { .instance($0) } ?? .worker(worker), at: now)
    }

    /// Lets the time pass, with each tick on its way.
    mutating func pass(milliseconds: Int64) {
        let end = now.advanced(byMilliseconds: milliseconds)
        var all: [SupervisorAction] = []
        while let next = supervisor.nextDeadline, next <= end {
            now = max(now, next)
            apply(.tick)
            all += actions
        }
        now = end
        actions = all
    }

    mutating func exit(_ id: InstanceID, _ code: Int32) {
        apply(.exited(id, .code(code), ResourceUsage(userMicroseconds: 0, systemMicroseconds: 0, residentBytesMost: 0)))
    }

    /// What was asked for is there, and takes messages.
    mutating func bringUp() {
        for action in actions {
            guard case .spawn(let id, _, _) = action else { continue }
            apply(.started(id, processID: Int32(100 + id.rawValue)))
            apply(.isReady(id))
        }
    }

    var instances: [InstanceStatus] { supervisor.status(of: worker)?.instances ?? [] }
    var states: [InstanceState] { instances.map(\.state) }
    var spawned: [InstanceID] {
        actions.compactMap { if case .spawn(let id, _, _) = $0 { id } else { nil } }
    }
    var signals: [Signal] {
        actions.compactMap { if case .signal(_, let signal, _) = $0 { signal } else { nil } }
    }
    var endings: [Ending] {
        actions.compactMap { if case .ended(_, let ending, _) = $0 { ending } else { nil } }
    }
    /// The states it went through, in the last step.
    var steps: [InstanceState] {
        actions.compactMap { if case .changed(let change) = $0 { change.to } else { nil } }
    }
}
