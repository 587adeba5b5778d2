import ColaCore
import ColaTesting
import Testing

/// The bytes of record batches, compared with ones computed apart from this code: a script that knows Kafka's
/// documentation and nothing of Cola wrote the vectors below.
@Suite struct RecordBatchTests {
    @Test func oneEmptyRecord() {
        var segment = RecordSegment()
        segment.append(RecordSamples.message(""), at: Offset(0), timestamp: Timestamp(0))
        let expected = """
            0000000000000000 00000038 00000000 02 27190a04 0000 00000000 0000000000000000 0000000000000000
            ffffffffffffffff ffff ffffffff 00000001
            0c 00 00 00 01 00 00
            """
        #expect(RecordBatch.encode(segment) == RecordSamples.bytes(hex: expected))
    }

    static let three = """
        000000000000002a 0000005e 00000000 02 8338f53f 0000 00000005 000001a203cb8800 000001a203cb8801
        ffffffffffffffff ffff ffffffff 00000003
        16 00 00 00 01 0a 68656c6c6f 00
        28 00 02 02 02 6b 0a 776f726c64 02 08 6c616e67 04 656e
        16 00 13 0a 00 00 04 00 01 02 61 00
        """

    /// A null key and an empty one, a null header value and an empty one, a gap in the offsets, and a clock that went
    /// back.
    static func threeRecords() -> RecordSegment {
        var segment = RecordSegment()
        segment.append(RecordSamples.message("hello"), at: Offset(42), timestamp: Timestamp(1_795_360_000_000))
        segment.append(
            RecordSamples.message(key: "k", "world", headers: [("lang", "en")]), at: Offset(43),
            timestamp: Timestamp(1_795_360_000_001))
        segment.append(
            RecordSamples.message(key: "", "", headers: [("", nil), ("a", "")]), at: Offset(47),
            timestamp: Timestamp(1_795_359_999_990))
        return segment
    }

    @Test func threeRecordsBecomeTheBytesOfKafka() {
        #expect(RecordBatch.encode(Self.threeRecords()) == RecordSamples.bytes(hex: Self.three))
    }

    @Test func theBytesOfKafkaBecomeThreeRecords() {
        let (segment, damage) = RecordBatch.decode(RecordSamples.bytes(hex: Self.three))
        #expect(damage.isEmpty)
        #expect(RecordSamples.contents(segment) == RecordSamples.contents(Self.threeRecords()))
        #expect(segment.entries.map(\.offset) == [Offset(42), Offset(43), Offset(47)])
        #expect(segment.entries.map(\.headerCount) == [0, 1, 2])
    }

    /// The highest offset there is, lengths that need two bytes, and a time that is decades off.
    @Test func wideValuesBecomeTheBytesOfKafkaAndComeBack() {
        var segment = RecordSegment()
        segment.append(
            RecordSamples.message(
                key: "key", String(repeating: "v", count: 70),
                headers: [(String(repeating: "n", count: 64), String(repeating: "w", count: 65))]),
            at: Offset(9_223_372_036_854_775_000), timestamp: Timestamp(1))
        segment.append(Message(value: ArraySlice(UInt8(0)...255)), at: Offset(.max), timestamp: Timestamp(1 << 40))
        let prefix = """
            7ffffffffffffcd8 00000217 00000000 02 4efba14c 0000 00000327 0000000000000001 0000010000000000
            ffffffffffffffff ffff ffffffff 00000002
            aa03 00 00 00 06 6b6579 8c01
            """
        let middle = "9a04 00 feffffffff3f ce0c 01 8004"
        let bytes = RecordBatch.encode(segment)
        var expected = RecordSamples.bytes(hex: prefix) + Array(repeating: UInt8(ascii: "v"), count: 70)
        expected += RecordSamples.bytes(hex: "02 8001") + Array(repeating: UInt8(ascii: "n"), count: 64)
        expected += RecordSamples.bytes(hex: "8201") + Array(repeating: UInt8(ascii: "w"), count: 65)
        expected += RecordSamples.bytes(hex: middle) + Array(0...255) + [0]
        #expect(bytes == expected)
        let decoded = RecordBatch.decode(bytes)
        #expect(decoded.damage.isEmpty)
        #expect(RecordSamples.contents(decoded.segment) == RecordSamples.contents(segment))
    }

    @Test func noRecordsAreNoBytes() {
        #expect(RecordBatch.encode(RecordSegment()).isEmpty)
        #expect(RecordBatch.encode(RecordSamples.segment(count: 3), skipping: { _ in true }).isEmpty)
        let decoded = RecordBatch.decode([])
        #expect(decoded.segment.isEmpty && decoded.damage.isEmpty)
    }

    @Test func skippedRecordsLeaveAGap() {
        let bytes = RecordBatch.encode(RecordSamples.segment(count: 10, from: 5), skipping: { $0.rawValue % 3 == 0 })
        let (segment, damage) = RecordBatch.decode(bytes)
        #expect(damage.isEmpty)
        #expect(segment.entries.map(\.offset.rawValue) == [5, 7, 8, 10, 11, 13, 14])
        #expect(segment.entries.map { segment.data[$0.value.range].first } == [0, 2, 3, 5, 6, 8, 9])
    }

    @Test func batchesHoldAtMost64KiBOfRecords() {
        let segment = RecordSamples.segment(count: 300, size: 1_000)
        let bytes = RecordBatch.encode(segment)
        let batches = Self.batches(in: bytes)
        #expect(batches.count == 5)  // 65 of 1,007 to 1,009 bytes fit into one
        for batch in batches { #expect(batch.count - RecordBatch.headerBytes <= RecordBatch.recordBytesMax) }
        // Each but the last is full: the next record would not have fitted.
        for batch in batches.dropLast() { #expect(batch.count - RecordBatch.headerBytes + 1_010 > 65_536) }
        #expect(batches.map { Self.number($0, at: 57, bytes: 4) }.reduce(0, +) == 300)
        let decoded = RecordBatch.decode(bytes)
        #expect(decoded.damage.isEmpty)
        #expect(RecordSamples.contents(decoded.segment) == RecordSamples.contents(segment))
    }

    @Test func aBatchMayBeExactlyFull() {
        // A record of 32,760 bytes takes 3 for its own length, 3 for the value's and 5 of one byte each: 32,771.
        func count(ofValues sizes: [Int]) -> Int {
            var segment = RecordSegment()
            for (index, size) in sizes.enumerated() {
                segment.append(
                    Message(value: ArraySlice(repeating: 7, count: size)), at: Offset(Int64(index)),
                    timestamp: Timestamp(0))
            }
            return Self.batches(in: RecordBatch.encode(segment)).count
        }
        #expect(count(ofValues: [32_757, 32_757]) == 1)  // 2 × 32,768
        #expect(count(ofValues: [32_757, 32_758]) == 2)
    }

    @Test func aLargeMessageIsAloneInItsBatch() {
        var segment = RecordSegment()
        for (index, size) in [10, 200_000, 10, 10].enumerated() {
            segment.append(
                Message(value: ArraySlice(repeating: UInt8(index), count: size)), at: Offset(Int64(index)),
                timestamp: Timestamp(0))
        }
        let bytes = RecordBatch.encode(segment)
        #expect(Self.batches(in: bytes).map { Self.number($0, at: 57, bytes: 4) } == [1, 1, 2])
        #expect(RecordSamples.contents(RecordBatch.decode(bytes).segment) == RecordSamples.contents(segment))
    }

    /// A merged chunk can hold records far apart; a batch counts offsets from its base in 32 bits.
    @Test func recordsFurtherApartThanABatchCanSayAreInTwo() {
        var segment = RecordSegment()
        for offset in [0, Int64(Int32.max), Int64(Int32.max) + 1, .max] {
            segment.append(RecordSamples.message("a"), at: Offset(offset), timestamp: Timestamp(0))
        }
        let bytes = RecordBatch.encode(segment)
        #expect(Self.batches(in: bytes).map { Self.number($0, at: 57, bytes: 4) } == [2, 1, 1])
        let decoded = RecordBatch.decode(bytes)
        #expect(decoded.damage.isEmpty)
        #expect(RecordSamples.contents(decoded.segment) == RecordSamples.contents(segment))
    }

    @Test func timestampsAtTheEndsOfTheirRangeDoNotTrap() {
        var segment = RecordSegment()
        for (index, time) in [0, Int64.max, .min, -1].enumerated() {
            segment.append(RecordSamples.message(""), at: Offset(Int64(index)), timestamp: Timestamp(time))
        }
        let decoded = RecordBatch.decode(RecordBatch.encode(segment))
        #expect(decoded.damage.isEmpty)
        #expect(decoded.segment.entries.map(\.timestamp.rawValue) == [0, .max, .min, -1])
    }

    @Test(arguments: RecordSeeds.first(20))
    func whateverIsEncodedComesBack(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let segment = Self.randomSegment(&random)
        let decoded = RecordBatch.decode(RecordBatch.encode(segment))
        #expect(decoded.damage.isEmpty)
        #expect(RecordSamples.contents(decoded.segment) == RecordSamples.contents(segment))

        let dropped = segment.entries.map(\.offset).filter { _ in Bool.random(using: &random) }
        let rest = RecordBatch.decode(RecordBatch.encode(segment, skipping: { dropped.contains($0) }))
        #expect(rest.damage.isEmpty)
        #expect(
            RecordSamples.contents(rest.segment)
                == RecordSamples.contents(segment).filter { !dropped.contains(Offset($0.offset)) })
    }

    static func randomSegment(_ random: inout SplitMix64) -> RecordSegment {
        func bytes(upTo count: Int) -> ArraySlice<UInt8> {
            ArraySlice(
                (0..<Int.random(in: 0...count, using: &random)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }
        var segment = RecordSegment()
        var offset = Int64.random(in: 0...1 << 40, using: &random)
        for _ in 0..<Int.random(in: 1...40, using: &random) {
            var headers = RecordHeaders()
            for _ in 0..<[0, 0, 0, 1, 3].randomElement(using: &random)! {
                headers.append(name: bytes(upTo: 20), value: Bool.random(using: &random) ? bytes(upTo: 100) : nil)
            }
            let key = Bool.random(using: &random) ? bytes(upTo: 30) : nil
            let size = [0, 10, 1_000, 30_000, 70_000][min(Int.random(in: 0..<12, using: &random), 4) % 5]
            segment.append(
                Message(key: key, value: bytes(upTo: size), headers: headers), at: Offset(offset),
                timestamp: Timestamp(Int64.random(in: -1_000_000...1 << 41, using: &random)))
            offset += Bool.random(using: &random) ? 1 : Int64.random(in: 1...1_000_000, using: &random)
        }
        return segment
    }

    /// Splits at the lengths in the headers alone.
    static func batches(in bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var batches: [ArraySlice<UInt8>] = []
        var start = 0
        while start + 12 <= bytes.count {
            let end = start + 12 + number(bytes[start...], at: 8, bytes: 4)
            guard end > start, end <= bytes.count else { break }
            batches.append(bytes[start..<end])
            start = end
        }
        return batches
    }

    static func number(_ bytes: ArraySlice<UInt8>, at position: Int, bytes count: Int) -> Int {
        bytes.dropFirst(position).prefix(count).reduce(0) { $0 << 8 | Int($1) }
    }
}
