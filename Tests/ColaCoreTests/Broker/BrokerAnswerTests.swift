import ColaCore
import ColaTesting
import Testing

/// What is answered when nothing is left to store.
@Suite struct BrokerAnswerTests {
    @Test func aChangeOfAQueueInMemoryAloneIsAnswered() {
        let scene = Scene()
        let channel = scene.attach()
        scene.broker.send(.declareQueue(QueueDeclaration(name: "t", isDurable: false)), from: channel)
        var arguments = Arguments()
        arguments.maxLength = 7
        scene.broker.send(.alter(name: "t", set: arguments, clear: []), from: channel)
        #expect(scene.broker.run())
        #expect(scene.answers(channel) == [.declared(messages: 0), .done])
    }

    @Test func aRedriveBetweenQueuesInMemoryAloneIsAnswered() {
        let scene = Scene()
        let channel = scene.attach()
        for name in ["t", "u"] {
            scene.broker.send(.declareQueue(QueueDeclaration(name: name, isDurable: false)), from: channel)
        }
        scene.publish("a", to: "t", from: channel)
        scene.broker.send(.redrive(name: "t", target: "u", count: nil), from: channel)
        #expect(scene.broker.run())
        #expect(scene.answers(channel).last == .removed(messages: 1))
        scene.broker.send(.get(name: "u", isAutoAck: true), from: channel)
        #expect(scene.broker.run())
        guard case .message(let message) = scene.answers(channel).last else {
            Issue.record("nothing came")
            return
        }
        #expect(message.body == "a")
    }

    /// A return with a delay takes nothing from the time that a message has.
    @Test func whatComesBackLaterStillExpires() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        var publish = Publish(routingKey: "q", message: Message(value: Array("a".utf8)[...]))
        publish.timeToLive = 300
        scene.broker.send(.publish(publish), from: channel)
        scene.broker.commit()
        scene.broker.send(.get(name: "q", isAutoAck: false), from: channel)
        scene.broker.send(
            .settle(first: DeliveryTag(1), last: DeliveryTag(1), .releaseLater(milliseconds: 600)), from: channel)
        #expect(scene.broker.run())
        scene.broker.pass(milliseconds: 700)
        #expect(scene.broker.run())
        scene.broker.pass(milliseconds: 10)
        #expect(scene.broker.run())
        _ = scene.answers(channel)
        scene.broker.send(.get(name: "q", isAutoAck: true), from: channel)
        #expect(scene.broker.run())
        #expect(scene.answers(channel) == [.empty])
    }
}
