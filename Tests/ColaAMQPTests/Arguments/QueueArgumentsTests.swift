import ColaAMQP
import ColaCore
import Testing

/// What a `queue.declare` asks for. The texts of refusals are those of a RabbitMQ 3.10.8, unless something else is
/// said.
@Suite struct QueueArgumentsTests {
    private func read(_ table: FieldTable) throws(Refusal) -> QueueArguments {
        try QueueArguments(table, queue: "q", host: "/")
    }

    private func texts(_ table: FieldTable) throws -> [String: String] {
        let arguments = try read(table).arguments
        var texts: [String: String] = [:]
        for argument in Argument.allCases { texts[argument.rawValue] = argument.text(in: arguments) }
        return texts
    }

    @Test func whatAQueueDoesWithItsArgumentsItIsTold() throws {
        let table: FieldTable = [
            "x-message-ttl": .int64(60_000), "x-expires": .int32(5), "x-max-length": .uint8(7),
            "x-max-length-bytes": .int64(1 << 40), "x-overflow": .string("reject-publish-dlx"),
            "x-dead-letter-exchange": .string(""), "x-dead-letter-routing-key": .string("käse"),
            "x-dead-letter-strategy": .string("at-least-once"), "x-max-priority": .int8(9),
            "x-single-active-consumer": .bool(true), "x-delivery-limit": .int16(3), "x-consumer-timeout": .uint32(9),
            "x-delayed-retry-type": .string("failed"), "x-delayed-retry-min": .int32(1_000),
            "x-delayed-retry-max": .int32(9_000), "x-queue-type": .string("quorum"),
        ]
        #expect(
            try texts(table) == [
                "message-ttl": "60000", "expires": "5", "max-length": "7", "max-length-bytes": "1099511627776",
                "overflow": "reject-publish-dlx", "dead-letter-exchange": "", "dead-letter-routing-key": "käse",
                "dead-letter-strategy": "at-least-once", "max-priority": "9", "single-active-consumer": "yes",
                "delivery-limit": "3", "consumer-timeout": "9", "delayed-retry-type": "failed",
                "delayed-retry-min": "1000", "delayed-retry-max": "9000", "queue-type": "quorum",
            ])
        #expect(try read(table).kind == .queue)
        #expect(try texts(["x-delivery-limit": .int8(-1)]) == ["delivery-limit": "-1"])
        #expect(try texts(["x-queue-type": .string("classic")]) == ["queue-type": "classic"])
        #expect(try texts([:]) == [:])
    }

    @Test func aStreamIsATopic() throws {
        let found = try read([
            "x-queue-type": .string("stream"), "x-max-age": .string("7D"), "x-max-length-bytes": .int64(5_000),
            "x-stream-max-segment-size-bytes": .int32(5), "x-initial-cluster-size": .int32(3),
            "x-cleanup-policy": .string("compact"),
        ])
        #expect(found.kind == .stream)
        #expect(found.arguments.retentionMilliseconds == 604_800_000)
        #expect(found.arguments.retentionBytes == 5_000)
        #expect(found.arguments.cleanup == .compact)
        #expect(found.arguments.queueType == nil)
        #expect(try read(["x-queue-type": .string("stream")]).arguments.isEmpty)
        try QueueArguments.checkStream(named: "q", in: "/", isDurable: true, isExclusive: false, isAutoDelete: false)
        for (durable, exclusive, autoDelete, word) in [
            (false, false, false, "non-durable"), (true, true, false, "exclusive-owner"),
            (true, false, true, "auto-delete"),
        ] {
            let refusal = #expect(throws: Refusal.self) {
                try QueueArguments.checkStream(
                    named: "q", in: "/", isDurable: durable, isExclusive: exclusive, isAutoDelete: autoDelete)
            }
            #expect(refusal == Refusal("invalid property '\(word)' for queue 'q' in vhost '/'"))
        }
    }

    @Test func whatIsOnlyAboutWhereAQueueIsKeptHasNoEffect() throws {
        let table: FieldTable = [
            "x-queue-mode": .string("lazy"), "x-queue-version": .int32(2),
            "x-queue-master-locator": .string("min-masters"),
            "x-queue-leader-locator": .string("balanced"), "x-quorum-initial-group-size": .int32(3),
            "x-quorum-target-group-size": .int32(3), "x-max-in-memory-length": .int32(0),
            "x-max-in-memory-bytes": .int32(0), "x-consumer-disconnected-timeout": .int32(60_000),
            "x-ha-policy": .string("all"), "color": .string("red"), "x-foo": .table(["a": .void]),
        ]
        #expect(try texts(table) == [:])
    }

    @Test func ourOwnArgumentsHaveANameWithAnXToo() throws {
        #expect(
            try texts(["x-retry": .string("delay=5,attempts=3"), "x-deduplication-window": .int32(9_000)])
                == ["retry": "delay=5,attempts=3", "deduplication-window": "9000"])
        #expect(throws: Refusal.self) { try read(["x-retry": .string("often")]) }
        // Of topics.
        #expect(try texts(["x-retention-ms": .int32(5)]) == [:])
    }

    @Test(arguments: [
        ("x-max-length", FieldValue.int32(-1), "{value_negative,-1}"),
        ("x-max-length", .string("5"), "\"expected integer, got longstr\""),
        ("x-max-length", .decimal(scale: 1, value: 15), "\"expected integer, got decimal\""),
        ("x-max-length", .bool(true), "\"expected integer, got bool\""),
        ("x-message-ttl", .int32(-1), "{value_negative,-1}"),
        ("x-message-ttl", .string("x"), "\"expected integer, got longstr\""),
        ("x-message-ttl", .int64(1_099_511_627_776), "{value_too_large,1099511627776}"),
        ("x-expires", .int32(0), "{value_zero,0}"), ("x-expires", .int32(-5), "{value_negative,-5}"),
        ("x-expires", .int64(315_360_000_001), "{value_too_large,315360000001}"),
        ("x-dead-letter-routing-key", .string("k"), "routing_key_but_no_dlx_defined"),
        ("x-dead-letter-routing-key", .int32(5), "{unacceptable_type,signedint}"),
        ("x-overflow", .string("foo"), "invalid_overflow"), ("x-overflow", .int32(5), "{unacceptable_type,signedint}"),
        ("x-max-priority", .int32(256), "{max_value_exceeded,256}"),
        ("x-max-priority", .int32(-1), "{value_negative,-1}"),
        ("x-single-active-consumer", .string("yes"), "{unacceptable_type,longstr}"),
        ("x-queue-type", .string("foo"), "\"unsupported queue type 'foo'\""),
        ("x-queue-type", .int32(5), "{unacceptable_type,signedint}"),
        ("x-queue-mode", .string("foo"), "\"unsupported queue mode 'foo'\""),
        ("x-queue-version", .int32(3), "\"unsupported queue version '3'\""),
        ("x-dead-letter-strategy", .string("foo"), "invalid_dlx_strategy"),
        // Where RabbitMQ 3.10.8 looks away, or fails.
        ("x-delivery-limit", .string("a"), "\"expected integer, got longstr\""),
        ("x-consumer-timeout", .string("a"), "\"expected integer, got longstr\""),
        ("x-consumer-timeout", .int32(0), "{value_zero,0}"),
        ("x-delivery-limit", .int32(-2), "{value_negative,-2}"),
        ("x-delayed-retry-type", .string("often"), "\"unsupported retry type 'often'\""),
    ])
    func whatCannotBeIsRefusedInRabbitMQsWords(name: String, value: FieldValue, reason: String) {
        let refusal = #expect(throws: Refusal.self) { try read([name: value]) }
        #expect(refusal == Refusal("invalid arg '\(name)' for queue 'q' in vhost '/': \(reason)"))
        #expect(refusal?.code == 406)
    }

    @Test(arguments: [
        ("x-max-age", FieldValue.string("1D"), "classic"), ("x-max-length", .int32(5), "stream"),
        ("x-message-ttl", .int32(5), "stream"), ("x-dead-letter-exchange", .string(""), "stream"),
        ("x-max-age", .string("1D"), "quorum"), ("x-delivery-limit", .int32(3), "stream"),
    ])
    func whatAQueueOfThatTypeCannotDoIsRefused(name: String, value: FieldValue, type: String) {
        let refusal = #expect(throws: Refusal.self) { try read([name: value, "x-queue-type": .string(type)]) }
        #expect(
            refusal == Refusal("invalid arg '\(name)' for queue 'q' in vhost '/' of queue type rabbit_\(type)_queue"))
    }

    @Test func someRefusalsHaveWordsOfTheirOwn() {
        var refusal = #expect(throws: Refusal.self) { try read(["x-dead-letter-exchange": .int32(5)]) }
        #expect(
            refusal?.text == "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'")
        for age in [FieldValue.string("foo"), .string("5"), .string("0D"), .string("")] {
            refusal = #expect(throws: Refusal.self) { try read(["x-max-age": age, "x-queue-type": .string("stream")]) }
            #expect(refusal?.text == "invalid arg 'x-max-age' for queue 'q' in vhost '/': invalid_max_age")
        }
    }

    // MARK: Declared again

    @Test func aRedeclareThatDiffersIsRefusedWithTheCommandThatChangesIt() {
        var (received, current) = (Arguments(), Arguments())
        received.messageTimeToLive = 1_000
        var difference = Inequivalence(
            .messageTimeToLive, of: .queue, named: "q", in: "/", received: received, current: current)
        #expect(difference.refusal.code == 406)
        #expect(
            difference.refusal.text.hasPrefix(
                "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '1000' but current is none; "
                    + "`cola set queue q --message-ttl 1000`"))
        current.retentionMilliseconds = 5
        difference = Inequivalence(
            .retentionMilliseconds, of: .topic, named: "s", in: "/", received: received, current: current)
        #expect(difference.refusal.text.hasPrefix("inequivalent arg 'x-max-age' for topic 's'"))
    }
}
