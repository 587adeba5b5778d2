internal import ColaCore

/// A run of records of one log, as it is stored.
struct EncodedChunk: Sendable {
    var base: Offset
    var last: Offset
    /// Records.
    var count: Int
    /// Of keys, values and headers, as producers handed them in.
    var bytes: Int
    var minTimestamp: Timestamp
    var maxTimestamp: Timestamp
    /// When the first of them expires; nil: none does.
    var minExpire: Timestamp?
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
        var expires = RecordSegment.Entry.never
        for entry in segment.entries {
            bytes += entry.byteCount
            minTimestamp = min(minTimestamp, entry.timestamp)
            maxTimestamp = max(maxTimestamp, entry.timestamp)
            expires = min(expires, entry.expires)
        }
        minExpire = expires == RecordSegment.Entry.never ? nil : expires
        data = RecordBatch.encode(segment)
    }

    init(_ run: PackedRun) {
        self.init(
            base: run.base, last: run.last, count: run.count, bytes: run.data.count, minTimestamp: run.minTimestamp,
            maxTimestamp: run.maxTimestamp, minExpire: nil, data: run.data)
    }

    /// As a row holds it.
    init(
        base: Offset, last: Offset, count: Int, bytes: Int, minTimestamp: Timestamp, maxTimestamp: Timestamp,
        minExpire: Timestamp?, data: [UInt8]
    ) {
        self.base = base
        self.last = last
        self.count = count
        self.bytes = bytes
        self.minTimestamp = minTimestamp
        self.maxTimestamp = maxTimestamp
        self.minExpire = minExpire
        self.data = data
    }
}

/// A batch with its records encoded, so that a commit that is tried again need not encode again.
struct EncodedBatch: Sendable {
    var batch: Batch
    /// For each of `batch.logs` what comes to it, in the order of the offsets.
    var chunks: [[EncodedChunk]]
    /// As `batch.scheduled`.
    var scheduled: [EncodedSchedule]

    init(_ batch: Batch) {
        self.batch = batch
        chunks = batch.logs.map { change in
            var chunks = change.spilled.isEmpty ? [] : change.spilled.compactMap { EncodedChunk($0) }
            Self.encode(change.appended, into: &chunks)
            return chunks
        }
        scheduled = batch.scheduled.map { EncodedSchedule($0) }
        // The records are in the chunks now: let go of the second copy before the disk is waited for.
        for index in self.batch.logs.indices {
            self.batch.logs[index].appended = []
            self.batch.logs[index].spilled = []
        }
        self.batch.scheduled = []
    }

    /// Packed runs are joined up to this size: a reader in the middle gets no more than it asked for, and some. Bytes.
    private static let packedBytesMax = 1 << 20

    private static func encode(_ runs: [AppendedRun], into chunks: inout [EncodedChunk]) {
        var packed: PackedRun?
        for run in runs {
            switch run {
            case .records(let segment):
                if let run = packed.take() { chunks.append(EncodedChunk(run)) }
                if let chunk = EncodedChunk(segment) { chunks.append(chunk) }
            case .packed(let run):
                if let before = packed, before.data.count + run.data.count > packedBytesMax {
                    chunks.append(EncodedChunk(before))
                    packed = nil
                }
                if packed == nil { packed = run } else { packed?.append(run) }
            }
        }
        if let packed { chunks.append(EncodedChunk(packed)) }
    }

    var dataBytes: Int {
        var bytes = scheduled.reduce(0) { $0 + $1.data.count }
        for chunks in chunks { bytes = chunks.reduce(bytes) { $0 + $1.data.count } }
        return bytes
    }
}

extension RecordSegment.Entry {
    /// Of its key, value and headers.
    var byteCount: Int { key.range.count + value.range.count + headers.range.count }
}
