import ColaAMQP
import NIOCore
import Testing

@Suite struct FieldTableTests {
    private static let everyType: FieldTable = [
        "t": .bool(true), "b": .int8(-128), "B": .uint8(255), "s": .int16(-32_768), "u": .uint16(65_535),
        "I": .int32(.min), "i": .uint32(.max), "l": .int64(.min), "f": .float(-1.5), "d": .double(0.1),
        "D": .decimal(scale: 2, value: -314), "S": .string("ä"), "A": .array([.void, .array([]), .table(["": .void])]),
        "T": .timestamp(.max), "F": .table(["a": .table([:])]), "V": .void, "x": .bytes([0, 255]),
    ]

    private func encode(_ table: FieldTable) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeFieldTable(table)
        #expect(buffer.readableBytes == table.encodedBytes)
        return Array(buffer.readableBytesView)
    }

    private func decode(_ bytes: [UInt8]) throws -> FieldTable {
        try bytes.withUnsafeBytes { bytes throws(Malformed) in try FieldTable.decode(bytes) }
    }

    @Test func everyTypeComesBackAsItWas() throws {
        #expect(try decode(encode(Self.everyType)) == Self.everyType)
    }

    @Test func aTableThatIsCutOffAnywhereIsRefused() {
        let bytes = encode(Self.everyType)
        for count in 0..<bytes.count {
            #expect(throws: Malformed.self) { try decode(Array(bytes[..<count])) }
        }
        #expect(throws: Malformed.self) { try decode(bytes + [0]) }
    }

    @Test func tablesMayBeNestedSixteenDeepAndNoDeeper() throws {
        func nested(_ depth: Int) -> FieldTable {
            depth == 1 ? [:] : ["": depth % 2 == 0 ? .table(nested(depth - 1)) : .array([.table(nested(depth - 2))])]
        }
        #expect(try decode(encode(nested(16))) == nested(16))
        #expect(throws: Malformed.self) { try decode(encode(nested(18))) }
    }

    @Test func theFirstOfTwoFieldsOfOneNameCounts() {
        var table: FieldTable = ["a": .int8(1), "b": .void, "a": .int8(2)]
        #expect(table["a"] == .int8(1))
        table["a"] = .int8(3)
        table["c"] = .void
        #expect(table.fields.map(\.name) == ["a", "b", "a", "c"])
        table["a"] = nil
        #expect(table == ["b": .void, "c": .void])
    }

    @Test func integersOfEveryTypeAreIntegersAndNothingElseIs() {
        for value in [FieldValue.int8(7), .uint8(7), .int16(7), .uint16(7), .int32(7), .uint32(7), .int64(7)] {
            #expect(value.integer == 7)
        }
        for value in [FieldValue.bool(true), .double(7), .string("7"), .timestamp(7), .decimal(scale: 0, value: 7)] {
            #expect(value.integer == nil)
        }
    }

    @Test func aLongStringIsTextIfItIsUTF8() {
        #expect(FieldValue.string("ä").text == "ä")
        #expect(FieldValue.longString([0xFF]).text == nil)
        #expect(FieldValue.bytes([0x41]).text == nil)
    }
}
