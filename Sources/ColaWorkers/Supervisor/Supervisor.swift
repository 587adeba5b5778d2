package import ColaCore
internal import OrderedCollections

/// Decides which processes there are: starts, restarts with pauses, scaling, pausing and stopping of workers.
///
/// It is a function of what happens and when: it reads no clock, starts nothing, and its only randomness is a seed.
/// Whoever owns it hands in events, does what the actions say, in order, and comes back with `tick` when
/// ``nextDeadline`` is reached. Only the monotonic clock counts.
///
/// What always holds: a worker has at most as many processes as its definition allows, those that are being stopped
/// among them; an instance has one at most; whatever is stopped is killed in the end; what ends says why, and when it
/// will be started again.
package struct Supervisor: Sendable {
    /// How many processes may be started, over all workers.
    package struct StartRate: Sendable {
        package var perSecond = 20
        package var burst = 50

        package init() {}
    }

    enum TimerKey: Hashable, Sendable {
        case instance(InstanceID)
        /// To look whether a worker has had too many instances for a while.
        case idle(WorkerName)
    }

    let seed: UInt64
    var workers: OrderedDictionary<WorkerName, Worker> = [:]
    /// Never gone through: its order is the workers'.
    var instances: [InstanceID: Instance] = [:]
    var timers = Timers<TimerKey>()
    /// Those whose turn it is to be started: first attempts, and those that have failed. They take turns, so that
    /// neither a storm of crashes holds up the others, nor they it.
    var fresh = StartQueue()
    var failed = StartQueue()
    var wasFreshLast = false
    var budget: StartBudget
    var hasKeeper = false
    var lastID: UInt64 = 0
    var now: Instant
    var actions: [SupervisorAction] = []
    var shutdown: Shutdown?

    struct Shutdown: Sendable {
        let deadline: Instant?
        var isOver = false
    }

    /// How long a stream process may take to end by itself, when it has answered everything and its input has ended.
    /// Milliseconds.
    static let endPatience: Int64 = 2_000

    /// How long a killed process may take to disappear before it is killed again. Milliseconds.
    static let killPatience: Int64 = 5_000

    /// - Parameters:
    ///   - seed: of the jitter in the pauses before restarts.
    package init(seed: UInt64, rate: StartRate = StartRate(), at now: Instant) {
        self.seed = seed
        self.now = now
        budget = StartBudget(perSecond: rate.perSecond, burst: rate.burst, at: now)
    }

    /// When ``apply(_:at:)`` must be called with `tick`, if nothing happens before; nil: never.
    package var nextDeadline: Instant? {
        let start = hasKeeper && !(fresh.isEmpty && failed.isEmpty) ? budget.next : nil
        guard let start, let timer = timers.next else { return start ?? timers.next }
        return min(start, timer)
    }

    /// - Parameter now: the monotonic clock; an instant before the last one counts as that.
    /// - Returns: what is to be done, in this order.
    package mutating func apply(_ event: SupervisorEvent, at now: Instant) -> [SupervisorAction] {
        begin(at: now)
        switch event {
        case .configure(let definitions): configure(definitions)
        case .keeperReady: hasKeeper = true
        case .keeperLost: keeperLost()
        case .started(let id, let processID): started(id, processID)
        case .startFailed(let id, let sentence): processEnded(id, .startFailed(sentence))
        case .exited(let id, let status, let usage): processEnded(id, .exited(status, usage))
        case .isReady(let id): becameReady(id)
        case .took(let id, let count): took(id, count)
        case .settled(let id, let count): settled(id, count)
        case .misbehaved(let id, let sentence):
            if instances[id]?.hasProcess == true { stop(id, then: .policy, cause: .defect, why: sentence) }
        case .heldBack(let id, let reason):
            instances[id]?.heldBack = reason
            refresh(id, reason)
        case .letGo(let id):
            instances[id]?.heldBack = nil
            refresh(id, "the broker goes on")
        case .backlog(let name, let ready, let oldest, let rate):
            workers[name]?.backlog = Worker.Backlog(
                ready: max(0, ready), oldestMilliseconds: oldest, ratePerSecond: rate.isFinite ? max(0, rate) : 0)
            scaleUp(name)
        case .tick: break
        case .shutdown(let limit): shutDown(limit)
        }
        return end()
    }

    mutating func begin(at now: Instant) {
        self.now = max(self.now, now)
        actions.removeAll(keepingCapacity: true)
    }

    mutating func end() -> [SupervisorAction] {
        while let key = timers.popDue(at: now) {
            switch key {
            case .instance(let id): instanceDue(id)
            case .idle(let name): scaleDown(name)
            }
        }
        startNext()
        if let shutdown, !shutdown.isOver, workers.values.allSatisfy(\.instances.isEmpty) {
            self.shutdown?.isOver = true
            actions.append(.allGone)
        }
        return actions
    }

    /// Brings the state of an instance, and its timer, in line with everything else about it.
    mutating func refresh(_ id: InstanceID, _ reason: @autoclosure () -> String) {
        guard let state = instances[id]?.state, let due = instances[id]?.due else { return }
        if state != due { change(id, state.path(to: due), reason()) }
        if let deadline = instances[id]?.deadline {
            timers.set(.instance(id), at: deadline)
        } else {
            timers.cancel(.instance(id))
        }
    }

    mutating func change(_ id: InstanceID, _ path: [InstanceState], _ reason: String) {
        guard let worker = instances[id]?.worker, var state = instances[id]?.state else { return }
        for next in path where next != state {
            actions.append(
                .changed(
                    StateChange(instance: id, worker: worker, from: state, to: next, reason: reason, at: now)))
            workers[worker]?.arrows.count(state, next)
            state = next
        }
        instances[id]?.state = state
        instances[id]?.reason = reason
        instances[id]?.changedAt = now
    }

    /// By which definition the process of an instance runs, or its next one will.
    package func definition(of id: InstanceID) -> WorkerDefinition? { instances[id]?.definition }

    /// Whether it was told to end, or is about to be.
    package func isStopping(_ id: InstanceID) -> Bool { instances[id]?.stopping != nil }

    /// What the end of its process with that status means; nil: it has none.
    package func ending(of id: InstanceID, by status: ExitStatus) -> Ending? {
        instances[id].flatMap { $0.hasProcess ? ending(of: $0, status) : nil }
    }
}
