internal import ColaNative

// The programs that the server runs as consumers. For administrators.
extension Client {
    /// What can be done with a worker, or with one instance of it.
    public enum WorkerOperation: Hashable, Sendable {
        /// Also what was stopped, is over, or waits after a failure starts at once.
        case start
        /// In order: no more messages, time for those in hand, then the signal. It stays stopped until it is started.
        case stop
        /// Of a worker one instance after the other.
        case restart
        /// Of a worker alone: so many processes, whatever the settings say.
        case scale(ClosedRange<Int>)
        /// The processes are halted where they are.
        case pause
        case resume
        /// A signal by name or number; nil: the end by force, with every descendant.
        case kill(signal: String? = nil)
    }

    /// Asks for it; that it has happened is to be seen in the listing of processes.
    /// - Parameter instance: the number of one instance of the worker; nil: all of it.
    /// - Throws: ``ColaError``, with ``ColaError/Code/notFound`` if there is no such worker or instance.
    public func control(
        worker name: String, _ operation: WorkerOperation, instance: Int64? = nil
    ) async throws {
        let target = instance.map { "\(name)/\($0)" } ?? name
        let request: ClientRequest.WorkerOperation =
            switch operation {
            case .start: .start
            case .stop: .stop
            case .restart: .restart
            case .scale(let count):
                .scale(min: count.lowerBound, max: count.count == 1 ? nil : count.upperBound)
            case .pause: .pause
            case .resume: .resume
            case .kill(let signal): .kill(signal: signal)
            }
        _ = try await connection.ask(.worker(request, target: target), "\(request.word) of worker '\(target)'")
    }
}
