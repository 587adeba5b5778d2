internal import ColaCore

/// The rows of chunks and of what is settled of them, found by offsets: the runs that a batch speaks of need not be the
/// rows that are there, for neighbours are merged and what is settled is taken out.
///
/// Where a run is exactly one row, which is nearly always, that is seen with the statement that does the work.
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
    private let loadRange: Statement
    private let loadSettledRange: Statement
    private let removeRange: Statement
    private let removeSettledRange: Statement
    private let getSettled: Statement
    private let putSettled: Statement
    private let removeSettled: Statement
    private let sweepReleased: Statement
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
              FROM chunk LEFT JOIN settled USING (log, base)
            WHERE log = ? AND base = ?
            """)
        load = try connection.prepare("SELECT bytes, min_ts, max_ts, min_expire, data FROM chunk WHERE id = ?")
        loadRange = try connection.prepare(
            """
            SELECT base, last, count, bytes, min_ts, max_ts, min_expire, data FROM chunk
            WHERE log = ? AND base BETWEEN ? AND ? ORDER BY base
            """)
        loadSettledRange = try connection.prepare(
            "SELECT base, data, crc FROM settled WHERE log = ? AND base BETWEEN ? AND ?")
        removeRange = try connection.prepare("DELETE FROM chunk WHERE log = ? AND base BETWEEN ? AND ?")
        removeSettledRange = try connection.prepare("DELETE FROM settled WHERE log = ? AND base BETWEEN ? AND ?")
        getSettled = try connection.prepare("SELECT data, crc FROM settled WHERE log = ? AND base = ?")
        putSettled = try connection.prepare("INSERT OR REPLACE INTO settled (log, base, crc, data) VALUES (?,?,?,?)")
        removeSettled = try connection.prepare("DELETE FROM settled WHERE log = ? AND base = ?")
        sweepReleased = try connection.prepare("DELETE FROM released WHERE log = ? AND offset BETWEEN ? AND ?")
        quarantine = try connection.prepare(
            """
            INSERT OR IGNORE INTO quarantine (log, base, epoch, reason, data)
              SELECT log, base, ?2, ?3, data FROM chunk WHERE id = ?1
            """)
        recount = try connection.prepare("UPDATE chunk SET count = ?2 WHERE id = ?1")
    }

    // MARK: Rows

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
        try removeRow(key, log)
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

    private func put(_ set: SettledSet, _ log: LogID, _ base: Offset) throws {
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

    // MARK: Runs of offsets

    /// Adds to what is settled; an empty set takes what is stored of the run away.
    func settle(_ entry: ChunkSettlement, _ log: LogID) throws {
        guard entry.base <= entry.last else { return }
        if let (stored, records, bytes) = try exactlySettled(entry, log) {
            var set = entry.settled
            if !set.isEmpty { set.formUnion(stored) }
            ledger.didSettle(log, entry.base, settled: set.count, of: records, bytes: bytes)
            return try put(set, log, entry.base)
        }
        for key in try rows(in: entry.base...entry.last, log) {
            var set = try settled(log, key.base)
            if entry.settled.isEmpty {
                set = set.subtracting(entry.base...entry.last, base: key.base)
            } else {
                set.formUnion(entry.settled.moved(from: entry.base, into: key.offsets))
            }
            ledger.didSettle(log, key.base, settled: set.count, of: key.count, bytes: key.bytes)
            try put(set, log, key.base)
        }
    }

    /// What is stored as settled of the one row that the run is, and the row's size; nil if it is not exactly one.
    private func exactlySettled(
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

    /// Nothing in the run is wanted any more.
    func remove(_ run: ClosedRange<Offset>, _ log: LogID, floor: Offset) throws {
        try removeExact.run(log.rawValue, run.lowerBound.rawValue, run.upperBound.rawValue)
        if connection.changes == 1 {
            ledger.didRemove(log)
            try removeSettled.run(log.rawValue, run.lowerBound.rawValue)
            return
        }
        for key in try rows(in: run, log) { try remove(run, of: key, log, floor: floor) }
    }

    private func remove(_ run: ClosedRange<Offset>, of key: Key, _ log: LogID, floor: Offset) throws {
        let part = max(run.lowerBound, key.base)...min(run.upperBound, key.offsets.upperBound)
        if part != key.offsets {
            var set = try settled(log, key.base)
            // What lies below the floor need not be said.
            let first = max(part.lowerBound, floor)
            if first <= part.upperBound {
                set.insert(first.distance(from: key.base)..<part.upperBound.distance(from: key.base) + 1)
            }
            let isFinished = try ChunkRow.isFinished(key.offsets, key.count, set, floor: floor) {
                try row(key, log).decoded
            }
            if !isFinished {
                if first <= part.upperBound {
                    ledger.didSettle(log, key.base, settled: set.count, of: key.count, bytes: key.bytes)
                    try put(set, log, key.base)
                }
                return
            }
        }
        try remove(key, log)
    }

    /// Prepares for the deletion of what lies in `range`: rows that reach beyond it stay, without what lies in it.
    ///
    /// - Returns: the range in which those rows begin that can go as they are; nil if there is none.
    func trim(_ range: Range<Offset>, _ log: LogID, floor: Offset) throws -> Range<Offset>? {
        guard !range.isEmpty else { return nil }
        let run = range.lowerBound...Offset(range.upperBound.rawValue - 1)
        var edges = try rows(in: run.lowerBound...run.lowerBound, log)
        for key in try rows(in: run.upperBound...run.upperBound, log) where key.id != edges.first?.id {
            edges.append(key)
        }
        var upperBound = range.upperBound
        for key in edges where key.base < run.lowerBound || key.last > run.upperBound {
            try remove(run, of: key, log, floor: floor)
            try sweepReleased.run(
                log.rawValue, max(run.lowerBound, key.base).rawValue, min(run.upperBound, key.last).rawValue)
            if key.last > run.upperBound { upperBound = max(key.base, range.lowerBound) }
        }
        return range.lowerBound < upperBound ? range.lowerBound..<upperBound : nil
    }

    /// Of the records in the run only those of the segment stay.
    func rewrite(_ change: ChunkRewrite, _ log: LogID) throws {
        guard change.base <= change.last else { return }
        let run = change.base...change.last
        let keys = try rows(in: run, log)
        guard !keys.isEmpty else { return }
        let (row, isWhole) = ChunkRow.rewritten(try keys.map { try self.row($0, log) }, run, change.segment)
        for key in keys {
            if !isWhole { try keepAside(key, "it was damaged when it was rewritten") }
            try remove(key, log)
        }
        if let row { try insert(row, log) }
    }

    // MARK: Merging

    /// Makes one row of neighbours: of all that begin from the first to the last of them.
    ///
    /// - Returns: nil if that cannot be.
    @discardableResult
    func merge(_ keys: [Key], _ log: LogID) throws -> EncodedChunk? {
        guard keys.count > 1, let first = keys.first?.base, let last = keys.last?.base else { return nil }
        let rows = try load(first...last, log)
        let decoded = rows.map(\.decoded)
        guard rows.count == keys.count, decoded.allSatisfy({ $0.damage.isEmpty }),
            let merged = ChunkRow.merged(rows, decoded: decoded)
        else { return nil }
        try removeRange.run(log.rawValue, first.rawValue, last.rawValue)
        try removeSettledRange.run(log.rawValue, first.rawValue, last.rawValue)
        for _ in keys { ledger.didRemove(log) }
        try insert(merged, log)
        return merged.chunk
    }

    /// The rows that begin in `bases`, with what is settled of them.
    private func load(_ bases: ClosedRange<Offset>, _ log: LogID) throws -> [ChunkRow] {
        for statement in [loadRange, loadSettledRange] {
            statement.bind(1, log.rawValue)
            statement.bind(2, bases.lowerBound.rawValue)
            statement.bind(3, bases.upperBound.rawValue)
        }
        defer {
            loadRange.reset()
            loadSettledRange.reset()
        }
        var settled: [Offset: SettledSet] = [:]
        while try loadSettledRange.step() {
            let base = Offset(loadSettledRange.integer(0))
            settled[base] = SettledSet(
                stored: loadSettledRange.blob(1), crc: loadSettledRange.integer(2), log, base)
        }
        var rows: [ChunkRow] = []
        while try loadRange.step() {
            let chunk = EncodedChunk(
                base: Offset(loadRange.integer(0)), last: Offset(loadRange.integer(1)),
                count: Int(loadRange.integer(2)), bytes: Int(loadRange.integer(3)),
                minTimestamp: Timestamp(loadRange.integer(4)), maxTimestamp: Timestamp(loadRange.integer(5)),
                minExpire: loadRange.optionalInteger(6).map { Timestamp($0) }, data: loadRange.blob(7))
            rows.append(ChunkRow(chunk: chunk, settled: settled[chunk.base] ?? SettledSet()))
        }
        return rows
    }

    /// Takes what is settled out of a row.
    ///
    /// - Returns: whether there was enough of it.
    @discardableResult
    func compact(_ key: Key, _ log: LogID, floor: Offset) throws -> Bool {
        let row = try row(key, log)
        guard let live = row.live(floor: floor), (live?.count ?? 0) * 4 <= row.chunk.count * 3 else { return false }
        try remove(key, log)
        if let live { try insert(live, log) }
        return true
    }

    private func removeRow(_ key: Key, _ log: LogID) throws {
        ledger.didRemove(log)
        try remove.run(key.id)
    }

    // MARK: Damage

    /// Keeps a copy of the row that holds the offset, and counts in it what can be read.
    func quarantine(_ found: Quarantine, _ log: LogID) throws {
        guard let key = try rows(in: found.base...found.base, log).first else { return }
        try keepAside(key, found.reason)
        let readable =
            key.base == found.base
            ? found.readable : RecordBatch.decode(try row(key, log).chunk.data).segment.entries.count
        try recount.run(key.id, Int64(readable))
    }

    private func keepAside(_ key: Key, _ reason: String) throws {
        quarantine.bind(3, reason)
        try quarantine.run(key.id, epoch.rawValue)
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
