internal import ColaCore
internal import OrderedCollections

extension Supervisor {
    /// Every worker with its instances, in the order of the definitions.
    package var status: [WorkerStatus] { workers.keys.compactMap { status(of: $0) } }

    package func status(of name: WorkerName) -> WorkerStatus? {
        guard let worker = workers[name] else { return nil }
        return WorkerStatus(
            definition: worker.definition, range: worker.range, wanted: shutdown == nil ? worker.wanted : 0,
            alive: worker.alive, isStopped: worker.isStopped, isPaused: worker.isPaused, isRemoved: worker.isRemoved,
            starts: worker.starts, failures: worker.failures, timeouts: worker.timeouts, arrows: worker.arrows,
            instances: worker.instances.compactMap { status(of: $0) })
    }

    package func status(of id: InstanceID) -> InstanceStatus? {
        guard let instance = instances[id] else { return nil }
        var processID: Int32?
        var startedAt: Instant?
        if case .up(let since, let number) = instance.process { (processID, startedAt) = (number, since) }
        var nextStart: Instant?
        if case .until(let instant) = instance.rest { nextStart = instant }
        return InstanceStatus(
            id: id, worker: instance.worker, state: instance.state, reason: instance.reason,
            changedAt: instance.changedAt, processID: processID, hasProcess: instance.hasProcess, startedAt: startedAt,
            nextStart: nextStart, messagesInHand: instance.inHand, starts: instance.starts,
            failuresInRow: instance.failures, isPaused: instance.isPaused, isFed: instance.isFed,
            stopping: instance.stopping?.why, needsRestart: instance.needsRestart)
    }
}
