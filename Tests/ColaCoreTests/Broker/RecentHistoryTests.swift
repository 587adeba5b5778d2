import ColaTesting
import Testing

@testable import ColaCore

/// An exchange that keeps its last messages for what is bound later.
@Suite(.timeLimit(.minutes(5))) struct RecentHistoryTests {
    private func scene(length: Int? = nil, limits: Limits = Limits()) -> (Scene, ChannelID) {
        let scene = Scene(queues: ["q", "r"], limits: limits)
        let channel = scene.attach()
        var arguments: ArgumentTable = [:]
        arguments["x-recent-history-length"] = length.map { .integer(Int64($0)) }
        scene.broker.send(
            .declareExchange(ExchangeDeclaration(name: "x", kind: .recentHistory, arguments: arguments)), from: channel)
        scene.broker.commit()
        _ = scene.answers(channel)
        return (scene, channel)
    }

    private func put(
        _ range: Range<Int>, _ options: Scene.Options = .init(exchange: "x"), _ scene: Scene, _ channel: ChannelID
    ) {
        var options = options
        options.isMandatory = false
        for number in range { scene.put("\(number)", to: "k\(number)", options, from: channel) }
        scene.broker.commit()
    }

    @Test func whatIsBoundLaterGetsTheLastMessages() {
        let (scene, channel) = scene()
        put(0..<25, scene: scene, channel)
        scene.bind("x", "q")
        #expect(scene.contents("q") == (5..<25).map { "\($0)" })
        #expect(scene.letters(in: "q")[0]["cola-routing-key"] == "k5")
        #expect(scene.letters(in: "q")[0]["cola-exchange"] == "x")
        // The same binding again is none, and what comes now goes to all.
        scene.bind("x", "q")
        put(25..<26, scene: scene, channel)
        scene.bind("x", "r")
        #expect(scene.contents("q") == (5..<26).map { "\($0)" })
        #expect(scene.contents("r") == (6..<26).map { "\($0)" })
        // They are as durable as any message of their queue; the history is not.
        scene.broker.crash()
        #expect(scene.contents("q").count == 21)
        #expect(scene.broker.broker.historyBytes == 0)
    }

    private func put(_ range: Range<Int>, scene: Scene, _ channel: ChannelID) {
        put(range, .init(exchange: "x"), scene, channel)
    }

    @Test func itKeepsAsManyAsItWasDeclaredWith() {
        let (scene, channel) = scene(length: 2)
        put(0..<5, scene: scene, channel)
        put(5..<6, .init(exchange: "x", headers: [("x-recent-history-no-store", "true")]), scene, channel)
        put(6..<7, .init(exchange: "x", headers: [("x-recent-history-no-store", "false")]), scene, channel)
        scene.bind("x", "q")
        #expect(scene.contents("q") == ["4", "6"])
    }

    @Test func whatComesByAnotherExchangeIsKept() {
        let (scene, channel) = scene()
        scene.broker.send(
            .bind(BindingDefinition(source: "amq.fanout", target: .exchange, destination: "x", routingKey: "")),
            from: channel)
        put(0..<2, .init(exchange: "amq.fanout"), scene, channel)
        // What an exchange leads to gets what goes by there.
        scene.bind("amq.direct", "q", key: "k1")
        scene.broker.send(
            .bind(BindingDefinition(source: "x", target: .exchange, destination: "amq.direct", routingKey: "")),
            from: channel)
        scene.broker.commit()
        #expect(scene.contents("q") == ["1"])
    }

    @Test func itGivesUpItsOldestWhenMemoryIsShort() {
        var limits = Limits()
        limits.historyBytesMax = 3_000
        let (scene, channel) = scene(limits: limits)
        put(0..<20, scene: scene, channel)
        #expect(scene.broker.broker.historyBytes <= 3_000)
        scene.bind("x", "q")
        let kept = scene.contents("q")
        #expect((8..<12).contains(kept.count) && kept == (20 - kept.count..<20).map { "\($0)" })
        // One that has no room at all is not kept, and neither is what was before it.
        scene.put(String(repeating: "x", count: 3_000), to: "k", .init(exchange: "x"), from: channel)
        scene.broker.commit()
        #expect(scene.broker.broker.historyBytes == 0)
        put(0..<3, scene: scene, channel)
        #expect(scene.broker.broker.historyBytes > 0)
        scene.broker.send(.deleteExchange(name: "x", ifUnused: false), from: channel)
        scene.broker.commit()
        #expect(scene.broker.broker.historyBytes == 0)
    }
}
