internal import ColaCore
internal import Glibc

/// What is done from the lock to the first batch: check the log, open, migrate, read what was stored, begin an epoch.
///
/// Everything that can be refused is refused before anything is changed.
struct SQLiteOpening {
    let options: SQLiteStore.Options
    let gate: ReaderGate

    struct Opened {
        var committer: Committer
        var readConnection: Connection
        var recovery: Recovery
    }

    private var path: String { options.directory.database }

    func run() throws(StoreError) -> Opened {
        let walk = try checkedLog()
        try putAsideWhatIsNoDatabase()
        try options.directory.createDatabaseFile()
        return try StoreError.converting(path: path) {
            let connection = try Connection(path: path, access: .readWrite)
            let migrations = Migrations(path: path)
            try migrations.check(connection)
            if let walk, walk.end < walk.fileBytes {
                try WriteAheadLog.cut(path: options.directory.log, to: walk.end)
            }
            try Settings.apply(to: connection, relaxedDurability: options.relaxedDurability)
            try migrations.run(on: connection)
            if options.pagesMax > 0 { try connection.execute("PRAGMA max_page_count=\(options.pagesMax)") }
            let recovery = try beginEpoch(connection)
            let committer = try Committer(
                connection, epoch: recovery.epoch, gate: gate, mergesRows: options.mergesRows)
            let readConnection = try Connection(path: path, access: .readOnly)
            // The names of the log and of the database must be there after a power loss, too.
            options.directory.sync()
            return Opened(committer: committer, readConnection: readConnection, recovery: recovery)
        }
    }

    private func beginEpoch(_ connection: Connection) throws -> Recovery {
        try connection.execute("BEGIN IMMEDIATE")
        do {
            let recovery = try RecoveryReader(connection: connection, path: path, acceptDamage: options.acceptDamage)
                .read()
            try connection.execute("UPDATE meta SET value = \(recovery.epoch.rawValue) WHERE key = 'epoch'")
            try connection.execute("COMMIT")
            return recovery
        } catch {
            connection.rollback()
            throw error
        }
    }

    /// Walks the log. Damage in it is refused, or accepted after a copy was made.
    private func checkedLog() throws(StoreError) -> WriteAheadLog.Walk? {
        guard var walk = try WriteAheadLog.walk(path: options.directory.log) else { return nil }
        // SQLite would delete a log that has no database to go with it.
        if walk.commits > 0, databaseIsEmpty { walk.damage = "it is empty, but its write-ahead log is not" }
        // Without fsync a torn log means nothing.
        guard let damage = walk.damage, !options.relaxedDurability else { return walk }
        guard options.acceptDamage else { throw .damaged(path: path, reason: damage) }
        let copy = freePath { "\(path).damaged-\($0)" }
        try FileCopy.copy(path, to: copy)
        try FileCopy.copy(options.directory.log, to: copy + "-wal")
        options.directory.sync()
        return walk
    }

    /// Of a file that does not even begin as a database does nothing can be read: told to go on, a start keeps it under
    /// another name and begins with an empty one.
    private func putAsideWhatIsNoDatabase() throws(StoreError) {
        guard options.acceptDamage, !databaseIsEmpty, !beginsAsDatabase else { return }
        let aside = freePath { "\(path).damaged-\($0)" }
        guard rename(path, aside) == 0 else {
            throw .inputOutput(operation: "rename \(path) to \(aside)", reason: String(cString: strerror(errno)))
        }
        // Its log would be taken for that of the new file.
        rename(options.directory.log, aside + "-wal")
        options.directory.sync()
    }

    /// Source: SQLite, "Database File Format", section 1.3, "The Database Header"
    private var beginsAsDatabase: Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return true }  // why it cannot be read, opening it will say
        defer { close(descriptor) }
        var header = [UInt8](repeating: 0, count: 16)
        let count = read(descriptor, &header, header.count)
        return count < header.count || header == Array("SQLite format 3\0".utf8)
    }

    private var databaseIsEmpty: Bool {
        var status = stat()
        return stat(path, &status) != 0 || status.st_size == 0
    }
}
