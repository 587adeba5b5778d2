import ColaCore
import ColaTesting
import Testing

@Suite struct RecordSegmentTests {
    @Test func aRecordIsCopiedInAndFoundAgain() throws {
        var segment = RecordSegment()
        #expect(segment.isEmpty)
        segment.append(
            RecordSamples.message(key: "k", "hello", headers: [("lang", "en")]), at: Offset(7), timestamp: Timestamp(99)
        )
        let entry = try #require(segment.entry(at: Offset(7)))
        #expect(Array(segment.data[entry.key.range]) == Array("k".utf8))
        #expect(Array(segment.data[entry.value.range]) == Array("hello".utf8))
        #expect(Array(segment.data[entry.headers.range]) == RecordSamples.bytes(hex: "08 6c616e67 04 656e"))
        #expect(entry.headerCount == 1)
        #expect(entry.timestamp == Timestamp(99))
        #expect(!segment.isEmpty)
    }

    @Test func noKeyIsNotAnEmptyKey() {
        var segment = RecordSegment()
        segment.append(RecordSamples.message("a"), at: Offset(0), timestamp: Timestamp(0))
        segment.append(RecordSamples.message(key: "", "b"), at: Offset(1), timestamp: Timestamp(0))
        #expect(segment.entries.map(\.key.isNull) == [true, false])
        #expect(segment.entries.map(\.key.range.count) == [0, 0])
    }

    @Test func whereOffsetsAreDenseEachIsFoundAtItsIndex() {
        let segment = RecordSamples.segment(count: 20, from: 100)
        #expect(segment.index(atOrAfter: Offset(0)) == 0)
        #expect(segment.index(atOrAfter: Offset(99)) == 0)
        for index in 0..<20 {
            #expect(segment.index(atOrAfter: Offset(100 + Int64(index))) == index)
            #expect(segment.entry(at: Offset(100 + Int64(index)))?.offset == Offset(100 + Int64(index)))
        }
        #expect(segment.index(atOrAfter: Offset(120)) == 20)
        #expect(segment.index(atOrAfter: Offset(.max)) == 20)
        #expect(segment.entry(at: Offset(99)) == nil)
        #expect(segment.entry(at: Offset(120)) == nil)
    }

    @Test func inAnEmptySegmentNothingIsFound() {
        #expect(RecordSegment().index(atOrAfter: Offset(0)) == 0)
        #expect(RecordSegment().entry(at: Offset(0)) == nil)
    }

    /// Compared with the plainest way to find it, over offsets with gaps of every size.
    @Test(arguments: RecordSeeds.first(10))
    func whereOffsetsHaveGapsTheNextOneIsFound(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var segment = RecordSegment()
        var offset = Int64.random(in: 0...5, using: &random)
        for _ in 0..<Int.random(in: 1...60, using: &random) {
            segment.append(RecordSamples.message(""), at: Offset(offset), timestamp: Timestamp(0))
            offset += Bool.random(using: &random) ? 1 : Int64.random(in: 1...20, using: &random)
        }
        for wanted in 0...offset + 2 {
            let expected = segment.entries.firstIndex { $0.offset >= Offset(wanted) } ?? segment.entries.count
            #expect(segment.index(atOrAfter: Offset(wanted)) == expected, "offset \(wanted)")
            #expect(
                (segment.entry(at: Offset(wanted)) != nil) == segment.entries.contains { $0.offset == Offset(wanted) })
        }
    }

    @Test func itsSizeCountsBytesAndEntries() {
        let segment = RecordSamples.segment(count: 3, size: 100)
        #expect(segment.data.count == 300)
        #expect(segment.byteCount == 300 + 3 * MemoryLayout<RecordSegment.Entry>.stride)
    }
}
