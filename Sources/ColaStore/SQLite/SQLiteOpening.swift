internal import ColaCore
internal import Glibc

/// What is done from the lock to the first batch: check the log, open, migrate, read what was stored, begin an epoch.
///
/// Everything that can be refused is refused before anything is changed. Told to accept damage, it keeps the files as
/// they were before it does anything about them.
struct SQLiteOpening {
    let options: SQLiteStore.Options
    let gate: ReaderGate
    var notice: (StoreNotice) -> Void = { _ in }

    struct Opened {
        var committer: Committer
        var readConnection: Connection
        var recovery: Recovery
    }

    private var path: String { options.directory.database }

    func run() throws(StoreError) -> Opened {
        let salvage = Salvage(directory: options.directory, notice: notice)
        try salvage.finish()
        guard options.acceptDamage else { return try open(DamageVerdict(path: path)) }
        var isKept = true
        if let damage = try pageDamage() {
            try salvage.run(reason: damage)
        } else {
            isKept = try acceptLog()
        }
        do {
            return try open(DamageVerdict(path: path))
        } catch .damaged(_, let reason) {
            // The connection is closed: what is on the disk is what was found.
            if !isKept { notice(.damageAccepted(reason: reason, copy: try keepCopy())) }
        }
        do {
            return try open(accepting)
        } catch .damaged(_, let reason) {
            try salvage.run(reason: reason)
            return try open(accepting)
        }
    }

    private var accepting: DamageVerdict { DamageVerdict(path: path) { notice(.lost($0)) } }

    private func open(_ verdict: DamageVerdict) throws(StoreError) -> Opened {
        let walk = try checkedLog()
        try options.directory.createDatabaseFile()
        return try StoreError.converting(path: path) {
            let connection = try Connection(path: path, access: .readWrite)
            let migrations = Migrations(path: path)
            try migrations.check(connection)
            if let walk, walk.end < walk.fileBytes {
                try WriteAheadLog.cut(path: options.directory.log, to: walk.end)
            }
            try Settings.apply(to: connection, relaxedDurability: options.relaxedDurability)
            if let migrated = try migrations.run(on: connection) { notice(migrated) }
            if options.pagesMax > 0 { try connection.execute("PRAGMA max_page_count=\(options.pagesMax)") }
            let recovery = try beginEpoch(connection, verdict)
            let committer = try Committer(
                connection, epoch: recovery.epoch, gate: gate, mergesRows: options.mergesRows)
            let readConnection = try Connection(path: path, access: .readOnly)
            // The names of the log and of the database must be there after a power loss, too.
            options.directory.sync()
            return Opened(committer: committer, readConnection: readConnection, recovery: recovery)
        }
    }

    private func beginEpoch(_ connection: Connection, _ verdict: DamageVerdict) throws -> Recovery {
        try connection.execute("BEGIN IMMEDIATE")
        do {
            let recovery = try RecoveryReader(connection: connection, verdict: verdict).read()
            try connection.execute("UPDATE meta SET value = \(recovery.epoch.rawValue) WHERE key = 'epoch'")
            try connection.execute("COMMIT")
            return recovery
        } catch {
            connection.rollback()
            throw error
        }
    }

    /// Walks the log. Damage in it is refused, unless it was accepted before.
    private func checkedLog() throws(StoreError) -> WriteAheadLog.Walk? {
        guard let (walk, damage) = try walkedLog() else { return nil }
        if let damage, !options.acceptDamage { throw .damaged(path: path, reason: damage) }
        return walk
    }

    /// - Returns: whether there was damage, so that the files were kept.
    private func acceptLog() throws(StoreError) -> Bool {
        guard let damage = try walkedLog()?.damage else { return false }
        notice(.damageAccepted(reason: damage, copy: try keepCopy()))
        notice(.lost("what was committed behind the damage in the write-ahead log"))
        return true
    }

    private func walkedLog() throws(StoreError) -> (walk: WriteAheadLog.Walk, damage: String?)? {
        guard var walk = try WriteAheadLog.walk(path: options.directory.log) else { return nil }
        // SQLite would delete a log that has no database to go with it.
        if walk.commits > 0, databaseIsEmpty { walk.damage = "it is empty, but its write-ahead log is not" }
        // Without fsync a torn log means nothing.
        return (walk, options.relaxedDurability ? nil : walk.damage)
    }

    private func keepCopy() throws(StoreError) -> String {
        let copy = Salvage.copyPath(options.directory)
        try FileCopy.copy(path, to: copy)
        try FileCopy.copy(options.directory.log, to: copy + "-wal")
        options.directory.sync()
        return copy
    }

    /// Looks at every page: a start that was told to go on with damage must find it before it serves.
    private func pageDamage() throws(StoreError) -> String? {
        guard !databaseIsEmpty else { return nil }
        do {
            return try StoreError.converting(path: path) {
                let connection = try OfflineConnection.open(options.directory)
                try Migrations(path: path).check(connection)
                // What it finds is in the last line; the one before names the database.
                let found = try connection.text("PRAGMA integrity_check(1)").split(separator: "\n").last
                return found == "ok" ? nil : found.map(String.init) ?? "SQLite does not say that it is sound"
            }
        } catch .damaged(_, let reason) {
            return reason
        }
    }

    private var databaseIsEmpty: Bool {
        var status = stat()
        return stat(path, &status) != 0 || status.st_size == 0
    }
}
