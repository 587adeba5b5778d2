import ColaCore
import ColaWorkers
import Testing

/// Byte vectors of what workers are given in the format `json`.
struct JSONDeliveryTests {
    private func delivery(
        _ message: Message, _ number: UInt64 = 7, redelivered: Int? = nil, expires: Timestamp = .init(.max)
    ) throws -> Delivery {
        var segment = RecordSegment()
        segment.append(message, at: Offset(12), timestamp: Timestamp(1_795_360_000_000), expires: expires)
        let entry = try #require(segment.entries.first)
        return Delivery(tag: DeliveryTag(number), redelivered: redelivered, entry: entry, data: segment.data)
    }

    private func line(_ message: Message, queue: String = "q", _ number: UInt64 = 7, redelivered: Int? = nil) throws
        -> String
    {
        var bytes: [UInt8] = []
        var writer = JSONDelivery(queue: queue)
        writer.append(try delivery(message, number, redelivered: redelivered), to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private let front = #"{"delivery":7,"queue":"q","offset":12,"attempt":1,"timestamp":1795360000000"#

    @Test func aMessageIsOneLine() throws {
        #expect(try line(Message(value: Array("hello".utf8)[...])) == front + ",\"body\":\"hello\"}\n")
        #expect(
            try line(Message(value: Array("a\n\"\\\u{1}\tü😀\u{7f}".utf8)[...]))
                == front + #","body":"a\n\"\\\u0001\tü😀\u007f"}"# + "\n")
        #expect(try line(Message(value: [])) == front + ",\"body\":\"\"}\n")
        #expect(try line(Message(value: nil)) == front + ",\"body\":null}\n")
        #expect(try line(Message(value: [0, 0xFF])) == front + ",\"body_base64\":\"AP8=\"}\n")
        // UTF-8 that is cut short, too long, or half of a pair, is none.
        for odd: [UInt8] in [[0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80]] {
            #expect(try line(Message(value: odd[...])).contains("body_base64"))
        }
    }

    @Test func aSecondAttemptSaysSo() throws {
        #expect(
            try line(Message(value: []), 123, redelivered: 0)
                == #"{"delivery":123,"queue":"q","offset":12,"attempt":1,"redelivered":true,"#
                + "\"timestamp\":1795360000000,\"body\":\"\"}\n")
        #expect(try line(Message(value: []), redelivered: 3).contains(#""attempt":4,"redelivered":true"#))
    }

    @Test func keyQueueAndHeadersAreThereAsTheyWere() throws {
        var message = Message(key: Array("k\"".utf8)[...], value: Array("x".utf8)[...])
        func add(_ name: String, _ value: [UInt8]) { message.headers.append(name: name.utf8, value: value) }
        add("a", Array("1".utf8))
        add("cola-priority", Array("5".utf8))
        add("b", [0xFF])
        add("a", Array("2".utf8))
        add("cola-message-id", Array("m".utf8))
        add("cola-reply-to", Array("r".utf8))
        add("cola-correlation-id", Array("c".utf8))
        add("cola-expires", Array("1795360060000".utf8))
        add("cola-exchange", Array("e".utf8))
        add("cola-routing-key", Array("r.k".utf8))
        add("cola-id", Array("1-2-3".utf8))
        #expect(
            try line(message, queue: "ü\"q")
                == #"{"delivery":7,"queue":"ü\"q","offset":12,"attempt":1,"timestamp":1795360000000,"key":"k\"","#
                + #""priority":5,"expiration":60000,"message_id":"m","reply_to":"r","correlation_id":"c","#
                + #""exchange":"e","routing_key":"r.k","#
                + #""headers":{"a":["1","2"],"b":{"base64":"/w=="},"cola-id":"1-2-3"},"body":"x"}"# + "\n")
        #expect(try line(Message(key: [0xFE], value: [])).contains(#""key_base64":"/g==""#))
    }
}
