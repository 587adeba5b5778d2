internal import CSQLite
internal import ColaCore

/// The pages of an open database on their way into a file, a slice at a time.
///
/// SQLite carries what the same connection changes meanwhile into the pages that were copied before, so the copy is in
/// the end what the database was after its last commit. Its mark of a clean stop is that of an earlier run: whoever
/// starts on the copy takes it as left by a process that was killed, and counts all as perhaps handed out.
///
/// Source: SQLite, "Online Backup API", sqlite.org/c3ref/backup_finish.html
final class DatabaseCopy: @unchecked Sendable {
    // Unchecked: it is used on the commit thread alone, in one visit after the other.
    private let target: Connection
    private var handle: OpaquePointer?

    enum Progress {
        case more(BackupProgress)
        case done
        case busy
    }

    /// - Parameters:
    ///   - source: stays open until the copy is finished or abandoned.
    ///   - path: an empty file.
    init(of source: Connection, at path: String) throws {
        target = try Connection(path: path, access: .readWrite)
        // What fails is thrown away as a whole, and who made the file syncs it.
        try target.execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-2048")
        handle = sqlite3_backup_init(target.handle, "main", source.handle, "main")
        guard handle != nil else { throw target.failure("begin the copy", sqlite3_errcode(target.handle)) }
    }

    func step(pages: Int32) throws -> Progress {
        let code = sqlite3_backup_step(handle, pages)
        switch code & 0xff {
        case SQLITE_DONE: return .done
        case SQLITE_OK:
            let total = Int(sqlite3_backup_pagecount(handle))
            return .more(BackupProgress(pages: total - Int(sqlite3_backup_remaining(handle)), totalPages: total))
        case SQLITE_BUSY, SQLITE_LOCKED: return .busy
        default: throw failure("copy the pages", code)
        }
    }

    /// Closes the file, in which everything is.
    func finish() throws {
        let code = sqlite3_backup_finish(handle)
        handle = nil
        guard code == SQLITE_OK else { throw failure("end the copy", code) }
        target.close()
    }

    func abandon() {
        sqlite3_backup_finish(handle)
        handle = nil
        target.close()
    }

    private func failure(_ operation: String, _ code: Int32) -> SQLiteFailure {
        // Which of the two files it was the target knows only once the copy has ended.
        sqlite3_backup_finish(handle)
        handle = nil
        return SQLiteFailure(
            operation: operation, code: code, systemNumber: sqlite3_system_errno(target.handle),
            message: String(cString: sqlite3_errstr(code)))
    }
}
