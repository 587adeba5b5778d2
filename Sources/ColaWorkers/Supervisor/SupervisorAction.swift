/// What the supervisor wants to be done, in this order.
package enum SupervisorAction: Equatable, Sendable {
    /// Start a process for the instance. It is the `attempt`th since the last that was good, counted from 1. The answer
    /// is `started` or `startFailed`, and after `started`, once, `exited`.
    case spawn(InstanceID, WorkerDefinition, attempt: Int)
    /// To the process of the instance, which may not have been reported as started yet.
    case signal(InstanceID, Signal, SignalScope)
    /// Hand messages to the instance, by its definition (``Supervisor/definition(of:)``).
    case feed(InstanceID)
    /// Hand it none any more; what it holds it keeps.
    case stopFeeding(InstanceID)
    /// In stream: nothing more will come, so its standard input ends. A good program then ends by itself, once it has
    /// answered what it holds.
    case endInput(InstanceID)
    case changed(StateChange)
    /// The process has ended, and what it held has to be settled or given back.
    case ended(InstanceID, Ending, ResourceUsage?)
    /// The instance is no more; its number does not come again.
    case removed(InstanceID)
    /// After a shutdown: no process is left. The last action there is.
    case allGone
}
