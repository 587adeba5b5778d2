internal import ColaCore

/// A chunk and what is settled of it: what merging and rewriting take, and what they make.
///
/// Neither adds or loses a record that is alive. Both leave a row whose first and last offset are those of records, so
/// that what is read can be held against the row.
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
        // Batches that came as they are from a producer stay so, with the numbers in their headers.
        guard var chunk = EncodedChunk(RecordSegment(joining: decoded.map(\.segment))) else { return nil }
        chunk.data = rows.flatMap(\.chunk.data)
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
    /// - Returns: nil if it is damaged.
    func live(floor: Offset) -> EncodedChunk?? {
        let decoded = decoded
        guard decoded.damage.isEmpty else { return nil }
        return .some(EncodedChunk(alive(of: decoded.segment, floor: floor)))
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
        guard let chunk = EncodedChunk(RecordSegment(joining: before + [kept] + after)) else { return (nil, isWhole) }
        return (ChunkRow(chunk: chunk, settled: settled(of: rows, in: chunk)), isWhole)
    }
}

extension RecordBatch {
    /// Whether every batch in `bytes`, which are sound, is one that we encoded: nothing in its header is of a producer.
    static func areOurOwn(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var position = 0
            while position + headerBytes <= bytes.count {
                let length = Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: position + 8, as: Int32.self))
                let attributes = bytes.loadUnaligned(fromByteOffset: position + 21, as: Int16.self)
                let producer = bytes.loadUnaligned(fromByteOffset: position + 43, as: Int64.self)
                guard attributes == 0, producer == -1, length > 0 else { return false }
                position += 12 + Int(length)
            }
            return true
        }
    }
}
