package import ColaCore
internal import Glibc

/// The embedded store: one SQLite database in a data directory.
///
/// Two threads of its own, each with a connection of its own: the commit thread writes, checkpoints and trims; the
/// reader thread reads. Nothing on the way of a message needs Foundation, Dispatch or a task.
///
/// Source: ARCHITECTURE.md, section 8, "One read-write connection"
package final class SQLiteStore: Store {
    package struct Options: Sendable {
        package var directory: DataDirectory
        /// No fsync at all. Only to show that a test of durability can fail.
        package var relaxedDurability = false
        /// Disk space put aside for the time when there is no other. Bytes; 0 for none.
        package var reserveBytes = 32 << 20
        /// Start with what can be read of a damaged file, of which a copy is kept first.
        package var acceptDamage = false
        /// Whether rows are merged and rewritten when nobody waits. Tests that look at rows turn it off.
        package var mergesRows = true
        /// The size the database may grow to, in pages of 16 KiB; 0: as far as there is room.
        package var pagesMax: Int64 = 0

        package init(directory: String) {
            self.directory = DataDirectory(path: directory)
        }
    }

    private struct Running {
        /// Held until the connection is closed.
        var lock: DirectoryLock
        var commitThread: PermanentThread
        var readThread: PermanentThread
        var connection: Connection
    }

    private enum Phase {
        case new
        case open(Running)
        case closed
    }

    private let options: Options
    private let commits = Monitor(CommitQueue())
    private let reads = Monitor(ReadQueue())
    private let backup = Monitor(BackupSlot())
    private let phase = PhaseBox()

    /// Open and close are called once each, by the store's owner.
    private final class PhaseBox: @unchecked Sendable {
        // Unchecked: only `open`, `close` and `abandon` touch it, which the protocol allows one after the other.
        var value = Phase.new
    }

    /// For the log: which release of SQLite this process runs on.
    package static var engineVersion: String { Connection.libraryVersion }

    /// The newest form of what is on the disk that this program knows.
    package static var schemaVersion: Int { Schema.steps.count }

    package init(options: Options) {
        self.options = options
    }

    package func open(events: StoreEvents) throws(StoreError) -> Recovery {
        guard case .new = phase.value else {
            throw .unexpected(operation: "open the store", code: 0, reason: "it was opened before")
        }
        let directory = options.directory
        try directory.prepare()
        let lock = try DirectoryLock(directory)
        let gate = ReaderGate()
        let reserve = ReserveFile(path: directory.reserve, bytes: options.reserveBytes)
        let opening = SQLiteOpening(options: options, gate: gate, notice: events.noticed)
        var shortage: String?
        var opened: SQLiteOpening.Opened
        do {
            opened = try opening.run()
        } catch .noRoom(_, let reason) where reserve.isFull {
            // This is what the reserve is for: consumers must be able to start on a full disk.
            shortage = reason
            reserve.release()
            opened = try opening.run()
        }
        if shortage == nil, let reason = reserve.make() { shortage = "no reserve: \(reason)" }
        let commitLoop = CommitLoop(
            committer: opened.committer, queue: commits, reserve: reserve, events: events, epoch: opened.recovery.epoch,
            path: directory.database)
        let readLoop = try StoreError.converting(path: directory.database) {
            try ReadLoop(opened.readConnection, gate: gate, queue: reads, path: directory.database)
        }
        phase.value = .open(
            Running(
                lock: lock,
                commitThread: PermanentThread(name: "cola-commit") { [shortage] in commitLoop.run(shortage: shortage) },
                readThread: PermanentThread(name: "cola-read") { [commits] in
                    readLoop.run { damaged in
                        for id in damaged { events.damaged("the message \(id) in the schedule is damaged") }
                        commits.change { $0.damaged += damaged }
                    }
                },
                connection: opened.committer.connection))
        return opened.recovery
    }

    package func giveBackSpace() {
        commits.change { $0.wantsRoom = true }
    }

    package func backUp(
        _ order: BackupOrder, progress: @escaping @Sendable (BackupProgress) -> Void,
        completion: @escaping @Sendable (Result<Int, BackupFailure>) -> Void
    ) {
        guard case .open = phase.value else { return completion(.failure(.cancelled(path: order.path))) }
        let job = BackupJob(order, commits: commits, progress: progress)
        let (before, last) = backup.change { slot in
            defer { if slot.job == nil { slot = BackupSlot(job: job, thread: nil) } }
            return (slot.job, slot.thread)
        }
        if let before { return completion(.failure(.busy(path: before.order.path))) }
        last?.join()
        commits.change { $0.hasVisitor = true }
        let thread = PermanentThread(name: "cola-backup") { [backup, commits] in
            let result = job.run()
            commits.change { $0.hasVisitor = false }
            backup.change { $0.job = nil }
            completion(result)
        }
        backup.change { $0.thread = thread }
    }

    package func cancelBackup() {
        backup.read { $0.job }?.cancel()
    }

    package func submit(_ batch: Batch) {
        commits.change { queue in
            // After a failure nothing may follow: what was under way is in doubt.
            if queue.failure == nil, queue.stop == nil { queue.batches.append(batch) }
        }
    }

    package func read(_ request: ReadRequest, completion: @escaping @Sendable (Result<ReadResult, StoreError>) -> Void)
    {
        take(.read(request, completion))
    }

    package func fetch(
        _ request: ReadRequest, completion: @escaping @Sendable (Result<PackedRead, StoreError>) -> Void
    ) {
        take(.fetch(request, completion))
    }

    package func ask(_ query: Query, completion: @escaping @Sendable (Result<QueryResult, StoreError>) -> Void) {
        take(.ask(query, completion))
    }

    private func take(_ inquiry: Inquiry) {
        let isTaken = reads.change { queue in
            if !queue.isStopping { queue.inquiries.append(inquiry) }
            return !queue.isStopping
        }
        if !isTaken { inquiry.refuse() }
    }

    package func close() throws(StoreError) {
        guard let running = stop(.inOrder) else { return }
        defer { withExtendedLifetime(running.lock) {} }
        if let failure = commits.read({ $0.failure }) { throw failure }
        // The last to leave removes the empty log.
        running.connection.checkpointOnClose()
        running.connection.close()
    }

    /// Leaves everything as a killed process would: what was not committed is gone, the stop is not marked as clean.
    package func abandon() {
        guard let running = stop(.atOnce) else { return }
        running.connection.close()
        withExtendedLifetime(running.lock) {}
    }

    /// Ends the threads. Each drops what it had prepared, so that the connection can be closed after it.
    ///
    /// - Returns: nil if the store was not open.
    private func stop(_ stop: CommitQueue.Stop) -> Running? {
        guard case .open(let running) = phase.value else { return nil }
        phase.value = .closed
        reads.change { $0.isStopping = true }
        running.readThread.join()
        cancelBackup()
        commits.change { $0.stop = stop }
        running.commitThread.join()
        backup.read { $0.thread }?.join()
        return running
    }
}
