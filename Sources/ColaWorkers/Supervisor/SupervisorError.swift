/// Why a command of an operator was not carried out; nothing has changed then.
package enum SupervisorError: Error, Equatable, Sendable, CustomStringConvertible {
    /// With the name that was probably meant.
    case noWorker(WorkerName, near: String?)
    case noInstance(InstanceID)
    case scalesWorkersOnly(InstanceID, of: WorkerName)
    case tooMany(WorkerName, Int)
    case noQueue(WorkerName)
    case shuttingDown

    package var description: String {
        switch self {
        case .noWorker(let name, let near):
            "there is no worker '\(name)'; " + (near.map { "did you mean \($0)?" } ?? "`cola workers` lists them")
        case .noInstance(let id): "there is no instance \(id); it may have ended, `cola ps` lists those that are there"
        case .scalesWorkersOnly(let id, let worker):
            "instance \(id) cannot be scaled, its worker can; name \(worker) instead"
        case .tooMany(let worker, let count):
            "worker \(worker) cannot have \(count) processes; the limit is \(WorkerDefinition.processesMost)"
        case .noQueue(let worker):
            "worker \(worker) has no queue whose backlog could scale it; give one number of processes, not a range"
        case .shuttingDown: "the server is stopping; ask again when it has been started"
        }
    }
}
