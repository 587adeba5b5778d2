extension RecordBatch {
    /// The batches in `bytes`, which are sound, with those of their records alone that are wanted.
    ///
    /// A batch of which all is wanted stays as it is, to the byte. Another one keeps its header, with its offsets, its
    /// times, its producer and whether it is of a transaction, so that whoever passes over what was aborted still can;
    /// its records are no longer compressed. One of which nothing is wanted goes, with the producer's sequence in it:
    /// sequences are looked up elsewhere. Control batches stay, as what they are about may be anywhere before them.
    ///
    /// Source: Kafka's compaction leaves offsets and producers in the same way (KIP-98)
    /// - Throws: ``Damage`` if a batch cannot be read.
    package static func keeping(
        _ bytes: [UInt8], inflating inflater: BatchInflater?, where isWanted: (Offset) -> Bool
    ) throws(Damage) -> [UInt8] {
        var result: [UInt8] = []
        for header in try headers(in: bytes) {
            guard !header.attributes.contains(.control) else {
                result += bytes[header.range]
                continue
            }
            let kept: (count: Int32, records: [UInt8])
            do throws(Damage.Reason) {
                kept = try records(of: header, in: bytes, inflater, where: isWanted)
            } catch {
                throw Damage(reason: error, position: header.position, offsets: header.offsets)
            }
            if kept.count == header.recordCount {
                result += bytes[header.range]
            } else if kept.count > 0 {
                append(header, of: bytes, kept.count, kept.records, to: &result)
            }
        }
        return result
    }

    /// The records of one batch that are wanted, as they stand in it when it is not compressed.
    private static func records(
        of header: Header, in bytes: [UInt8], _ inflater: BatchInflater?, where isWanted: (Offset) -> Bool
    ) throws(Damage.Reason) -> (count: Int32, records: [UInt8]) {
        try bytes.withUnsafeBufferPointer { bytes throws(Damage.Reason) in
            let stored = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[header.recordRange])
            guard header.attributes.isCompressed, header.recordCount > 0 else {
                return try select(stored, of: header, where: isWanted)
            }
            let inflated = try inflate(stored, of: header, inflater)
            return try inflated.withUnsafeBufferPointer { records throws(Damage.Reason) in
                try select(UnsafeRawBufferPointer(records), of: header, where: isWanted)
            }
        }
    }

    private static func select(
        _ records: UnsafeRawBufferPointer, of header: Header, where isWanted: (Offset) -> Bool
    ) throws(Damage.Reason) -> (count: Int32, records: [UInt8]) {
        var kept: [UInt8] = []
        var count: Int32 = 0
        var position = 0
        for _ in 0..<header.recordCount {
            let start = position
            guard let record = RecordWalk(records, at: &position),
                0...Int64(header.lastOffsetDelta) ~= record.offsetDelta
            else { throw .badRecord }
            guard isWanted(Offset(header.baseOffset.rawValue + record.offsetDelta)) else { continue }
            count += 1
            kept += records[start..<position]
        }
        return (count, kept)
    }

    /// Adds a batch like that of `header`, with other records.
    private static func append(
        _ header: Header, of bytes: [UInt8], _ count: Int32, _ records: [UInt8], to result: inout [UInt8]
    ) {
        let start = result.count
        result += bytes[header.position..<header.position + headerBytes]
        result += records
        result.withUnsafeMutableBytes { result in
            func put(_ value: some FixedWidthInteger, _ field: Int) {
                result.storeBytes(of: value.bigEndian, toByteOffset: start + field, as: type(of: value.bigEndian))
            }
            put(Int32(result.count - start - lengthEnd), 8)
            put(header.attributes.rawValue & ~Attributes.codecMask, attributesStart)
            put(count, 57)
            put(checksum(of: UnsafeRawBufferPointer(result), start..<result.count), crcStart)
        }
    }
}
