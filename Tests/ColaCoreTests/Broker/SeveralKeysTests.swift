import ColaTesting
import Testing

@testable import ColaCore

/// Messages with several routing keys, and exchanges that route when a delay is over.
@Suite(.timeLimit(.minutes(5))) struct SeveralKeysTests {
    private func put(
        _ body: String, to key: String, and more: [String], exchange: String = "", delay: Int64 = 0,
        isDelayOfExchange: Bool = false, isMandatory: Bool = true, in scene: Scene, from channel: ChannelID
    ) {
        var publish = Publish(
            exchange: exchange, routingKey: key, isMandatory: isMandatory,
            message: Message(value: Array(body.utf8)[...]))
        publish.moreKeys = more
        publish.delay = delay
        publish.isDelayOfExchange = isDelayOfExchange
        scene.broker.send(.publish(publish), from: channel)
    }

    @Test func eachKeyLeadsSomewhereAndEachPlaceGetsOneCopy() {
        let scene = Scene(queues: ["q", "r", "s"])
        let channel = scene.attach()
        put("1", to: "q", and: ["r", "q", "none"], in: scene, from: channel)
        put("2", to: "none", and: ["s"], in: scene, from: channel)
        put("3", to: "none", and: ["no"], in: scene, from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done, .refused(code: "unroutable")])
        #expect(["q", "r", "s"].map { scene.contents($0) } == [["1"], ["1"], ["2"]])
        // Every copy says what it was published with.
        #expect(scene.letters(in: "r")[0]["cola-routing-key"] == "q")
        #expect(scene.letters(in: "r")[0]["cola-exchange"] == nil)
        #expect(scene.letters(in: "s")[0]["cola-routing-key"] == "none")
    }

    @Test func anExchangeAsksWithEachKey() {
        let scene = Scene(queues: ["q", "r", "rest"])
        let channel = scene.attach()
        scene.broker.send(
            .declareExchange(ExchangeDeclaration(name: "x", kind: .topic, alternate: "amq.fanout")), from: channel)
        scene.broker.commit()
        _ = scene.answers(channel)
        scene.bind("x", "q", key: "a.*")
        scene.bind("x", "q", key: "#.b")
        scene.bind("x", "r", key: "c")
        scene.bind("amq.fanout", "rest")
        put("1", to: "a.b", and: ["a.b", "c"], exchange: "x", in: scene, from: channel)
        // The alternate is for what no key leads anywhere with.
        put("2", to: "none", and: ["c"], exchange: "x", in: scene, from: channel)
        put("3", to: "none", and: ["no"], exchange: "x", in: scene, from: channel)
        put("4", to: "c", and: [], exchange: "x", in: scene, from: channel)
        scene.broker.commit()
        #expect(["q", "r", "rest"].map { scene.contents($0) } == [["1"], ["1", "2", "4"], ["3"]])
        #expect(scene.letters(in: "r")[0]["cola-routing-key"] == "a.b")
    }

    @Test func theKeysWaitWithTheMessage() {
        let scene = Scene(queues: ["q", "r"])
        let channel = scene.attach()
        put("later", to: "q", and: ["r", "q"], delay: 1_000, in: scene, from: channel)
        scene.broker.commit()
        scene.broker.crash()
        scene.pass(1_000)
        #expect(["q", "r"].map { scene.contents($0) } == [["later"], ["later"]])
        // By them it goes on if it dies.
        #expect(
            scene.letters(in: "r")[0].headers.map(\.name) == ["cola-routing-key", "cola-more-keys", "cola-more-keys"])
    }

    @Test func aDelayedExchangeRoutesWhenTheTimeHasCome() {
        let scene = Scene(queues: ["q", "r"])
        var channel = scene.attach()
        scene.broker.send(
            .declareExchange(ExchangeDeclaration(name: "x", kind: .direct, isDelayed: true)), from: channel)
        scene.broker.commit()
        scene.bind("x", "q", key: "k")
        _ = scene.answers(channel)
        // Nobody is bound with this key yet, which a message without a delay is refused for.
        put("later", to: "l", and: [], exchange: "x", delay: 1_000, isDelayOfExchange: true, in: scene, from: channel)
        put("lost", to: "none", and: [], exchange: "x", delay: 1_000, isDelayOfExchange: true, in: scene, from: channel)
        put("now", to: "k", and: [], exchange: "x", isDelayOfExchange: true, in: scene, from: channel)
        put("refused", to: "l", and: [], exchange: "x", isDelayOfExchange: true, in: scene, from: channel)
        // Such a delay means nothing to other exchanges.
        put("direct", to: "r", and: [], delay: 5_000, isDelayOfExchange: true, in: scene, from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done, .done, .refused(code: "unroutable"), .done])
        #expect(["q", "r"].map { scene.contents($0) } == [["now"], ["direct"]])
        scene.broker.crash()
        channel = scene.attach()
        scene.bind("x", "r", key: "l")
        scene.pass(1_000)
        #expect(["q", "r"].map { scene.contents($0) } == [["now"], ["direct", "later"]])
        #expect(scene.statistics().number("undeliverable") == 1)
    }
}
