import ColaCore
import ColaTesting
import Testing

/// How the messages of a queue are shared out, come back and go.
@Suite struct BrokerQueueTests {
    @Test func onlyCommittedRecordsAreHandedOut() {
        let scene = Scene(queues: ["q"])
        let (producer, consumer) = (scene.attach(), scene.attach())
        scene.consume("q", from: consumer)
        _ = scene.broker.hear(consumer)
        scene.publish("a", to: "q", from: producer)
        scene.broker.cut()
        scene.consume("q", 2, from: consumer)  // somebody new asks for what is under way
        #expect(scene.bodies(consumer).isEmpty)
        scene.broker.commitNext()
        #expect(scene.bodies(consumer) == ["a"])
    }

    @Test func prefetchBoundsWhatIsOutstanding() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", "b", "c", "d", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", prefetch: 2, from: channel)
        #expect(scene.bodies(channel) == ["a", "b"])
        scene.settle(2, from: channel)
        #expect(scene.bodies(channel) == ["c"])
        scene.settle(1, 3, from: channel)
        #expect(scene.bodies(channel) == ["d"])
    }

    @Test func creditIsUsedUpAndGranted() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", "b", "c", to: "q", from: channel)
        scene.broker.commit()
        scene.broker.send(
            .consume(Consume(name: "q", consumer: ConsumerTag(1), flow: .credit(1))), from: channel)
        #expect(scene.bodies(channel) == ["a"])
        scene.settle(1, from: channel)
        scene.broker.run()
        #expect(scene.bodies(channel).isEmpty)
        scene.broker.send(.grant(ConsumerTag(1), count: 2), from: channel)
        #expect(scene.bodies(channel) == ["b", "c"])
        scene.broker.send(.grant(ConsumerTag(1), count: .max), from: channel)
        scene.broker.send(.grant(ConsumerTag(1), count: .max), from: channel)
    }

    @Test func autoAckNeedsNoAcknowledgement() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", "b", "c", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", prefetch: 1, isAutoAck: true, from: channel)
        #expect(scene.bodies(channel) == ["a", "b", "c"])
        #expect(scene.queue("q")?.number("unacknowledged") == 0)
        scene.broker.commit()
        #expect(scene.stored()?.chunks == [])
        #expect(scene.stored()?.state.ready == 0)
    }

    @Test func consumersTakeTurns() {
        let scene = Scene(queues: ["q"])
        let (first, second) = (scene.attach(), scene.attach())
        scene.consume("q", from: first)
        scene.consume("q", from: second)
        scene.publish("a", "b", "c", "d", to: "q", from: first)
        scene.broker.commit()
        #expect(scene.bodies(first) == ["a", "c"])
        #expect(scene.bodies(second) == ["b", "d"])
    }

    @Test func aMessageThatComesBackKeepsItsPlace() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", "b", "c", "d", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", prefetch: 3, from: channel)
        #expect(scene.bodies(channel) == ["a", "b", "c"])
        scene.settle(2, nil, .release, from: channel)
        let again = scene.messages(channel)
        #expect(again.map(\.body) == ["b"])
        #expect(again.map(\.redelivered) == [1])
        #expect(again.map(\.offset) == [1])
        scene.broker.detach(channel)
        let next = scene.attach()
        scene.consume("q", from: next)
        let rest = scene.messages(next)
        #expect(rest.map(\.body) == ["a", "b", "c", "d"])
        #expect(rest.map(\.redelivered) == [1, 2, 1, nil])
    }

    @Test func aRejectedMessageDoesNotComeBack() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", "b", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        scene.settle(1, nil, .reject, from: channel)
        scene.broker.detach(channel)
        let next = scene.attach()
        scene.consume("q", from: next)
        #expect(scene.bodies(next) == ["b"])
    }

    @Test func settlingWhatIsNotHeldIsAnError() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.settle(1, from: channel)
        scene.settle(1, .max, .release, from: channel)
        scene.settle(.max, .max, from: channel)
        scene.settle(0, 0, from: channel)
        #expect(scene.answers(channel) == Array(repeating: .refused(code: "unknown_delivery"), count: 4))
    }

    @Test func aRangeSettlesWhatIsHeldOfIt() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", "b", "c", "d", "e", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        scene.settle(2, from: channel)
        scene.settle(4, from: channel)
        scene.broker.commit()
        _ = scene.broker.hear(channel)
        scene.settle(0, .max, from: channel)
        scene.settle(1, 5, from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .refused(code: "unknown_delivery")])
        #expect(scene.stored()?.chunks == [])
    }

    @Test func cancelledConsumersKeepWhatTheyHold() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", "b", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", prefetch: 1, from: channel)
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        _ = scene.broker.hear(channel)
        #expect(scene.counts("q") == Scene.Counts(ready: 1, unacknowledged: 1, bytes: 2, consumers: 0))
        scene.settle(1, from: channel)
        scene.broker.commit()
        #expect(scene.broker.hear(channel) == [.answer(RequestID(6), .done)])
        #expect(scene.counts("q") == Scene.Counts(ready: 1, unacknowledged: 0, bytes: 1, consumers: 0))
    }

    @Test func deliveriesStopWhenTheWindowIsFullAndGoOnWhenItOpens() {
        var limits = Limits()
        limits.windowBytes = 200
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        let body = String(repeating: "x", count: 50)
        scene.publish(body, body, body, body, to: "q", from: channel)
        scene.broker.commit()
        _ = scene.broker.hear(channel)
        scene.consume("q", from: channel)
        let heard = scene.broker.hear(channel)
        #expect(heard.count == 4)  // the answer, two messages, and that it is full
        #expect(heard.last == .windowFull)
        scene.broker.apply(.windowOpened(channel))
        #expect(scene.broker.hear(channel).count == 3)
    }

    @Test func aChannelHoldsNoMoreThanItMay() {
        var limits = Limits()
        limits.unackedPerChannelMax = 2
        let scene = Scene(queues: ["q", "r"], limits: limits)
        let channel = scene.attach()
        scene.publish("a", "b", "c", to: "q", from: channel)
        scene.publish("d", to: "r", from: channel)
        scene.broker.commit()
        scene.consume("q", 1, from: channel)
        scene.consume("r", 2, from: channel)
        #expect(scene.bodies(channel) == ["a", "b"])
        scene.broker.send(.get(name: "q", isAutoAck: false), from: channel)
        #expect(scene.answers(channel) == [.refused(code: "limit")])
        scene.settle(1, 2, from: channel)
        #expect(Set(scene.bodies(channel)) == ["c", "d"])
    }

    @Test func whatIsAcknowledgedAsItIsSentIsNotHeldBackByTheOthers() {
        var limits = Limits()
        limits.unackedPerChannelMax = 1
        let scene = Scene(queues: ["q", "r"], limits: limits)
        let channel = scene.attach()
        scene.publish("a", "b", to: "q", from: channel)
        scene.publish("c", "d", to: "r", from: channel)
        scene.broker.commit()
        scene.consume("q", 1, from: channel)
        #expect(scene.bodies(channel) == ["a"])
        scene.broker.send(.get(name: "r", isAutoAck: true), from: channel)
        scene.consume("r", 2, isAutoAck: true, from: channel)
        #expect(scene.bodies(channel) == ["d"])
    }

    @Test func aFanOutReachesEachQueueOnce() {
        let scene = Scene(queues: ["q", "r"])
        let channel = scene.attach()
        for key in ["", "k", "l"] {
            for queue in ["q", "r"] {
                scene.broker.send(
                    .bind(BindingDefinition(source: "amq.fanout", destination: queue, routingKey: key)), from: channel)
            }
        }
        scene.publish("a", "b", to: "any", from: channel, exchange: "amq.fanout")
        scene.broker.commit()
        #expect(scene.queue("q")?.number("ready") == 2)
        #expect(scene.queue("r")?.number("ready") == 2)
    }

    // MARK: Purging and deleting

    @Test func aPurgeTakesWhatIsNotHandedOut() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", "b", "c", to: "q", from: channel)
        scene.broker.commit()
        scene.publish("d", to: "q", from: channel)
        scene.broker.cut()
        scene.publish("e", to: "q", from: channel)
        scene.consume("q", prefetch: 1, from: channel)
        _ = scene.broker.hear(channel)
        scene.broker.send(.purge(name: "q"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel).last == .removed(messages: 4))
        #expect(scene.stored()?.chunks == [Offset(0)])
        #expect(scene.counts("q") == Scene.Counts(ready: 0, unacknowledged: 1, bytes: 1, consumers: 1))
        scene.publish("f", to: "q", from: channel)
        scene.settle(1, from: channel)
        scene.broker.commit()
        #expect(scene.bodies(channel) == ["f"])
        scene.settle(2, from: channel)
        scene.broker.commit()
        #expect(scene.stored()?.chunks == [])
        #expect(scene.stored()?.settled == [])
        #expect(scene.stored()?.state.floor == scene.stored()?.state.next)
    }

    @Test func aPurgeRemovesMessagesThatCameBack() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", "b", "c", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        scene.broker.detach(channel)
        scene.broker.commit()
        #expect(scene.stored()?.released.count == 3)
        let other = scene.attach()
        scene.broker.send(.purge(name: "q"), from: other)
        scene.broker.commit()
        #expect(scene.answers(other) == [.removed(messages: 3)])
        #expect(scene.stored()?.chunks == [])
        #expect(scene.stored()?.released == [])
    }

    /// The chunk in the middle of which the floor stands begins below what a purge covers.
    @Test func aPurgeAfterARestartLeavesNothingBehind() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        scene.publish("a", "b", "c", "d", to: "q", from: channel)
        scene.publish("e", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        scene.settle(1, 2, from: channel)
        scene.settle(4, from: channel)
        scene.broker.stop()
        channel = scene.attach()
        scene.broker.send(.purge(name: "q"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.removed(messages: 2)])
        #expect(scene.stored()?.chunks == [])
        #expect(scene.stored()?.settled == [])
        #expect(scene.stored()?.released == [])
    }

    /// Messages of an entered chunk that came back in the life before this one have rows of their own.
    @Test func aPurgeForgetsTheDeliveriesOfTheLifeBefore() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        scene.publish("a", "b", "c", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        scene.broker.stop()
        #expect(scene.stored()?.released.count == 3)
        channel = scene.attach()
        scene.consume("q", prefetch: 1, from: channel)
        #expect(scene.broker.run())
        scene.broker.send(.purge(name: "q"), from: channel)
        scene.settle(1, from: channel)
        scene.broker.commit()
        #expect(scene.stored()?.chunks == [])
        #expect(scene.stored()?.released == [])
    }

    @Test func deletingAQueueTellsItsConsumersAndForgetsTheirLeases() {
        let scene = Scene(queues: ["q"])
        let (consumer, other) = (scene.attach(), scene.attach())
        scene.publish("a", "b", to: "q", from: other)
        scene.broker.commit()
        scene.consume("q", 7, prefetch: 1, from: consumer)
        _ = scene.broker.hear(consumer)
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: other)
        #expect(scene.broker.hear(consumer) == [.failed(ConsumerTag(7), code: "cancelled")])
        scene.broker.commit()
        #expect(scene.answers(other) == [.done, .removed(messages: 2)])
        #expect(scene.stored() == nil)
        scene.broker.send(.declareQueue(QueueDeclaration(name: "q")), from: other)
        scene.settle(1, nil, .release, from: consumer)
        scene.broker.commit()
        #expect(scene.counts("q") == Scene.Counts(ready: 0, unacknowledged: 0, bytes: 0, consumers: 0))
    }

    @Test func aQueueMadeAndDeletedInOneBatchIsGone() {
        let scene = Scene()
        let channel = scene.attach()
        scene.broker.send(.declareQueue(QueueDeclaration(name: "q")), from: channel)
        scene.publish("a", to: "q", from: channel)
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.declared(messages: 0), .done, .removed(messages: 1)])
        #expect(scene.stored() == nil)
        scene.broker.crash()
        #expect(scene.queue("q") == nil)
    }

    @Test func aQueueDeletedWhileItsBatchIsUnderWayStaysDeleted() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", to: "q", from: channel)
        scene.broker.cut()
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: channel)
        scene.broker.commit()
        #expect(scene.stored() == nil)
        scene.publish("b", to: "q", from: channel)
        #expect(scene.answers(channel) == [.done, .removed(messages: 1), .refused(code: "unroutable")])
    }
}
