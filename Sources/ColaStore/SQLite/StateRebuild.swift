internal import ColaCore

/// What the chunks of a log say about its state, where the row cannot be believed or some of them are gone.
///
/// Nothing that could be read before is lost by it, but some of it may come once more: what was settled of the chunks
/// is believed, and what they no longer hold is not known.
struct StateRebuild {
    struct Result {
        var state: LogState
        /// What was met in the chunks. Each was put aside, and what can be read of it takes its place.
        var damage: [String] = []
    }

    let chunks: ChunkTable
    let runs: RunWriter
    let path: String

    /// - Parameters:
    ///   - known: the row, if it can be believed.
    ///   - purged: chunks that begin here are the trimmer's.
    func run(_ log: LogID, known: LogState?, purged: [Range<Offset>]) throws -> Result {
        var result = Result(state: known ?? .empty)
        (result.state.ready, result.state.bytes, result.state.nextExpiry) = (0, 0, nil)
        let floor = known.map { max($0.start, $0.floor) } ?? Offset(0)
        var isFirst = true
        for key in try chunks.rows(in: Offset(0)...Offset(.max), log) {
            guard key.last < Offset(.max) else {
                throw StoreError.damaged(path: path, reason: "log \(log) ends at offset \(key.last)")
            }
            if isFirst, known == nil { result.state.start = key.base }
            isFirst = false
            result.state.next = max(result.state.next, key.last.next)
            let row = try chunks.row(key, log).decoded
            if !row.damage.isEmpty {
                let reason = row.damage.map(\.description).joined(separator: "; ")
                result.damage.append("log \(log), chunk at offset \(key.base): \(reason)")
                try chunks.keepAside(key, reason)
                try runs.rewrite(ChunkRewrite(base: key.base, last: key.last, segment: row.segment), log)
            }
            guard !purged.contains(where: { $0.contains(key.base) }) else { continue }
            for entry in row.segment.entries
            where entry.offset >= floor && !row.settled.contains(entry.offset.distance(from: key.base)) {
                result.state.ready += 1
                result.state.bytes += entry.byteCount
                guard entry.expires != RecordSegment.Entry.never else { continue }
                result.state.nextExpiry = min(result.state.nextExpiry ?? entry.expires, entry.expires)
            }
        }
        if known == nil {
            result.state.floor = result.state.start
            result.state.handedOut = result.state.next
        }
        return result
    }
}
