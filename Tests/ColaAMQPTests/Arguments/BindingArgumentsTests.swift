import ColaCore
import Testing

@testable import ColaAMQP

/// The arguments of bindings and exchanges, between the types of AMQP and those of the broker.
@Suite struct BindingArgumentsTests {
    @Test func everyTypeHasAValueAndScalarsHaveText() {
        let table: FieldTable = [
            "s": .string("ä"), "i": .int32(-5), "b": .bool(true), "v": .void, "d": .double(1.5), "T": .timestamp(9),
            "D": .decimal(scale: 2, value: -5), "f": .float(0.1), "x": .bytes([0x79]), "y": .bytes([0xFF]),
            "S": .longString([0xFF]),
            "A": .array([.int8(1)]), "F": .table([:]), "s": .string("again"),
        ]
        let expected: ArgumentTable = [
            "s": .text("ä"), "i": .integer(-5), "b": .truth(true), "v": .nothing, "d": .float(1.5),
            "T": .opaque(type: 0x54, [0, 0, 0, 0, 0, 0, 0, 9], text: "9"),
            "D": .opaque(type: 0x44, [2, 255, 255, 255, 251], text: "-0.05"),
            "f": .opaque(type: 0x66, [0x3D, 0xCC, 0xCC, 0xCD], text: "0.1"),
            "x": .opaque(type: 0x78, [0, 0, 0, 1, 0x79], text: "y"),
            "y": .opaque(type: 0x78, [0, 0, 0, 1, 0xFF], text: nil), "S": .opaque(type: 0x53, [0xFF], text: nil),
            "A": .opaque(type: 0x41, [0, 0, 0, 2, 0x62, 1], text: nil),
            "F": .opaque(type: 0x46, [0, 0, 0, 0], text: nil),
        ]
        #expect(ArgumentTable(table) == expected)
        #expect(ArgumentTable([:]).isEmpty)
    }

    @Test func aHeadersExchangeComparesWhatItIsAskedTo() {
        let table: FieldTable = ["x-match": .string("any"), "a": .int8(1), "x-a": .void]
        var match = BindingDefinition(
            source: "e", destination: "q", routingKey: "", arguments: ArgumentTable(table)
        ).match
        #expect(match == HeadersMatch(isAny: true, headers: [.init(name: "a", value: "1")]))
        var withX = table
        withX["x-match"] = .string("all-with-x")
        match = BindingDefinition(source: "e", destination: "q", routingKey: "", arguments: ArgumentTable(withX)).match
        #expect(match == HeadersMatch(headers: [.init(name: "a", value: "1"), .init(name: "x-a", value: nil)]))
    }
}
