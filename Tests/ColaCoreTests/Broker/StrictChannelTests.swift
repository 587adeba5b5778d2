import ColaCore
import ColaTesting
import Testing

/// Channels as AMQP has them: several of one connection, each of which ends with the first thing that it is refused.
@Suite struct StrictChannelTests {
    /// A connection, and its channels with these numbers.
    private func connect(_ scene: Scene, channels: UInt16...) -> (connection: ChannelID, channels: [ChannelID]) {
        let connection = scene.attach()
        let ids = channels.map { ChannelID(of: connection, number: $0, incarnation: 0) }
        for id in ids { scene.broker.attach(id, isStrict: true) }
        return (connection, ids)
    }

    private func receive(_ scene: Scene, _ channel: ChannelID) -> [Heard.Received] {
        scene.rest()
        return scene.messages(channel)
    }

    @Test func aChannelKnowsItsConnection() {
        let channel = ChannelID(of: ChannelID(7), number: 65_535, incarnation: 255)
        #expect(channel.connection == ChannelID(7))
        #expect(channel.number == 65_535)
        #expect(!channel.isConnection)
        #expect(ChannelID(7).isConnection)
        #expect(channel != ChannelID(of: ChannelID(7), number: 65_535, incarnation: 0))
    }

    @Test func nothingIsDoneBehindARefusal() {
        let scene = Scene(queues: ["q"])
        let (_, ids) = connect(scene, channels: 1, 2)
        scene.broker.send(.purge(name: "nowhere"), from: ids[0])
        scene.publish("lost", to: "q", from: ids[0])
        scene.publish("kept", to: "q", from: ids[1])
        scene.rest()
        #expect(scene.answers(ids[0]) == [.refused(code: "not_found")])
        #expect(scene.answers(ids[1]) == [.done])
        #expect(scene.counts("q")?.ready == 1)
    }

    @Test func whatBefallsAPublishAloneEndsNothing() {
        let scene = Scene()
        let (_, ids) = connect(scene, channels: 1)
        scene.declare("q", from: ids[0]) {
            $0.maxLength = 1
            $0.overflow = .rejectPublish
        }
        scene.publish("a", to: "q", from: ids[0])
        scene.publish("b", to: "q", from: ids[0])
        scene.publish("c", to: "nowhere", from: ids[0])
        scene.broker.send(.purge(name: "q"), from: ids[0])
        scene.rest()
        #expect(
            scene.answers(ids[0]) == [
                .done, .refused(code: "full"), .refused(code: "unroutable"),
                .removed(messages: 1),
            ])
    }

    @Test func exclusiveQueuesAreOfTheConnection() {
        let scene = Scene()
        let (connection, ids) = connect(scene, channels: 1, 2)
        let (_, others) = connect(scene, channels: 1)
        #expect(scene.declare("q", isExclusive: true, from: ids[0]) == [.declared(messages: 0)])
        #expect(scene.declare("q", isExclusive: true, from: ids[1]) == [.declared(messages: 0)])
        #expect(scene.declare("q", isExclusive: true, from: others[0]) == [.refused(code: "locked")])
        scene.broker.detach(ids[0])
        scene.rest()
        #expect(scene.queue("q") != nil)
        scene.broker.detach(connection)
        scene.rest()
        #expect(scene.queue("q") == nil)
    }

    @Test func whatAChannelHoldsGoesBackWithItsConnection() {
        let scene = Scene(queues: ["q"])
        let (connection, ids) = connect(scene, channels: 1)
        scene.publish("a", to: "q", from: ids[0])
        scene.consume("q", from: ids[0])
        #expect(receive(scene, ids[0]).count == 1)
        scene.broker.detach(connection, isLost: true)
        scene.rest()
        #expect(scene.counts("q") == .init(ready: 1, unacknowledged: 0, bytes: 1, consumers: 0))
    }

    @Test func everyDeliveryHasANumber() {
        let scene = Scene(queues: ["q"])
        let (_, ids) = connect(scene, channels: 1)
        scene.publish("a", "b", "c", to: "q", from: ids[0])
        scene.rest()
        _ = scene.broker.hear(ids[0])
        scene.broker.send(.get(name: "q", isAutoAck: true), from: ids[0])
        scene.broker.send(.get(name: "q", isAutoAck: false), from: ids[0])
        scene.consume("q", isAutoAck: true, from: ids[0])
        scene.rest()
        let tags = scene.broker.hear(ids[0]).compactMap { heard -> UInt64? in
            switch heard {
            case .message(let message), .answer(_, .message(let message)): message.tag
            default: nil
            }
        }
        #expect(tags == [1, 2, 3])
        scene.settle(2, from: ids[0])
        scene.rest()
        #expect(scene.answers(ids[0]) == [.done])
    }

    @Test func whatIsSettledMustBeHeld() {
        let scene = Scene(queues: ["q"])
        let (_, ids) = connect(scene, channels: 1, 2)
        scene.publish("a", "b", to: "q", from: ids[0])
        scene.consume("q", from: ids[0])
        #expect(receive(scene, ids[0]).count == 2)
        // All of nothing is nothing to complain about.
        scene.broker.send(.settle(first: DeliveryTag(0), last: DeliveryTag(.max), .acknowledge), from: ids[1])
        scene.settle(0, 1, from: ids[0])
        scene.settle(0, 1, from: ids[0])
        scene.rest()
        #expect(scene.answers(ids[1]) == [.done])
        #expect(scene.answers(ids[0]) == [.done, .refused(code: "unknown_delivery")])
    }

    @Test func aPrefetchOfTheChannelIsForAllItsConsumers() {
        let scene = Scene(queues: ["p", "q"])
        let (_, ids) = connect(scene, channels: 1)
        scene.publish("a", "b", to: "p", from: ids[0])
        scene.publish("c", "d", to: "q", from: ids[0])
        scene.rest()
        _ = scene.broker.hear(ids[0])
        scene.broker.send(.prefetch(3, .channel), from: ids[0])
        scene.consume("p", 1, from: ids[0])
        scene.consume("q", 2, from: ids[0])
        let first = receive(scene, ids[0])
        #expect(first.count == 3)
        scene.settle(first[0].tag, from: ids[0])
        #expect(receive(scene, ids[0]).count == 1)
        scene.broker.send(.prefetch(nil, .channel), from: ids[0])
        scene.rest()
        #expect(scene.answers(ids[0]) == [.done])
    }

    /// Settles each delivery when it is there.
    ///
    /// - Returns: the consumers of so many, in order.
    private func takeInTurn(_ scene: Scene, _ number: Int, from id: ChannelID) -> [UInt64] {
        (0..<number).compactMap { _ in
            let received = receive(scene, id)
            guard received.count == 1 else {
                Issue.record("\(received.count) messages, not one")
                return nil
            }
            scene.settle(received[0].tag, from: id)
            return received[0].consumer
        }
    }

    @Test func consumersTakeTurnsUnderAPrefetchOfTheChannel() {
        let scene = Scene(queues: ["p", "q", "r"])
        let (_, ids) = connect(scene, channels: 1, 2)
        for queue in ["p", "q", "r"] { scene.publish("a", "b", "c", "d", to: queue, from: ids[0]) }
        scene.rest()
        for id in ids { scene.broker.send(.prefetch(1, .channel), from: id) }
        scene.consume("p", 1, from: ids[1])
        scene.consume("q", 2, from: ids[1])
        scene.consume("r", 3, from: ids[1])
        #expect(takeInTurn(scene, 9, from: ids[1]) == [1, 2, 3, 1, 2, 3, 1, 2, 3])
        scene.broker.detach(ids[1])
        scene.consume("p", 1, from: ids[0])
        scene.consume("p", 2, from: ids[0])
        scene.publish("e", "f", "g", to: "p", from: ids[0])
        #expect(takeInTurn(scene, 4, from: ids[0]) == [1, 2, 1, 2])
    }

    @Test func whatIsAskedForAloneIsNotUnderAPrefetchOfTheChannel() {
        let scene = Scene(queues: ["q"])
        let (_, ids) = connect(scene, channels: 1)
        scene.publish("a", "b", "c", "d", "e", to: "q", from: ids[0])
        scene.rest()
        scene.broker.send(.prefetch(1, .channel), from: ids[0])
        for _ in 0..<2 { scene.broker.send(.get(name: "q", isAutoAck: false), from: ids[0]) }
        scene.consume("q", from: ids[0])
        #expect(receive(scene, ids[0]).map(\.body) == ["c"])
        scene.broker.send(.get(name: "q", isAutoAck: false), from: ids[0])
        scene.settle(1, from: ids[0])
        scene.settle(2, from: ids[0])
        #expect(receive(scene, ids[0]).isEmpty)
        scene.settle(3, from: ids[0])
        #expect(receive(scene, ids[0]).map(\.body) == ["e"])
    }

    @Test func whoSettlesNothingWaitsForThePrefetchOfTheChannelToo() {
        let scene = Scene(queues: ["p", "q"])
        let (_, ids) = connect(scene, channels: 1)
        scene.publish("a", "b", to: "p", from: ids[0])
        scene.publish("c", "d", to: "q", from: ids[0])
        scene.broker.send(.prefetch(1, .channel), from: ids[0])
        scene.consume("p", 1, from: ids[0])
        #expect(receive(scene, ids[0]).map(\.body) == ["a"])
        scene.consume("q", 2, isAutoAck: true, from: ids[0])
        #expect(receive(scene, ids[0]).isEmpty)
        scene.settle(1, from: ids[0])
        #expect(receive(scene, ids[0]).map(\.body) == ["c", "d", "b"])
    }

    @Test func consumersThatAreThereGetAnotherPrefetch() {
        let scene = Scene(queues: ["q"])
        let (_, ids) = connect(scene, channels: 1)
        scene.publish("a", "b", "c", "d", to: "q", from: ids[0])
        scene.consume("q", prefetch: 1, from: ids[0])
        #expect(receive(scene, ids[0]).map(\.body) == ["a"])
        scene.broker.send(.prefetch(3, .eachConsumer), from: ids[0])
        #expect(receive(scene, ids[0]).map(\.body) == ["b", "c"])
        // Fewer than it has: nothing more until that many are settled.
        scene.broker.send(.prefetch(1, .eachConsumer), from: ids[0])
        scene.settle(0, 2, from: ids[0])
        #expect(receive(scene, ids[0]).isEmpty)
        scene.settle(3, from: ids[0])
        #expect(receive(scene, ids[0]).map(\.body) == ["d"])
    }

    @Test func recoverGivesBackWhatIsHeld() {
        let scene = Scene(queues: ["q"])
        let (_, ids) = connect(scene, channels: 1)
        scene.publish("a", "b", to: "q", from: ids[0])
        scene.consume("q", from: ids[0])
        #expect(receive(scene, ids[0]).map(\.body) == ["a", "b"])
        scene.broker.send(.recover, from: ids[0])
        let again = receive(scene, ids[0])
        #expect(again.map(\.body) == ["a", "b"])
        #expect(again.allSatisfy { $0.redelivered != nil })
    }

    /// Another channel of the connection goes on when the one that had filled its window has ended.
    @Test func theWindowOfAConnectionOutlivesAChannel() {
        var limits = Limits()
        limits.windowBytes = 100
        let scene = Scene(queues: ["p", "q"], limits: limits)
        let (connection, ids) = connect(scene, channels: 1, 2)
        for queue in ["p", "q"] { scene.publish("a", "b", "c", "d", to: queue, from: ids[0]) }
        scene.consume("p", from: ids[0])
        scene.consume("q", from: ids[1])
        _ = receive(scene, ids[0])
        scene.broker.detach(ids[0])
        let before = receive(scene, ids[1]).count
        for _ in 0..<10 { scene.broker.apply(.windowOpened(connection)) }
        #expect(before + receive(scene, ids[1]).count > 2)
    }

    @Test func whatAConsumerGetsComesBehindTheAnswer() {
        let scene = Scene(queues: ["q"])
        let (_, ids) = connect(scene, channels: 1)
        scene.publish("a", to: "q", from: ids[0])
        scene.consume("q", from: ids[0])
        scene.rest()
        let heard = scene.broker.hear(ids[0])
        #expect(heard.count == 3)
        guard case .message? = heard.last else {
            Issue.record("\(heard)")
            return
        }
    }

    @Test func aTransactionThatDoesNotFitIsNotDone() {
        let scene = Scene()
        let (_, ids) = connect(scene, channels: 1)
        scene.declare("q", from: ids[0]) {
            $0.maxLength = 2
            $0.overflow = .rejectPublish
        }
        _ = scene.broker.hear(ids[0])
        let parts = (0..<3).map { _ in
            (RequestID.silent, Request.publish(Publish(routingKey: "q", message: Message(value: [1]))))
        }
        scene.broker.send(.transaction(parts), from: ids[0])
        scene.rest()
        #expect(scene.answers(ids[0]) == [.refused(code: "mismatch")])
        #expect(scene.counts("q")?.ready == 0)
    }

    private func reserve(_ scene: Scene, _ first: UInt64, _ last: UInt64, from id: ChannelID) {
        scene.broker.send(
            .reserve(first: DeliveryTag(first), last: DeliveryTag(last), isLastNamed: true), from: id)
    }

    @Test func whatIsReservedIsForTheTransactionAlone() {
        let scene = Scene(queues: ["q"])
        let (_, ids) = connect(scene, channels: 1)
        scene.publish("a", "b", "c", to: "q", from: ids[0])
        scene.consume("q", from: ids[0])
        #expect(receive(scene, ids[0]).count == 3)
        reserve(scene, 0, 2, from: ids[0])
        scene.broker.send(.recover, from: ids[0])
        #expect(receive(scene, ids[0]).map(\.body) == ["c"])
        // A rollback gives nothing back: it is held as before.
        scene.broker.send(.rollback, from: ids[0])
        #expect(receive(scene, ids[0]).isEmpty)
        reserve(scene, 1, 1, from: ids[0])
        scene.broker.send(.recover, from: ids[0])
        #expect(receive(scene, ids[0]).map(\.body) == ["b", "c"])
        let part = Request.settle(first: DeliveryTag(1), last: DeliveryTag(1), .acknowledge)
        scene.broker.send(.transaction([(.silent, part)]), from: ids[0])
        scene.rest()
        #expect(scene.counts("q")?.unacknowledged == 2)
        scene.broker.detach(ids[0])
        scene.rest()
        #expect(scene.counts("q")?.ready == 2)
    }

    @Test func onlyWhatIsHeldCanBeReservedAndOnlyOnce() {
        let scene = Scene(queues: ["q"])
        let (_, ids) = connect(scene, channels: 1, 2)
        scene.publish("a", "b", to: "q", from: ids[0])
        scene.rest()
        for id in ids { scene.consume("q", prefetch: 1, from: id) }
        scene.rest()
        for id in ids { _ = scene.broker.hear(id) }
        reserve(scene, 1, 1, from: ids[0])
        // All of nothing is nothing to complain about.
        scene.broker.send(
            .reserve(first: DeliveryTag(0), last: DeliveryTag(1), isLastNamed: false), from: ids[0])
        reserve(scene, 0, 1, from: ids[0])
        reserve(scene, 2, 2, from: ids[1])
        scene.rest()
        #expect(scene.answers(ids[0]) == [.done, .done, .refused(code: "unknown_delivery")])
        #expect(scene.answers(ids[1]) == [.refused(code: "unknown_delivery")])
    }

    @Test func whatATransactionGivesBackLeavesItsPublishesTheirPlace() {
        let scene = Scene()
        let (_, ids) = connect(scene, channels: 1)
        scene.declare("q", from: ids[0]) {
            $0.maxLength = 1
            $0.overflow = .rejectPublish
        }
        scene.publish("a", to: "q", from: ids[0])
        scene.rest()
        scene.broker.send(.get(name: "q", isAutoAck: false), from: ids[0])
        scene.rest()
        _ = scene.broker.hear(ids[0])
        let parts: [Request] = [
            .settle(first: DeliveryTag(1), last: DeliveryTag(1), .retry),
            .publish(Publish(routingKey: "q", message: Message(value: [1]))),
        ]
        scene.broker.send(.transaction(parts.map { (.silent, $0) }), from: ids[0])
        scene.rest()
        #expect(scene.answers(ids[0]) == [.done])
        #expect(scene.counts("q")?.ready == 2)
    }

    @Test func aTransactionIsDoneWhollyOrNotAtAll() {
        let scene = Scene(queues: ["q"])
        let (_, ids) = connect(scene, channels: 1, 2)
        func publish(_ body: String, _ exchange: String = "") -> (RequestID, Request) {
            let message = Message(value: Array(body.utf8)[...])
            return (.silent, .publish(Publish(exchange: exchange, routingKey: "q", message: message)))
        }
        scene.broker.send(.transaction([publish("a"), publish("b")]), from: ids[0])
        scene.broker.send(.transaction([publish("c"), publish("d", "nowhere")]), from: ids[1])
        scene.rest()
        #expect(scene.answers(ids[0]) == [.done])
        #expect(scene.answers(ids[1]) == [.refused(code: "not_found")])
        #expect(scene.counts("q")?.ready == 2)
    }
}
