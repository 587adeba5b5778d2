internal import Glibc

/// A damaged database, opened for reading as far as that goes.
///
/// A first page that SQLite does not take is replaced, in a copy of the file, with that of a new database: its header
/// is the same in all of ours, and so is where each table begins, as all of them come from the same steps.
struct SalvageSource {
    let connection: Connection
    /// The schema that its tables are of.
    let version: Int

    private static let headerBytes = 100

    init(_ directory: DataDirectory) throws {
        if let connection = try Self.open(directory.database) {
            let found = Int(try connection.integer("PRAGMA user_version"))
            self.connection = connection
            version = try (1...Schema.steps.count).contains(found) ? found : Self.version(of: connection)
            return
        }
        let copy = directory.salvageSource
        let model = try Self.makeDatabase(directory.salvage, version: Schema.steps.count)
        try model.execute("COMMIT")
        model.close()
        let page = try FileCopy.beginning(of: directory.salvage, bytes: Int(Settings.pageBytes))
        unlink(copy)
        try FileCopy.copy(directory.database, to: copy)
        unlink(copy + "-wal")
        try FileCopy.copy(directory.log, to: copy + "-wal")
        let mended = Self.fitted(page, fileBytes: OfflineConnection.fileBytes(copy))
        for count in [Self.headerBytes, mended.count] {
            try FileCopy.overwrite(copy, with: mended[..<count])
            guard let connection = try Self.open(copy) else { continue }
            self.connection = connection
            version = try Self.version(of: connection)
            return
        }
        throw StoreError.unexpected(operation: "read \(copy)", code: 0, reason: "SQLite refuses its new first page")
    }

    /// Makes an empty database of that schema, with a transaction open in it.
    static func makeDatabase(_ path: String, version: Int) throws -> Connection {
        unlink(path)
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StoreError.inputOutput(operation: "make \(path)", reason: systemReason(errno))
        }
        Glibc.close(descriptor)
        let connection = try Connection(path: path, access: .readWrite)
        // Nobody reads it before it is whole and was synced.
        try connection.execute(
            """
            PRAGMA page_size=\(Settings.pageBytes); PRAGMA auto_vacuum=2; PRAGMA journal_mode=OFF;
            PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE
            """)
        for step in Schema.steps[..<version] { try connection.execute(step) }
        try connection.execute("PRAGMA application_id=\(Schema.applicationID); PRAGMA user_version=\(version)")
        return connection
    }

    /// - Returns: nil if not even the tables' names can be read.
    private static func open(_ path: String) throws -> Connection? {
        do {
            let connection = try OfflineConnection.open(path)
            // A file that is too short, or a table that cannot be understood, is no reason to read nothing.
            try connection.execute("PRAGMA writable_schema=ON; PRAGMA cell_size_check=ON")
            let known = "SELECT count(*) FROM sqlite_schema WHERE name IN ('chunk', 'logstate', 'queue')"
            return try connection.integer(known) > 0 ? connection : nil
        } catch let failure as SQLiteFailure where failure.kind == .damaged {
            return nil
        }
    }

    /// The newest schema of which most tables are found as they should be.
    private static func version(of connection: Connection) throws -> Int {
        let found = try tables(connection)
        var best = (version: Schema.steps.count, count: -1)
        for version in 1...Schema.steps.count {
            let model = try Connection(path: ":memory:", access: .readWrite)
            for step in Schema.steps[..<version] { try model.execute(step) }
            let count = found.intersection(try tables(model)).count
            if count >= best.count { best = (version, count) }
        }
        return best.version
    }

    /// Each with its columns.
    private static func tables(_ connection: Connection) throws -> Set<String> {
        Set(
            try connection.texts(
                """
                SELECT t.name || ' ' || group_concat(c.name) FROM sqlite_schema t, pragma_table_info(t.name) c
                WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' GROUP BY t.name
                """))
    }

    /// The first page of a new database as that of a file of this size, of which no page is free.
    ///
    /// Source: SQLite, "Database File Format", section 1.3, "The Database Header"
    private static func fitted(_ page: [UInt8], fileBytes: Int) -> [UInt8] {
        var page = page
        page.replaceSubrange(32..<40, with: repeatElement(0, count: 8))
        withUnsafeBytes(of: UInt32(clamping: fileBytes / page.count).bigEndian) {
            page.replaceSubrange(28..<32, with: $0)
        }
        // The size counts only where these two agree.
        page.replaceSubrange(92..<96, with: Array(page[24..<28]))
        return page
    }
}
