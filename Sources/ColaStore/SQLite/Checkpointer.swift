internal import CSQLite

/// Keeps the write-ahead log small: moves committed pages from it into the database.
///
/// It belongs to the one connection that writes, so a checkpoint and a commit never meet.
///
/// Source: ARCHITECTURE.md, section 8, "One read-write connection"
final class Checkpointer {
    static let idleBytes: Int64 = 4 << 20
    static let busyBytes: Int64 = 16 << 20
    static let gateBytes: Int64 = 64 << 20

    /// Whether somebody's read kept the last checkpoint from moving everything.
    private(set) var isObstructed = false
    private let connection: Connection
    private let gate: ReaderGate
    /// Frames in the log after the last commit, told by SQLite's hook.
    private let frames = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    /// How many of them the last checkpoint had moved. Starts again with the log.
    private var framesDone: Int32 = 0

    init(_ connection: Connection, gate: ReaderGate) {
        self.connection = connection
        self.gate = gate
        frames.initialize(to: 0)
        sqlite3_wal_hook(
            connection.handle,
            { frames, _, _, count in
                frames!.assumingMemoryBound(to: Int32.self).pointee = count
                return SQLITE_OK
            }, frames)
    }

    deinit {
        sqlite3_wal_hook(connection.handle, nil, nil)
        frames.deallocate()
    }

    /// The size of the log that is in use. Bytes.
    var logBytes: Int64 { Int64(frames.pointee) * (Settings.pageBytes + 24) }

    private var waitingBytes: Int64 {
        // Fewer frames than were done: the log has begun again from its start since.
        let done = framesDone <= frames.pointee ? framesDone : 0
        return Int64(frames.pointee - done) * (Settings.pageBytes + 24)
    }

    /// Checkpoints if it is time to. Between transactions.
    ///
    /// - Parameter isIdle: nobody waits for a commit.
    func runIfDue(isIdle: Bool) throws {
        guard isDue(isIdle: isIdle) else { return }
        if logBytes >= Self.gateBytes {
            try gate.close { try run(SQLITE_CHECKPOINT_RESTART) }
        } else {
            try run(SQLITE_CHECKPOINT_PASSIVE)
        }
    }

    func isDue(isIdle: Bool) -> Bool {
        waitingBytes >= Self.idleBytes && (isIdle || logBytes >= Self.busyBytes)
    }

    /// Moves everything and gives the log's space back to the file system.
    func truncate() throws {
        try gate.close { try run(SQLITE_CHECKPOINT_TRUNCATE) }
    }

    private func run(_ mode: Int32) throws {
        var inLog: Int32 = 0
        var done: Int32 = 0
        let code = sqlite3_wal_checkpoint_v2(connection.handle, nil, mode, &inLog, &done)
        // Busy: someone else reads, a person with the sqlite3 shell perhaps. What could be moved was; the rest comes
        // later.
        guard code == SQLITE_OK || code & 0xff == SQLITE_BUSY else { throw connection.failure("checkpoint", code) }
        if inLog >= 0 { frames.pointee = inLog }
        framesDone = max(0, done)
        isObstructed = done < inLog
    }
}
