internal import ColaCore

/// One place of a worker: at most one process at any time, and what becomes of it.
struct Instance: Sendable {
    enum Process: Equatable, Sendable {
        case none
        /// The keeper was asked for it.
        case requested(Instant)
        case up(since: Instant, processID: Int32)
    }

    /// Why there is no process, though it is not on its way to one either.
    enum Rest: Equatable, Sendable {
        case none
        /// After failures: until then.
        case until(Instant)
        /// For good, by the rule for restarts.
        case over
        /// Until an operator starts it.
        case held
    }

    struct Stopping: Equatable, Sendable {
        enum Phase: Sendable { case draining, ending, killing }
        enum Cause: Sendable { case order, timeLimit, startLimit, defect, force }
        /// What follows when the process is gone. The later goes before the earlier.
        enum Then: Int, Sendable { case policy, restart, hold, leave }

        var cause: Cause
        var then: Then
        var phase: Phase
        var deadline: Instant
        var why: String
    }

    let id: InstanceID
    let worker: WorkerName
    /// By which its process was started, or its next one will be.
    var definition: WorkerDefinition
    var state = InstanceState.new
    var reason: String
    var changedAt: Instant
    var process = Process.none
    var isReady = false
    var isFed = false
    var heldBack: String?
    var pausedAt: Instant?
    var inHand = 0
    /// Since when it has settled nothing of what it holds; nil: it holds nothing, or no process has it yet.
    var busySince: Instant?
    var idleSince: Instant
    var stopping: Stopping?
    var rest = Rest.none
    /// Whether it has a turn to be started, which it may not want any more when it comes.
    var isQueued = false
    /// Whether its process is of an older definition, or an operator wants another.
    var needsRestart = false
    /// Starts in a row that did not turn out well.
    var failures = 0
    /// In exec: ends in a row that the program did not choose.
    var crashes = 0
    var starts: UInt64 = 0
    /// Whether the start of its process was given back to the budget.
    var isProved = false

    init(id: InstanceID, definition: WorkerDefinition, reason: String, at now: Instant) {
        self.id = id
        worker = definition.name
        self.definition = definition
        self.reason = reason
        changedAt = now
        idleSince = now
    }

    var isExec: Bool { definition.mode == .exec }
    var hasProcess: Bool { process != .none }
    var isPaused: Bool { pausedAt != nil }

    /// Whether it is going away for good: the worker needs another in its place, once it is gone.
    var isLeaving: Bool { stopping?.then == .leave }

    /// Whether nothing but a turn is missing for a process to be started.
    var wantsStart: Bool {
        !hasProcess && rest == .none && !isPaused && stopping == nil && (!isExec || inHand > 0)
    }

    /// What ``state`` must be by everything else.
    var due: InstanceState {
        if isPaused { return .blocked }
        if !hasProcess {
            if rest != .none { return .terminated }
            guard isExec else { return .new }
            return inHand > 0 ? .running : heldBack == nil ? .ready : .blocked
        }
        if isExec { return .running }
        guard isReady else { return .new }
        if heldBack != nil { return .blocked }
        return inHand > 0 ? .running : .ready
    }

    /// When something must be done with it, if nothing happens before.
    var deadline: Instant? {
        if let stopping { return stopping.deadline }
        if isPaused { return nil }
        if case .until(let instant) = rest { return instant }
        var startDeadline: Instant?
        if !isExec, !isReady {
            switch process {
            case .none: break
            case .requested(let since), .up(let since, _):
                startDeadline = since.advanced(byMilliseconds: definition.startLimit)
            }
        }
        let limit = definition.timeLimit
        let timeDeadline = busySince.flatMap { since in limit.map { since.advanced(byMilliseconds: $0) } }
        guard let startDeadline, let timeDeadline else { return startDeadline ?? timeDeadline }
        return min(startDeadline, timeDeadline)
    }
}
