internal import ColaCore
internal import OrderedCollections

extension Supervisor {
    /// How long the last rise must be ago before the next one. Milliseconds.
    static let riseInterval: Int64 = 1_000

    /// Brings the number of a worker's instances, and what they run by, in line with what is wanted.
    mutating func settle(_ name: WorkerName) {
        guard shutdown == nil, let worker = workers[name] else { return }
        let staying = worker.instances.filter { instances[$0]?.isLeaving == false }
        if staying.count > worker.wanted {
            dismiss(staying, butFor: worker.wanted, reason(worker))
        } else if !worker.isPaused {
            let room = worker.range.upperBound - worker.instances.count
            for _ in 0..<max(0, min(worker.wanted - staying.count, room)) { add(to: name) }
        }
        if worker.alive < worker.range.upperBound {
            for id in workers[name]?.instances ?? [] { queue(id) }
        }
        renewNext(name)
        lookForIdle(name)
        if worker.isRemoved, workers[name]?.instances.isEmpty == true {
            timers.cancel(.idle(name))
            workers[name] = nil
        }
    }

    private func reason(_ worker: Worker) -> String {
        if worker.isRemoved { return "the worker was removed" }
        return worker.isStopped ? "the worker was stopped by operator" : "there are to be \(worker.target)"
    }

    /// Stops all but `count`: first what has no process, then what holds no message, then the rest; the newest first.
    private mutating func dismiss(_ ids: [InstanceID], butFor count: Int, _ reason: String) {
        func weight(_ id: InstanceID) -> Int {
            guard let instance = instances[id], instance.hasProcess || instance.inHand > 0 else { return 0 }
            return instance.inHand == 0 ? 1 : 2
        }
        let order = ids.map { (weight: weight($0), id: $0) }
            .sorted { ($0.weight, $1.id) < ($1.weight, $0.id) }
        for entry in order.prefix(ids.count - count) { stop(entry.id, then: .leave, why: reason) }
    }

    /// Replaces one process that is of an older definition, if all others are up: a definition that does not work takes
    /// one instance with it, and not the worker.
    private mutating func renewNext(_ name: WorkerName) {
        guard let worker = workers[name], !worker.isPaused else { return }
        var next: InstanceID?
        for id in worker.instances {
            guard let instance = instances[id], instance.rest != .over, instance.rest != .held else { continue }
            if instance.stopping != nil { return }
            if instance.isPaused { continue }
            if instance.needsRestart, instance.hasProcess {
                next = next ?? id
            } else if !instance.isExec, !instance.isReady {
                return
            }
        }
        if let next { stop(next, then: .restart, why: "it is replaced") }
    }

    // MARK: By the backlog

    /// More instances, if what waits takes too long and those that are there have enough to do.
    mutating func scaleUp(_ name: WorkerName) {
        guard shutdown == nil, let worker = workers[name], worker.range.count > 1, worker.backlog.ready > 0,
            !worker.isPaused, !worker.isStopped, !worker.isRemoved
        else { return }
        if worker.target == 0 { return raise(name, to: 1) }
        guard worker.target < worker.range.upperBound,
            worker.raisedAt.map({ $0.advanced(byMilliseconds: Self.riseInterval) <= now }) ?? true,
            worker.instances.allSatisfy({ instances[$0].map { $0.state == .running || $0.isLeaving } ?? true })
        else { return }
        let rule = worker.definition.autoscale
        let backlog = worker.backlog
        // Nothing was settled of late: how long it takes is not known, and the age alone counts.
        let drain = backlog.ratePerSecond > 0 ? Double(backlog.ready) / backlog.ratePerSecond * 1_000 : 0
        guard drain > Double(rule.drainWithin) || backlog.oldestMilliseconds > rule.age else { return }
        let needed = Double(worker.target) * drain / Double(rule.drainWithin)
        let most = min(worker.range.upperBound, 2 * worker.target)
        raise(name, to: max(worker.target + 1, needed < Double(most) ? Int(needed.rounded(.up)) : most))
    }

    private mutating func raise(_ name: WorkerName, to target: Int) {
        workers[name]?.target = target
        workers[name]?.clampTarget()
        workers[name]?.raisedAt = now
        settle(name)
    }

    /// Fewer instances, if nothing waits and some have had nothing to do for a while. One that holds a message is never
    /// stopped for that.
    mutating func scaleDown(_ name: WorkerName) {
        guard shutdown == nil, let worker = workers[name] else { return }
        let patience = worker.definition.autoscale.idleFor
        let hasRisen = worker.raisedAt.map { $0.advanced(byMilliseconds: patience) > now } ?? false
        if worker.backlog.ready == 0, !hasRisen, !worker.isPaused {
            for id in worker.instances.reversed() {
                guard let target = workers[name]?.target, target > worker.range.lowerBound else { break }
                guard let idle = idleDeadline(id, patience), idle <= now else { continue }
                workers[name]?.target = target - 1
                stop(id, then: .leave, why: "it had nothing to do for \(Quantity.text(milliseconds: patience))")
            }
        }
        settle(name)
    }

    /// When an instance has had nothing to do for long enough; nil: it has, or must not be touched.
    private func idleDeadline(_ id: InstanceID, _ patience: Int64) -> Instant? {
        guard let instance = instances[id], instance.inHand == 0, instance.stopping == nil, instance.rest != .held,
            instance.state == .ready || instance.state == .terminated
        else { return nil }
        return instance.idleSince.advanced(byMilliseconds: patience)
    }

    /// Sets the timer for ``scaleDown(_:)``, if there is one too many and it does not run.
    private mutating func lookForIdle(_ name: WorkerName) {
        guard let worker = workers[name], worker.target > worker.range.lowerBound, worker.wanted > 0 else {
            timers.cancel(.idle(name))
            return
        }
        guard timers.deadline(of: .idle(name)) == nil else { return }
        let patience = worker.definition.autoscale.idleFor
        let next = worker.instances.compactMap { idleDeadline($0, patience) }.filter { $0 > now }.min()
        timers.set(.idle(name), at: next ?? now.advanced(byMilliseconds: patience))
    }
}
