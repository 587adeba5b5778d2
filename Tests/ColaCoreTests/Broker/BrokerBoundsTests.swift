import ColaCore
import ColaTesting
import Testing

/// What no client can make grow without end.
@Suite struct BrokerBoundsTests {
    @Test func copiesOfOneMessageCountTogether() {
        var limits = Limits()
        limits.transactionBytesMax = 25
        let scene = Scene(queues: ["q", "r", "s"], limits: limits)
        let channel = scene.attach()
        for name in ["q", "r", "s"] {
            scene.broker.send(
                .bind(BindingDefinition(source: "amq.fanout", destination: name, routingKey: "")), from: channel)
        }
        scene.broker.commit()
        _ = scene.broker.hear(channel)
        // Eight bytes go three times into 25, nine do not; and then they are in none of the queues.
        scene.publish("12345678", to: "", from: channel, exchange: "amq.fanout")
        scene.publish("123456789", to: "", from: channel, exchange: "amq.fanout")
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .refused(code: "limit")])
        scene.consume("s", from: channel)
        #expect(scene.messages(channel).map(\.body) == ["12345678"])
    }

    @Test func aBatchOfMessagesCountsTogether() {
        var limits = Limits()
        limits.transactionBytesMax = 5
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        scene.publish("ab", "cd", "ef", to: "q", from: channel)
        scene.publish("ab", "cd", "e", to: "q", from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.refused(code: "limit"), .done])
    }

    @Test func whatGathersIsBoundedAndTheRefusalMayBeRetried() {
        var limits = Limits()
        limits.gatheringBytesMost = 200
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        for _ in 0..<10 { scene.publish("0123456789", to: "q", from: channel) }
        scene.broker.commit()
        let answers = scene.answers(channel)
        #expect(answers.first == .done)
        #expect(answers.last == .refused(code: "overloaded"))
        #expect(BrokerError.overloaded(waiting: 1).isRetryable)
        // The disk has caught up: it is taken.
        scene.publish("0123456789", to: "q", from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done])
    }
}
