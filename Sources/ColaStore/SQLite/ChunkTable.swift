internal import ColaCore

/// The rows of chunks and of what is settled of them, found by their offsets.
final class ChunkTable {
    /// A row without its records.
    struct Key {
        var id: Int64
        var base: Offset
        var last: Offset
        var count: Int
        /// Of its data.
        var bytes: Int

        var offsets: ClosedRange<Offset> { base...max(base, last) }
    }

    let ledger = RowLedger()
    private let connection: Connection
    private let insert: Statement
    private let removeExact: Statement
    private let remove: Statement
    private let overlapping: Statement
    private let exact: Statement
    private let load: Statement
    private let getSettled: Statement
    private let putSettled: Statement
    private let removeSettled: Statement
    private let quarantine: Statement
    private let recount: Statement
    private let epoch: Epoch

    init(_ connection: Connection, epoch: Epoch) throws {
        self.connection = connection
        self.epoch = epoch
        insert = try connection.prepare(
            """
            INSERT INTO chunk (log, base, last, count, bytes, min_ts, max_ts, epoch, min_expire, data)
            VALUES (?,?,?,?,?,?,?,?,?,?)
            """)
        removeExact = try connection.prepare("DELETE FROM chunk WHERE log = ? AND base = ? AND last = ?")
        remove = try connection.prepare("DELETE FROM chunk WHERE id = ?")
        overlapping = try connection.prepare(
            """
            SELECT id, base, last, count, length(data) FROM chunk WHERE log = ?1 AND base <= ?3 AND last >= ?2
              AND base >= coalesce(
                (SELECT base FROM chunk WHERE log = ?1 AND base <= ?2 ORDER BY base DESC LIMIT 1), ?2)
            ORDER BY base
            """)
        exact = try connection.prepare(
            """
            SELECT last, settled.data, settled.crc, count, length(chunk.data)
            FROM chunk LEFT JOIN settled USING (log, base) WHERE log = ? AND base = ?
            """)
        load = try connection.prepare("SELECT bytes, min_ts, max_ts, min_expire, data FROM chunk WHERE id = ?")
        getSettled = try connection.prepare("SELECT data, crc FROM settled WHERE log = ? AND base = ?")
        putSettled = try connection.prepare("INSERT OR REPLACE INTO settled (log, base, crc, data) VALUES (?,?,?,?)")
        removeSettled = try connection.prepare("DELETE FROM settled WHERE log = ? AND base = ?")
        quarantine = try connection.prepare(
            """
            INSERT OR IGNORE INTO quarantine (log, base, epoch, reason, data)
            SELECT log, base, ?2, ?3, data FROM chunk WHERE id = ?1
            """)
        recount = try connection.prepare("UPDATE chunk SET count = ?2 WHERE id = ?1")
    }

    func insert(_ chunk: EncodedChunk, _ log: LogID) throws {
        try chunk.data.withUnsafeBytes { data in
            insert.bind(9, chunk.minExpire?.rawValue)
            insert.bind(10, staticBlob: data)
            try insert.run(
                log.rawValue, chunk.base.rawValue, chunk.last.rawValue, Int64(chunk.count), Int64(chunk.bytes),
                chunk.minTimestamp.rawValue, chunk.maxTimestamp.rawValue, epoch.rawValue)
        }
        ledger.didInsert(log, bytes: chunk.data.count)
    }

    func insert(_ row: ChunkRow, _ log: LogID) throws {
        try insert(row.chunk, log)
        if !row.settled.isEmpty { try put(row.settled, log, row.chunk.base) }
    }

    func remove(_ key: Key, _ log: LogID) throws {
        ledger.didRemove(log)
        try remove.run(key.id)
        try removeSettled.run(log.rawValue, key.base.rawValue)
    }

    /// The rows that have an offset in common with `run`, in their order.
    func rows(in run: ClosedRange<Offset>, _ log: LogID) throws -> [Key] {
        overlapping.bind(1, log.rawValue)
        overlapping.bind(2, run.lowerBound.rawValue)
        overlapping.bind(3, run.upperBound.rawValue)
        defer { overlapping.reset() }
        var keys: [Key] = []
        while try overlapping.step() {
            keys.append(
                Key(
                    id: overlapping.integer(0), base: Offset(overlapping.integer(1)),
                    last: Offset(overlapping.integer(2)), count: Int(overlapping.integer(3)),
                    bytes: Int(overlapping.integer(4))))
        }
        return keys
    }

    func row(_ key: Key, _ log: LogID) throws -> ChunkRow {
        load.bind(1, key.id)
        defer { load.reset() }
        guard try load.step() else {
            throw StoreError.unexpected(operation: "read chunk \(key.id)", code: 0, reason: "it is gone")
        }
        let chunk = EncodedChunk(
            base: key.base, last: key.last, count: key.count, bytes: Int(load.integer(0)),
            minTimestamp: Timestamp(load.integer(1)), maxTimestamp: Timestamp(load.integer(2)),
            minExpire: load.optionalInteger(3).map { Timestamp($0) }, data: load.blob(4))
        return ChunkRow(chunk: chunk, settled: try settled(log, key.base))
    }

    func settled(_ log: LogID, _ base: Offset) throws -> SettledSet {
        getSettled.bind(1, log.rawValue)
        getSettled.bind(2, base.rawValue)
        defer { getSettled.reset() }
        guard try getSettled.step() else { return SettledSet() }
        return SettledSet(stored: getSettled.blob(0), crc: getSettled.integer(1), log, base)
    }

    func put(_ set: SettledSet, _ log: LogID, _ base: Offset) throws {
        guard !set.isEmpty else {
            try removeSettled.run(log.rawValue, base.rawValue)
            return
        }
        let data = set.encoded()
        try data.withUnsafeBytes { bytes in
            putSettled.bind(4, staticBlob: bytes)
            try putSettled.run(log.rawValue, base.rawValue, StateChecksum.settled(log, base, data))
        }
    }

    /// What is stored as settled of the one row that the run is, and the row's size; nil if it is not exactly one.
    func exactlySettled(
        _ entry: ChunkSettlement, _ log: LogID
    ) throws -> (stored: SettledSet, records: Int, bytes: Int)? {
        exact.bind(1, log.rawValue)
        exact.bind(2, entry.base.rawValue)
        defer { exact.reset() }
        guard try exact.step(), exact.integer(0) == entry.last.rawValue else { return nil }
        var stored = SettledSet()
        if !entry.settled.isEmpty, !exact.isNull(1) {
            stored = SettledSet(stored: exact.blob(1), crc: exact.integer(2), log, entry.base)
        }
        return (stored, Int(exact.integer(3)), Int(exact.integer(4)))
    }

    /// Removes the row that the run is.
    ///
    /// - Returns: false if it is not exactly one.
    func removeExactly(_ run: ClosedRange<Offset>, _ log: LogID) throws -> Bool {
        try removeExact.run(log.rawValue, run.lowerBound.rawValue, run.upperBound.rawValue)
        guard connection.changes == 1 else { return false }
        ledger.didRemove(log)
        try removeSettled.run(log.rawValue, run.lowerBound.rawValue)
        return true
    }

    /// Keeps a copy of a row of which not all can be read.
    func keepAside(_ key: Key, _ reason: String) throws {
        quarantine.bind(3, reason)
        try quarantine.run(key.id, epoch.rawValue)
    }

    func recount(_ key: Key, readable: Int) throws {
        try recount.run(key.id, Int64(readable))
    }
}

extension SettledSet {
    /// As it was stored. Where that cannot be believed nothing is settled: a message that comes again is better than
    /// one that never does.
    init(stored data: [UInt8], crc: Int64, _ log: LogID, _ base: Offset) {
        guard StateChecksum.settled(log, base, data) == crc, let set = SettledSet(encoded: data) else {
            self.init()
            return
        }
        self = set
    }
}
