package import ColaCore
package import ColaWorkers
internal import OrderedCollections

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Workers and their processes as people see them: what the supervisor knows, with what the kernel says.
///
/// Durations are milliseconds up to the moment of the look, so that no clock of another machine is needed to read them.
///
/// Source: `protocol/native.md` section 3.6, the tables of `list` and `describe worker`
package struct WorkerRows {
    private let supervisor: Supervisor
    private let now: Instant
    private let kernel: (_ processID: Int32, _ isDetailed: Bool) -> ProcessSnapshot?
    private let messageInHand: (InstanceID) -> HeldMessage?

    /// - Parameters:
    ///   - now: the monotonic clock that the supervisor goes by.
    ///   - kernel: what is known of a process; nil: there is none.
    ///   - messageInHand: the one that an instance has had for longest.
    package init(
        of supervisor: Supervisor, at now: Instant,
        kernel: @escaping (_ processID: Int32, _ isDetailed: Bool) -> ProcessSnapshot? = Self.read(),
        messageInHand: @escaping (InstanceID) -> HeldMessage? = { _ in nil }
    ) {
        self.supervisor = supervisor
        self.now = now
        self.kernel = kernel
        self.messageInHand = messageInHand
    }

    /// What the kernel of this machine says.
    package static func read() -> (_ processID: Int32, _ isDetailed: Bool) -> ProcessSnapshot? {
        let reader = ProcessReader()
        return { reader.snapshot(of: $0, isDetailed: $1) }
    }

    /// A row for each worker, sorted by name.
    package var workers: [Description] { sorted.map(row) }

    /// A row for each instance, sorted by worker and number.
    package var processes: [Description] {
        sorted.flatMap(\.instances).map { row($0, snapshot($0, isDetailed: false)) }
    }

    /// Everything about a worker, or one instance of it.
    package func description(of target: WorkerRequest.Target) -> Result<Description, BrokerError> {
        do throws(BrokerError) {
            guard let number = target.instance else {
                return .success(describe(try supervisor.worker(named: target.worker)))
            }
            return .success(describe(try supervisor.instance(number, of: target.worker)))
        } catch {
            return .failure(error)
        }
    }

    private var sorted: [WorkerStatus] { supervisor.status.sorted { $0.definition.name < $1.definition.name } }

    // MARK: Workers

    private func row(_ worker: WorkerStatus) -> Description {
        let definition = worker.definition
        var row = Description()
        row.add("name", definition.name.description)
        row.add("vhost", definition.virtualHost)
        row.add("queue", definition.queue)
        row.add("mode", definition.mode.rawValue)
        row.add("state", state(of: worker))
        row.add("processes", worker.alive)
        row.add("wanted", worker.wanted)
        row.add("min", worker.range.lowerBound)
        row.add("max", worker.range.upperBound)
        row.add("messages", worker.instances.reduce(0) { $0 + $1.messagesInHand })
        for state in InstanceState.allCases {
            row.add(state.rawValue, worker.instances.count { $0.state == state })
        }
        row.add("starts", Int(clamping: worker.starts))
        row.add("failures", Int(clamping: worker.failures))
        row.add("timeouts", Int(clamping: worker.timeouts))
        return row
    }

    private func state(of worker: WorkerStatus) -> String {
        if worker.isRemoved { return "leaving" }
        if worker.isStopped { return "stopped" }
        return worker.isPaused ? "paused" : "running"
    }

    private func describe(_ worker: WorkerStatus) -> Description {
        var description = row(worker)
        description.add("definition", WorkerRows.value(worker.definition))
        var changes: [Description.Value] = []
        for from in InstanceState.allCases {
            for to in InstanceState.allCases where worker.arrows[from, to] > 0 {
                var change = Description()
                change.add("from", from.rawValue)
                change.add("to", to.rawValue)
                change.add("count", Int(clamping: worker.arrows[from, to]))
                changes.append(.fields(change))
            }
        }
        description.add("changes", .list(changes))
        description.add(
            "instances", .list(worker.instances.map { .fields(row($0, snapshot($0, isDetailed: false))) }))
        return description
    }

    /// A definition as its file has it, but for what is in its environment: passwords are.
    private static func value(_ definition: WorkerDefinition) -> Description.Value {
        guard case .mapping(let settings) = definition.node else { return .none }
        var description = Description()
        for (name, node) in settings {
            if name == "environment", case .mapping(let variables) = node {
                description.add(name, .list(variables.keys.map { .text($0) }))
            } else {
                description.add(name, value(node))
            }
        }
        return .fields(description)
    }

    private static func value(_ node: DefinitionNode) -> Description.Value {
        switch node {
        case .scalar(let text): return .text(text)
        case .sequence(let nodes): return .list(nodes.map(value))
        case .mapping(let nodes):
            var description = Description()
            for (name, node) in nodes { description.add(name, value(node)) }
            return .fields(description)
        }
    }

    // MARK: Processes

    /// The process that this is.
    package static func broker() -> Description {
        var row = Description()
        row.add("name", "cola")
        row.add("worker", Description.Value.none)
        row.add("instance", Description.Value.none)
        row.add("pid", Int(getpid()))
        row.add("state", "running")
        row.add("reason", "this server")
        row.add("state-ms", Description.Value.none)
        add(ProcessReader().snapshot(of: getpid(), isDetailed: false), to: &row)
        for name in ["starts", "failures", "next-start-ms", "messages", "message"] {
            row.add(name, Description.Value.none)
        }
        return row
    }

    private func snapshot(_ instance: InstanceStatus, isDetailed: Bool) -> ProcessSnapshot? {
        instance.processID.flatMap { kernel($0, isDetailed) }
    }

    private func row(_ instance: InstanceStatus, _ snapshot: ProcessSnapshot?) -> Description {
        var row = Description()
        row.add("name", "\(instance.worker)/\(instance.id)")
        row.add("worker", instance.worker.description)
        row.add("instance", Int(clamping: instance.id.rawValue))
        row.add("pid", instance.processID.map { Int($0) })
        row.add("state", instance.state.rawValue)
        row.add("reason", instance.reason)
        row.add("state-ms", milliseconds(since: instance.changedAt))
        Self.add(snapshot, to: &row)
        row.add("starts", Int(clamping: instance.starts))
        row.add("failures", instance.failuresInRow)
        row.add("next-start-ms", instance.nextStart.map { max(0, -milliseconds(from: $0)) })
        row.add("messages", instance.messagesInHand)
        row.add("message", messageInHand(instance.id).map { .fields(self.row($0)) } ?? .none)
        return row
    }

    private func row(_ message: HeldMessage) -> Description {
        var row = Description()
        row.add("queue", message.queue)
        row.add("offset", Int(message.offset.rawValue))
        row.add("held-ms", milliseconds(since: message.since))
        return row
    }

    /// What the kernel says; the same members where it says nothing.
    private static func add(_ process: ProcessSnapshot?, to row: inout Description) {
        row.add("parent", process.map { Int($0.parent) })
        row.add("kernel-state", process?.state.description)
        row.add("uptime-ms", process.map { Int($0.uptimeMilliseconds) })
        row.add("cpu-ms", process.map { Int($0.userMilliseconds + $0.systemMilliseconds) })
        row.add("resident", process.map { Int($0.residentBytes) })
        row.add("virtual", process.map { Int($0.virtualBytes) })
        row.add("threads", process?.threads)
        row.add("files", process?.openFiles)
        row.add("nice", process?.nice)
    }

    private func describe(_ instance: InstanceStatus) -> Description {
        let process = snapshot(instance, isDetailed: true)
        var description = row(instance, process)
        description.add("paused", instance.isPaused)
        description.add("fed", instance.isFed)
        description.add("stopping", instance.stopping)
        description.add("needs-restart", instance.needsRestart)
        description.add("program", process?.command)
        description.add("group", process.map { Int($0.group) })
        description.add("session", process.map { Int($0.session) })
        description.add("user-ms", process.map { Int($0.userMilliseconds) })
        description.add("system-ms", process.map { Int($0.systemMilliseconds) })
        let detail = process?.detail
        description.add("resident-most", detail?.residentBytesMost.map { Int($0) })
        description.add("swap", detail?.swapBytes.map { Int($0) })
        var memory = Description()
        memory.add("anonymous", detail?.anonymousBytes.map { Int($0) })
        memory.add("file", detail?.fileBytes.map { Int($0) })
        memory.add("shared", detail?.sharedBytes.map { Int($0) })
        memory.add("proportional", detail?.proportionalBytes.map { Int($0) })
        description.add("memory", .fields(memory))
        description.add("oom-score", detail?.outOfMemoryScore)
        description.add("oom-adjustment", detail?.outOfMemoryAdjustment)
        description.add("voluntary-switches", detail?.voluntarySwitches.map { Int($0) })
        description.add("involuntary-switches", detail?.involuntarySwitches.map { Int($0) })
        description.add("wait-channel", detail?.waitChannel)
        description.add("read-bytes", detail?.readBytes.map { Int($0) })
        description.add("written-bytes", detail?.writtenBytes.map { Int($0) })
        var limits = Description()
        limits.add("open-files", detail?.limits.openFiles.map { Int($0) })
        limits.add("memory", detail?.limits.memoryBytes.map { Int($0) })
        limits.add("cpu-seconds", detail?.limits.cpuSeconds.map { Int($0) })
        description.add("limits", .fields(limits))
        description.add("definition", supervisor.definition(of: instance.id).map(Self.value) ?? .none)
        return description
    }

    private func milliseconds(since instant: Instant) -> Int { max(0, milliseconds(from: instant)) }

    private func milliseconds(from instant: Instant) -> Int {
        Int(now.rawValue.subtractingReportingOverflow(instant.rawValue).partialValue / 1_000_000)
    }
}
