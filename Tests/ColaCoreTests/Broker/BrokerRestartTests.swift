import ColaCore
import ColaTesting
import Testing

/// What a stop in order and a crash leave behind, and what is damaged.
@Suite struct BrokerRestartTests {
    @Test func aCleanStopKeepsTheExactMarkOfWhatWasHandedOut() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        scene.publish("a", "b", "c", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", prefetch: 1, from: channel)
        scene.broker.stop()
        #expect(scene.stored()?.state.handedOut == Offset(1))
        channel = scene.attach()
        scene.consume("q", from: channel)
        #expect(scene.broker.run())
        #expect(scene.messages(channel).map(\.redelivered) == [1, nil, nil])
    }

    @Test func afterACrashEverythingMayHaveBeenHandedOut() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        scene.publish("a", "b", to: "q", from: channel)
        scene.broker.commit()
        scene.broker.crash()
        channel = scene.attach()
        scene.consume("q", from: channel)
        scene.publish("c", to: "q", from: channel)
        #expect(scene.broker.run())
        let messages = scene.messages(channel)
        #expect(messages.map(\.body) == ["a", "b", "c"])
        #expect(messages.map(\.redelivered) == [0, 0, nil])
        // The mark survives a clean stop after the crash.
        scene.broker.stop()
        channel = scene.attach()
        scene.consume("q", from: channel)
        #expect(scene.broker.run())
        #expect(scene.messages(channel).map(\.redelivered) == [1, 1, 1])
    }

    @Test func settledMessagesDoNotComeBack() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        scene.publish("a", "b", "c", "d", "e", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        scene.settle(2, from: channel)
        scene.settle(4, from: channel)
        scene.broker.commit()
        #expect(scene.stored()?.settled == [Offset(0)])
        scene.broker.crash()
        channel = scene.attach()
        scene.consume("q", from: channel)
        #expect(scene.broker.run())
        #expect(scene.messages(channel).map(\.body) == ["a", "c", "e"])
        #expect(scene.counts("q") == Scene.Counts(ready: 0, unacknowledged: 3, bytes: 3, consumers: 1))
    }

    /// The tail of the chunk was settled in the life before, so the consumer's last message ends it.
    @Test func aChunkThatEndsWithWhatWasSettledBeforeIsRemovedAndPassed() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        scene.publish("a", "b", "c", "d", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        scene.settle(3, 4, from: channel)
        scene.broker.stop()
        channel = scene.attach()
        scene.consume("q", prefetch: 2, from: channel)
        #expect(scene.broker.run())
        #expect(scene.bodies(channel) == ["a", "b"])
        scene.settle(1, 2, from: channel)
        scene.publish("e", to: "q", from: channel)
        #expect(scene.broker.run())
        #expect(scene.bodies(channel) == ["e"])
        scene.settle(3, from: channel)
        #expect(scene.broker.run())
        #expect(scene.stored()?.chunks == [])
        #expect(scene.stored()?.settled == [])
        #expect(scene.stored()?.released == [])
        #expect(scene.stored()?.state.floor == Offset(5))
    }

    @Test func definitionsComeBack() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        scene.broker.send(.declareTopic(name: "t", partitions: nil, Arguments()), from: channel)
        scene.broker.send(
            .declareExchange(ExchangeDeclaration(name: "x", kind: .direct, alternate: nil)), from: channel)
        let binding = BindingDefinition(source: "x", destination: "t", routingKey: "k")
        scene.broker.send(.bind(binding), from: channel)
        scene.broker.commit()
        scene.broker.crash()
        channel = scene.attach()
        scene.broker.send(.list(.bindings), from: channel)
        scene.broker.send(.list(.topics), from: channel)
        guard case .rows(let rows) = scene.answers(channel).first else {
            Issue.record("no list of bindings")
            return
        }
        #expect(rows.map { $0["source"] } == [.text("x")])
        #expect(rows.map { $0["destination"] } == [.text("t")])
        #expect(rows.map { $0["key"] } == [.text("k")])
        scene.publish("a", to: "k", from: channel, exchange: "x")
        scene.broker.commit()
        #expect(scene.stored(2)?.chunks == [Offset(0)])
        scene.broker.send(.declareQueue(QueueDeclaration(name: "r")), from: channel)
        scene.broker.commit()
        #expect(scene.stored(3)?.state == .empty)
    }

    // MARK: Damage

    @Test func damageIsPutAsideAndTheRestIsDelivered() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        scene.publish("a", "b", to: "q", from: channel)
        scene.broker.commit()
        scene.publish("c", to: "q", from: channel)
        scene.broker.commit()
        scene.broker.crash()
        scene.broker.damage(LogID(1), Offset(0))
        channel = scene.attach()
        scene.consume("q", from: channel)
        #expect(scene.broker.run())
        #expect(scene.broker.hear(channel).contains(.failed(ConsumerTag(1), code: "damaged")))
        #expect(scene.broker.damage.count == 1)
        #expect(scene.stored()?.quarantined == [Offset(0)])
        #expect(scene.stored()?.chunks == [Offset(2)])
        #expect(scene.queue("q")?.number("unacknowledged") == 1)
        #expect(scene.queue("q")?.number("ready") == 0)
        scene.settle(1, from: channel)
        #expect(scene.broker.run())
        #expect(scene.stored()?.chunks == [])
        #expect(scene.stored()?.state.ready == 0)
    }

    /// Messages too large to share a batch: one is damaged, those around it are not.
    @Test func damageInTheMiddleOfAChunkTakesNothingElse() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        let large = String(repeating: "x", count: 50_000)
        scene.publish("a\(large)", "b\(large)", "c\(large)", to: "q", from: channel)
        scene.broker.commit()
        scene.broker.crash()
        scene.broker.damage(LogID(1), Offset(0), fromEnd: 75_000)
        channel = scene.attach()
        scene.consume("q", from: channel)
        #expect(scene.broker.run())
        #expect(scene.messages(channel).map { $0.body.first } == ["a", "c"])
        scene.settle(1, 2, from: channel)
        #expect(scene.broker.run())
        #expect(scene.queue("q")?.number("ready") == 0)
        #expect(scene.queue("q")?.number("unacknowledged") == 0)
        #expect(scene.stored()?.chunks == [])
        #expect(scene.stored()?.state.floor == Offset(3))
    }

    /// What was settled already is no loss.
    @Test func damageCountsWhatWasWaitingAlone() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        let large = String(repeating: "x", count: 50_000)
        scene.publish("a\(large)", "b\(large)", "c\(large)", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        scene.settle(2, from: channel)
        scene.broker.commit()
        scene.broker.crash()
        scene.broker.damage(LogID(1), Offset(0), fromEnd: 75_000)
        channel = scene.attach()
        scene.consume("q", from: channel)
        #expect(scene.broker.run())
        #expect(scene.queue("q")?.number("unacknowledged") == 2)
        #expect(scene.queue("q")?.number("ready") == 0)
    }

    /// The cache is small, so the chunk is read once more, and is damaged by then: some of it is handed out already.
    @Test func damageFoundLaterLeavesTheCountsRight() {
        var limits = Limits()
        limits.cacheBytesMax = 0
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        scene.publish("a", "b", "c", "d", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", prefetch: 2, from: channel)
        #expect(scene.broker.run())
        scene.settle(2, nil, .release, from: channel)
        #expect(scene.broker.run())
        _ = scene.broker.hear(channel)
        scene.broker.damage(LogID(1), Offset(0))
        scene.settle(1, from: channel)
        #expect(scene.broker.run())
        scene.settle(3, nil, .release, from: channel)
        #expect(scene.broker.run())
        #expect(scene.queue("q")?.number("ready") == 0)
        #expect(scene.queue("q")?.number("unacknowledged") == 0)
        #expect(scene.stored()?.chunks == [])
        #expect(scene.stored()?.state.ready == 0)
        #expect(scene.stored()?.state.floor == Offset(4))
    }

    @Test func damageIsCountedOnceHoweverOftenItIsRead() {
        var limits = Limits()
        limits.cacheBytesMax = 0
        let scene = Scene(topics: ["t"], limits: limits)
        let channel = scene.attach()
        scene.publish("a", "b", to: "t", from: channel)
        scene.broker.commit()
        scene.publish("c", to: "t", from: channel)
        scene.broker.commit()
        scene.broker.damage(LogID(1), Offset(0))
        for tag in 1...3 as ClosedRange<UInt64> {
            scene.broker.send(
                .consume(
                    Consume(name: "t", consumer: ConsumerTag(tag), flow: .prefetch(9), position: .first)),
                from: channel)
        }
        scene.broker.send(.peek(name: "t", partition: 0, from: Offset(0), count: 9), from: channel)
        #expect(scene.broker.run())
        #expect(scene.bodies(channel) == ["c", "c", "c"])
        scene.broker.send(.list(.topics), from: channel)
        guard case .rows(let rows) = scene.answers(channel).last else {
            Issue.record("no list of topics")
            return
        }
        #expect(rows.first?.number("messages") == 1)
        #expect(scene.broker.damage.count == 1)
        #expect(scene.stored()?.quarantined == [Offset(0)])
    }
}
