internal import ColaCore

/// Deletes what purges and removed logs left behind, a slice at a time, when nobody waits for a commit.
///
/// What is to be done stands in the table `garbage`, so a restart goes on where the last one stopped.
final class Trimmer {
    /// Chunks a slice deletes at most, and bytes of producers after which it stops.
    static let chunksMax = 64
    static let bytesMax: Int64 = 16 << 20
    private static let rowsMax: Int64 = 1000

    private(set) var hasWork: Bool
    private let next: Statement
    private let chunks: Statement
    private let removeChunk: Statement
    private let removeSettled: Statement
    private let sweeps: [Statement]
    private let wholeSweeps: [Statement]
    private let remove: Statement
    private let changes: Statement

    init(_ connection: Connection) throws {
        next = try connection.prepare("SELECT log, first, below, whole FROM garbage ORDER BY log, first LIMIT 1")
        chunks = try connection.prepare(
            "SELECT id, base, bytes FROM chunk WHERE log = ?1 AND base >= ?2 AND base < ?3 ORDER BY base LIMIT ?4")
        removeChunk = try connection.prepare("DELETE FROM chunk WHERE id = ?")
        removeSettled = try connection.prepare("DELETE FROM settled WHERE log = ? AND base = ?")
        func sweep(_ table: String, _ key: String, _ condition: String) throws -> Statement {
            try connection.prepare(
                """
                DELETE FROM \(table) WHERE log = ?1 AND \(key) IN
                  (SELECT \(key) FROM \(table) WHERE log = ?1 AND \(condition) ORDER BY \(key) LIMIT ?4)
                """)
        }
        sweeps = [try sweep("released", "offset", "offset >= ?2 AND offset < ?3")]
        wholeSweeps = [
            try sweep("settled", "base", "?2 < ?3"), try sweep("group_offset", "group_name", "?2 < ?3"),
            try sweep("dedup", "id", "?2 < ?3"), try sweep("producer", "id", "?2 < ?3"),
            try sweep("aborted", "marker", "?2 < ?3"),
        ]
        remove = try connection.prepare("DELETE FROM garbage WHERE log = ? AND first = ?")
        changes = try connection.prepare("SELECT changes()")
        hasWork = true
    }

    /// A batch may have left something to do.
    func look() { hasWork = true }

    /// Deletes one slice, inside the caller's transaction.
    func slice() throws {
        guard let (log, range, isWhole) = try nextGarbage() else {
            hasWork = false
            return
        }
        if try removeChunks(log, range) { return }
        for statement in isWhole ? sweeps + wholeSweeps : sweeps {
            try statement.run(log, range.lowerBound, range.upperBound, Self.rowsMax)
            if try changed() == Self.rowsMax { return }
        }
        try remove.run(log, range.lowerBound)
    }

    private func nextGarbage() throws -> (log: Int64, range: Range<Int64>, isWhole: Bool)? {
        defer { next.reset() }
        guard try next.step() else { return nil }
        let first = next.integer(1)
        return (next.integer(0), first..<max(first, next.integer(2)), next.integer(3) != 0)
    }

    /// - Returns: whether there may be more.
    private func removeChunks(_ log: Int64, _ range: Range<Int64>) throws -> Bool {
        chunks.bind(1, log)
        chunks.bind(2, range.lowerBound)
        chunks.bind(3, range.upperBound)
        chunks.bind(4, Int64(Self.chunksMax))
        var found: [(id: Int64, base: Int64)] = []
        var bytes: Int64 = 0
        do {
            defer { chunks.reset() }
            while bytes < Self.bytesMax, try chunks.step() {
                found.append((chunks.integer(0), chunks.integer(1)))
                bytes = bytes.addingReportingOverflow(chunks.integer(2)).partialValue
            }
        }
        for chunk in found {
            try removeChunk.run(chunk.id)
            try removeSettled.run(log, chunk.base)
        }
        return found.count == Self.chunksMax || bytes >= Self.bytesMax
    }

    private func changed() throws -> Int64 {
        defer { changes.reset() }
        return try changes.step() ? changes.integer(0) : 0
    }
}
