package import ColaCore

/// A line that a process of a worker has written, and who wrote it when, for what.
package struct OutputLine: Equatable, Sendable {
    /// The message that the process was started for.
    package struct Message: Equatable, Sendable {
        package let queue: String
        package let offset: Offset
        /// Counted from 1.
        package let attempt: Int

        package init(queue: String, offset: Offset, attempt: Int) {
            self.queue = queue
            self.offset = offset
            self.attempt = attempt
        }
    }

    /// The process, as far as it is known where its output is read.
    package struct Source: Equatable, Sendable {
        package let worker: WorkerName
        package let instance: InstanceID
        /// Nil: it was never known.
        package var process: Int32?
        /// Nil: it was not started for one message.
        package let message: Message?

        package init(worker: WorkerName, instance: InstanceID, process: Int32? = nil, message: Message? = nil) {
            self.worker = worker
            self.instance = instance
            self.process = process
            self.message = message
        }
    }

    package enum Content: Equatable, Sendable {
        /// - Parameter isCut: whether the line was longer.
        case text(String, isCut: Bool)
        /// So many lines that stood here were not kept, because there were too many at a time.
        case dropped(Int)
    }

    /// When it was read.
    package let time: Timestamp
    /// The life of the server in which it was, and how many lines all workers together had written before it.
    package let epoch: Epoch
    package let number: Int64
    package let source: Source
    package let stream: ProgramStream
    package let content: Content

    package init(
        time: Timestamp, epoch: Epoch, number: Int64, source: Source, stream: ProgramStream, content: Content
    ) {
        self.time = time
        self.epoch = epoch
        self.number = number
        self.source = source
        self.stream = stream
        self.content = content
    }

    /// About what it takes in memory. Bytes.
    package var cost: Int {
        guard case .text(let text, _) = content else { return Self.overheadBytes }
        return Self.overheadBytes + text.utf8.count
    }

    package static let overheadBytes = 160

    /// How many lines of the process it stands for.
    package var weight: Int {
        guard case .dropped(let count) = content else { return 1 }
        return count
    }

    /// Whether it is one of those that were asked for.
    package func isOf(_ query: OutputQuery) -> Bool {
        if let stream = query.stream, stream != self.stream { return false }
        if let since = query.since, time < since { return false }
        guard let instance = query.target?.instance else { return true }
        return source.instance == InstanceID(instance)
    }

    /// Whether it was written before the other one.
    package func isBefore(_ other: OutputLine) -> Bool { (epoch, number) < (other.epoch, other.number) }
}
