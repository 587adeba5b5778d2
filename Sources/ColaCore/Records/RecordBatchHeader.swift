/// How the records of a batch are compressed, by the number that its attributes say.
///
/// Source: Kafka documentation, "Message Format", "Record Batch", attributes bits 0 to 2; zstd: KIP-110
package enum CompressionCodec: UInt8, CaseIterable, Sendable {
    case gzip = 1
    /// In the framing of the Java client, or bare.
    case snappy = 2
    case lz4 = 3
    case zstd = 4
}

extension RecordBatch {
    /// What is said of all records of a batch at once.
    ///
    /// Shape:  bits `codec 0…2 | log append time 3 | transactional 4 | control 5 | delete horizon 6`, the rest unused
    package struct Attributes: OptionSet, Equatable, Sendable {
        package var rawValue: Int16
        package init(rawValue: Int16) { self.rawValue = rawValue }

        /// The broker set the time: all records have the batch's `maxTimestamp`, whatever their own deltas say.
        package static let logAppendTime = Attributes(rawValue: 1 << 3)
        package static let transactional = Attributes(rawValue: 1 << 4)
        /// Its record is a marker of a transaction's end, and no message.
        package static let control = Attributes(rawValue: 1 << 5)
        /// `baseTimestamp` is when what has been deleted of it may be forgotten (KIP-534); compaction sets it.
        package static let deleteHorizon = Attributes(rawValue: 1 << 6)

        static let codecMask: Int16 = 0x7
        var codecNumber: UInt8 { UInt8(rawValue & Self.codecMask) }

        package var isCompressed: Bool { codecNumber != 0 }
        /// Nil: not compressed, or by a codec that nobody knows.
        package var codec: CompressionCodec? { CompressionCodec(rawValue: codecNumber) }
        package var namesKnownCodec: Bool { !isCompressed || codec != nil }
    }

    /// The header of one batch among others, of whatever producer, without a look at its records.
    ///
    /// What it says is as true as its checksum, which is looked at only if somebody asks (``verifyChecksum(in:)``); the
    /// base offset and the leader's epoch are outside of the checksum. That the whole batch is there, and that its
    /// offsets can be, is always so.
    package struct Header: Equatable, Sendable {
        /// Where the batch begins in the bytes it was read from.
        package var position: Int
        /// All of it, from its base offset to the end of its records. Bytes; at least ``RecordBatch/headerBytes``.
        package var byteCount: Int
        package var baseOffset: Offset
        package var leaderEpoch: Int32
        package var checksum: UInt32
        package var attributes: Attributes
        package var lastOffsetDelta: Int32
        package var baseTimestamp: Timestamp
        package var maxTimestamp: Timestamp
        /// -1: its producer is not idempotent.
        package var producerID: Int64
        package var producerEpoch: Int16
        /// The sequence of its first record; -1 where there is no producer.
        package var baseSequence: Int32
        /// How many records it holds. Compaction leaves fewer than its offsets could be, even none.
        package var recordCount: Int32

        package var lastOffset: Offset { Offset(baseOffset.rawValue + Int64(lastOffsetDelta)) }
        package var offsets: ClosedRange<Offset> { baseOffset...lastOffset }
        /// Where the next batch begins.
        package var end: Int { position + byteCount }
        package var range: Range<Int> { position..<end }
        /// Where its records are, compressed or not.
        package var recordRange: Range<Int> { position + headerBytes..<end }
        package var hasProducer: Bool { producerID >= 0 }
        /// The sequence of its last record: sequences go on with 0 behind the highest that there is.
        package var lastSequence: Int32 {
            guard hasProducer, baseSequence >= 0 else { return -1 }
            return Int32((Int64(baseSequence) + Int64(lastOffsetDelta)) % (Int64(Int32.max) + 1))
        }

        /// The header of the batch that begins at `position` of `bytes`.
        ///
        /// - Throws: ``Damage`` if no whole batch of version 2 is there, or its offsets or number of records cannot be.
        package init(reading bytes: UnsafeRawBufferPointer, at position: Int) throws(Damage) {
            let end = try RecordBatch.end(of: bytes, at: position)
            guard bytes[position + 16] == RecordBatch.magic else { throw Damage(.badMagic, at: position) }
            self.init(fieldsOf: bytes, at: position, end: end)
            guard baseOffset >= Offset(0), lastOffsetDelta >= 0, recordCount >= 0,
                baseOffset.rawValue <= Int64.max - Int64(lastOffsetDelta)
            else { throw Damage(.badRecord, at: position) }
        }

        package init(reading bytes: [UInt8], at position: Int = 0) throws(Damage) {
            self = try bytes.withUnsafeBufferPointer { bytes throws(Damage) in
                try Header(reading: UnsafeRawBufferPointer(bytes), at: position)
            }
        }

        /// Reads the fields as they are; nothing of them has been looked at but that they are there.
        init(fieldsOf bytes: UnsafeRawBufferPointer, at start: Int, end: Int) {
            position = start
            byteCount = end - start
            baseOffset = Offset(get(Int64.self, bytes, start))
            leaderEpoch = get(Int32.self, bytes, start + leaderEpochStart)
            checksum = get(UInt32.self, bytes, start + crcStart)
            attributes = Attributes(rawValue: get(Int16.self, bytes, start + attributesStart))
            lastOffsetDelta = get(Int32.self, bytes, start + 23)
            baseTimestamp = Timestamp(get(Int64.self, bytes, start + 27))
            maxTimestamp = Timestamp(get(Int64.self, bytes, start + maxTimestampStart))
            producerID = get(Int64.self, bytes, start + 43)
            producerEpoch = get(Int16.self, bytes, start + 51)
            baseSequence = get(Int32.self, bytes, start + 53)
            recordCount = get(Int32.self, bytes, start + 57)
        }

        /// Whether the batch, of which this is the header in `bytes`, is what its producer sent.
        package func verifyChecksum(in bytes: UnsafeRawBufferPointer) -> Bool {
            RecordBatch.checksum(of: bytes, range) == checksum
        }

        package func verifyChecksum(in bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { verifyChecksum(in: $0) } }
    }

    static let leaderEpochStart = 12
    static let maxTimestampStart = 35

    /// Where the batch that begins at `start` ends.
    ///
    /// - Throws: ``Damage`` if that is not within `bytes`, or it would be shorter than its header.
    static func end(of bytes: UnsafeRawBufferPointer, at start: Int) throws(Damage) -> Int {
        guard bytes.count - start >= headerBytes else { throw Damage(.cutShort, at: start) }
        let length = Int(get(Int32.self, bytes, start + 8))
        guard length >= headerBytes - lengthEnd else { throw Damage(.badLength, at: start) }
        guard length <= bytes.count - start - lengthEnd else { throw Damage(.cutShort, at: start) }
        return start + lengthEnd + length
    }

    /// The checksum of what stands in the batch at `range`, which is a whole one.
    static func checksum(of bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> UInt32 {
        CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound + attributesStart..<range.upperBound]))
    }

    static func get<T: FixedWidthInteger>(_ type: T.Type, _ bytes: UnsafeRawBufferPointer, _ position: Int) -> T {
        T(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
    }
}

extension RecordBatch.Damage {
    fileprivate init(_ reason: Reason, at position: Int) {
        self.init(reason: reason, position: position, offsets: nil)
    }
}

// MARK: A run of batches

extension RecordBatch {
    /// The header of the next of the batches that stand one after the other in `bytes`.
    ///
    /// - Parameter position: where it begins; moved to its end.
    /// - Returns: nil at the end of `bytes`.
    /// - Throws: ``Damage``; `position` has not moved.
    package static func nextHeader(
        in bytes: UnsafeRawBufferPointer, at position: inout Int
    ) throws(Damage) -> Header? {
        guard position < bytes.count else { return nil }
        let header = try Header(reading: bytes, at: position)
        position = header.end
        return header
    }

    /// The headers of all batches in `bytes`.
    package static func headers(in bytes: [UInt8]) throws(Damage) -> [Header] {
        try bytes.withUnsafeBufferPointer { bytes throws(Damage) in
            var headers: [Header] = []
            var position = 0
            while let header = try nextHeader(in: UnsafeRawBufferPointer(bytes), at: &position) {
                headers.append(header)
            }
            return headers
        }
    }
}

// MARK: What a broker writes into a batch

extension RecordBatch.Header {
    /// Gives the batch its place in the log. The checksum stays right: it does not cover these fields.
    ///
    /// - Parameter bytes: those that the header was read from.
    /// - Precondition: the last offset is not above the highest there is.
    package mutating func assignOffsets(
        base: Offset, leaderEpoch: Int32, in bytes: UnsafeMutableRawBufferPointer
    ) {
        precondition(
            base >= Offset(0) && base.rawValue <= Int64.max - Int64(lastOffsetDelta),
            "no room for \(lastOffsetDelta) more offsets from \(base) on")
        put(base.rawValue, bytes, 0)
        put(leaderEpoch, bytes, RecordBatch.leaderEpochStart)
        self.baseOffset = base
        self.leaderEpoch = leaderEpoch
    }

    package mutating func assignOffsets(base: Offset, leaderEpoch: Int32, in bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { assignOffsets(base: base, leaderEpoch: leaderEpoch, in: $0) }
    }

    /// Makes `time` the time of all its records, and mends the checksum. The records themselves stay as they are,
    /// compressed or not: readers go by the batch.
    ///
    /// - Parameter bytes: those that the header was read from; their checksum has been found right.
    package mutating func setLogAppendTime(_ time: Timestamp, in bytes: UnsafeMutableRawBufferPointer) {
        attributes.insert(.logAppendTime)
        maxTimestamp = time
        put(attributes.rawValue, bytes, RecordBatch.attributesStart)
        put(time.rawValue, bytes, RecordBatch.maxTimestampStart)
        checksum = RecordBatch.checksum(of: UnsafeRawBufferPointer(bytes), range)
        put(checksum, bytes, RecordBatch.crcStart)
    }

    package mutating func setLogAppendTime(_ time: Timestamp, in bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { setLogAppendTime(time, in: $0) }
    }

    private func put(_ value: some FixedWidthInteger, _ bytes: UnsafeMutableRawBufferPointer, _ field: Int) {
        precondition(end <= bytes.count, "the batch ends at \(end) of \(bytes.count) bytes")
        bytes.storeBytes(of: value.bigEndian, toByteOffset: position + field, as: type(of: value.bigEndian))
    }
}
