/// Short read transactions on a read-only connection, with which the write-ahead log can wait for none of them long.
final class ReadTransaction {
    let connection: Connection
    private let gate: ReaderGate
    private let begin: Statement
    private let end: Statement

    init(_ connection: Connection, gate: ReaderGate) throws {
        self.connection = connection
        self.gate = gate
        begin = try connection.prepare("BEGIN")
        end = try connection.prepare("COMMIT")
    }

    /// Runs `body`, which sees one moment of the database.
    func run<Result>(_ body: () throws -> Result) throws -> Result {
        try gate.pass {
            try begin.runToEnd()
            defer { connection.rollback() }
            let result = try body()
            try end.runToEnd()
            return result
        }
    }
}
