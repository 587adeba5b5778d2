internal import ColaCore

/// Reads chunks on a read-only connection: copies them out in one short transaction, and checks them after it.
final class ChunkReader {
    private let connection: Connection
    private let gate: ReaderGate
    private let begin: Statement
    private let end: Statement
    private let floor: Statement
    private let chunks: Statement
    private let settled: Statement
    private let released: Statement

    /// A chunk as it stands in its row.
    private struct Row {
        var base: Offset
        var last: Offset
        var count: Int
        var data: [UInt8]
        var settled: SettledSet
        var released: [Release]
    }

    init(_ connection: Connection, gate: ReaderGate) throws {
        self.connection = connection
        self.gate = gate
        begin = try connection.prepare("BEGIN")
        end = try connection.prepare("COMMIT")
        floor = try connection.prepare(
            """
            SELECT max(start, floor) FROM logstate WHERE log = ?
            """)
        chunks = try connection.prepare(
            """
            SELECT base, last, count, data FROM chunk WHERE log = ?1
              AND base >= coalesce(
                (SELECT base FROM chunk WHERE log = ?1 AND base <= ?2 ORDER BY base DESC LIMIT 1), ?2)
              AND last >= ?2 AND base < ?3
              AND NOT EXISTS (SELECT 1 FROM garbage WHERE log = ?1 AND first <= base AND below > base)
            ORDER BY base
            """)
        settled = try connection.prepare("SELECT data, crc FROM settled WHERE log = ? AND base = ?")
        released = try connection.prepare(
            "SELECT offset, deliveries FROM released WHERE log = ? AND offset BETWEEN ? AND ? ORDER BY offset")
    }

    func read(_ request: ReadRequest) throws -> ReadResult {
        let (rows, isComplete) = try gate.pass { try copy(request) }
        let chunks = rows.map {
            StoredChunk(
                base: $0.base, last: $0.last, count: $0.count, data: $0.data, settled: $0.settled, released: $0.released
            )
        }
        return ReadResult(request: request, chunks: chunks, isComplete: isComplete)
    }

    private func copy(_ request: ReadRequest) throws -> (rows: [Row], isComplete: Bool) {
        try begin.runToEnd()
        defer { connection.rollback() }
        let result = try select(request)
        try end.runToEnd()
        return result
    }

    private func select(_ request: ReadRequest) throws -> (rows: [Row], isComplete: Bool) {
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
            let data = chunks.blob(3)
            bytes += data.count
            rows.append(
                Row(
                    base: base, last: last, count: Int(chunks.integer(2)), data: data,
                    settled: try settled(request.log, base), released: try released(request.log, base, last)))
        }
        return (rows, true)
    }

    private func settled(_ log: LogID, _ base: Offset) throws -> SettledSet {
        settled.bind(1, log.rawValue)
        settled.bind(2, base.rawValue)
        defer { settled.reset() }
        guard try settled.step() else { return SettledSet() }
        let data = settled.blob(0)
        // Where the set cannot be believed nothing is settled: a message that comes again is better than one that never
        // does.
        guard StateChecksum.settled(log, base, data) == settled.integer(1) else { return SettledSet() }
        return SettledSet(encoded: data) ?? SettledSet()
    }

    private func released(_ log: LogID, _ base: Offset, _ last: Offset) throws -> [Release] {
        released.bind(1, log.rawValue)
        released.bind(2, base.rawValue)
        released.bind(3, last.rawValue)
        defer { released.reset() }
        var releases: [Release] = []
        while try released.step() {
            releases.append(Release(offset: Offset(released.integer(0)), deliveries: Int(released.integer(1))))
        }
        return releases
    }
}
