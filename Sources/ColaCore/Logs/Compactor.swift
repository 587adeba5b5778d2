/// One pass of compaction over one partition: of the records of a key below some offset, only the last one stays.
///
/// First it reads what has come since the last pass and notes the last offset of each key; when that takes all the
/// memory it may, the pass ends there, and the next one goes on from that place. Then it reads everything from the
/// oldest record on and says of each chunk what is left of it. Both go one chunk at a time.
///
/// Older records of a key are gone, or go in the same batch, before the record without a value that outlived them goes:
/// so no prefix of the pass brings a key back. Nothing of a pass has to be stored: one that was broken off begins anew.
///
/// Source: Apache Kafka, `LogCleaner`
struct Compactor {
    enum Phase: Equatable {
        /// Reads what is new.
        case mapping
        /// Reads everything, and rewrites it.
        case rewriting
        /// All is said; it ends when the store has done it.
        case settling(BatchNumber)
    }

    private(set) var phase = Phase.mapping
    /// The read that it waits for.
    var reading: ReadRequest?
    /// Where it reads on.
    private(set) var next: Offset
    /// Records at or above are not looked at.
    private(set) var end: Offset
    /// A record without a value goes if it is as old as this.
    private let oldest: Timestamp
    private let keysMax: Int
    private let bytesMax: Int
    /// Looked up, never walked.
    private var lastOffsets: [[UInt8]: Offset] = [:]
    private var keyBytes = 0
    /// Bytes of the records that were new when it began.
    private let newBytes: Int
    /// The part of them that was read, below `end`.
    private var mappedBytes = 0
    /// Whether there was no room for all of the keys.
    private var isPartial = false
    /// Whether some of it could not be read: an older record of any key may be there.
    private(set) var hasDamage = false
    /// The batch of the last rewrite.
    private var lastBatch: BatchNumber?

    /// - Parameters:
    ///   - newBytes: of all records from there on.
    ///   - keysMax: keys that it notes, at least one.
    ///   - bytesMax: bytes of keys that it notes, but for the first one.
    init(
        from: Offset, below end: Offset, newBytes: Int, tombstonesUntil oldest: Timestamp, keysMax: Int, bytesMax: Int
    ) {
        self.newBytes = newBytes
        next = from
        self.end = end
        self.oldest = oldest
        self.keysMax = keysMax
        self.bytesMax = bytesMax
    }

    /// Bytes of the records that were new and are not any more. Of damaged ones nobody knows the size.
    var cleanedBytes: Int { hasDamage && !isPartial ? newBytes : mappedBytes }

    // MARK: What is new

    /// Notes the keys of a chunk that was read; nil: there is none up to `end`.
    mutating func map(_ chunk: StoredChunk?, aborted: [ClosedRange<Offset>] = []) {
        guard let chunk, chunk.base < end else { return beginRewriting() }
        if !chunk.damage.isEmpty || chunk.segment.entries.count < chunk.count { hasDamage = true }
        for entry in chunk.segment.entries where entry.offset >= next && entry.offset < end {
            // What was aborted takes the place of nothing.
            if aborted.contains(where: { $0.contains(entry.offset) }) { continue }
            guard note(entry, in: chunk.segment.data) else {
                end = entry.offset
                isPartial = true
                return beginRewriting()
            }
            mappedBytes += entry.byteCount
        }
        next = max(next, chunk.last.next)
        if next >= end { beginRewriting() }
    }

    /// - Returns: false if there is no more room.
    private mutating func note(_ entry: RecordSegment.Entry, in data: [UInt8]) -> Bool {
        guard !entry.key.isNull else { return true }
        let key = Array(data[entry.key.range])
        if lastOffsets[key] == nil {
            guard lastOffsets.isEmpty || lastOffsets.count < keysMax && keyBytes + key.count <= bytesMax else {
                return false
            }
            keyBytes += key.count
        }
        lastOffsets[key] = entry.offset
        return true
    }

    private mutating func beginRewriting() {
        phase = .rewriting
        next = Offset(0)
    }

    // MARK: What is left

    /// What is left of a chunk that was read, of the offsets from `start` on; nil if all of it is, or there is none.
    ///
    /// - Parameter isLast: whether the log has no record above this one: it stays in any case.
    mutating func rewrite(
        _ chunk: StoredChunk?, aborted: [ClosedRange<Offset>] = [], from start: Offset, isLast: (Offset) -> Bool
    ) -> (change: ChunkRewrite, dropped: Int, droppedBytes: Int)? {
        guard let chunk, chunk.base < end else {
            next = end
            return nil
        }
        let first = max(chunk.base, start, next)
        next = max(next, chunk.last.next)
        guard chunk.segment.entries.count >= chunk.count, chunk.damage.isEmpty else {
            hasDamage = true
            return nil
        }
        let last = min(chunk.last, end.advanced(by: -1))
        guard first <= last else { return nil }
        var kept: [RecordSegment.Entry] = []
        var (dropped, droppedBytes) = (0, 0)
        for entry in chunk.segment.entries where entry.offset >= first && entry.offset <= last {
            let isAborted = aborted.contains { $0.contains(entry.offset) }
            if !isAborted && (isLast(entry.offset) || keeps(entry, in: chunk.segment.data)) {
                kept.append(entry)
            } else {
                dropped += 1
                droppedBytes += entry.byteCount
            }
        }
        guard dropped > 0 else { return nil }
        let segment = RecordSegment(data: chunk.segment.data, entries: kept)
        return (ChunkRewrite(base: first, last: last, segment: segment), dropped, droppedBytes)
    }

    private func keeps(_ entry: RecordSegment.Entry, in data: [UInt8]) -> Bool {
        guard !entry.key.isNull else { return true }
        if let last = lastOffsets[Array(data[entry.key.range])], last > entry.offset { return false }
        return !entry.value.isNull || entry.timestamp > oldest || hasDamage
    }

    /// The batch brings a rewrite to the store.
    mutating func didRewrite(in batch: BatchNumber) { lastBatch = batch }

    /// Whether all has been read; then it waits for its last batch.
    mutating func isFinished(durable: BatchNumber) -> Bool {
        if phase == .rewriting, next >= end { phase = .settling(lastBatch ?? BatchNumber(0)) }
        if case .settling(let batch) = phase { return batch <= durable }
        return false
    }
}
