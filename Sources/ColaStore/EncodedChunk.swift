internal import ColaCore

/// The records that one batch appends to one log, as they are stored.
struct EncodedChunk: Sendable {
    var base: Offset
    var last: Offset
    /// Records.
    var count: Int
    /// Of keys, values and headers, as producers handed them in.
    var bytes: Int
    var minTimestamp: Timestamp
    var maxTimestamp: Timestamp
    /// Record batches.
    var data: [UInt8]

    /// - Returns: nil for a segment without records.
    init?(_ segment: RecordSegment) {
        guard let first = segment.entries.first, let last = segment.entries.last else { return nil }
        base = first.offset
        self.last = last.offset
        count = segment.entries.count
        bytes = 0
        minTimestamp = first.timestamp
        maxTimestamp = first.timestamp
        for entry in segment.entries {
            bytes += entry.key.range.count + entry.value.range.count + entry.headers.range.count
            minTimestamp = min(minTimestamp, entry.timestamp)
            maxTimestamp = max(maxTimestamp, entry.timestamp)
        }
        data = RecordBatch.encode(segment)
    }
}

/// A batch with its records encoded, so that a commit that is tried again need not encode again.
struct EncodedBatch: Sendable {
    var batch: Batch
    /// One for each of `batch.logs`; nil where nothing is appended.
    var chunks: [EncodedChunk?]

    init(_ batch: Batch) {
        self.batch = batch
        chunks = batch.logs.map { $0.appended.flatMap { EncodedChunk($0) } }
        // The records are in the chunks now: let go of the second copy before the disk is waited for.
        for index in self.batch.logs.indices { self.batch.logs[index].appended = nil }
    }

    var dataBytes: Int { chunks.reduce(0) { $0 + ($1?.data.count ?? 0) } }
}
