internal import ColaCore

/// Reads chunks: copies them out in one short transaction, and checks them after it.
final class ChunkReader {
    private let transaction: ReadTransaction
    private let floor: Statement
    private let chunks: Statement
    private let settled: Statement
    private let released: Statement

    /// A chunk as it stands in its row.
    private struct Row {
        var base: Offset
        var last: Offset
        var count: Int
        var expires: Bool
        var data: [UInt8]
        var settled: SettledSet
        var released: [Release]
    }

    init(_ transaction: ReadTransaction) throws {
        self.transaction = transaction
        let connection = transaction.connection
        floor = try connection.prepare(
            """
            SELECT max(start, floor) FROM logstate WHERE log = ?
            """)
        chunks = try connection.prepare(
            """
            SELECT base, last, count, min_expire, data FROM chunk WHERE log = ?1
              AND base >= coalesce(
                (SELECT base FROM chunk WHERE log = ?1 AND base <= ?2 ORDER BY base DESC LIMIT 1), ?2)
              AND last >= ?2 AND base < ?3
              AND NOT EXISTS (SELECT 1 FROM garbage WHERE log = ?1 AND first <= base AND below > base)
            ORDER BY base
            """)
        settled = try connection.prepare("SELECT data, crc FROM settled WHERE log = ? AND base = ?")
        released = try connection.prepare(
            """
            SELECT offset, deliveries, fate, due FROM released WHERE log = ? AND offset BETWEEN ? AND ? ORDER BY offset
            """)
    }

    func read(_ request: ReadRequest) throws -> ReadResult {
        let (rows, isComplete) = try transaction.run { try select(request) }
        let chunks = rows.map {
            StoredChunk(
                base: $0.base, last: $0.last, count: $0.count, data: $0.data, expires: $0.expires, settled: $0.settled,
                released: $0.released)
        }
        return ReadResult(request: request, chunks: chunks, isComplete: isComplete)
    }

    func fetch(_ request: ReadRequest) throws -> PackedRead {
        let (rows, isComplete) = try transaction.run { try select(request, withSettlements: false) }
        let chunks = rows.map { PackedChunk(checking: $0.data, base: $0.base, last: $0.last) }
        return PackedRead(request: request, chunks: chunks, isComplete: isComplete)
    }

    private func select(
        _ request: ReadRequest, withSettlements: Bool = true
    ) throws -> (rows: [Row], isComplete: Bool) {
        floor.bind(1, request.log.rawValue)
        defer { floor.reset() }
        // A log without a state was deleted: nothing of it is to be seen any more.
        guard try floor.step() else { return ([], true) }
        chunks.bind(1, request.log.rawValue)
        chunks.bind(2, max(request.from.rawValue, floor.integer(0)))
        chunks.bind(3, request.below.rawValue)
        defer { chunks.reset() }
        var rows: [Row] = []
        var bytes = 0
        while try chunks.step() {
            if !rows.isEmpty, bytes >= request.bytesMax { return (rows, false) }
            let base = Offset(chunks.integer(0))
            let last = Offset(chunks.integer(1))
            let data = chunks.blob(4)
            bytes += data.count
            rows.append(
                Row(
                    base: base, last: last, count: Int(chunks.integer(2)), expires: !chunks.isNull(3), data: data,
                    settled: withSettlements ? try settled(request.log, base) : SettledSet(),
                    released: withSettlements ? try released(request.log, base, last) : []))
        }
        return (rows, true)
    }

    private func settled(_ log: LogID, _ base: Offset) throws -> SettledSet {
        settled.bind(1, log.rawValue)
        settled.bind(2, base.rawValue)
        defer { settled.reset() }
        guard try settled.step() else { return SettledSet() }
        return SettledSet(stored: settled.blob(0), crc: settled.integer(1), log, base)
    }

    private func released(_ log: LogID, _ base: Offset, _ last: Offset) throws -> [Release] {
        released.bind(1, log.rawValue)
        released.bind(2, base.rawValue)
        released.bind(3, last.rawValue)
        defer { released.reset() }
        var releases: [Release] = []
        while try released.step() {
            let fate = released.optionalText(2).flatMap { Fate(storedName: $0, due: released.optionalInteger(3)) }
            releases.append(
                Release(offset: Offset(released.integer(0)), deliveries: Int(released.integer(1)), fate: fate))
        }
        return releases
    }
}
