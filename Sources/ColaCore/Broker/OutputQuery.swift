/// Which lines of what workers write somebody wants to read.
package struct OutputQuery: Equatable, Sendable {
    /// Of a worker, or of one instance of it; nil: of all.
    package var target: WorkerRequest.Target?
    /// Where to read on; nil: the last lines.
    package var from: OutputPosition?
    /// Lines at most.
    package var count: Int
    /// Only lines of that time or later.
    package var since: Timestamp?
    /// Nil: both.
    package var stream: ProgramStream?
    /// How long to wait for a line if there is none.
    package var waitMilliseconds: Int64

    package init(
        target: WorkerRequest.Target? = nil, from: OutputPosition? = nil, count: Int = Self.countDefault,
        since: Timestamp? = nil, stream: ProgramStream? = nil, waitMilliseconds: Int64 = 0
    ) {
        self.target = target
        self.from = from
        self.count = count
        self.since = since
        self.stream = stream
        self.waitMilliseconds = waitMilliseconds
    }

    package static let countDefault = 10
    package static let countMost = 10_000
    package static let waitMillisecondsMost: Int64 = 60_000
}

/// What a process writes to.
package enum ProgramStream: String, CaseIterable, Sendable {
    case out, err
}

/// A place in what workers have written since the server was started.
package struct OutputPosition: Equatable, Sendable, CustomStringConvertible {
    package let epoch: Epoch
    /// Lines before it: of the worker that was asked for, or of all.
    package let count: Int64

    package init(epoch: Epoch, count: Int64) {
        self.epoch = epoch
        self.count = count
    }

    /// - Parameter text: as ``description`` writes it; nil if it is of no such form.
    package init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = Self.number(parts[0]), let count = Self.number(parts[1]) else { return nil }
        self.init(epoch: Epoch(epoch), count: count)
    }

    private static func number(_ digits: Substring.UTF8View) -> Int64? {
        guard digits.first != UInt8(ascii: "+") else { return nil }
        return Int64(String(Substring(digits)))
    }

    package var description: String { "\(epoch)-\(count)" }
}
