import ColaCore
import ColaTesting
import Testing

@Suite struct VarintTests {
    /// Computed by a program of its own from the definition in Protocol Buffers' documentation.
    static let vectors: [(value: Int64, hex: String)] = [
        (0, "00"), (-1, "01"), (1, "02"), (63, "7e"), (-64, "7f"), (64, "8001"), (-65, "8101"), (300, "d804"),
        (8191, "fe7f"), (-8192, "ff7f"), (8192, "808001"),
        (2_147_483_647, "feffffff0f"), (-2_147_483_648, "ffffffff0f"),
        (.max, "feffffffffffffffff01"), (.min, "ffffffffffffffffff01"),
    ]

    @Test func valuesBecomeTheBytesOfTheSpecification() {
        for vector in Self.vectors {
            let expected = RecordSamples.bytes(hex: vector.hex)
            var appended: [UInt8] = []
            Varint.append(vector.value, to: &appended)
            #expect(appended == expected, "\(vector.value)")
            #expect(written(vector.value) == expected, "\(vector.value)")
            #expect(Varint.size(vector.value) == expected.count, "\(vector.value)")
        }
    }

    @Test func theBytesBecomeTheValuesAgain() {
        for vector in Self.vectors {
            let bytes = RecordSamples.bytes(hex: vector.hex)
            let (value, end) = read(bytes)
            #expect(value == vector.value)
            #expect(end == bytes.count)
        }
    }

    @Test func whatIsCutShortIsNoValue() {
        for vector in Self.vectors {
            let bytes = RecordSamples.bytes(hex: vector.hex)
            for count in 0..<bytes.count {
                #expect(read(Array(bytes[..<count])).value == nil, "\(vector.hex) cut to \(count)")
            }
        }
    }

    @Test func theRestOfTheBytesIsLeftAlone() {
        let (value, end) = read([0x80, 0x01, 0xff, 0xff])
        #expect(value == 64)
        #expect(end == 2)
    }

    /// Longer than needed is legal in Protocol Buffers and harmless; longer than ten bytes is neither.
    @Test func paddingIsReadUpToTenBytesAndNoFurther() {
        for padding in 0...8 {
            let bytes = [0x82] + Array(repeating: UInt8(0x80), count: padding) + [0x00]
            #expect(read(bytes).value == 1, "\(bytes.count) bytes")
        }
        #expect(read(Array(repeating: 0x80, count: 10) + [0x00]).value == nil)
        #expect(read(Array(repeating: 0xff, count: 64)).value == nil)
    }

    @Test func theTenthByteMayHoldMoreBitsThanThereAreAndDoesNotTrap() {
        for last in UInt8(0)...0x7f { #expect(read(Array(repeating: 0xff, count: 9) + [last]).value != nil) }
    }

    @Test(arguments: RecordSeeds.first(4))
    func anyValueComesBack(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<2_000 {
            let value = Int64(bitPattern: random.next()) >> Int64.random(in: 0...63, using: &random)
            let bytes = written(value)
            #expect(bytes.count == Varint.size(value))
            #expect(bytes.count <= Varint.bytesMax)
            let (back, end) = read(bytes)
            #expect(back == value)
            #expect(end == bytes.count)
        }
    }

    private func written(_ value: Int64) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Varint.bytesMax) { buffer, count in
            count = Varint.write(value, to: UnsafeMutableRawPointer(buffer.baseAddress!), at: 0)
        }
    }

    private func read(_ bytes: [UInt8]) -> (value: Int64?, end: Int) {
        var position = 0
        let value = bytes.withUnsafeBytes { Varint.read($0, at: &position) }
        return (value, position)
    }
}
