internal import ColaCore

/// A chunk and what is settled of it: what merging and rewriting take, and what they make.
///
/// Neither adds or loses a record that is alive. Both leave a row whose first and last offset are those of its batches,
/// so that what is read can be held against the row; in our own batches these are offsets of records.
struct ChunkRow: Sendable {
    var chunk: EncodedChunk
    var settled: SettledSet

    var offsets: ClosedRange<Offset> { chunk.base...chunk.last }

    /// What can be read of it.
    var decoded: StoredChunk {
        StoredChunk(
            base: chunk.base, last: chunk.last, count: chunk.count, data: chunk.data, expires: chunk.minExpire != nil,
            settled: settled, released: [])
    }

    /// How many of its records can be read, whatever the row says.
    var readableCount: Int { RecordBatch.decode(chunk.data, inflating: .stored).segment.entries.count }

    /// Whether no record of it is wanted any more: each is settled, or below `floor`.
    func isFinished(floor: Offset) -> Bool {
        Self.isFinished(offsets, chunk.count, settled, floor: floor) { decoded }
    }

    /// The same of a row whose records are loaded only if there is no other way to tell.
    static func isFinished(
        _ offsets: ClosedRange<Offset>, _ count: Int, _ settled: SettledSet, floor: Offset,
        load: () throws -> StoredChunk
    ) rethrows -> Bool {
        if offsets.upperBound < floor { return true }
        // Offsets may be missing, so the number of settled ones alone proves nothing; but it can spare a look.
        let below = max(0, floor.distance(from: offsets.lowerBound))
        guard settled.count + below >= count else { return false }
        let width = offsets.upperBound.distance(from: offsets.lowerBound) + 1
        if settled.firstMissing(from: below) >= width { return true }
        // Markers of transactions alone: somebody reads what they are about until all of them are behind.
        guard count > 0 else { return false }
        let found = try load()
        return found.damage.isEmpty
            && found.segment.entries.allSatisfy {
                $0.offset < floor || settled.contains($0.offset.distance(from: offsets.lowerBound))
            }
    }

    /// One row in place of several neighbours, without what is settled of them.
    ///
    /// - Parameter decoded: what could be read of each of the rows, without damage.
    /// - Returns: nil if they lie too far apart, or nothing of them is alive.
    static func merged(_ rows: [ChunkRow], decoded: [StoredChunk]) -> ChunkRow? {
        guard let first = rows.first, let last = rows.last,
            last.chunk.last.distance(from: first.chunk.base) < SettledSet.indexMax
        else { return nil }
        if rows.allSatisfy({ RecordBatch.areOurOwn($0.chunk.data) }) {
            let live = zip(rows, decoded).map { $0.settled.isEmpty ? $1.segment : $0.alive(of: $1.segment) }
            return EncodedChunk(RecordSegment(joining: live)).map { ChunkRow(chunk: $0, settled: SettledSet()) }
        }
        // Batches that came as they are from a producer stay so, with the numbers in their headers, and their
        // neighbours with them. A chunk is read as a whole, so what is small when it is compressed may be too large.
        guard decoded.reduce(0, { $0 + $1.segment.data.count }) <= BatchInflater.stored.batchBytesMax else {
            return nil
        }
        let chunks = rows.map(\.chunk)
        let chunk = EncodedChunk(
            base: first.chunk.base, last: last.chunk.last, count: chunks.reduce(0) { $0 + $1.count },
            bytes: chunks.reduce(0) { $0 + $1.bytes },
            minTimestamp: chunks.reduce(first.chunk.minTimestamp) { min($0, $1.minTimestamp) },
            maxTimestamp: chunks.reduce(first.chunk.maxTimestamp) { max($0, $1.maxTimestamp) },
            minExpire: chunks.compactMap(\.minExpire).min(), data: chunks.flatMap(\.data))
        return ChunkRow(chunk: chunk, settled: settled(of: rows, in: chunk))
    }

    private func alive(of segment: RecordSegment, floor: Offset = Offset(0)) -> RecordSegment {
        RecordSegment(joining: [segment]) {
            $0.offset >= floor && !settled.contains($0.offset.distance(from: chunk.base))
        }
    }

    /// What is settled of the rows, as a set of the chunk that stands for them.
    private static func settled(of rows: [ChunkRow], in chunk: EncodedChunk) -> SettledSet {
        var settled = SettledSet()
        for row in rows where !row.settled.isEmpty {
            settled.formUnion(row.settled.moved(from: row.chunk.base, into: chunk.base...chunk.last))
        }
        return settled
    }

    /// The chunk with its live records alone; nil in it: none is.
    ///
    /// - Returns: nil if it is damaged, or has no record that could go.
    func live(floor: Offset) -> EncodedChunk?? {
        let decoded = decoded
        guard decoded.damage.isEmpty, !decoded.segment.isEmpty else { return nil }
        if RecordBatch.areOurOwn(chunk.data) {
            return .some(EncodedChunk(alive(of: decoded.segment, floor: floor)))
        }
        let data = try? RecordBatch.keeping(chunk.data, inflating: .stored) {
            $0 >= floor && !settled.contains($0.distance(from: chunk.base))
        }
        return data.map { EncodedChunk(batches: $0, near: chunk) }
    }

    /// What becomes of rows, neighbours in their order, of which the records in `run` are replaced by those of
    /// `segment`.
    ///
    /// - Returns: nil if no record is left; and whether all of what stays could be read.
    static func rewritten(
        _ rows: [ChunkRow], _ run: ClosedRange<Offset>, _ segment: RecordSegment
    ) -> (row: ChunkRow?, isWhole: Bool) {
        var (before, after): ([RecordSegment], [RecordSegment]) = ([], [])
        var isWhole = true
        // Rows that reach beyond the run keep what lies there.
        for row in rows where row.chunk.base < run.lowerBound || row.chunk.last > run.upperBound {
            let decoded = row.decoded
            isWhole = isWhole && decoded.damage.isEmpty
            before.append(RecordSegment(joining: [decoded.segment]) { $0.offset < run.lowerBound })
            after.append(RecordSegment(joining: [decoded.segment]) { $0.offset > run.upperBound })
        }
        let kept = RecordSegment(joining: [segment]) { run.contains($0.offset) }
        if !rows.allSatisfy({ RecordBatch.areOurOwn($0.chunk.data) }) {
            let chunk = rewrittenBatches(rows, run, kept)
            return (chunk.map { ChunkRow(chunk: $0, settled: settled(of: rows, in: $0)) }, isWhole)
        }
        guard let chunk = EncodedChunk(RecordSegment(joining: before + [kept] + after)) else { return (nil, isWhole) }
        return (ChunkRow(chunk: chunk, settled: settled(of: rows, in: chunk)), isWhole)
    }

    /// The same where batches of producers are among them, which keep what their headers say.
    ///
    /// Those in a row that is damaged do not: of them stays what is in `segment` and what can be read beyond the run,
    /// as batches of our own, which name no producer. The row is kept aside then.
    private static func rewrittenBatches(
        _ rows: [ChunkRow], _ run: ClosedRange<Offset>, _ segment: RecordSegment
    ) -> EncodedChunk? {
        var data: [UInt8] = []
        for row in rows {
            let decoded = row.decoded
            if decoded.damage.isEmpty, !RecordBatch.areOurOwn(row.chunk.data),
                let kept = try? RecordBatch.keeping(
                    row.chunk.data, inflating: .stored,
                    where: { !run.contains($0) || segment.entry(at: $0) != nil })
            {
                data += kept
                continue
            }
            let readable = decoded.segment
            data += RecordBatch.encode(
                RecordSegment(joining: [
                    RecordSegment(joining: [readable]) { $0.offset < run.lowerBound },
                    RecordSegment(joining: [segment]) { row.offsets.contains($0.offset) },
                    RecordSegment(joining: [readable]) { $0.offset > run.upperBound },
                ]))
        }
        return EncodedChunk(batches: data, near: rows.first?.chunk)
    }
}

extension EncodedChunk {
    /// Batches that are sound, as a row.
    ///
    /// - Parameter chunk: one whose times it has if none of its batches has a record.
    /// - Returns: nil if there is no batch.
    fileprivate init?(batches data: [UInt8], near chunk: EncodedChunk?) {
        guard let offsets = RecordBatch.offsets(of: RecordBatch.readableHeaders(in: data)) else { return nil }
        let entries = RecordBatch.decode(data, inflating: .stored).segment.readingExpiries().entries
        let expires = entries.map(\.expires).min() ?? RecordSegment.Entry.never
        let none = Timestamp(0)
        self.init(
            base: offsets.lowerBound, last: offsets.upperBound, count: entries.count,
            bytes: entries.reduce(0) { $0 + $1.byteCount },
            minTimestamp: entries.map(\.timestamp).min() ?? chunk?.minTimestamp ?? none,
            maxTimestamp: entries.map(\.timestamp).max() ?? chunk?.maxTimestamp ?? none,
            minExpire: expires == RecordSegment.Entry.never ? nil : expires, data: data)
    }
}

extension RecordBatch {
    /// Whether every batch in `bytes`, which are sound, is one that we encoded: nothing in its header is of a producer.
    static func areOurOwn(_ bytes: [UInt8]) -> Bool {
        guard let headers = try? headers(in: bytes) else { return true }
        return headers.allSatisfy { $0.attributes == [] && $0.producerID == -1 }
    }
}
