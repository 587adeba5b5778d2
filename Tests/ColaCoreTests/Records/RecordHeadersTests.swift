import ColaCore
import ColaTesting
import Testing

@Suite struct RecordHeadersTests {
    @Test func headersAreWrittenOneAfterTheOther() {
        var headers = RecordHeaders()
        headers.append(name: "lang".utf8, value: Optional("en".utf8))
        headers.append(name: "".utf8, value: String.UTF8View?.none)
        headers.append(name: "a".utf8, value: Optional("".utf8))
        #expect(headers.count == 3)
        #expect(Array(headers.encoded) == RecordSamples.bytes(hex: "08 6c616e67 04 656e 00 01 02 61 00"))
    }

    @Test func theyComeBackInTheirOrder() throws {
        let bytes = RecordSamples.bytes(hex: "08 6c616e67 04 656e 00 01 02 61 00")
        let headers = try #require(bytes.withUnsafeBytes { RecordHeaders.decode($0) })
        #expect(headers.map { String(decoding: $0.name, as: UTF8.self) } == ["lang", "", "a"])
        #expect(headers.map { $0.value.map(Array.init) } == [Array("en".utf8), nil, []])
    }

    @Test func anEmptyValueIsNotTheSameAsNone() {
        var empty = RecordHeaders()
        empty.append(name: "a".utf8, value: Optional("".utf8))
        var null = RecordHeaders()
        null.append(name: "a".utf8, value: String.UTF8View?.none)
        #expect(empty != null)
    }

    @Test func noHeadersAreNoBytes() {
        #expect(RecordHeaders().count == 0)
        #expect(RecordHeaders().encoded.isEmpty)
        #expect([UInt8]().withUnsafeBytes { RecordHeaders.decode($0) }?.count == 0)
    }

    @Test func copyingHeadersDoesNotShareWhatIsAppendedLater() {
        var first = RecordHeaders()
        first.append(name: "a".utf8, value: Optional("1".utf8))
        var second = first
        second.append(name: "b".utf8, value: Optional("2".utf8))
        #expect(first.count == 1)
        #expect(Array(first.encoded) == RecordSamples.bytes(hex: "02 61 02 31"))
    }

    @Test func cutAnywhereButBetweenTwoHeadersTheyAreRefused() {
        let bytes = RecordSamples.bytes(hex: "08 6c616e67 04 656e 00 01 02 61 00")
        let ends: Set = [0, 8, 10, bytes.count]  // where one header ends
        for count in 0...bytes.count {
            let decoded = bytes[..<count].withUnsafeBytes { RecordHeaders.decode($0) }
            #expect((decoded != nil) == ends.contains(count), "cut to \(count)")
        }
    }

    @Test func lengthsThatLeadOutsideAreRefused() {
        let malformed = [
            "01",  // a name of -1 bytes
            "04 61",  // a name of 2 bytes, one there
            "02 61",  // no value
            "02 61 03",  // a value of -2 bytes
            "02 61 04 62",  // a value of 2 bytes, one there
            "feffffffffffffffff01 61",  // a name of 2^63-1 bytes
            "ffffffffffffffffff01 61",  // a name of -2^63 bytes
            "02 61 feffffffffffffffff01",
            "02 61 ffffffffffffffffff01",
            "ffffffffffffffffffffff",
        ]
        for hex in malformed {
            #expect(RecordSamples.bytes(hex: hex).withUnsafeBytes { RecordHeaders.decode($0) } == nil, "\(hex)")
        }
    }

    @Test(arguments: RecordSeeds.first(4))
    func anyHeadersComeBack(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<50 {
            var headers = RecordHeaders()
            var expected: [(name: [UInt8], value: [UInt8]?)] = []
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                let name = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                    UInt8(truncatingIfNeeded: random.next())
                }
                let value =
                    Int.random(in: 0..<5, using: &random) == 0
                    ? nil
                    : (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8(truncatingIfNeeded: random.next())
                    }
                headers.append(name: name, value: value)
                expected.append((name, value))
            }
            let decoded = try #require(headers.encoded.withUnsafeBytes { RecordHeaders.decode($0) })
            #expect(headers.count == expected.count)
            #expect(decoded.map { Array($0.name) } == expected.map(\.name))
            #expect(decoded.map { $0.value.map(Array.init) } == expected.map(\.value))
        }
    }
}
