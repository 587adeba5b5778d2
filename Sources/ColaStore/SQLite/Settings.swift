/// The settings of the read-write connection. Each is read back: SQLite ignores what it does not understand.
///
/// Source: ARCHITECTURE.md, section 8, "One read-write connection"
enum Settings {
    static let pageBytes: Int64 = 16384
    static let journalBytesMax: Int64 = 64 << 20

    /// - Parameter relaxedDurability: no fsync at all. Only to show that a test of durability can fail.
    static func apply(to connection: Connection, relaxedDurability: Bool) throws {
        // The first two count only for a file that has no page yet, so they come before anything else.
        try set("page_size", to: pageBytes, on: connection)
        try set("auto_vacuum", to: 2, on: connection)  // INCREMENTAL
        let mode = try connection.text("PRAGMA journal_mode=WAL")
        guard mode == "wal" else { throw refused("journal_mode", wanted: "wal", found: mode) }
        try set("synchronous", to: relaxedDurability ? 0 : 2, on: connection)  // OFF, FULL
        try set("secure_delete", to: 0, on: connection)
        try set("wal_autocheckpoint", to: 0, on: connection)
        try set("journal_size_limit", to: journalBytesMax, on: connection)
        try set("mmap_size", to: 0, on: connection)
        // Negative: KiB. A batch of the usual size should not spill out of the cache before its commit.
        try set("cache_size", to: -8192, on: connection)
        try set("temp_store", to: 2, on: connection)  // MEMORY
    }

    private static func set(_ name: String, to value: Int64, on connection: Connection) throws {
        // Some write to the file even where they change nothing.
        if try connection.integer("PRAGMA \(name)") == value { return }
        try connection.execute("PRAGMA \(name)=\(value)")
        let found = try connection.integer("PRAGMA \(name)")
        guard found == value else { throw refused(name, wanted: "\(value)", found: "\(found)") }
    }

    private static func refused(_ name: String, wanted: String, found: String) -> StoreError {
        .unexpected(operation: "set \(name) to \(wanted)", code: 0, reason: "it is \(found)")
    }
}
