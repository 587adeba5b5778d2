internal import CSQLite

/// A prepared statement. Columns count from 0 and parameters from 1, as they do in SQLite.
final class Statement {
    private let handle: OpaquePointer
    /// Kept so that the connection outlives what was prepared on it.
    private let connection: Connection

    init(_ handle: OpaquePointer, connection: Connection) {
        self.handle = handle
        self.connection = connection
    }

    deinit { sqlite3_finalize(handle) }

    func bind(_ index: Int32, _ value: Int64) {
        sqlite3_bind_int64(handle, index, value)
    }

    func bind(_ index: Int32, _ value: Int64?) {
        if let value { bind(index, value) } else { bindNull(index) }
    }

    func bind(_ index: Int32, _ value: String?) {
        if let value { bind(index, value) } else { bindNull(index) }
    }

    func bind(_ index: Int32, _ value: String) {
        var value = value
        _ = value.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { cola_bind_text(handle, index, $0.baseAddress, Int32($0.count)) }
        }
    }

    /// As it stands in a column of another statement.
    func bind(_ index: Int32, _ column: Int32, of row: Statement) {
        sqlite3_bind_value(handle, index, sqlite3_column_value(row.handle, column))
    }

    func bindNull(_ index: Int32) {
        sqlite3_bind_null(handle, index)
    }

    /// Binds without a copy: `bytes` must stay where they are until the statement was reset.
    func bind(_ index: Int32, staticBlob bytes: UnsafeRawBufferPointer) {
        if let base = bytes.baseAddress {
            cola_bind_static_blob(handle, index, base, sqlite3_uint64(bytes.count))
        } else {
            sqlite3_bind_zeroblob(handle, index, 0)
        }
    }

    /// - Returns: whether there is a row.
    func step() throws -> Bool {
        let code = sqlite3_step(handle)
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let failure = connection.failure("run \(String(cString: sqlite3_sql(handle)).prefix(60))", code)
            sqlite3_reset(handle)
            throw failure
        }
    }

    /// Makes it ready to run again. What was bound stays.
    func reset() {
        sqlite3_reset(handle)
    }

    /// Binds `values` from the first parameter on, runs it to its end, and makes it ready again.
    func run(_ values: Int64...) throws {
        for (index, value) in values.enumerated() { bind(Int32(index + 1), value) }
        try runToEnd()
    }

    func runToEnd() throws {
        defer { reset() }
        while try step() {}
    }

    /// Whether running it changes nothing in a database, as far as SQLite can tell.
    var isReadOnly: Bool { sqlite3_stmt_readonly(handle) != 0 }

    var columnNames: [String] {
        (0..<columnCount).map { index in sqlite3_column_name(handle, index).map { String(cString: $0) } ?? "" }
    }

    /// What is there, whatever it is.
    func value(_ column: Int32) -> StoreQuery.Value {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_NULL: .null
        case SQLITE_INTEGER: .integer(integer(column))
        case SQLITE_FLOAT: .real(sqlite3_column_double(handle, column))
        case SQLITE_TEXT: .text(text(column))
        default: .blob(blob(column))
        }
    }

    var columnCount: Int32 { sqlite3_column_count(handle) }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    func optionalInteger(_ column: Int32) -> Int64? { isNull(column) ? nil : integer(column) }

    func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

    func text(_ column: Int32) -> String {
        guard let text = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self)
    }

    func blob(_ column: Int32) -> [UInt8] {
        guard let bytes = sqlite3_column_blob(handle, column) else { return [] }
        return [UInt8](UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))))
    }
}
