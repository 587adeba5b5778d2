/// The one format in which records are stored: Kafka's record batch, version 2.
///
///     0            8            12                  16      17     21
///     +------------+------------+-------------------+-------+------+------------+-----------------+
///     | baseOffset | batchLength| partitionLeader-  | magic | crc  | attributes | lastOffsetDelta |
///     | i64        | i32        | Epoch i32         | 2     | u32  | i16        | i32             |
///     +------------+------------+-------------------+-------+------+------------+-----------------+
///     27              35             43           51              53             57             61
///     +---------------+--------------+------------+---------------+--------------+-------------+---------+
///     | baseTimestamp | maxTimestamp | producerId | producerEpoch | baseSequence | recordCount | records |
///     | i64 ms        | i64 ms       | i64, -1    | i16, -1       | i32, -1      | i32         |         |
///     +---------------+--------------+------------+---------------+--------------+-------------+---------+
///
/// All integers are big-endian. batchLength counts what follows it. The CRC32C covers everything from attributes on. A
/// record is `length varint | attributes i8 | timestampDelta varint | offsetDelta varint | keyLength varint | key |
/// valueLength varint | value | headerCount varint | headers`; a length of -1 is null. Our own batches hold at most
/// 64 KiB of records, a larger message is alone in its batch: the batch is the unit of checking and of quarantine.
///
/// Source: Kafka documentation, "Message Format", "Record Batch"
package enum RecordBatch {
    package static let headerBytes = 61
    /// Above this a batch is closed and another begun. Bytes of records.
    package static let recordBytesMax = 64 * 1024

    /// Where the batch's length ends and what it counts begins.
    static let lengthEnd = 12
    static let crcStart = 17
    static let attributesStart = 21
    static let magic: UInt8 = 2
}

extension RecordBatch {
    /// The records of `segment` as one or more batches, without those whose offsets `skipped` holds.
    ///
    /// - Returns: the bytes of the batches one after the other; empty if no record is left.
    package static func encode(_ segment: RecordSegment, skipping isSkipped: ((Offset) -> Bool)? = nil) -> [UInt8] {
        var entries = segment.entries[...]
        if let isSkipped { entries = entries.filter { !isSkipped($0.offset) }[...] }
        return segment.data.withUnsafeBytes { data in
            var batches: [(entries: ArraySlice<RecordSegment.Entry>, bytes: Int)] = []
            while let batch = nextBatch(of: &entries) { batches.append(batch) }
            let total = batches.reduce(0) { $0 + headerBytes + $1.bytes }
            return [UInt8](unsafeUninitializedCapacity: total) { buffer, count in
                for batch in batches {
                    count = write(batch.entries, recordBytes: batch.bytes, data: data, to: buffer, at: count)
                }
            }
        }
    }

    /// Takes from the front what fits into one batch, and counts the bytes its records will have.
    private static func nextBatch(
        of entries: inout ArraySlice<RecordSegment.Entry>
    ) -> (entries: ArraySlice<RecordSegment.Entry>, bytes: Int)? {
        guard let first = entries.first else { return nil }
        var bytes = 0
        var end = entries.startIndex
        while end < entries.endIndex {
            let body = bodyBytes(of: entries[end], base: first)
            let size = Varint.size(Int64(body)) + body
            if end > entries.startIndex,
                bytes + size > recordBytesMax || !reaches(entries[end].offset, from: first.offset)
            {
                break
            }
            bytes += size
            end += 1
        }
        defer { entries = entries[end...] }
        return (entries[..<end], bytes)
    }

    /// Whether `offset` is within the 32 bits in which a batch that begins at `base` counts its offsets.
    private static func reaches(_ offset: Offset, from base: Offset) -> Bool {
        offset.rawValue - base.rawValue <= Int64(Int32.max)
    }

    /// The size of a record without its own length.
    private static func bodyBytes(of entry: RecordSegment.Entry, base: RecordSegment.Entry) -> Int {
        1 + Varint.size(entry.timestamp.rawValue &- base.timestamp.rawValue)
            + Varint.size(entry.offset.rawValue - base.offset.rawValue)
            + Varint.size(Int64(entry.key.count)) + entry.key.range.count
            + Varint.size(Int64(entry.value.count)) + entry.value.range.count
            + Varint.size(Int64(entry.headerCount)) + entry.headers.range.count
    }

    private static func write(
        _ entries: ArraySlice<RecordSegment.Entry>, recordBytes: Int, data: UnsafeRawBufferPointer,
        to buffer: UnsafeMutableBufferPointer<UInt8>, at start: Int
    ) -> Int {
        let target = UnsafeMutableRawPointer(buffer.baseAddress!)
        let base = entries.first!
        var maxTimestamp = base.timestamp
        var next = start + headerBytes
        for entry in entries {
            maxTimestamp = max(maxTimestamp, entry.timestamp)
            next = Varint.write(Int64(bodyBytes(of: entry, base: base)), to: target, at: next)
            target.storeBytes(of: 0, toByteOffset: next, as: UInt8.self)  // attributes: none are defined
            next += 1
            next = Varint.write(entry.timestamp.rawValue &- base.timestamp.rawValue, to: target, at: next)
            next = Varint.write(entry.offset.rawValue - base.offset.rawValue, to: target, at: next)
            next = write(entry.key, of: data, to: target, at: next)
            next = write(entry.value, of: data, to: target, at: next)
            next = Varint.write(Int64(entry.headerCount), to: target, at: next)
            next = copy(entry.headers, of: data, to: target, at: next)
        }
        precondition(next == start + headerBytes + recordBytes, "\(next - start) bytes written, \(recordBytes) counted")

        put(base.offset.rawValue, target, start)
        put(Int32(next - start - lengthEnd), target, start + 8)
        put(Int32(0), target, start + 12)  // partitionLeaderEpoch: there is one leader
        put(Int8(magic), target, start + 16)
        put(Int16(0), target, start + 21)
        put(Int32(entries.last!.offset.rawValue - base.offset.rawValue), target, start + 23)
        put(base.timestamp.rawValue, target, start + 27)
        put(maxTimestamp.rawValue, target, start + 35)
        put(Int64(-1), target, start + 43)
        put(Int16(-1), target, start + 51)
        put(Int32(-1), target, start + 53)
        put(Int32(entries.count), target, start + 57)
        let covered = UnsafeRawBufferPointer(
            start: target + start + attributesStart, count: next - start - attributesStart)
        put(CRC32C.checksum(covered), target, start + crcStart)
        return next
    }

    private static func write(
        _ part: RecordSegment.Part, of data: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer,
        at position: Int
    ) -> Int {
        copy(part, of: data, to: target, at: Varint.write(Int64(part.count), to: target, at: position))
    }

    private static func copy(
        _ part: RecordSegment.Part, of data: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer,
        at position: Int
    ) -> Int {
        guard part.count > 0 else { return position }
        (target + position).copyMemory(from: data.baseAddress! + Int(part.start), byteCount: Int(part.count))
        return position + Int(part.count)
    }

    private static func put(_ value: some FixedWidthInteger, _ target: UnsafeMutableRawPointer, _ position: Int) {
        target.storeBytes(of: value.bigEndian, toByteOffset: position, as: type(of: value.bigEndian))
    }
}

extension RecordBatch {
    /// Bytes that are no record batch, though they stand where one was stored.
    package struct Damage: Error, Equatable, Sendable, CustomStringConvertible {
        package enum Reason: String, Error {
            case cutShort = "the bytes end before the batch does"
            case badLength = "its length is impossible"
            case badMagic = "it is not version 2"
            case badChecksum = "its checksum does not match"
            case badRecord = "a record in it is malformed"
            case badOrder = "its offsets do not follow those before it"
            case compressed = "it is compressed, in a way that is not known here"
            case badCompression = "its records cannot be decompressed"
            case inflatesTooFar = "its records would be too large when they are decompressed"
        }

        package var reason: Reason
        /// Where the batch begins in the bytes that were read.
        package var position: Int
        /// The offsets it would have held, as far as its header can be believed.
        package var offsets: ClosedRange<Offset>?

        package init(reason: Reason, position: Int, offsets: ClosedRange<Offset>?) {
            self.reason = reason
            self.position = position
            self.offsets = offsets
        }

        package var description: String { "record batch at byte \(position): \(reason.rawValue)" }
    }

    /// The records of all batches in `bytes`, checked, and what could not be read.
    ///
    /// A batch that is damaged is left out and named; the next one is looked for where its length says, and when that
    /// cannot be believed, the rest of the bytes is left out with it.
    ///
    /// Batches of whatever producer are read: compressed, with the time of the broker, without those records that were
    /// compacted away, even without any. What is in a control batch is no message: it gives no record, and no damage.
    ///
    /// - Parameter inflater: who decompresses; nil: a batch that is compressed is damage.
    /// - Returns: a segment whose data is `bytes`, behind them what was decompressed.
    package static func decode(
        _ bytes: [UInt8], inflating inflater: BatchInflater? = nil
    ) -> (segment: RecordSegment, damage: [Damage]) {
        var entries: [RecordSegment.Entry] = []
        var damage: [Damage] = []
        var inflated: [UInt8] = []
        bytes.withUnsafeBytes { buffer in
            // What is kept of this counts with its exact size: an array that grows would take up to twice that.
            entries.reserveCapacity(countAtMost(in: buffer))
            var position = 0
            var lastOffset = Offset(-1)
            while position < buffer.count {
                let start = position
                do throws(Damage) {
                    position = try end(of: buffer, at: start)
                } catch {
                    damage.append(error)
                    return
                }
                let (entriesBefore, inflatedBefore) = (entries.count, inflated.count)
                do throws(Damage.Reason) {
                    lastOffset = try decodeBatch(
                        buffer, start..<position, after: lastOffset, inflater, &inflated, &entries)
                } catch {
                    entries.removeSubrange(entriesBefore...)
                    inflated.removeSubrange(inflatedBefore...)
                    damage.append(Damage(reason: error, position: start, offsets: offsets(of: buffer, at: start)))
                }
            }
        }
        guard !inflated.isEmpty else { return (RecordSegment(data: bytes, entries: entries), damage) }
        var data: [UInt8] = []
        data.reserveCapacity(bytes.count + inflated.count)
        data += bytes
        data += inflated
        return (RecordSegment(data: data, entries: entries.withUnsafeBufferPointer { Array($0) }), damage)
    }

    /// How many records all batches say that they have, where that can be: a record takes seven bytes at least. What is
    /// compressed is not counted.
    private static func countAtMost(in bytes: UnsafeRawBufferPointer) -> Int {
        var count = 0
        var position = 0
        while position < bytes.count, let end = try? end(of: bytes, at: position) {
            let header = Header(fieldsOf: bytes, at: position, end: end)
            if !header.attributes.isCompressed {
                count += min(max(0, Int(header.recordCount)), header.recordRange.count / 7)
            }
            position = end
        }
        return count
    }

    private static func offsets(of bytes: UnsafeRawBufferPointer, at start: Int) -> ClosedRange<Offset>? {
        let base = get(Int64.self, bytes, start)
        let (last, overflow) = base.addingReportingOverflow(Int64(get(Int32.self, bytes, start + 23)))
        guard base >= 0, !overflow, last >= base else { return nil }
        return Offset(base)...Offset(last)
    }

    /// Adds the records of the batch at `range` to `entries`, and what they are decompressed to to `inflated`.
    ///
    /// - Parameter previous: the last offset of the batch before it; -1: there is none.
    /// - Returns: its own last offset.
    private static func decodeBatch(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, after previous: Offset, _ inflater: BatchInflater?,
        _ inflated: inout [UInt8], _ entries: inout [RecordSegment.Entry]
    ) throws(Damage.Reason) -> Offset {
        guard bytes[range.lowerBound + 16] == magic else { throw .badMagic }
        let fields = Header(fieldsOf: bytes, at: range.lowerBound, end: range.upperBound)
        guard fields.verifyChecksum(in: bytes) else { throw .badChecksum }
        let header: Header
        do throws(Damage) {
            header = try Header(reading: bytes, at: range.lowerBound)
        } catch {
            throw error.reason
        }
        // The checksum does not cover the base, and nothing is found in a segment whose offsets do not grow.
        guard header.baseOffset > previous else { throw .badOrder }
        guard !header.attributes.contains(.control) else { return header.lastOffset }
        let records = UnsafeRawBufferPointer(rebasing: bytes[header.recordRange])
        guard header.attributes.isCompressed, header.recordCount > 0 || !records.isEmpty else {
            try decodeRecords(records, of: header, at: header.recordRange.lowerBound, &entries)
            return header.lastOffset
        }
        let start = bytes.count + inflated.count
        let inflatedRecords = try inflate(records, of: header, inflater, before: inflated.count)
        try inflatedRecords.withUnsafeBufferPointer { records throws(Damage.Reason) in
            try decodeRecords(UnsafeRawBufferPointer(records), of: header, at: start, &entries)
        }
        inflated += inflatedRecords
        return header.lastOffset
    }

    /// - Parameter before: how much has been decompressed of the batches before. Bytes.
    static func inflate(
        _ records: UnsafeRawBufferPointer, of header: Header, _ inflater: BatchInflater?, before: Int = 0
    ) throws(Damage.Reason) -> [UInt8] {
        guard let inflater, let codec = header.attributes.codec else { throw .compressed }
        do throws(BatchInflater.Failure) {
            return try inflater.inflate(records, codec, min(inflater.batchBytesMax, inflater.bytesMax - before))
        } catch {
            switch error {
            case .malformed: throw .badCompression
            case .tooLarge: throw .inflatesTooFar
            }
        }
    }

    /// - Parameter start: where `records` will be in the segment's data.
    private static func decodeRecords(
        _ records: UnsafeRawBufferPointer, of header: Header, at start: Int, _ entries: inout [RecordSegment.Entry]
    ) throws(Damage.Reason) {
        let logAppendTime = header.attributes.contains(.logAppendTime) ? header.maxTimestamp : nil
        var position = 0
        var previous = Int64(-1)
        for _ in 0..<header.recordCount {
            guard let record = decodeRecord(records, at: &position, start: start),
                record.offsetDelta > previous, record.offsetDelta <= Int64(header.lastOffsetDelta)
            else { throw .badRecord }
            previous = record.offsetDelta
            var entry = record.entry
            entry.offset = Offset(header.baseOffset.rawValue + record.offsetDelta)
            entry.timestamp =
                logAppendTime ?? Timestamp(header.baseTimestamp.rawValue &+ record.timestampDelta)
            entries.append(entry)
        }
        guard position == records.count else { throw .badRecord }
    }

    private static func decodeRecord(
        _ records: UnsafeRawBufferPointer, at position: inout Int, start: Int
    ) -> (entry: RecordSegment.Entry, offsetDelta: Int64, timestampDelta: Int64)? {
        guard let length = Varint.read(records, at: &position), length >= 0, length <= Int64(records.count - position)
        else {
            return nil
        }
        let end = position + Int(length)
        let record = UnsafeRawBufferPointer(rebasing: records[..<end])
        guard position < end else { return nil }
        position += 1  // attributes: none are defined
        guard let timestampDelta = Varint.read(record, at: &position),
            let offsetDelta = Varint.read(record, at: &position),
            let key = readPart(record, at: &position, start: start),
            let value = readPart(record, at: &position, start: start),
            let headerCount = Varint.read(record, at: &position), headerCount >= 0,
            headerCount <= Int64(end - position),
            (headerCount == 0) == (position == end)
        else { return nil }
        let headers = RecordSegment.Part(start: UInt32(start + position), count: Int32(end - position))
        position = end
        return (
            RecordSegment.Entry(
                offset: Offset(0), timestamp: Timestamp(0), key: key, value: value, headers: headers,
                headerCount: Int32(headerCount)), offsetDelta, timestampDelta
        )
    }

    private static func readPart(
        _ record: UnsafeRawBufferPointer, at position: inout Int, start: Int
    ) -> RecordSegment.Part? {
        guard let length = Varint.read(record, at: &position), length >= -1, length <= Int64(record.count - position)
        else { return nil }
        defer { position += max(0, Int(length)) }
        return RecordSegment.Part(start: UInt32(start + position), count: Int32(length))
    }
}
