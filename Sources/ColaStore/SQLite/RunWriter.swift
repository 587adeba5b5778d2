internal import ColaCore

/// Does what a batch says of runs of offsets, which need not be the rows that are there: neighbours are merged, and
/// what is settled is taken out of them.
///
/// Where a run is exactly one row, which is nearly always, that is seen with the statement that does the work.
final class RunWriter {
    private let chunks: ChunkTable
    private let sweepReleased: Statement

    init(_ connection: Connection, chunks: ChunkTable) throws {
        self.chunks = chunks
        sweepReleased = try connection.prepare("DELETE FROM released WHERE log = ? AND offset BETWEEN ? AND ?")
    }

    /// Adds to what is settled; an empty set takes what is stored of the run away.
    func settle(_ entry: ChunkSettlement, _ log: LogID) throws {
        guard entry.base <= entry.last else { return }
        if let (stored, records, bytes) = try chunks.exactlySettled(entry, log) {
            var set = entry.settled
            if !set.isEmpty { set.formUnion(stored) }
            chunks.ledger.didSettle(log, entry.base, settled: set.count, of: records, bytes: bytes)
            return try chunks.put(set, log, entry.base)
        }
        for key in try chunks.rows(in: entry.base...entry.last, log) {
            var set = try chunks.settled(log, key.base)
            if entry.settled.isEmpty {
                set = set.subtracting(entry.base...entry.last, base: key.base)
            } else {
                set.formUnion(entry.settled.moved(from: entry.base, into: key.offsets))
            }
            chunks.ledger.didSettle(log, key.base, settled: set.count, of: key.count, bytes: key.bytes)
            try chunks.put(set, log, key.base)
        }
    }

    /// Nothing in the run is wanted any more.
    func remove(_ run: ClosedRange<Offset>, _ log: LogID, floor: Offset) throws {
        if try chunks.removeExactly(run, log) { return }
        for key in try chunks.rows(in: run, log) { try remove(run, of: key, log, floor: floor) }
    }

    private func remove(_ run: ClosedRange<Offset>, of key: ChunkTable.Key, _ log: LogID, floor: Offset) throws {
        let part = max(run.lowerBound, key.base)...min(run.upperBound, key.offsets.upperBound)
        if part != key.offsets {
            var set = try chunks.settled(log, key.base)
            // What lies below the floor need not be said.
            let first = max(part.lowerBound, floor)
            if first <= part.upperBound {
                set.insert(first.distance(from: key.base)..<part.upperBound.distance(from: key.base) + 1)
            }
            let isFinished = try ChunkRow.isFinished(key.offsets, key.count, set, floor: floor) {
                try chunks.row(key, log).decoded
            }
            if !isFinished {
                if first <= part.upperBound {
                    chunks.ledger.didSettle(log, key.base, settled: set.count, of: key.count, bytes: key.bytes)
                    try chunks.put(set, log, key.base)
                }
                return
            }
        }
        try chunks.remove(key, log)
    }

    /// Prepares for the deletion of what lies in `range`: rows that reach beyond it stay, without what lies in it.
    ///
    /// - Returns: the range in which those rows begin that can go as they are; nil if there is none.
    func trim(_ range: Range<Offset>, _ log: LogID, floor: Offset) throws -> Range<Offset>? {
        guard !range.isEmpty else { return nil }
        let run = range.lowerBound...Offset(range.upperBound.rawValue - 1)
        var edges = try chunks.rows(in: run.lowerBound...run.lowerBound, log)
        for key in try chunks.rows(in: run.upperBound...run.upperBound, log) where key.id != edges.first?.id {
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
        let keys = try chunks.rows(in: run, log)
        guard !keys.isEmpty else { return }
        let (row, isWhole) = ChunkRow.rewritten(try keys.map { try chunks.row($0, log) }, run, change.segment)
        for key in keys {
            if !isWhole { try chunks.keepAside(key, "it was damaged when it was rewritten") }
            try chunks.remove(key, log)
        }
        if let row { try chunks.insert(row, log) }
    }

    /// Keeps a copy of the row that holds the offset, and counts in it what can be read.
    func quarantine(_ found: Quarantine, _ log: LogID) throws {
        guard let key = try chunks.rows(in: found.base...found.base, log).first else { return }
        try chunks.keepAside(key, found.reason)
        let readable =
            key.base == found.base
            ? found.readable : try chunks.row(key, log).readableCount
        try chunks.recount(key, readable: readable)
    }
}
