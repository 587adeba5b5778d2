internal import CSQLite

/// One connection to an SQLite database: a thin cover of the C interface.
///
/// Opened without SQLite's own mutex: one thread at a time may use it and what was prepared on it.
final class Connection {
    static var libraryVersion: String { String(cString: sqlite3_libversion()) }

    let handle: OpaquePointer
    private var isClosed = false

    enum Access {
        case readWrite
        case readOnly
    }

    /// - Parameter fileSystem: the name of an SQLite VFS; nil is the usual one.
    init(path: String, access: Access, fileSystem: String? = nil, isURI: Bool = false) throws {
        var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        flags |= access == .readWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY
        if isURI { flags |= SQLITE_OPEN_URI }
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, flags, fileSystem)
        guard code == SQLITE_OK, let opened else {
            defer { sqlite3_close_v2(opened) }
            throw SQLiteFailure(
                operation: "open the database", code: code, systemNumber: opened.map { sqlite3_system_errno($0) } ?? 0,
                message: String(cString: sqlite3_errstr(code)))
        }
        handle = opened
        // Who checkpoints, and when, is decided elsewhere; nobody does because he happens to be the last to leave.
        cola_no_checkpoint_on_close(handle, 1)
    }

    deinit { close() }

    /// Closes it now and not when the last reference goes. Nothing may be done with it after that.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        sqlite3_close_v2(handle)
    }

    /// Lets the close move what is in the log and remove it. For the one who stops in order.
    func checkpointOnClose() {
        cola_no_checkpoint_on_close(handle, 0)
    }

    func execute(_ sql: String) throws {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure("run \(sql.prefix(60))", code) }
    }

    /// A statement to be kept and run many times.
    func prepare(_ sql: String) throws -> Statement {
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure("prepare \(sql.prefix(60))", code) }
        return Statement(statement, connection: self)
    }

    func integer(_ sql: String) throws -> Int64 {
        let statement = try prepare(sql)
        return try statement.step() ? statement.integer(0) : 0
    }

    func text(_ sql: String) throws -> String {
        let statement = try prepare(sql)
        return try statement.step() ? statement.text(0) : ""
    }

    /// The first column of all rows.
    func texts(_ sql: String) throws -> [String] {
        let statement = try prepare(sql)
        var texts: [String] = []
        while try statement.step() { texts.append(statement.text(0)) }
        return texts
    }

    /// Whether a transaction is open on it. An error may have ended the one that was.
    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// How many rows the last statement changed.
    var changes: Int { Int(sqlite3_changes(handle)) }

    /// Takes back the open transaction, if there is one.
    func rollback() {
        // SQLite rolls back by itself on most errors; that ROLLBACK then finds nothing to do is no news.
        if isInTransaction { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
    }

    func failure(_ operation: String, _ code: Int32) -> SQLiteFailure {
        let primary = code & 0xff
        let asksSystem = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN
        return SQLiteFailure(
            operation: operation, code: code, systemNumber: asksSystem ? sqlite3_system_errno(handle) : 0,
            message: String(cString: sqlite3_errmsg(handle)))
    }
}
