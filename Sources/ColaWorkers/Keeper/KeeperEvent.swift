/// What the keeper tells the broker. Each is one packet.
///
/// Of an instance there is `failed` alone, or `started`, `exited` and `swept`, in this order; `reniced` answers a
/// request.
package enum KeeperEvent: Equatable, Sendable {
    /// The keeper is there; what it holds of the memory, in bytes.
    case ready(residentBytes: Int64)
    /// The program runs. `startTime` is in clock ticks since the machine started; with the number it names the process.
    case started(SpawnID, process: Int32, startTime: UInt64)
    case failed(SpawnID, StartFailure)
    /// The process itself has ended; some below it may still be alive.
    case exited(SpawnID, ExitStatus, ResourceUsage)
    /// Nothing that the instance has started is left; `survivorsKilled` outlived their parents and had to be killed.
    case swept(SpawnID, survivorsKilled: Int)
    /// The group has the niceness that was asked for; or why not, as the number of an error: ESRCH, it has ended.
    case reniced(SpawnID, error: Int32)

    /// Whom it is about.
    package var instance: SpawnID? {
        switch self {
        case .ready: nil
        case .started(let instance, _, _), .failed(let instance, _), .exited(let instance, _, _),
            .swept(let instance, _), .reniced(let instance, _):
            instance
        }
    }
}
