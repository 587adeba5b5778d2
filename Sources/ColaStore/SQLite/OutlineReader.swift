internal import ColaCore

/// Reads what is known of chunks without their records.
final class OutlineReader {
    private let transaction: ReadTransaction
    private let floor: Statement
    private let from: Statement
    private let young: Statement
    private let youngest: Statement

    init(_ transaction: ReadTransaction) throws {
        self.transaction = transaction
        let connection = transaction.connection
        floor = try connection.prepare("SELECT max(start, floor) FROM logstate WHERE log = ?")
        let select = """
            SELECT base, last, count, bytes, max_ts FROM chunk WHERE log = ?1
              AND base >= coalesce(
                (SELECT base FROM chunk WHERE log = ?1 AND base <= ?2 ORDER BY base DESC LIMIT 1), ?2)
              AND last >= ?2
              AND NOT EXISTS (SELECT 1 FROM garbage WHERE log = ?1 AND first <= base AND below > base)
            """
        from = try connection.prepare("\(select) ORDER BY base LIMIT ?3")
        young = try connection.prepare("\(select) AND max_ts >= ?3 ORDER BY base LIMIT 1")
        youngest = try connection.prepare("\(select) AND max_ts >= ?3 ORDER BY max_ts DESC, base LIMIT 1")
    }

    func read(_ log: LogID, from offset: Offset, countMax: Int) throws -> QueryResult {
        try transaction.run {
            guard let start = try start(of: log) else { return .outline([], isComplete: true) }
            let countMax = min(max(0, countMax), Int(Int32.max))
            let found = try rows(from, log, max(offset, start), Int64(countMax) + 1)
            return .outline(Array(found.prefix(countMax)), isComplete: found.count <= countMax)
        }
    }

    func read(_ log: LogID, asYoungAs time: Timestamp) throws -> QueryResult {
        try transaction.run {
            guard let start = try start(of: log), let found = try rows(young, log, start, time.rawValue).first else {
                return .outline([], isComplete: true)
            }
            let more = found.last < Offset(.max) ? try rows(from, log, found.last.next, 1) : []
            return .outline([found], isComplete: more.isEmpty)
        }
    }

    /// The first chunk at or above an offset that may have a record as young as this.
    func chunk(of log: LogID, from offset: Offset, asYoungAs time: Timestamp) throws -> ChunkOutline? {
        try transaction.run {
            guard let start = try start(of: log) else { return nil }
            return try rows(young, log, max(start, offset), time.rawValue).first
        }
    }

    /// The first chunk with the latest time.
    func youngest(of log: LogID) throws -> ChunkOutline? {
        try transaction.run {
            guard let start = try start(of: log) else { return nil }
            return try rows(youngest, log, start, .min).first
        }
    }

    /// - Returns: nil if there is no such log.
    private func start(of log: LogID) throws -> Offset? {
        floor.bind(1, log.rawValue)
        defer { floor.reset() }
        return try floor.step() ? Offset(floor.integer(0)) : nil
    }

    private func rows(_ select: Statement, _ log: LogID, _ offset: Offset, _ third: Int64) throws -> [ChunkOutline] {
        select.bind(1, log.rawValue)
        select.bind(2, offset.rawValue)
        select.bind(3, third)
        defer { select.reset() }
        var found: [ChunkOutline] = []
        while try select.step() {
            found.append(
                ChunkOutline(
                    base: Offset(select.integer(0)), last: Offset(select.integer(1)), count: Int(select.integer(2)),
                    bytes: Int(select.integer(3)), maxTimestamp: Timestamp(select.integer(4))))
        }
        return found
    }
}
