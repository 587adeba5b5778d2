import ColaCore
import ColaTesting
import Testing

/// What a batch says of itself, and what a broker may write into it.
@Suite struct RecordBatchHeaderTests {
    typealias Header = RecordBatch.Header

    static let three = RecordSamples.bytes(hex: RecordBatchTests.three)

    /// A batch of a transaction, compressed, each field another number; the records are two bytes of nothing.
    static let fields = RecordSamples.bytes(
        hex: """
            0000000000000102 00000033 00000304 02 00000000 0014 00000009 0000000000000a0b 0000000000000c0d
            0000000000000e0f 1011 12131415 00000006
            beef
            """)

    @Test func everyFieldIsRead() throws {
        let header = try Header(reading: Self.fields)
        #expect(header.range == 0..<63)
        #expect(header.recordRange == 61..<63)
        #expect(header.baseOffset == Offset(0x102))
        #expect(header.lastOffsetDelta == 9)
        #expect(header.offsets == Offset(0x102)...Offset(0x10b))
        #expect(header.leaderEpoch == 0x304)
        #expect(header.attributes == [.transactional, RecordBatch.Attributes(rawValue: 4)])
        #expect(header.attributes.codec == .zstd)
        #expect(header.baseTimestamp == Timestamp(0xa0b) && header.maxTimestamp == Timestamp(0xc0d))
        #expect(header.producerID == 0xe0f && header.producerEpoch == 0x1011 && header.baseSequence == 0x1213_1415)
        #expect(header.recordCount == 6)
        #expect(!header.verifyChecksum(in: Self.fields))
    }

    @Test func attributesNameTheirCodec() {
        func codec(_ bits: Int16) -> CompressionCodec? { RecordBatch.Attributes(rawValue: bits).codec }
        #expect((0...4).map { codec($0 | 0x78) } == [nil, .gzip, .snappy, .lz4, .zstd])
        for bits: Int16 in 5...7 {
            let attributes = RecordBatch.Attributes(rawValue: bits)
            #expect(attributes.codec == nil && attributes.isCompressed && !attributes.namesKnownCodec)
        }
        #expect(!RecordBatch.Attributes(rawValue: 0x78).isCompressed)
        #expect(RecordBatch.Attributes(rawValue: 0x78).namesKnownCodec)
    }

    /// Sequences are 31 bits wide and begin again at 0.
    @Test func theLastSequenceGoesAround() throws {
        var header = try Header(reading: Self.fields)
        #expect(header.lastSequence == 0x1213_141e)
        header.baseSequence = .max - 3
        #expect(header.lastSequence == 5)
        header.baseSequence = .max - 9
        #expect(header.lastSequence == .max)
        header.lastOffsetDelta = .max
        #expect(header.lastSequence == Int32.max - 10)
        header.producerID = -1
        #expect(header.lastSequence == -1)
    }

    @Test func theChecksumIsOfTheBatchAlone() throws {
        let bytes = [9, 9, 9] + Self.three + [9]
        let header = try Header(reading: bytes, at: 3)
        #expect(header.range == 3..<109 && header.position == 3)
        #expect(header.verifyChecksum(in: bytes))
        // Neither its neighbours nor its place in the log are covered; what is in front of the checksum has been read.
        let covered = 3 + 21..<109
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            #expect(header.verifyChecksum(in: changed) == !covered.contains(index), "byte \(index)")
        }
    }

    @Test func whatIsNoHeaderIsRefused() {
        func reason(_ bytes: [UInt8], at position: Int = 0) -> RecordBatch.Damage.Reason? {
            do throws(RecordBatch.Damage) {
                _ = try Header(reading: bytes, at: position)
                return nil
            } catch {
                #expect(error.position == position)
                return error.reason
            }
        }
        func changed(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
            var bytes = Self.three
            change(&bytes)
            return bytes
        }
        for count in 0..<Self.three.count { #expect(reason(Array(Self.three[..<count])) == .cutShort) }
        #expect(reason(Self.three, at: 1) == .cutShort)
        #expect(reason(Self.three, at: Self.three.count) == .cutShort)
        #expect(reason(Self.three, at: .max) == .cutShort)
        #expect(reason(changed { $0[8] = 0x80 }) == .badLength)
        #expect(reason(changed { $0[11] = 48 }) == .badLength)
        #expect(reason(changed { $0[8] = 0x7f }) == .cutShort)
        #expect(reason(changed { $0[16] = 1 }) == .badMagic)
        #expect(reason(changed { $0[0] = 0x80 }) == .badRecord)
        #expect(reason(changed { $0[23] = 0x80 }) == .badRecord)
        #expect(reason(changed { $0[57] = 0x80 }) == .badRecord)
        #expect(
            reason(changed { $0.replaceSubrange(0..<8, with: [0x7f] + Array(repeating: 0xff, count: 7)) }) == .badRecord
        )
        #expect(reason(Self.three) == nil)
    }

    // MARK: A run of batches

    @Test func allHeadersOfARunAreFound() throws {
        let bytes = RecordBatch.encode(RecordSamples.segment(count: 200, size: 1_000, from: 7))
        let headers = try RecordBatch.headers(in: bytes)
        #expect(headers.map(\.range) == RecordBatchTests.batches(in: bytes).map(\.indices))
        #expect(headers.map { Int($0.recordCount) }.reduce(0, +) == 200)
        #expect(headers.allSatisfy { $0.verifyChecksum(in: bytes) && !$0.hasProducer })
        #expect(headers.first?.baseOffset == Offset(7) && headers.last?.lastOffset == Offset(206))
        for (header, next) in zip(headers, headers.dropFirst()) { #expect(header.lastOffset.next == next.baseOffset) }
        #expect(try RecordBatch.headers(in: []).isEmpty)
    }

    @Test func aRunThatEndsInTheMiddleSaysWhere() {
        let bytes = Self.three + Self.three.dropLast()
        #expect(throws: RecordBatch.Damage(reason: .cutShort, position: 106, offsets: nil)) {
            try RecordBatch.headers(in: bytes)
        }
        var position = 0
        bytes.withUnsafeBytes { bytes in
            #expect((try? RecordBatch.nextHeader(in: bytes, at: &position))?.range == 0..<106)
            #expect(position == 106)
            #expect(throws: RecordBatch.Damage.self) { try RecordBatch.nextHeader(in: bytes, at: &position) }
            #expect(position == 106)
        }
    }

    // MARK: What a broker writes

    @Test func aPlaceInTheLogLeavesTheRestAsItIs() throws {
        var bytes = [7] + Self.three + [7]
        var header = try Header(reading: bytes, at: 1)
        header.assignOffsets(base: Offset(0x0102_0304_0506_0708), leaderEpoch: 0x0a0b_0c0d, in: &bytes)
        var expected = [7] + Self.three + [7]
        expected.replaceSubrange(1..<9, with: 1...8)
        expected.replaceSubrange(13..<17, with: 10...13)
        #expect(bytes == expected)
        #expect(try header == Header(reading: bytes, at: 1))
        #expect(header.verifyChecksum(in: bytes))
        let (segment, damage) = RecordBatch.decode(Array(bytes[1..<107]))
        #expect(damage.isEmpty)
        #expect(segment.entries.map(\.offset.rawValue) == [0, 1, 5].map { 0x0102_0304_0506_0708 + $0 })
    }

    @Test func theHighestOffsetsCanBeGivenOut() throws {
        var bytes = Self.three
        var header = try Header(reading: bytes)
        header.assignOffsets(base: Offset(.max - 5), leaderEpoch: -1, in: &bytes)
        #expect(header.lastOffset == Offset(.max))
        #expect(try header == Header(reading: bytes))
    }

    @Test func theTimeOfTheLogHasAChecksumThatFits() throws {
        var bytes = [7] + Self.three + [7]
        var header = try Header(reading: bytes, at: 1)
        header.setLogAppendTime(Timestamp(0x0102_0304_0506_0708), in: &bytes)
        #expect(header.attributes == .logAppendTime && header.maxTimestamp == Timestamp(0x0102_0304_0506_0708))
        #expect(try header == Header(reading: bytes, at: 1))
        #expect(header.verifyChecksum(in: bytes))
        #expect(CRC32C.checksum(Array(bytes[22..<107])) == header.checksum)
        var expected = [7] + Self.three + [7]
        expected.replaceSubrange(18..<22, with: bytes[18..<22])
        expected[23] = 8
        expected.replaceSubrange(36..<44, with: 1...8)
        #expect(bytes == expected)
    }
}
