internal import ColaCore
internal import Glibc

/// What the store alone can do on this machine: one commit after the other, with nothing around it.
///
/// The same commit code, schema, settings and record bytes as a server's, so that a server's figures have something to
/// be held against. Each commit appends a chunk, writes the log's state, and removes the chunk that lies `keptBytes`
/// behind.
package struct StorageLoop: Sendable {
    package struct Report: Sendable {
        package var commits: Int
        package var messages: Int
        package var seconds: Double
        /// Of the whole process, user and system.
        package var cpuSeconds: Double
        package var payloadBytes: Int
        /// Of one commit, with its share of encoding and checkpoints.
        package var p50Microseconds: Double
        package var p99Microseconds: Double
        /// The largest size of the write-ahead log.
        package var logBytesMax: Int

        package var messagesPerSecond: Double { Double(messages) / max(seconds, 1e-9) }
        package var megabytesPerSecond: Double { Double(payloadBytes) / 1e6 / max(seconds, 1e-9) }
        package var cpuMicrosecondsPerMessage: Double { cpuSeconds * 1e6 / Double(max(messages, 1)) }
    }

    /// Must be empty or missing; the database stays there.
    package var directory: String
    /// Payload of one commit.
    package var chunkBytes: Int
    /// Payload of one message.
    package var messageBytes: Int
    package var commits: Int
    package var keptBytes = 32 << 20
    package var relaxedDurability = false

    package init(directory: String, chunkBytes: Int, messageBytes: Int, commits: Int) {
        self.directory = directory
        self.chunkBytes = chunkBytes
        self.messageBytes = messageBytes
        self.commits = commits
    }

    package func run() throws(StoreError) -> Report {
        var options = SQLiteStore.Options(directory: directory)
        options.relaxedDurability = relaxedDurability
        let directory = options.directory
        try directory.prepare()
        let lock = try DirectoryLock(directory)
        defer { withExtendedLifetime(lock) {} }
        let opened = try SQLiteOpening(options: options, gate: ReaderGate()).run()
        return try StoreError.converting(path: directory.database) { try run(opened.committer) }
    }

    private func run(_ committer: Committer) throws -> Report {
        let log = LogID(1)
        let perChunk = max(1, chunkBytes / max(1, messageBytes))
        let chunksKept = max(1, keptBytes / max(1, perChunk * messageBytes))
        let message = Message(value: (0..<messageBytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }[...])
        var template = RecordSegment()
        for index in 0..<perChunk { template.append(message, at: Offset(Int64(index)), timestamp: Timestamp(0)) }
        var declaration = Batch(number: BatchNumber(1), nextLog: LogID(2))
        declaration.definitions = [.put(.queue(QueueDefinition(name: "loop", log: log)))]
        try committer.commit([EncodedBatch(declaration)])

        var durations: [Int64] = []
        durations.reserveCapacity(commits)
        var logBytesMax: Int64 = 0
        let cpuBefore = cpuNanoseconds()
        let start = clockNanoseconds()
        var before = start
        for commit in 0..<commits {
            let batch = batch(commit, log, template, perChunk: perChunk, chunksKept: chunksKept)
            try committer.commit([EncodedBatch(batch)])
            logBytesMax = max(logBytesMax, committer.checkpointer.logBytes)
            try committer.checkpointer.runIfDue(isIdle: false)
            let now = clockNanoseconds()
            durations.append(now - before)
            before = now
        }
        let cpu = cpuNanoseconds() - cpuBefore
        durations.sort()
        func percentile(_ part: Double) -> Double {
            durations.isEmpty
                ? 0 : Double(durations[min(durations.count - 1, Int(Double(durations.count) * part))]) / 1000
        }
        return Report(
            commits: commits, messages: commits * perChunk, seconds: Double(before - start) / 1e9,
            cpuSeconds: Double(cpu) / 1e9, payloadBytes: commits * perChunk * messageBytes,
            p50Microseconds: percentile(0.5),
            p99Microseconds: percentile(0.99), logBytesMax: Int(logBytesMax))
    }

    private func batch(
        _ commit: Int, _ log: LogID, _ template: RecordSegment, perChunk: Int, chunksKept: Int
    ) -> Batch {
        let base = Int64(commit * perChunk)
        let floor = Int64(max(0, commit + 1 - chunksKept) * perChunk)
        let next = base + Int64(perChunk)
        var change = LogChange(
            log: log,
            state: LogState(
                start: Offset(floor), next: Offset(next), ready: Int(next - floor),
                bytes: Int(next - floor) * messageBytes,
                floor: Offset(floor), handedOut: Offset(next)))
        var entries = template.entries
        for index in entries.indices { entries[index].offset = Offset(base + Int64(index)) }
        change.appended = [.records(RecordSegment(data: template.data, entries: entries))]
        if commit >= chunksKept {
            let first = Offset(Int64((commit - chunksKept) * perChunk))
            change.removed = [first...first.advanced(by: perChunk - 1)]
        }
        return Batch(number: BatchNumber(UInt64(commit) + 2), logs: [change])
    }

    private func clockNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private func cpuNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
