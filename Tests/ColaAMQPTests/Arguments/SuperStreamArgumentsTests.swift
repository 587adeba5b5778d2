import ColaCore
import Testing

@testable import ColaAMQP

@Suite struct SuperStreamArgumentsTests {
    private func read(_ table: FieldTable, isLasting: Bool = true) throws(Refusal) -> SuperStreamArguments {
        try SuperStreamArguments(table, exchange: "x", host: "/", isLasting: isLasting)
    }

    @Test func aSuperStreamIsATopicWithTheArgumentsOfAStream() throws {
        let found = try read(["x-partitions": .int32(3), "x-max-age": .string("7D")])
        var arguments = Arguments()
        arguments.retentionMilliseconds = 604_800_000
        #expect(found.partitions == 3 && found.arguments == arguments)
    }

    @Test(
        arguments: [
            (["x-partitions": .int32(1)], true, "a number from 2 on"),
            (["x-partitions": .string("3")], true, "a number from 2 on"),
            (["x-partitions": .int32(3)], false, "declare it with durable=true"),
            (["x-partitions": .int32(3), "x-max-age": .string("soon")], true, "invalid_max_age"),
            (["x-partitions": .int32(3), "x-message-ttl": .int32(3)], true, "of queue type rabbit_stream_queue"),
        ] as [(FieldTable, Bool, String)])
    func whatCannotBeIsRefused(table: FieldTable, isLasting: Bool, words: String) throws {
        let refusal = #expect(throws: Refusal.self) { try read(table, isLasting: isLasting) }
        #expect(refusal?.text.contains(words) == true, "\(String(describing: refusal))")
    }
}
