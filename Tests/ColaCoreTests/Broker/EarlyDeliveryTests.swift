import ColaCore
import ColaTesting
import Testing

/// Messages that are handed out before they are durable, and those that never need be.
@Suite struct EarlyDeliveryTests {
    private let scene: Scene
    private let publisher: ChannelID
    private let consumer: ChannelID

    init() {
        var limits = Limits()
        limits.isDeliveryEarly = true
        scene = Scene(queues: ["q", "other"], limits: limits)
        (publisher, consumer) = (scene.attach(), scene.attach())
    }

    private var statistics: Description? {
        let channel = scene.attach()
        defer { scene.broker.detach(channel) }
        scene.broker.send(.statistics, from: channel)
        guard case .description(let row) = scene.answers(channel).first else { return nil }
        return row
    }

    @Test func aMessageIsHandedOutBeforeItsCommitAndConfirmedAfterIt() {
        scene.consume("q", from: consumer)
        scene.publish("a", to: "q", from: publisher)
        #expect(scene.bodies(consumer) == ["a"])
        #expect(scene.answers(publisher).isEmpty)
        scene.broker.commit()
        #expect(scene.answers(publisher) == [.done])
    }

    @Test func whatIsAcknowledgedInTimeIsConfirmedAndNeverWritten() {
        scene.consume("q", from: consumer)
        scene.publish("a", "b", to: "q", from: publisher)
        scene.settle(1, from: consumer)
        #expect(scene.answers(publisher).isEmpty)
        scene.settle(2, from: consumer)
        #expect(scene.answers(publisher) == [.done])
        #expect(scene.broker.cut() == nil)
        #expect(scene.broker.broker.gatheringBytes == 0)
        #expect(statistics?["elided"] == .number(2))
    }

    @Test func confirmsKeepTheirOrder() {
        scene.consume("q", from: consumer)
        let first = scene.publish("a", to: "q", from: publisher)
        let second = scene.publish("b", to: "q", from: publisher)
        scene.settle(2, from: consumer)
        #expect(scene.answered(publisher).isEmpty)
        scene.settle(1, from: consumer)
        #expect(scene.answered(publisher) == [first, second])
    }

    @Test func onlyWhatIsLeftIsWritten() throws {
        scene.consume("q", from: consumer)
        for body in ["a", "b", "c", "d"] { scene.publish(body, to: "q", from: publisher) }
        scene.settle(2, from: consumer)
        scene.settle(3, from: consumer)
        let batch = try #require(scene.broker.cut())
        #expect(batch.logs.map { $0.appendedRecords?.entries.map(\.offset) } == [[Offset(0), Offset(3)]])
        #expect(batch.logs[0].settled.isEmpty && batch.logs[0].removed.isEmpty)
        scene.broker.commitNext()
        #expect(scene.answers(publisher).count == 4)
        scene.settle(1, from: consumer)
        scene.settle(4, from: consumer)
        scene.broker.commit()
        #expect(scene.queue("q")?["messages"] == .number(0))
        #expect(scene.broker.stored(LogID(1))?.chunks.isEmpty ?? true)
    }

    @Test func whatCameBackEarlyKeepsItsPlace() {
        scene.consume("q", prefetch: 1, from: consumer)
        scene.publish("a", "b", to: "q", from: publisher)
        #expect(scene.bodies(consumer) == ["a"])
        scene.settle(1, 1, .release, from: consumer)
        let again = scene.messages(consumer)
        #expect(again.map(\.body) == ["a"] && again.map(\.redelivered) == [1])
        scene.settle(2, from: consumer)
        #expect(scene.bodies(consumer) == ["b"])
    }

    @Test func aCrashTakesWhatWasNotConfirmed() {
        scene.consume("q", from: consumer)
        scene.publish("a", to: "q", from: publisher)
        #expect(scene.bodies(consumer) == ["a"])
        scene.broker.crash()
        #expect(scene.queue("q")?["messages"] == .number(0))
    }

    @Test func afterACrashWhatWasCutIsDeliveredAgain() {
        scene.consume("q", from: consumer)
        scene.publish("a", to: "q", from: publisher)
        scene.broker.commit()
        scene.broker.crash()
        let next = scene.attach()
        scene.consume("q", from: next)
        scene.broker.run()
        #expect(scene.messages(next).map(\.redelivered) == [0])
    }

    /// Who takes a message, publishes what follows from it and acknowledges: both are safe together, or not at all.
    @Test func anAcknowledgementDoesNotOvertakeWhatItsChannelPublished() {
        scene.consume("q", from: consumer)
        scene.publish("work", to: "q", from: publisher)
        let result = scene.publish("result", to: "other", from: consumer)
        scene.settle(1, from: consumer)
        #expect(scene.answers(publisher).isEmpty)
        #expect(scene.broker.broker.isCommitDue(at: scene.broker.now))
        scene.broker.commit()
        #expect(scene.answers(publisher) == [.done])
        #expect(scene.answered(consumer).contains(result))
    }

    @Test func anAnswerThatStandsBehindAnAcknowledgementOnlyIsCommittedAtOnce() {
        scene.publish("stored", to: "other", from: consumer)
        scene.broker.commit()
        scene.consume("other", from: publisher)
        scene.consume("q", from: consumer)
        // Nobody waits for the answer of this one, so by itself it is not committed at once.
        scene.broker.apply(
            .request(
                publisher, .silent,
                .settle(first: DeliveryTag(1), last: DeliveryTag(1), Settlement.acknowledge)))
        _ = scene.answered(publisher)
        let publish = scene.publish("a", to: "q", from: publisher)
        #expect(!scene.broker.broker.isCommitDue(at: scene.broker.now))
        scene.settle(1, from: consumer)
        #expect(scene.answered(publisher).isEmpty)
        #expect(scene.broker.broker.isCommitDue(at: scene.broker.now))
        scene.broker.commit()
        #expect(scene.answered(publisher) == [publish])
    }

    @Test func whatSeveralQueuesGetWaitsForTheDisk() {
        scene.broker.send(
            .declareExchange(ExchangeDeclaration(name: "x", kind: .fanout, alternate: nil)), from: publisher)
        for queue in ["q", "other"] {
            scene.broker.send(
                .bind(BindingDefinition(source: "x", destination: queue, routingKey: "")), from: publisher)
        }
        scene.broker.commit()
        scene.consume("q", from: consumer)
        scene.publish("early", to: "q", from: publisher)
        #expect(scene.bodies(consumer) == ["early"])
        scene.publish("both", to: "", from: publisher, exchange: "x")
        scene.publish("behind", to: "q", from: publisher)
        #expect(scene.bodies(consumer).isEmpty)
        // What was handed out can come back, though the one behind it waits.
        scene.settle(1, 1, .release, from: consumer)
        #expect(scene.bodies(consumer) == ["early"])
        scene.broker.commit()
        #expect(scene.bodies(consumer) == ["both", "behind"])
    }

    @Test func aBatchWaitsForConsumersThatKeepUp() throws {
        scene.consume("q", from: consumer)
        scene.publish("a", to: "q", from: publisher)
        #expect(!scene.broker.broker.isCommitDue(at: scene.broker.now))
        let due = try #require(scene.broker.commitDeadline)
        #expect(due.rawValue - scene.broker.now.monotonic.rawValue <= 2_000_000)
        scene.broker.pass(milliseconds: 2)
        #expect(scene.broker.broker.isCommitDue(at: scene.broker.now))
    }

    @Test func aBatchDoesNotWaitForNobody() {
        scene.publish("a", to: "q", from: publisher)
        #expect(scene.broker.broker.isCommitDue(at: scene.broker.now))
    }

    /// The second time it is known that this consumer takes long.
    @Test func aBatchDoesNotWaitForASlowConsumer() {
        scene.consume("q", from: consumer)
        for number in 1...10 as ClosedRange<UInt64> {
            scene.publish("a", to: "q", from: publisher)
            scene.broker.pass(milliseconds: 50)
            scene.settle(number, from: consumer)
            scene.broker.commit()
        }
        scene.publish("b", to: "q", from: publisher)
        #expect(scene.broker.broker.isCommitDue(at: scene.broker.now))
    }

    @Test func aPurgeTakesWhatNobodyWasGiven() {
        scene.consume("q", prefetch: 1, from: consumer)
        scene.publish("a", "b", "c", to: "q", from: publisher)
        scene.broker.send(.purge(name: "q"), from: scene.attach())
        scene.broker.commit()
        #expect(scene.queue("q")?["messages"] == .number(1))
        scene.settle(1, from: consumer)
        scene.broker.commit()
        #expect(scene.queue("q")?["messages"] == .number(0))
        #expect(scene.answers(publisher) == [.done])
    }

    @Test func ticketsDoNotPileUpWhileTheDiskStands() {
        scene.publish("held", to: "other", from: publisher)
        scene.broker.cut()
        scene.consume("q", from: consumer)
        for number in 1...1_000 as ClosedRange<UInt64> {
            scene.publish("a", to: "q", from: publisher)
            scene.settle(number, from: consumer)
        }
        #expect(scene.broker.broker.gatheringBytes == 0)
        #expect(scene.broker.broker.ticketsWaiting == 0)
    }
}
