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
        /// The niceness, -20 to 19, of the processes that there are, until they are started again.
        case nice(Int)
    }

    /// Which lines of what workers write are read.
    public struct OutputQuery: Hashable, Sendable {
        /// What a program writes to.
        public enum Stream: String, Sendable, CaseIterable { case out, err }

        /// Nil: all workers.
        public var worker: String?
        /// Nil: all instances of the worker.
        public var instance: Int64?
        /// Where to read on: the `next` of the answer before. Nil: the last lines.
        public var from: String?
        /// Lines at most, up to 10,000; nil is 10.
        public var count: Int?
        /// Only lines of that time or later. Milliseconds since 1970, UTC.
        public var sinceMilliseconds: Int64?
        /// Nil: both.
        public var stream: Stream?
        /// How long the server waits for a line if there is none, up to 60,000; nil is not at all. Milliseconds. What
        /// is asked meanwhile over the same connection is answered after it.
        public var waitMilliseconds: Int?

        /// The last lines of all workers.
        public init() {}
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
            case .nice(let value): .nice(value)
            }
        _ = try await connection.ask(.worker(request, target: target), "\(request.word) of worker '\(target)'")
    }

    /// One JSON object: `lines`, the oldest first; `next`, where to read on; `lost`, how many lines went before they
    /// could be read. `protocol/native.md`, section 3.7, lists the members of a line.
    /// - Throws: ``ColaError``, with ``ColaError/Code/notFound`` if there is no such worker.
    public func workerOutput(_ query: OutputQuery) async throws -> String {
        let target = query.worker.map { worker in query.instance.map { "\(worker)/\($0)" } ?? worker }
        var logs = ClientRequest.Logs(target: target)
        logs.from = query.from
        logs.count = query.count
        logs.since = query.sinceMilliseconds
        logs.stream = query.stream?.rawValue
        logs.wait = query.waitMilliseconds
        return try await json(.logs(logs), "reading of what \(target.map { "worker '\($0)'" } ?? "workers") writes")
    }
}
