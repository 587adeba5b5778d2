/// What happens to the supervisor. What is said of an instance that is not there any more is passed over.
package enum SupervisorEvent: Sendable {
    /// From now on these are the workers: at the start and on each reload.
    case configure([WorkerDefinition])

    // From the keeper.

    /// A keeper is there, and nothing is left of the one before it. Nothing is started before that.
    case keeperReady
    /// The keeper has ended, and every process below it.
    case keeperLost
    case started(InstanceID, processID: Int32)
    /// The sentence says what was wrong: no such program, not permitted, too many processes.
    case startFailed(InstanceID, String)
    case exited(InstanceID, ExitStatus, ResourceUsage)

    // From the broker.

    /// The process takes messages: it has connected, or answered. Not said of exec.
    case isReady(InstanceID)
    /// The instance was given so many messages. In exec one at a time, and only while it is fed.
    case took(InstanceID, count: Int = 1)
    /// So many messages that it held are settled. Not said of exec, nor of the messages that a process held when it
    /// ended: the action `ended` is about these.
    case settled(InstanceID, count: Int = 1)
    /// What the process said or did can be nobody's meaning: it is stopped, and that counts as a failure. The sentence
    /// says what it was.
    case misbehaved(InstanceID, String)
    /// The broker gives the instance nothing for the time being: an alarm, a lock.
    case heldBack(InstanceID, String)
    case letGo(InstanceID)
    /// What waits for a worker: messages ready, the age of the oldest in milliseconds, and how many the worker has
    /// settled in a second of late.
    case backlog(WorkerName, ready: Int, oldestMilliseconds: Int64, ratePerSecond: Double)

    // From whoever runs the server.

    /// Time has passed: what is due is done. Every other event does that, too.
    case tick
    /// Everything is stopped. Nil: each worker has the time that it says itself; else what is left after so many
    /// milliseconds is killed.
    case shutdown(withinMilliseconds: Int64?)
}
