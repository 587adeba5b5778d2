import ColaStore

/// `cola bench --storage`: the store alone, one commit after the other, as what a broker's figures are held against;
/// with `--backlog`, a commit for each message, and what they leave behind.
struct StorageBench {
    let folder: String
    let messageBytes: Int
    let chunkBytes: Int
    let seconds: Double

    /// Commits until the time is over; how many that takes is estimated by a first, short run.
    func run() throws -> StorageLoop.Report {
        let trial = try loop("\(folder)/trial", commits: 50)
        let perSecond = Double(trial.commits) / max(trial.seconds, 1e-3)
        return try loop("\(folder)/data", commits: max(50, Int(perSecond * seconds)))
    }

    private func loop(_ directory: String, commits: Int) throws -> StorageLoop.Report {
        try StorageLoop(
            directory: directory, chunkBytes: chunkBytes, messageBytes: messageBytes, commits: commits
        ).run()
    }

    static func text(_ report: StorageLoop.Report) -> String {
        """
        stored     \(Int(report.messagesPerSecond)) msg/s, \(decimal(report.megabytesPerSecond, 1)) MB/s \
        (\(report.messages) in \(report.commits) commits, \(decimal(report.seconds, 2)) s)
        commit     p50 \(decimal(report.p50Microseconds / 1000, 3))  p99 \(decimal(report.p99Microseconds / 1000, 3)) ms
        process    \(decimal(report.cpuMicrosecondsPerMessage, 3)) µs CPU a message
        """
    }

    /// Members may be added, never renamed.
    static func json(_ report: StorageLoop.Report, size: Int, chunk: Int) -> String {
        """
        {"storage":true,"size":\(size),"chunk":\(chunk),"messages":\(report.messages),"commits":\(report.commits),\
        "seconds":\(decimal(report.seconds, 4)),"messages_per_second":\(Int(report.messagesPerSecond)),\
        "megabytes_per_second":\(decimal(report.megabytesPerSecond, 2)),\
        "cpu_us":\(decimal(report.cpuMicrosecondsPerMessage, 3)),\
        "commit_ms":{"p50":\(decimal(report.p50Microseconds / 1000, 4)),\
        "p99":\(decimal(report.p99Microseconds / 1000, 4))},"wal_bytes_max":\(report.logBytesMax)}
        """
    }

    static func runBacklog(
        in folder: String, messages: Int, messageBytes: Int, window: Int
    ) throws -> BacklogLoop.Report {
        try BacklogLoop(directory: "\(folder)/data", messageBytes: messageBytes, messages: messages, window: window)
            .run()
    }

    static func text(_ report: BacklogLoop.Report) -> String {
        """
        committed  \(Int(Double(report.messages) / max(report.seconds, 1e-9))) msg/s, one commit each \
        (\(report.messages) in \(decimal(report.seconds, 2)) s)
        commit     p50 \(decimal(report.p50Microseconds / 1000, 3))  p99 \(decimal(report.p99Microseconds / 1000, 3))  \
        max \(decimal(report.maxMicroseconds / 1000, 3)) ms
        rows       \(report.rowsAtEnd) at the end, \(report.rows) after a pause; file \
        \(decimal(Double(report.fileBytes) / 1e6, 1)) MB, log at most \(decimal(Double(report.logBytesMax) / 1e6, 1)) MB
        restart    \(decimal(report.restartSeconds * 1000, 1)) ms to the first records
        """
    }

    /// Members may be added, never renamed.
    static func json(_ report: BacklogLoop.Report, size: Int) -> String {
        """
        {"storage":true,"size":\(size),"messages":\(report.messages),"seconds":\(decimal(report.seconds, 4)),\
        "commit_ms":{"p50":\(decimal(report.p50Microseconds / 1000, 4)),\
        "p99":\(decimal(report.p99Microseconds / 1000, 4)),"max":\(decimal(report.maxMicroseconds / 1000, 4))},\
        "rows_at_end":\(report.rowsAtEnd),"rows":\(report.rows),"file_bytes":\(report.fileBytes),\
        "wal_bytes_max":\(report.logBytesMax),"restart_ms":\(decimal(report.restartSeconds * 1000, 3))}
        """
    }
}
