import ColaAMQP
import ColaCore
import Testing

/// How a message of AMQP becomes a record. What is refused, and in which words, is what a RabbitMQ 3.10.8 does.
@Suite struct ContentTests {
    private typealias Bench = ContentBench

    @Test func aPersistentMessageIsItsBodyAlone() throws {
        let content = try Bench.content([0x10, 0x00, 0x02], body: "hello")
        #expect(content.message == Message(value: Array("hello".utf8)[...]))
        #expect(Bench.out(content.message) == [0x10, 0x00, 0x02])
    }

    @Test func anyOtherPropertiesAreKeptAsTheyCame() throws {
        var full = BasicProperties()
        full.contentType = "text/plain"
        full.headers = ["a": .array([.table(["b": .void])]), "x": .bytes([0, 255])]
        full.deliveryMode = 1
        full.timestamp = 5
        full.clusterID = "c"
        for properties in [[0, 0], [0x10, 0x00, 0x01], Bench.bytes(full), [0x10, 0x01, 0x00, 0x00, 0x02]] {
            let content = try Bench.content(properties)
            #expect(Bench.hasRaw(content.message))
            let known = ["cola-timestamp=5", "x=\0\u{FFFD}"]
            #expect(Bench.headers(content.message).allSatisfy(known.contains))
            #expect(Bench.out(content.message) == properties)
        }
    }

    @Test func scalarsOfTheHeadersTableAreHeadersOfTheRecord() throws {
        let content = try Bench.content { properties in
            properties.messageID = "id-1"
            properties.replyTo = "answers"
            properties.correlationID = "77"
            properties.timestamp = .max
            properties.headers = [
                "s": .string("ä"), "i": .int32(-5), "b": .bool(false), "v": .void, "f": .float(0.5), "T": .timestamp(9),
                "D": .decimal(scale: 1, value: 12), "D0": .decimal(scale: 0, value: 12), "A": .array([]),
                "F": .table([:]), "x": .bytes([0x79]), "": .string("nameless"), "cola-death": .string("forged"),
                "x-delay": .int32(5_000),
            ]
        }
        #expect(
            Bench.headers(content.message) == [
                "cola-message-id=id-1", "cola-reply-to=answers", "cola-correlation-id=77",
                "cola-timestamp=18446744073709551615", "s=ä", "i=-5", "b=false", "v=-", "f=0.5", "T=9", "D=1.2",
                "D0=12", "x=y", "x-delay=5000",
            ])
        #expect(content.delay == 5_000)
        #expect(content.id.map { Array($0) } == Array("id-1".utf8))
        #expect(content.moreKeys == [])
    }

    @Test func copiesGoToMoreKeysAndBlindOnesAreNotSeen() throws {
        var properties = BasicProperties()
        properties.contentType = "t"
        properties.headers = [
            "CC": .array([.string("a"), .int8(5)]), "k": .int8(1), "BCC": .array([.string("b"), .string("c")]),
        ]
        properties.priority = 3
        let content = try Bench.content(Bench.bytes(properties))
        #expect(content.moreKeys == ["a", "b", "c"])
        properties.headers?["BCC"] = nil
        #expect(Bench.out(content.message) == Bench.bytes(properties))
        // Where nothing is left an empty table is.
        properties.headers = ["BCC": .array([.string("b")])]
        let blind = try Bench.content(Bench.bytes(properties))
        properties.headers = [:]
        #expect(Bench.out(blind.message) == Bench.bytes(properties))
    }

    @Test func priorityAndExpirationAreTheQueuesBusiness() throws {
        let content = try Bench.content { properties in
            properties.priority = 200
            properties.expiration = "+005000"
        }
        #expect(content.priority == 200 && content.timeToLive == 5_000)
        #expect(try Bench.content { $0.expiration = "0" }.timeToLive == 0)
        #expect(try Bench.content { $0.expiration = "-0" }.timeToLive == 0)
        #expect(try Bench.content { $0.expiration = "315360000000" }.timeToLive == 315_360_000_000)
    }

    @Test(arguments: [
        ("abc", "no_integer"), ("-5", "{value_negative,-5}"), ("1.5", "{leftover_string,\".5\"}"), ("", "no_integer"),
        ("99999999999999", "{value_too_large,99999999999999}"), (" 5", "no_integer"), ("+", "no_integer"),
        ("5 ", "{leftover_string,\" \"}"), ("٣", "no_integer"),
        ("18446744073709551616999", "{value_too_large,18446744073709551616999}"),
    ])
    func anExpirationThatIsNoNumberOfMillisecondsIsRefused(text: String, reason: String) {
        let error = #expect(throws: ContentError.self) { try Bench.content { $0.expiration = text } }
        #expect(error == .refused(Refusal("invalid expiration '\(text)': \(reason)")))
    }

    @Test func whatElseCannotBeIsRefused() {
        func refused(_ change: (inout BasicProperties) -> Void) -> String? {
            guard
                case .refused(let refusal)? = #expect(
                    throws: ContentError.self, performing: { try Bench.content(change) })
            else { return nil }
            #expect(refusal.code == 406)
            return refusal.text
        }
        #expect(
            refused { $0.userID = "other" } == "user_id property set to 'other' but authenticated user was 'guest'")
        #expect(refused { $0.deliveryMode = 5 } == "invalid message: {delivery_mode_unknown,5}")
        #expect(refused { $0.deliveryMode = 0 } == "invalid message: {delivery_mode_unknown,0}")
        #expect(
            refused { $0.headers = ["CC": .string("a")] }
                == "invalid message: {unacceptable_type_in_header,\"CC\",longstr}")
        #expect(
            refused { $0.headers = ["BCC": .int32(5)] }
                == "invalid message: {unacceptable_type_in_header,\"BCC\",signedint}")
        #expect(#expect(throws: ContentError.self) { try Bench.content([0x10]) } != nil)
    }
}
