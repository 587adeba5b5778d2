internal import ColaCore
internal import Glibc

/// What becomes of a queue whose producer waits for each confirm while nobody consumes: one commit for each message,
/// then a start on what is there.
///
/// With the store's own threads, so that what it does when nobody waits is measured with it.
package struct BacklogLoop: Sendable {
    package struct Report: Sendable {
        package var messages: Int
        package var seconds: Double
        package var p50Microseconds: Double
        package var p99Microseconds: Double
        package var maxMicroseconds: Double
        /// The largest size of the write-ahead log.
        package var logBytesMax = 0
        /// Rows of chunks after the last commit, and after a pause.
        package var rowsAtEnd = 0
        package var rows = 0
        /// Of the database, after a stop.
        package var fileBytes = 0
        /// From the kill to the first records of the backlog.
        package var restartSeconds = 0.0
    }

    /// Must be empty or missing; the database stays there.
    package var directory: String
    package var messageBytes: Int
    package var messages: Int
    /// Commits that may be under way.
    package var window: Int
    package var pauseMilliseconds = 3000

    package init(directory: String, messageBytes: Int, messages: Int, window: Int) {
        self.directory = directory
        self.messageBytes = messageBytes
        self.messages = messages
        self.window = max(1, window)
    }

    private struct Progress {
        var committed: UInt64 = 0
        var failure: StoreError?
    }

    package func run() throws(StoreError) -> Report {
        let options = SQLiteStore.Options(directory: directory)
        let progress = Monitor(Progress())
        var store = SQLiteStore(options: options)
        _ = try store.open(events: events(progress))
        var report = try commitAll(store, progress)
        report.rowsAtEnd = try rows(options)
        usleep(UInt32(pauseMilliseconds) * 1000)
        report.rows = try rows(options)
        store.abandon()

        let start = monotonicNanoseconds()
        store = SQLiteStore(options: options)
        _ = try store.open(events: events(progress))
        let answer = Monitor<Result<ReadResult, StoreError>?>(nil)
        let request = ReadRequest(log: LogID(1), from: Offset(0), below: Offset(.max), bytesMax: 1 << 20)
        store.read(request) { result in answer.change { $0 = result } }
        _ = try answer.wait { $0 }?.get()
        report.restartSeconds = Double(monotonicNanoseconds() - start) / 1e9
        try store.close()
        report.fileBytes = size(options.directory.database)
        return report
    }

    private func commitAll(_ store: SQLiteStore, _ progress: Monitor<Progress>) throws(StoreError) -> Report {
        var declaration = Batch(number: BatchNumber(1), nextLog: LogID(2))
        declaration.definitions = [.put(.queue(QueueDefinition(name: "backlog", log: LogID(1))))]
        store.submit(declaration)
        let message = Message(value: (0..<messageBytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }[...])
        let path = DataDirectory(path: directory).log
        var submitted: [Int64] = []
        var durations: [Int64] = []
        durations.reserveCapacity(messages)
        var logBytesMax = 0
        let start = monotonicNanoseconds()
        var seen = 1
        while seen < messages + 1 {
            while submitted.count < messages, submitted.count + 1 - seen < window {
                let offset = Int64(submitted.count)
                var change = LogChange(
                    log: LogID(1),
                    state: LogState(
                        start: Offset(0), next: Offset(offset + 1), ready: Int(offset + 1),
                        bytes: Int(offset + 1) * messageBytes, floor: Offset(0), handedOut: Offset(0)))
                var segment = RecordSegment()
                segment.append(message, at: Offset(offset), timestamp: Timestamp(1_700_000_000_000 + offset))
                change.appended = [.records(segment)]
                submitted.append(monotonicNanoseconds())
                store.submit(Batch(number: BatchNumber(UInt64(offset) + 2), logs: [change]))
            }
            let known = UInt64(seen)
            let now = progress.wait { $0.committed > known || $0.failure != nil ? $0 : nil } ?? Progress()
            if let failure = now.failure { throw failure }
            let moment = monotonicNanoseconds()
            while seen < Int(now.committed) {
                durations.append(moment - submitted[seen - 1])
                seen += 1
            }
            if seen % 64 == 0 { logBytesMax = max(logBytesMax, size(path)) }
        }
        let seconds = Double(monotonicNanoseconds() - start) / 1e9
        durations.sort()
        func percentile(_ part: Double) -> Double {
            durations.isEmpty
                ? 0 : Double(durations[min(durations.count - 1, Int(Double(durations.count) * part))]) / 1000
        }
        return Report(
            messages: messages, seconds: seconds, p50Microseconds: percentile(0.5), p99Microseconds: percentile(0.99),
            maxMicroseconds: percentile(1), logBytesMax: logBytesMax)
    }

    private func events(_ progress: Monitor<Progress>) -> StoreEvents {
        StoreEvents(
            committed: { number in progress.change { $0.committed = max($0.committed, number.rawValue) } },
            outOfRoom: { _ in }, roomFound: {}, failed: { error in progress.change { $0.failure = error } })
    }

    private func rows(_ options: SQLiteStore.Options) throws(StoreError) -> Int {
        let path = options.directory.database
        return try StoreError.converting(path: path) {
            Int(try Connection(path: path, access: .readOnly).integer("SELECT count(*) FROM chunk"))
        }
    }

    private func size(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    private func monotonicNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
