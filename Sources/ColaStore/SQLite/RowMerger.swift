internal import ColaCore

/// Makes one row of several, and a smaller one of a row of which little is alive. When, is decided elsewhere.
final class RowMerger {
    private let chunks: ChunkTable
    private let loadRange: Statement
    private let loadSettledRange: Statement
    private let removeRange: Statement
    private let removeSettledRange: Statement

    init(_ connection: Connection, chunks: ChunkTable) throws {
        self.chunks = chunks
        loadRange = try connection.prepare(
            """
            SELECT base, last, count, bytes, min_ts, max_ts, min_expire, data FROM chunk
            WHERE log = ? AND base BETWEEN ? AND ? ORDER BY base
            """)
        loadSettledRange = try connection.prepare(
            "SELECT base, data, crc FROM settled WHERE log = ? AND base BETWEEN ? AND ?")
        removeRange = try connection.prepare("DELETE FROM chunk WHERE log = ? AND base BETWEEN ? AND ?")
        removeSettledRange = try connection.prepare("DELETE FROM settled WHERE log = ? AND base BETWEEN ? AND ?")
    }

    /// Makes one row of neighbours: of all that begin from the first to the last of them.
    ///
    /// - Returns: nil if that cannot be.
    @discardableResult
    func merge(_ keys: [ChunkTable.Key], _ log: LogID) throws -> EncodedChunk? {
        guard keys.count > 1, let first = keys.first?.base, let last = keys.last?.base else { return nil }
        let rows = try load(first...last, log)
        let decoded = rows.map(\.decoded)
        guard rows.count == keys.count, decoded.allSatisfy({ $0.damage.isEmpty }),
            let merged = ChunkRow.merged(rows, decoded: decoded)
        else { return nil }
        try removeRange.run(log.rawValue, first.rawValue, last.rawValue)
        try removeSettledRange.run(log.rawValue, first.rawValue, last.rawValue)
        for _ in keys { chunks.ledger.didRemove(log) }
        try chunks.insert(merged, log)
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
    func compact(_ key: ChunkTable.Key, _ log: LogID, floor: Offset) throws -> Bool {
        let row = try chunks.row(key, log)
        guard let live = row.live(floor: floor), (live?.count ?? 0) * 4 <= row.chunk.count * 3 else { return false }
        try chunks.remove(key, log)
        if let live { try chunks.insert(live, log) }
        return true
    }
}
