import ColaAMQP
import ColaCore
import Testing

/// How a record leaves as a message of AMQP. What the broker adds is what a RabbitMQ 3.10.8 adds, in its order, and
/// what a 4.0 adds behind it.
@Suite struct DeliveryContentTests {
    private typealias Bench = ContentBench

    private func message(_ headers: [(String, String)], value: String = "v") -> Message {
        var message = Message(value: Array(value.utf8)[...])
        for (name, text) in headers { message.headers.append(name: name.utf8, value: text.utf8) }
        return message
    }

    private func text(_ range: Range<Int>?, of delivery: Delivery) -> String? {
        range.map { String(decoding: delivery.data[$0], as: UTF8.self) }
    }

    @Test func whereItWasPublishedToIsInItsHeaders() throws {
        var published = try Bench.content { $0.contentType = "t" }.message
        published.headers.append(name: "cola-exchange".utf8, value: "amq.topic".utf8)
        published.headers.append(name: "cola-routing-key".utf8, value: "a.b".utf8)
        let delivery = Bench.delivery(published)
        let content = DeliveryContent(delivery, from: .classic)
        #expect(text(content.exchange, of: delivery) == "amq.topic")
        #expect(text(content.routingKey, of: delivery) == "a.b")
        let plain = DeliveryContent(Bench.delivery(message([])), from: .classic)
        #expect(plain.exchange == nil && plain.routingKey == nil)
    }

    @Test func aRecordOfAnotherProtocolHasPropertiesOfItsOwn() throws {
        #expect(Bench.out(message([])) == [0x10, 0x00, 0x02])
        #expect(Bench.out(message([("cola-id", "1-1-1"), ("cola-deliveries", "3")])) == [0x10, 0x00, 0x02])
        var native = message([
            ("lang", "en"), ("cola-message-id", "m"), ("cola-reply-to", "r"), ("cola-correlation-id", "c"),
            ("cola-priority", "9"), ("cola-attempt", "…"), ("", "nameless"),
        ])
        native.headers.append(name: "null".utf8, value: nil as [UInt8]?)
        var expected = BasicProperties()
        expected.headers = ["lang": .string("en"), "null": .void]
        expected.deliveryMode = 2
        expected.priority = 9
        expected.correlationID = "c"
        expected.replyTo = "r"
        expected.messageID = "m"
        #expect(Bench.out(native) == Bench.bytes(expected))
    }

    @Test func aQuorumQueueCountsAndAStreamTellsItsOffset() throws {
        let plain = message([])
        var expected = BasicProperties()
        expected.deliveryMode = 2
        expected.headers = ["x-delivery-count": .int64(0)]
        #expect(Bench.out(plain, from: .quorum) == Bench.bytes(expected))
        expected.headers = ["x-delivery-count": .int64(3), "x-acquired-count": .int64(3)]
        #expect(Bench.out(Bench.delivery(plain, redelivered: 3), from: .quorum) == Bench.bytes(expected))
        // The bytes that RabbitMQ sends for a message without properties.
        let none = try Bench.content([0, 0]).message
        #expect(
            Bench.out(Bench.delivery(none, offset: 1), from: .stream)
                == [0x20, 0, 0, 0, 0, 25, 15] + Array("x-stream-offset".utf8) + [0x6C, 0, 0, 0, 0, 0, 0, 0, 1])
        // What a publisher says of it does not stay.
        let forged = try Bench.content { properties in
            properties.contentType = "t"
            properties.headers = ["x-stream-offset": .string("mine"), "k": .string("v")]
            properties.messageID = "m"
        }.message
        expected = BasicProperties()
        expected.contentType = "t"
        expected.headers = ["k": .string("v"), "x-stream-offset": .int64(7)]
        expected.messageID = "m"
        #expect(Bench.out(forged, from: .stream) == Bench.bytes(expected))
    }

    // MARK: Dead letters

    private func death(
        _ reason: String, _ count: Int64, _ seconds: UInt64, _ queue: String, exchange: String = "", keys: [String],
        expiration: String? = nil
    ) -> FieldValue {
        var table: FieldTable = [
            "count": .int64(count), "reason": .string(reason), "queue": .string(queue), "time": .timestamp(seconds),
            "exchange": .string(exchange), "routing-keys": .array(keys.map { .string($0) }),
        ]
        if let expiration { table["original-expiration"] = .string(expiration) }
        return .table(table)
    }

    private func ends(_ name: String, _ reason: String, _ queue: String, exchange: String = "") -> FieldTable {
        [
            "x-\(name)-death-exchange": .string(exchange), "x-\(name)-death-queue": .string(queue),
            "x-\(name)-death-reason": .string(reason),
        ]
    }

    @Test func aDeadLetterTellsItsStoryTheLatestFirst() throws {
        var dead = try Bench.content { properties in
            properties.headers = [
                "k": .string("v"), "x-death": .string("mine"), "x-first-death-queue": .string("mine"),
            ]
            properties.deliveryMode = 2
            properties.expiration = "100000"
            properties.appID = "a"
        }.message
        dead.headers.append(name: "cola-death".utf8, value: "rejected 2 1795420443500 d1 % d1".utf8)
        dead.headers.append(name: "cola-death".utf8, value: "expired 3 1795420443900 d2 dlx k%20k".utf8)
        var expected = BasicProperties()
        expected.headers = [
            "k": .string("v"),
            "x-death": .array([
                death("expired", 3, 1_795_420_443, "d2", exchange: "dlx", keys: ["k k"]),
                death("rejected", 2, 1_795_420_443, "d1", keys: ["d1"], expiration: "100000"),
            ]),
        ]
        expected.headers?.fields += ends("first", "rejected", "d1").fields
        expected.headers?.fields += ends("last", "expired", "d2", exchange: "dlx").fields
        expected.deliveryMode = 2
        expected.appID = "a"
        #expect(try Bench.decoded(Bench.out(dead)) == expected)
        #expect(Bench.out(dead) == Bench.bytes(expected))
    }

    @Test func theFirstDeathRemembersTheExpirationWhereverItStands() throws {
        var dead = try Bench.content { $0.expiration = "9" }.message
        // It happened again, so it is the latest now.
        dead.headers.append(name: "cola-death".utf8, value: "expired 1 2000 b % b".utf8)
        dead.headers.append(name: "cola-death".utf8, value: "expired 2 1000 a % a".utf8)
        let headers = try #require(try Bench.decoded(Bench.out(dead)).headers)
        #expect(
            headers["x-death"]
                == .array([
                    death("expired", 2, 1, "a", keys: ["a"], expiration: "9"), death("expired", 1, 2, "b", keys: ["b"]),
                ]))
        #expect(headers["x-first-death-queue"] == .string("a") && headers["x-last-death-queue"] == .string("a"))
    }

    @Test func copiesStayAsLongAsTheirKeysDo() throws {
        var dead = try Bench.content { $0.headers = ["CC": .array([.string("x"), .string("y")])] }.message
        dead.headers.append(name: "cola-death".utf8, value: "rejected 1 1000 q amq.topic a.b".utf8)
        var own = dead
        own.headers.append(name: "cola-exchange".utf8, value: "dlx".utf8)
        own.headers.append(name: "cola-routing-key".utf8, value: "a.b".utf8)
        own.headers.append(name: "cola-more-keys".utf8, value: "x".utf8)
        own.headers.append(name: "cola-more-keys".utf8, value: "y".utf8)
        let keys = FieldValue.array([
            death("rejected", 1, 1, "q", exchange: "amq.topic", keys: ["a.b", "x", "y"])
        ])
        // With a routing key of the queue's they are gone.
        for (message, hasCopies) in [(own, true), (dead, false)] {
            let headers = try #require(try Bench.decoded(Bench.out(message)).headers)
            #expect(headers["x-death"] == keys)
            #expect((headers["CC"] != nil) == hasCopies)
        }
    }

    @Test func aBrokenStoryIsLeftOut() throws {
        let content = try Bench.content { $0.contentType = "t" }
        var dead = content.message
        dead.headers.append(name: "cola-death".utf8, value: "nonsense".utf8)
        #expect(Bench.out(dead) == Bench.out(content.message))
    }
}
