internal import CSQLite
internal import Glibc

/// Reads from the database with SQL, whether a server has it open or not. Changes nothing.
///
/// Beside a running server the rows are read in one transaction, which keeps the write-ahead log from starting anew as
/// long as it lasts: so both its rows and its time have a limit, and all rows are in memory before any is handed on. A
/// directory without a server stays locked meanwhile.
package struct StoreQuery: Sendable {
    package enum Value: Equatable, Sendable {
        case null
        case integer(Int64)
        case real(Double)
        case text(String)
        case blob([UInt8])
    }

    package struct Answer: Sendable {
        package var columns: [String] = []
        package var rows: [[Value]] = []
        /// Why there are no more rows than these; nil: there are none.
        package var end: End?
    }

    package enum End: Equatable, Sendable { case rows, bytes }

    /// What is wrong with the statement, or with when it was run.
    package enum Refusal: Error, Equatable, Sendable {
        /// It would change something.
        case writes
        case severalStatements
        case noStatement
        /// In SQLite's words.
        case wrong(String)
        case tooSlow(milliseconds: Int)
    }

    private let directory: DataDirectory
    package var rowsMax = 1000
    package var millisecondsMax = 5000
    /// Of text and blobs in all rows.
    package var bytesMax = 64 << 20

    package init(directory: String) {
        self.directory = DataDirectory(path: directory)
    }

    /// Runs one statement.
    ///
    /// - Throws: ``Refusal`` if it is the statement's fault, else ``StoreError``.
    package func run(_ sql: String) throws -> Answer {
        guard access(directory.database, R_OK) == 0 else { throw directory.refusal("read cola.db", errno) }
        // Held as long as we read: nobody starts on what we take as unchanging.
        var lock: DirectoryLock?
        var isRunning = false
        do {
            lock = try DirectoryLock(withoutChanging: directory)
        } catch .inUse {
            isRunning = true
        }
        defer { withExtendedLifetime(lock) {} }
        return try StoreError.passing(Refusal.self, path: directory.database) {
            let connection =
                try isRunning
                ? Connection(path: directory.database, access: .readOnly) : OfflineConnection.open(directory)
            defer { connection.close() }
            try connection.execute("PRAGMA query_only=1; PRAGMA busy_timeout=\(millisecondsMax)")
            try Migrations(path: directory.database).check(connection)
            return try read(sql, connection)
        }
    }

    private func read(_ sql: String, _ connection: Connection) throws -> Answer {
        let statement = try prepare(sql, connection)
        let deadline = Deadline(milliseconds: millisecondsMax)
        deadline.watch(connection)
        defer { deadline.unwatch(connection) }
        var answer = Answer(columns: statement.columnNames)
        var bytes = 0
        do {
            while try statement.step() {
                guard answer.rows.count < rowsMax else {
                    answer.end = .rows
                    break
                }
                guard bytes < bytesMax else {
                    answer.end = .bytes
                    break
                }
                let row = (0..<statement.columnCount).map { statement.value($0) }
                bytes += row.reduce(0) { $0 + $1.byteCount }
                answer.rows.append(row)
            }
        } catch let failure as SQLiteFailure {
            if failure.code == SQLITE_INTERRUPT { throw Refusal.tooSlow(milliseconds: millisecondsMax) }
            if failure.code & 0xff == SQLITE_ERROR { throw Refusal.wrong(failure.message) }
            throw failure
        }
        statement.reset()
        return answer
    }

    private func prepare(_ sql: String, _ connection: Connection) throws -> Statement {
        let found: (statement: Statement, rest: String)?
        do {
            found = try connection.prepareFirst(of: sql)
        } catch let failure as SQLiteFailure where failure.code & 0xff == SQLITE_ERROR {
            throw Refusal.wrong(failure.message)
        }
        guard let found else { throw Refusal.noStatement }
        // One that begins a transaction or attaches a file does not write by SQLite's lights, but has no columns.
        guard found.statement.isReadOnly, found.statement.columnCount > 0 else { throw Refusal.writes }
        // White space and comments may follow; a second statement may not, were it right or wrong.
        do {
            guard try connection.prepareFirst(of: found.rest) == nil else { throw Refusal.severalStatements }
        } catch is SQLiteFailure {
            throw Refusal.severalStatements
        }
        return found.statement
    }

    /// The moment at which a statement is interrupted, wherever it is.
    private final class Deadline {
        private let nanoseconds: Int64

        init(milliseconds: Int) { nanoseconds = Self.now + Int64(milliseconds) * 1_000_000 }

        /// The deadline must live until ``unwatch(_:)``.
        func watch(_ connection: Connection) {
            sqlite3_progress_handler(
                connection.handle, 10_000,
                { deadline in
                    let deadline = Unmanaged<Deadline>.fromOpaque(deadline!).takeUnretainedValue()
                    return Deadline.now >= deadline.nanoseconds ? 1 : 0
                }, Unmanaged.passUnretained(self).toOpaque())
        }

        func unwatch(_ connection: Connection) { sqlite3_progress_handler(connection.handle, 0, nil, nil) }

        private static var now: Int64 {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        }
    }
}

extension StoreQuery.Value {
    fileprivate var byteCount: Int {
        switch self {
        case .null, .integer, .real: 8
        case .text(let text): text.utf8.count
        case .blob(let bytes): bytes.count
        }
    }
}

extension Connection {
    /// Prepares the first statement of `sql` and says what follows it; nil if there is none.
    fileprivate func prepareFirst(of sql: String) throws -> (statement: Statement, rest: String)? {
        var sql = sql
        var statement: OpaquePointer?
        var used = 0
        let code = sql.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { text in
                var tail: UnsafePointer<CChar>?
                let code = sqlite3_prepare_v2(handle, text.baseAddress, Int32(text.count), &statement, &tail)
                if let tail, let base = text.baseAddress { used = tail - base }
                return code
            }
        }
        guard code == SQLITE_OK else { throw failure("prepare the statement", code) }
        guard let statement else { return nil }
        return (Statement(statement, connection: self), String(decoding: Array(sql.utf8)[used...], as: UTF8.self))
    }
}

extension StoreError {
    /// As ``converting(path:_:)``, but errors of one kind are handed on as they are.
    fileprivate static func passing<Passed: Error, Result>(
        _ kind: Passed.Type, path: String, _ body: () throws -> Result
    ) throws -> Result {
        do {
            return try body()
        } catch let error as Passed {
            throw error
        } catch {
            return try converting(path: path) { throw error }
        }
    }
}
