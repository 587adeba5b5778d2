internal import ColaCore

extension StoredChunk {
    /// Decodes what was stored for a chunk, and holds it against what its row says.
    ///
    /// - Parameter expires: whether any record of it does.
    init(
        base: Offset, last: Offset, count: Int, data: [UInt8], expires: Bool = false, settled: SettledSet,
        released: [Release]
    ) {
        var (segment, damage) = RecordBatch.decode(data, inflating: .stored)
        // A batch's checksum does not cover its base offset: records must not come back under other offsets than
        // theirs.
        let isInPlace =
            segment.entries.allSatisfy { $0.offset >= base && $0.offset <= last }
            && zip(segment.entries, segment.entries.dropFirst()).allSatisfy { $0.offset < $1.offset }
        // The row ends where its batches do: of those of other producers the first or last record may be gone, or be
        // a marker and no message.
        let headers = RecordBatch.readableHeaders(in: data)
        let isWhole =
            damage.isEmpty && segment.entries.count == count && RecordBatch.offsets(of: headers) == base...last
        if !isInPlace || (damage.isEmpty && !isWhole) {
            damage = [Self.misplaced(base...last)]
            segment = RecordSegment()
        }
        if expires { segment = segment.readingExpiries() }
        self.init(
            base: base, last: last, segment: segment, settled: settled, released: released, damage: damage, count: count
        )
        transactional = headers.compactMap { header in
            guard header.attributes.contains(.transactional), !header.attributes.contains(.control) else { return nil }
            return TransactionalBatch(offsets: header.offsets, producerID: header.producerID)
        }
    }

    /// Sound batches, but not those that belong in the chunk.
    private static func misplaced(_ offsets: ClosedRange<Offset>) -> RecordBatch.Damage {
        RecordBatch.Damage(reason: .badRecord, position: 0, offsets: offsets)
    }
}

extension RecordBatch {
    /// From the first offset of the first batch to the last one of the last; nil: there is none.
    static func offsets(of headers: [Header]) -> ClosedRange<Offset>? {
        guard let first = headers.first, let last = headers.last, first.baseOffset <= last.lastOffset else {
            return nil
        }
        return first.baseOffset...last.lastOffset
    }

    /// The headers of the batches in `data`, as far as they can be told apart.
    static func readableHeaders(in data: [UInt8]) -> [Header] {
        data.withUnsafeBytes { bytes in
            var headers: [Header] = []
            var position = 0
            while let header = try? nextHeader(in: bytes, at: &position) { headers.append(header) }
            return headers
        }
    }
}
