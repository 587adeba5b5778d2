/// What the broker asks of the keeper. Each is one packet.
package enum KeeperRequest: Equatable, Sendable {
    /// Starts a process. Number `i` of the packet's descriptors becomes the process's descriptor `i`; of 0, 1 and 2,
    /// those that are not there become `/dev/null`. Answered by `started` or `failed`.
    case spawn(SpawnID, ProcessSpec)
    /// Sends a signal. Nothing happens if the instance has ended: its `exited` is on the way then.
    case signal(SpawnID, number: Int32, SignalScope)
    /// Sets the niceness, -20 to 19, of the process group. Answered by `reniced`, in the order of the requests.
    case renice(SpawnID, value: Int32)
}
