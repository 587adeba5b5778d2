internal import Glibc

/// Brings a database to the newest schema, in one transaction.
///
/// Before an existing file is changed, all its tables but `chunk` are copied to a file beside it: they are small, and
/// they are what a wrong step could spoil.
struct Migrations {
    let path: String
    /// As ``Schema/steps``.
    var steps = Schema.steps

    /// Refuses what is not ours, or from the future. Changes nothing.
    func check(_ connection: Connection) throws {
        let version = try connection.integer("PRAGMA user_version")
        let application = try connection.integer("PRAGMA application_id")
        if try application == 0 && version == 0 && connection.integer("SELECT count(*) FROM sqlite_schema") == 0 {
            return
        }
        guard application == Schema.applicationID else {
            let ours = "SELECT count(*) FROM sqlite_schema WHERE name IN ('chunk', 'logstate', 'queue')"
            guard try connection.integer(ours) > 0 else {
                throw StoreError.foreign(path: path, reason: "its application id is \(application)")
            }
            throw StoreError.damaged(path: path, reason: "its application id is \(application)")
        }
        guard version <= steps.count else {
            throw StoreError.newerSchema(path: path, found: version, known: Int64(steps.count))
        }
        guard version > 0 else { throw StoreError.damaged(path: path, reason: "its schema has version \(version)") }
    }

    /// - Returns: what was done; nil if there was nothing before.
    func run(on connection: Connection) throws -> StoreNotice? {
        let version = try connection.integer("PRAGMA user_version")
        guard version < steps.count else { return nil }
        let copy = version > 0 ? try backUp(connection, version: version) : nil
        try connection.execute("BEGIN IMMEDIATE")
        do {
            for step in steps[Int(version)...] { try connection.execute(step) }
            try connection.execute("PRAGMA application_id=\(Schema.applicationID); PRAGMA user_version=\(steps.count)")
            try connection.execute("COMMIT")
        } catch {
            connection.rollback()
            throw error
        }
        return copy.map { .migrated(path: path, from: Int(version), to: steps.count, copy: $0) }
    }

    /// - Returns: the copy.
    private func backUp(_ connection: Connection, version: Int64) throws -> String {
        let copy = freePath { "\(path).version-\(version).backup-\($0)" }
        // SQLite makes no file for a connection that was opened without leave to make one.
        let descriptor = open(copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StoreError.inputOutput(operation: "make \(copy)", reason: systemReason(errno))
        }
        Glibc.close(descriptor)
        let attach = try connection.prepare("ATTACH ? AS backup")
        attach.bind(1, copy)
        try attach.runToEnd()
        defer { try? connection.execute("DETACH backup") }
        let tables = try connection.prepare(
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'chunk'")
        var names: [String] = []
        while try tables.step() { names.append(tables.text(0)) }
        tables.reset()
        try connection.execute("BEGIN")
        do {
            for name in names {
                try connection.execute("CREATE TABLE backup.\"\(name)\" AS SELECT * FROM main.\"\(name)\"")
            }
            try connection.execute("COMMIT")
        } catch {
            connection.rollback()
            throw error
        }
        return copy
    }
}

/// The first of the paths numbered 1, 2, … at which there is nothing.
func freePath(_ path: (Int) -> String) -> String {
    for number in 1..<100_000 where access(path(number), F_OK) != 0 { return path(number) }
    return path(100_000)
}
