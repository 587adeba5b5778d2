internal import Glibc

/// Looks through a data directory that no server has open, and says what is wrong with it. Changes nothing.
///
/// Every page, every record batch and every state row is read and held against the others, so it takes as long as
/// reading the whole file.
package struct StoreCheck: Sendable {
    package struct Finding: Equatable, Sendable {
        package enum Severity: String, Sendable {
            /// Worth knowing, and nothing is wrong.
            case note
            /// Something is not as it should be; no message is lost by it.
            case warning
            /// What was stored cannot be read, or cannot be right.
            case damage
        }

        package var severity: Severity
        package var sentence: String
    }

    package struct Totals: Equatable, Sendable {
        package var queues = 0
        package var topics = 0
        package var logs = 0
        package var chunks = 0
        /// Records that can be read, settled ones included.
        package var records = 0
        /// Messages that are not settled.
        package var ready = 0
        /// Messages that wait for their time.
        package var scheduled = 0
        package var databaseBytes = 0
        package var logBytes = 0
    }

    package struct Report: Sendable {
        package var findings: [Finding] = []
        package var totals = Totals()

        package var isSound: Bool { !findings.contains { $0.severity == .damage } }

        mutating func add(_ severity: Finding.Severity, _ sentence: String) {
            findings.append(Finding(severity: severity, sentence: sentence))
        }
    }

    private let directory: DataDirectory

    package init(directory: String) {
        self.directory = DataDirectory(path: directory)
    }

    /// - Throws: `inUse` if a server has the directory open; `notPermitted` if it is none or cannot be read. What is
    /// wrong
    ///   with its contents is in the report.
    package func run() throws(StoreError) -> Report {
        guard access(directory.database, R_OK) == 0 else { throw directory.refusal("read cola.db", errno) }
        let lock = try DirectoryLock(withoutChanging: directory)
        defer { withExtendedLifetime(lock) {} }
        var report = Report()
        report.totals.databaseBytes = OfflineConnection.fileBytes(directory.database)
        report.totals.logBytes = OfflineConnection.fileBytes(directory.log)
        try checkLog(&report)
        do {
            let connection = try OfflineConnection.open(directory)
            defer { connection.close() }
            try Migrations(path: directory.database).check(connection)
            try checkPages(connection, &report)
            try ContentCheck(connection, path: directory.database).run(&report)
        } catch let error as StoreError {
            switch error {
            case .damaged(_, let reason), .foreign(_, let reason): report.add(.damage, reason)
            default: throw error
            }
        } catch let failure as SQLiteFailure {
            guard failure.kind == .damaged else { throw failure.storeError(path: directory.database) }
            report.add(.damage, "cannot \(failure.operation): \(failure)")
        } catch {
            throw .unexpected(operation: "check \(directory.path)", code: 0, reason: "\(error)")
        }
        return report
    }

    private func checkLog(_ report: inout Report) throws(StoreError) {
        guard let walk = try WriteAheadLog.walk(path: directory.log) else { return }
        if let damage = walk.damage { report.add(.damage, damage) }
        if walk.commits > 0, OfflineConnection.fileBytes(directory.database) == 0 {
            report.add(.damage, "cola.db is empty, but its write-ahead log is not")
        }
        if walk.frames > 0 {
            report.add(
                .note,
                "the server was not stopped in order: the write-ahead log holds \(walk.commits) commits, "
                    + "which its next start takes over")
        }
    }

    private func checkPages(_ connection: Connection, _ report: inout Report) throws {
        let check = try connection.prepare("PRAGMA integrity_check")
        while try check.step() {
            let line = check.text(0)
            if line != "ok" { report.add(.damage, "SQLite: \(line)") }
        }
    }
}
