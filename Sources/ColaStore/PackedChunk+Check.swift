internal import ColaCore

extension PackedChunk {
    /// What was stored for a chunk, without the batches that fail their check or do not belong there.
    init(checking data: [UInt8], base: Offset, last: Offset) {
        var good: [Range<Int>] = []
        var position = 0
        var next = base
        data.withUnsafeBytes { bytes in
            // Behind a header that cannot be read nothing can be found.
            while let header = try? RecordBatch.nextHeader(in: bytes, at: &position) {
                // The checksum does not cover the place.
                let isInPlace = header.baseOffset >= next && header.lastOffset <= last
                guard isInPlace, header.verifyChecksum(in: bytes) else { continue }
                next = header.lastOffset.next
                if let before = good.last, before.upperBound == header.position {
                    good[good.count - 1] = before.lowerBound..<header.end
                } else {
                    good.append(header.range)
                }
            }
        }
        let isWhole = good.count == 1 && good[0] == data.indices
        self.init(
            base: base, last: last, data: isWhole ? data : good.flatMap { data[$0] }, isDamaged: !isWhole)
    }
}

extension StoredChunk {
    /// The first record at or above an offset that is as young as this, or younger.
    func record(from start: Offset, asYoungAs time: Timestamp) -> LocatedRecord? {
        segment.entries.first { $0.offset >= start && $0.timestamp >= time }
            .map { LocatedRecord(offset: $0.offset, timestamp: $0.timestamp) }
    }

    /// The first of the records with the latest time.
    func youngestRecord(from start: Offset) -> LocatedRecord? {
        var youngest: RecordSegment.Entry?
        for entry in segment.entries where entry.offset >= start {
            if let found = youngest, found.timestamp >= entry.timestamp { continue }
            youngest = entry
        }
        return youngest.map { LocatedRecord(offset: $0.offset, timestamp: $0.timestamp) }
    }
}
