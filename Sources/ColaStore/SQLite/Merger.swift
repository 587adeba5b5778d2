internal import ColaCore

/// Makes large rows of many small ones, and takes what is settled out of rows of which little is alive, a slice at a
/// time, when nobody waits for a commit.
///
/// A commit writes one row for each log, so a producer that waits for each confirm leaves a row for each message. Rows
/// are searched for only where the writer left a hint, and once after a start, in slices as well.
final class Merger {
    /// Rows that one slice merges at most, and bytes of data after which it stops.
    private static let rowsMax: Int64 = 1024
    private static let bytesMax = 256 << 10
    /// Fewer are not worth a row of their own.
    private static let rowsMin = 8
    /// Logs, or sets of what is settled, that one slice looks at after a start.
    private static let searchMax: Int64 = 64
    /// One slice after each commit from so many small rows on, whoever waits.
    private static let urgentRows = 16 * RowLedger.pressingRows

    private let isOn: Bool
    private let chunks: ChunkTable
    private let rowMerger: RowMerger
    private let select: Statement
    private let garbage: Statement
    private let floor: Statement
    private let logs: Statement
    private let rows: Statement
    private let settled: Statement

    /// The log that is being walked.
    private var log: LogID?
    private var isWalkPressing = false
    /// Where the walk goes on.
    private var next = Offset(0)
    /// Where the next walk of a log begins: what lies before is as it should be.
    private var resume: [LogID: Offset] = [:]
    private var search: Search? = .logs(after: LogID(0))

    private enum Search {
        case logs(after: LogID)
        case settled(after: RowLedger.Place)
    }

    init(_ connection: Connection, chunks: ChunkTable, isOn: Bool) throws {
        self.isOn = isOn
        self.chunks = chunks
        rowMerger = try RowMerger(connection, chunks: chunks)
        select = try connection.prepare(
            "SELECT id, base, last, count, length(data) FROM chunk WHERE log = ? AND base >= ? ORDER BY base LIMIT ?")
        garbage = try connection.prepare("SELECT 1 FROM garbage WHERE log = ? LIMIT 1")
        floor = try connection.prepare("SELECT max(start, floor) FROM logstate WHERE log = ?")
        logs = try connection.prepare("SELECT log FROM logstate WHERE log > ? ORDER BY log LIMIT ?")
        rows = try connection.prepare("SELECT count(*) FROM (SELECT 1 FROM chunk WHERE log = ? LIMIT ?)")
        settled = try connection.prepare(
            "SELECT log, base FROM settled WHERE (log, base) > (?, ?) ORDER BY log, base LIMIT ?")
    }

    var hasWork: Bool {
        isOn && (log != nil || search != nil || !chunks.ledger.worthwhile.isEmpty || !chunks.ledger.sparse.isEmpty)
    }

    /// Whether a slice is due though there is no quiet.
    ///
    /// - Parameter isIdle: nobody waits for a commit.
    func isPressed(isIdle: Bool) -> Bool {
        guard isOn, isWalkPressing || !chunks.ledger.pressing.isEmpty else { return false }
        return isIdle || chunks.ledger.balanceMax >= Self.urgentRows
    }

    /// Does some of it, inside the caller's transaction.
    func slice() throws {
        if log == nil, let found = chunks.ledger.takeLog() {
            log = found.log
            isWalkPressing = found.isPressing
            next = resume[found.log] ?? Offset(0)
        }
        if let log {
            try walk(log)
        } else if let place = chunks.ledger.takeSparse() {
            try compact(place)
        } else if let search {
            self.search = try look(search)
        }
    }

    // MARK: Merging

    private func walk(_ log: LogID) throws {
        // What is there is not all to stay: the trimmer comes first.
        guard try !exists(garbage, log) else { return endWalk(log) }
        let (keys, isEnd) = try neighbours(log)
        if keys.count >= Self.rowsMin, let merged = try rowMerger.merge(keys, log) {
            // A row that can still grow is where the next walk begins.
            resume[log] = merged.data.count < RowLedger.smallBytes ? merged.base : merged.last
        }
        // What comes at the end meanwhile is left to the next walk, or this one would follow it for ever.
        if isEnd { endWalk(log) }
    }

    private func endWalk(_ log: LogID) {
        chunks.ledger.didLook(log)
        self.log = nil
        isWalkPressing = false
    }

    /// The next small rows that stand side by side; the walk goes on after them.
    private func neighbours(_ log: LogID) throws -> (keys: [ChunkTable.Key], isEnd: Bool) {
        select.bind(1, log.rawValue)
        select.bind(2, next.rawValue)
        select.bind(3, Self.rowsMax)
        defer { select.reset() }
        var keys: [ChunkTable.Key] = []
        var (count, bytes) = (Int64(0), 0)
        while bytes < Self.bytesMax {
            guard try select.step() else { return (keys, count < Self.rowsMax) }
            let key = ChunkTable.Key(
                id: select.integer(0), base: Offset(select.integer(1)), last: Offset(select.integer(2)),
                count: Int(select.integer(3)), bytes: Int(select.integer(4)))
            guard key.base < Offset(.max) else { return (keys, true) }
            count += 1
            next = key.base.next
            if key.bytes < RowLedger.smallBytes {
                keys.append(key)
                bytes += key.bytes
            } else if keys.count >= Self.rowsMin {
                break
            } else {
                (keys, bytes) = ([], 0)
            }
        }
        return (keys, false)
    }

    // MARK: Rewriting

    private func compact(_ place: RowLedger.Place) throws {
        guard try !exists(garbage, place.log), let floor = try floor(of: place.log),
            let key = try chunks.rows(in: place.base...place.base, place.log).first, key.base == place.base
        else { return }
        if try !rowMerger.compact(key, place.log, floor: floor) {
            chunks.ledger.didLookInVain(place, settled: try chunks.settled(place.log, place.base).count)
        }
    }

    private func floor(of log: LogID) throws -> Offset? {
        floor.bind(1, log.rawValue)
        defer { floor.reset() }
        return try floor.step() ? Offset(floor.integer(0)) : nil
    }

    // MARK: After a start

    /// - Returns: where to go on; nil if that was all.
    private func look(_ search: Search) throws -> Search? {
        switch search {
        case .logs(let log):
            let found = try integers(logs, log.rawValue, Self.searchMax).map { LogID($0[0]) }
            for log in found where try count(rows, log) >= RowLedger.worthwhileRows { chunks.ledger.want(log) }
            return found.last.map { .logs(after: $0) }
                ?? .settled(after: RowLedger.Place(log: LogID(0), base: Offset(0)))
        case .settled(let place):
            let found = try integers(settled, place.log.rawValue, place.base.rawValue, Self.searchMax).map {
                RowLedger.Place(log: LogID($0[0]), base: Offset($0[1]))
            }
            for place in found {
                guard let key = try chunks.rows(in: place.base...place.base, place.log).first else { continue }
                let settled = try chunks.settled(place.log, place.base).count
                chunks.ledger.didSettle(place.log, place.base, settled: settled, of: key.count, bytes: key.bytes)
            }
            return found.last.map { .settled(after: $0) }
        }
    }

    private func integers(_ statement: Statement, _ values: Int64...) throws -> [[Int64]] {
        for (index, value) in values.enumerated() { statement.bind(Int32(index + 1), value) }
        defer { statement.reset() }
        var rows: [[Int64]] = []
        while try statement.step() { rows.append((0..<statement.columnCount).map { statement.integer($0) }) }
        return rows
    }

    private func count(_ statement: Statement, _ log: LogID) throws -> Int64 {
        try integers(statement, log.rawValue, Int64(RowLedger.worthwhileRows)).first?.first ?? 0
    }

    private func exists(_ statement: Statement, _ log: LogID) throws -> Bool {
        try !integers(statement, log.rawValue).isEmpty
    }
}
