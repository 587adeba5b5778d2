internal import ColaCore
internal import OrderedCollections

extension Supervisor {
    /// Begins to stop an instance: no more messages, time for those in hand, the signal, time, the end by force.
    ///
    /// One that is being stopped already goes on as it does; what follows is then what goes before the other.
    mutating func stop(
        _ id: InstanceID, then: Instance.Stopping.Then, cause: Instance.Stopping.Cause = .order, why: String
    ) {
        guard let instance = instances[id] else { return }
        if let stopping = instance.stopping {
            if then.rawValue > stopping.then.rawValue {
                instances[id]?.stopping?.then = then
                instances[id]?.stopping?.why = why
            }
            return
        }
        unpause(id)
        stopFeeding(id)
        guard instance.hasProcess else { return stopWithoutProcess(id, then, why) }
        let deadline = limited(now.advanced(byMilliseconds: instance.definition.stop.grace), half: true)
        instances[id]?.stopping = Instance.Stopping(
            cause: cause, then: then, phase: .draining, deadline: deadline, why: why)
        if instance.definition.mode == .stream { actions.append(.endInput(id)) }
        if cause != .order || !instance.isReady && !instance.isExec {
            signalEnd(id)
        } else if instance.inHand == 0 {
            lastIsSettled(id)
        }
        refresh(id, why)
    }

    /// A process that is to end has nothing in hand any more.
    mutating func lastIsSettled(_ id: InstanceID) {
        guard let instance = instances[id], let stopping = instance.stopping, stopping.phase == .draining else {
            return
        }
        guard instance.definition.mode == .stream else { return signalEnd(id) }
        // The end of its input tells it as much; the signal is for one that does not see it.
        let deadline = min(stopping.deadline, now.advanced(byMilliseconds: Self.endPatience))
        instances[id]?.stopping?.deadline = deadline
        timers.set(.instance(id), at: deadline)
    }

    private mutating func stopWithoutProcess(_ id: InstanceID, _ then: Instance.Stopping.Then, _ why: String) {
        guard let instance = instances[id] else { return }
        if instance.inHand > 0 {
            instances[id]?.inHand = 0
            actions.append(.ended(id, .stopped(nil, why: why), nil))
        }
        switch then {
        case .leave: remove(id, why)
        case .hold:
            instances[id]?.rest = .held
            refresh(id, why)
        case .restart, .policy:
            instances[id]?.failures = 0
            instances[id]?.crashes = 0
            arm(id, why)
        }
    }

    /// The signal that asks it to end.
    mutating func signalEnd(_ id: InstanceID) {
        guard let rule = instances[id]?.definition.stop else { return }
        let deadline = limited(now.advanced(byMilliseconds: rule.grace), half: false)
        guard deadline > now else { return kill(id) }
        actions.append(.signal(id, rule.signal, .group))
        instances[id]?.stopping?.phase = .ending
        instances[id]?.stopping?.deadline = deadline
        timers.set(.instance(id), at: deadline)
    }

    /// The end by force, of every descendant too.
    private mutating func kill(_ id: InstanceID) {
        let deadline = now.advanced(byMilliseconds: Self.killPatience)
        actions.append(.signal(id, .kill, .tree))
        instances[id]?.stopping?.phase = .killing
        instances[id]?.stopping?.deadline = deadline
        timers.set(.instance(id), at: deadline)
    }

    /// By force and at once, whatever else is going on.
    mutating func killByOrder(_ id: InstanceID) {
        guard let instance = instances[id], instance.hasProcess else { return }
        stopFeeding(id)
        if instance.stopping == nil {
            instances[id]?.stopping = Instance.Stopping(
                cause: .force, then: .policy, phase: .killing, deadline: now, why: "killed by operator")
        }
        kill(id)
        refresh(id, "killed by operator")
    }

    /// What is due of an instance: see `Instance.deadline`.
    mutating func instanceDue(_ id: InstanceID) {
        guard let instance = instances[id], let deadline = instance.deadline, deadline <= now else { return }
        if let stopping = instance.stopping {
            switch stopping.phase {
            case .draining: signalEnd(id)
            case .ending, .killing: kill(id)
            }
        } else if case .until = instance.rest {
            arm(id, "its pause is over")
        } else if !instance.isExec, !instance.isReady {
            let limit = Quantity.text(milliseconds: instance.definition.startLimit)
            stop(id, then: .policy, cause: .startLimit, why: "it was not ready within \(limit)")
        } else if let limit = instance.definition.timeLimit {
            let text = Quantity.text(milliseconds: limit)
            stop(id, then: .policy, cause: .timeLimit, why: "it held a message for longer than \(text)")
        }
    }

    // MARK: Pausing

    mutating func pause(_ id: InstanceID) {
        guard let instance = instances[id], !instance.isPaused, instance.stopping == nil else { return }
        stopFeeding(id)
        instances[id]?.pausedAt = now
        if instance.hasProcess { actions.append(.signal(id, .stop, .tree)) }
        refresh(id, "paused by operator")
    }

    mutating func resume(_ id: InstanceID) {
        guard instances[id]?.isPaused == true else { return }
        unpause(id)
        guard let instance = instances[id] else { return }
        if instance.rest == .none, instance.isExec || instance.isReady { feed(id) }
        queue(id)
        refresh(id, "resumed by operator")
    }

    /// The time that it was halted counts neither for its message nor for its start.
    private mutating func unpause(_ id: InstanceID) {
        guard let instance = instances[id], let pausedAt = instance.pausedAt else { return }
        let halted = now.rawValue - pausedAt.rawValue
        instances[id]?.pausedAt = nil
        instances[id]?.busySince = instance.busySince.map { Instant($0.rawValue + halted) }
        switch instance.process {
        case .none: return
        case .requested(let since): instances[id]?.process = .requested(Instant(since.rawValue + halted))
        case .up(let since, let processID):
            instances[id]?.process = .up(since: Instant(since.rawValue + halted), processID: processID)
        }
        actions.append(.signal(id, .proceed, .tree))
    }

    // MARK: The end of everything

    mutating func shutDown(_ limit: Int64?) {
        guard shutdown == nil else { return }
        shutdown = Shutdown(deadline: limit.map { now.advanced(byMilliseconds: max(0, $0)) })
        fresh.removeAll()
        failed.removeAll()
        for worker in workers.values {
            for id in worker.instances {
                stop(id, then: .leave, why: "the server is stopping")
                guard let stopping = instances[id]?.stopping, stopping.phase != .killing else { continue }
                let deadline = limited(stopping.deadline, half: stopping.phase == .draining)
                instances[id]?.stopping?.deadline = deadline
                refresh(id, "the server is stopping")
            }
        }
    }

    /// While everything is stopped, messages in hand have half of the time that is left, and the signal the rest.
    private func limited(_ deadline: Instant, half: Bool) -> Instant {
        guard let end = shutdown?.deadline else { return deadline }
        let latest = half ? Instant(now.rawValue + max(0, end.rawValue - now.rawValue) / 2) : end
        return min(deadline, latest)
    }
}
