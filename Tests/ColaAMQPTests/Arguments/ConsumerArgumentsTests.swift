import ColaAMQP
import ColaCore
import Testing

/// What a `basic.consume` and a `queue.bind` ask for. The texts of refusals are those of a RabbitMQ 3.10.8.
@Suite struct ConsumerArgumentsTests {
    private func read(_ table: FieldTable, isStream: Bool = false) throws(Refusal) -> ConsumerArguments {
        try ConsumerArguments(table, queue: "q", host: "/", isStream: isStream)
    }

    @Test func aConsumerHasAPriorityAndATime() throws {
        #expect(try read([:]) == read(["x-foo": .void, "x-credit": .table(["credit": .int64(5)])]))
        let found = try read([
            "x-priority": .int32(-5), "x-consumer-timeout": .int64(60_000), "x-cancel-on-ha-failover": .bool(true),
        ])
        #expect(found.priority == -5 && found.timeout == 60_000 && found.start == nil)
    }

    @Test(arguments: [
        (FieldValue.string("first"), Consume.Position.first), (.string("last"), .last), (.string("next"), .next),
        (.int64(77), .offset(Offset(77))), (.uint8(7), .offset(Offset(7))), (.int32(-5), .offset(Offset(0))),
        (.timestamp(1_795_360_000), .time(Timestamp(1_795_360_000_000))),
        (.timestamp(.max), .time(Timestamp(.max / 1_000 * 1_000))),
        (.string("5m"), .time(Timestamp(1_700_000))), (.string("1D"), .time(Timestamp(-84_400_000))),
    ])
    func aStreamIsReadFromWhereItSays(value: FieldValue, position: Consume.Position) throws {
        let found = try read(["x-stream-offset": value, "x-stream-filter": .string("a")], isStream: true)
        #expect(found.start?.position(at: Timestamp(2_000_000)) == position)
        #expect(found.filter == StreamFilter(values: [[0x61]]))
    }

    @Test func aFilterIsOneValueOrSeveral() throws {
        let values = FieldValue.array([.string("a"), .string("bc")])
        let both = try read(["x-stream-filter": values, "x-stream-match-unfiltered": .bool(true)], isStream: true)
        #expect(both.filter == StreamFilter(values: [[0x61], [0x62, 0x63]], matchesUnfiltered: true))
        #expect(try read(["x-stream-match-unfiltered": .bool(true)], isStream: true).filter == nil)
        #expect(try read(["x-stream-filter": .array([])], isStream: true).filter == StreamFilter(values: []))
    }

    @Test(arguments: [
        ("x-priority", FieldValue.string("a"), false, ": \"expected integer, got longstr\""),
        ("x-cancel-on-ha-failover", .string("x"), false, ": {unacceptable_type,longstr}"),
        ("x-stream-offset", .string("first"), false, " of queue type rabbit_classic_queue"),
        ("x-priority", .int32(5), true, " of queue type rabbit_stream_queue"),
        ("x-stream-offset", .string("1Y2M"), true, ": {invalid_stream_offset_arg,{longstr,<<\"1Y2M\">>}}"),
        ("x-stream-offset", .string("5"), true, ": {invalid_stream_offset_arg,{longstr,<<\"5\">>}}"),
        ("x-stream-offset", .bool(true), true, ": {invalid_stream_offset_arg,bool}"),
        ("x-stream-filter", .int32(5), true, ": {unacceptable_type,signedint}"),
        ("x-stream-filter", .array([.bool(true)]), true, ": {unacceptable_type,bool}"),
    ])
    func whatCannotBeIsRefused(name: String, value: FieldValue, isStream: Bool, end: String) {
        let refusal = #expect(throws: Refusal.self) { try read([name: value], isStream: isStream) }
        #expect(refusal == Refusal("invalid arg '\(name)' for queue 'q' in vhost '/'\(end)"))
    }

    @Test func aDeliveryThatTimedOutSaysSoInRabbitMQsWords() {
        #expect(
            Refusal.deliveryTimedOut(channel: 3, milliseconds: 1_800_000)
                == Refusal(
                    "delivery acknowledgement on channel 3 timed out. Timeout value used: 1800000 ms. This timeout "
                        + "value can be configured, see consumers doc guide to learn more"))
    }
}
