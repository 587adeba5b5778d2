internal import Glibc

/// Reads what can be read of a database whose pages are damaged into a new one, row by row, and puts that in its place.
///
/// The damaged file and its log are never written to; they stay, under another name. The new one takes the place in two
/// renames: from the first on there is nothing left to decide, and each start does the rest (``finish()``).
///
/// It takes room for all that can be read, and for the whole file once more if its first page is damaged.
struct Salvage {
    let directory: DataDirectory
    let notice: (StoreNotice) -> Void

    /// Tables that grow with the number of messages come last: definitions are small, and nothing is worth more.
    private static let largeTables = ["settled", "released", "dedup", "schedule", "chunk", "quarantine"]

    func run(reason: String) throws(StoreError) {
        defer { removeRemains() }
        try StoreError.converting(path: directory.database) {
            let source = try SalvageSource(directory)
            let target = try SalvageSource.makeDatabase(directory.salvage, version: source.version)
            let copied = try copyTables(from: source.connection, to: target)
            let lost = try SalvageRepair(connection: target, path: directory.salvage).run()
            try target.execute("COMMIT")
            source.connection.close()
            target.close()
            try FileCopy.sync(directory.salvage)
            let copy = try keepAside()
            try rename(directory.salvage, to: directory.salvaged)
            notice(.damageAccepted(reason: reason, copy: copy))
            notice(.salvaged(rows: copied.rows))
            for sentence in copied.lost + lost { notice(.lost(sentence)) }
        }
        try finish()
    }

    /// Puts what was salvaged in the place of the database. A start that was killed in between leaves it to the next.
    func finish() throws(StoreError) {
        guard access(directory.salvaged, F_OK) == 0 else { return }
        // The log goes first: SQLite would take it for that of the new file.
        for path in [directory.log, directory.database + "-shm"] where unlink(path) != 0 && errno != ENOENT {
            throw .inputOutput(operation: "remove \(path)", reason: systemReason(errno))
        }
        directory.sync()
        try rename(directory.salvaged, to: directory.database)
    }

    static func copyPath(_ directory: DataDirectory) -> String {
        freePath { "\(directory.database).damaged-\($0)" }
    }

    private func copyTables(from source: Connection, to target: Connection) throws -> (rows: Int, lost: [String]) {
        let names = try target.texts(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        var rows = 0
        var lost: [String] = []
        for name in names.filter({ !Self.largeTables.contains($0) }) + Self.largeTables.filter(names.contains) {
            let table = try SalvagedTable(name, from: source, to: target)
            try table.run()
            rows += table.rows
            lost += table.losses
        }
        return (rows, lost)
    }

    /// Gives the damaged files a second name, or copies them where a file can have but one.
    private func keepAside() throws(StoreError) -> String {
        let copy = Self.copyPath(directory)
        for (path, other) in [(directory.database, copy), (directory.log, copy + "-wal")] where link(path, other) != 0 {
            try FileCopy.copy(path, to: other)
        }
        directory.sync()
        return copy
    }

    private func rename(_ path: String, to other: String) throws(StoreError) {
        guard Glibc.rename(path, other) == 0 else {
            throw .inputOutput(operation: "rename \(path) to \(other)", reason: systemReason(errno))
        }
        directory.sync()
    }

    private func removeRemains() {
        let mended = directory.salvageSource
        for path in [directory.salvage, mended, mended + "-wal"] { unlink(path) }
    }
}
