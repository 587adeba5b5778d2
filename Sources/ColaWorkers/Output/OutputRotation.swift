/// Which files the output of a worker is in, and when it goes on in a new one.
///
/// Shape: `WORKER.log` is the one that grows; behind it `WORKER.log.1`, the one before, up to the oldest.
package struct OutputRotation: Equatable, Sendable {
    /// The most that all files of a worker together have. Bytes.
    package let bytesMax: Int
    package let filesMax: Int

    package init(bytesMax: Int, filesMax: Int) {
        self.bytesMax = bytesMax
        self.filesMax = max(1, filesMax)
    }

    package var fileBytesMax: Int { bytesMax / filesMax }

    /// Whether a file goes aside before so much is written to it. One of nothing never does: a line that is longer than
    /// a file may be is written all the same.
    package func isFull(_ fileBytes: Int, before bytes: Int) -> Bool {
        fileBytes > 0 && fileBytes + bytes > fileBytesMax
    }

    /// What goes by which name then, in this order; the first one goes over the oldest file.
    package func renames(of worker: WorkerName) -> [(from: String, to: String)] {
        (1..<filesMax).reversed().map { (Self.name(of: worker, $0 - 1), Self.name(of: worker, $0)) }
    }

    /// - Parameter age: 0 is the one that grows.
    package static func name(of worker: WorkerName, _ age: Int) -> String {
        age == 0 ? "\(worker).log" : "\(worker).log.\(age)"
    }
}
