import ColaTesting
import Testing

@testable import ColaCore

/// Exchanges and bindings as clients make, use and remove them.
@Suite(.timeLimit(.minutes(5))) struct ExchangeRuleTests {
    private func exchange(
        _ name: String, _ kind: ExchangeDefinition.Kind, alternate: String? = nil, in scene: Scene,
        from channel: ChannelID
    ) {
        scene.broker.send(
            .declareExchange(ExchangeDeclaration(name: name, kind: kind, alternate: alternate)), from: channel)
    }

    private func bind(
        _ source: String, _ destination: String, _ key: String = "", to target: BindingDefinition.Target = .queue,
        match: HeadersMatch = .init(), in scene: Scene, from channel: ChannelID
    ) {
        scene.broker.send(
            .bind(
                BindingDefinition(
                    source: source, target: target, destination: destination, routingKey: key,
                    arguments: match.arguments)),
            from: channel)
    }

    private func ready(_ scene: Scene, _ names: String...) -> [Int] { names.map { scene.counts($0)?.ready ?? -1 } }

    @Test func everyKindRoutesAndIsThereAfterARestart() {
        let scene = Scene(queues: ["q", "r", "s"])
        var channel = scene.attach()
        exchange("d", .direct, in: scene, from: channel)
        exchange("f", .fanout, in: scene, from: channel)
        exchange("t", .topic, in: scene, from: channel)
        exchange("h", .headers, in: scene, from: channel)
        bind("d", "q", "a", in: scene, from: channel)
        bind("d", "r", "b", in: scene, from: channel)
        bind("f", "q", in: scene, from: channel)
        bind("f", "s", in: scene, from: channel)
        bind("t", "q", "logs.*", in: scene, from: channel)
        bind("t", "r", "logs.#", in: scene, from: channel)
        let both = [HeadersMatch.Header(name: "a", value: "1"), .init(name: "b", value: nil)]
        bind("h", "q", match: .init(headers: both), in: scene, from: channel)
        bind("h", "r", match: .init(isAny: true, headers: both), in: scene, from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel).allSatisfy { $0 == .done })
        for restart in [{}, scene.broker.crash, scene.broker.stop] {
            restart()
            channel = scene.attach()
            for name in ["q", "r", "s"] { scene.broker.send(.purge(name: name), from: channel) }
            scene.put("1", to: "a", .init(exchange: "d"), from: channel)
            #expect(ready(scene, "q", "r", "s") == [1, 0, 0])
            scene.put("2", to: "any", .init(exchange: "f"), from: channel)
            #expect(ready(scene, "q", "r", "s") == [2, 0, 1])
            scene.put("3", to: "logs.x", .init(exchange: "t"), from: channel)
            scene.put("4", to: "logs.x.y", .init(exchange: "t"), from: channel)
            #expect(ready(scene, "q", "r", "s") == [3, 2, 1])
            scene.put("5", to: "", .init(exchange: "h", headers: [("a", "1"), ("b", "9")]), from: channel)
            scene.put("6", to: "", .init(exchange: "h", headers: [("a", "2"), ("b", "9")]), from: channel)
            scene.put("7", to: "", .init(exchange: "h", headers: [("a", "2")]), from: channel)
            scene.broker.commit()
            #expect(ready(scene, "q", "r", "s") == [4, 4, 1])
            #expect(scene.answers(channel).last == .refused(code: "unroutable"))
        }
    }

    @Test func whatNoBindingTakesGoesToTheAlternate() {
        let scene = Scene(queues: ["q", "rest"])
        var channel = scene.attach()
        exchange("x", .direct, alternate: "others", in: scene, from: channel)
        exchange("others", .fanout, in: scene, from: channel)
        bind("x", "q", "known", in: scene, from: channel)
        bind("others", "rest", in: scene, from: channel)
        scene.broker.commit()
        scene.broker.crash()
        channel = scene.attach()
        scene.put("a", to: "known", .init(exchange: "x"), from: channel)
        scene.put("b", to: "unknown", .init(exchange: "x"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done])
        #expect(ready(scene, "q", "rest") == [1, 1])
        // Declared again it must be the same.
        exchange("x", .direct, alternate: "others", in: scene, from: channel)
        exchange("x", .direct, in: scene, from: channel)
        exchange("x", .fanout, alternate: "others", in: scene, from: channel)
        exchange("amq.x", .fanout, in: scene, from: channel)
        #expect(
            scene.answers(channel) == [
                .done, .refused(code: "mismatch"), .refused(code: "mismatch"), .refused(code: "access_refused"),
            ])
        #expect(scene.rows(.exchanges).first { $0["name"] == .text("x") }?["alternate"] == .text("others"))
    }

    @Test func anExchangeLeadsToAnotherAndCirclesAreHarmless() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        exchange("a", .topic, in: scene, from: channel)
        exchange("b", .fanout, in: scene, from: channel)
        bind("a", "b", "x.#", to: .exchange, in: scene, from: channel)
        bind("b", "a", to: .exchange, in: scene, from: channel)
        bind("b", "q", in: scene, from: channel)
        bind("a", "none", "x", to: .exchange, in: scene, from: channel)
        bind("a", "q", "y", to: .exchange, in: scene, from: channel)
        scene.broker.commit()
        #expect(
            scene.answers(channel).suffix(2) == [.refused(code: "not_found"), .refused(code: "not_found")])
        scene.broker.crash()
        channel = scene.attach()
        scene.put("1", to: "x.y", .init(exchange: "a"), from: channel)
        scene.put("2", to: "y", .init(exchange: "a"), from: channel)
        scene.put("3", to: "y", .init(exchange: "b"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .refused(code: "unroutable"), .done])
        #expect(ready(scene, "q") == [2])
        // With the exchange go the bindings to it and from it, for good.
        scene.broker.send(.deleteExchange(name: "b", ifUnused: false), from: channel)
        scene.broker.commit()
        #expect(scene.rows(.bindings).isEmpty)
        scene.broker.crash()
        #expect(scene.rows(.bindings).isEmpty)
        #expect(scene.rows(.exchanges).contains { $0["name"] == .text("a") })
    }

    @Test func aBindingIsAsDurableAsItsQueue() {
        let scene = Scene(queues: ["kept"])
        var channel = scene.attach()
        exchange("x", .fanout, in: scene, from: channel)
        scene.declare(queue: "passing", isDurable: false, from: channel)
        scene.broker.commit()
        _ = scene.broker.hear(channel)
        bind("x", "kept", in: scene, from: channel)
        scene.broker.commit()
        bind("x", "passing", in: scene, from: channel)
        #expect(scene.answers(channel) == [.done, .done])
        #expect(scene.broker.cut() == nil)
        #expect(scene.rows(.bindings).count == 2)
        scene.put("a", to: "", .init(exchange: "x"), from: channel)
        #expect(ready(scene, "kept", "passing") == [1, 1])
        scene.broker.crash()
        #expect(scene.rows(.bindings).map { $0["destination"] } == [.text("kept")])
        // A queue of the name is another one: it is not bound.
        channel = scene.attach()
        scene.declare(queue: "passing", from: channel)
        scene.put("b", to: "", .init(exchange: "x"), from: channel)
        scene.broker.commit()
        #expect(ready(scene, "kept", "passing") == [1, 0])
    }

    @Test func unbindingAndDeletingAreForGood() {
        let scene = Scene(queues: ["q", "r"])
        var channel = scene.attach()
        exchange("x", .fanout, in: scene, from: channel)
        bind("x", "q", in: scene, from: channel)
        bind("x", "r", in: scene, from: channel)
        bind("x", "r", in: scene, from: channel)
        scene.broker.commit()
        _ = scene.broker.hear(channel)
        scene.broker.send(.deleteExchange(name: "x", ifUnused: true), from: channel)
        let binding = BindingDefinition(source: "x", destination: "q", routingKey: "")
        scene.broker.send(.unbind(binding), from: channel)
        scene.broker.send(.unbind(binding), from: channel)
        scene.broker.send(.unbind(BindingDefinition(source: "y", destination: "q", routingKey: "")), from: channel)
        scene.broker.send(.deleteQueue(name: "r", ifUnused: false, ifEmpty: false), from: channel)
        scene.broker.commit()
        #expect(
            scene.answers(channel) == [
                .refused(code: "in_use"), .done, .done, .refused(code: "not_found"), .removed(messages: 0),
            ])
        scene.broker.crash()
        #expect(scene.rows(.bindings).isEmpty)
        channel = scene.attach()
        scene.broker.send(.deleteExchange(name: "x", ifUnused: true), from: channel)
        scene.broker.send(.deleteExchange(name: "x", ifUnused: true), from: channel)
        scene.broker.send(.deleteExchange(name: "amq.topic", ifUnused: false), from: channel)
        scene.broker.commit()
        #expect(
            scene.answers(channel) == [.done, .refused(code: "not_found"), .refused(code: "access_refused")])
        scene.broker.crash()
        #expect(!scene.rows(.exchanges).contains { $0["name"] == .text("x") })
    }

    @Test func thereAreNoMoreBindingsAndExchangesThanTheLimits() {
        var limits = Limits()
        limits.bindingsMax = 2
        limits.exchangesMax = Router.predeclared.count + 1
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        exchange("x", .fanout, in: scene, from: channel)
        exchange("y", .fanout, in: scene, from: channel)
        for key in ["a", "b", "c"] { bind("amq.direct", "q", key, in: scene, from: channel) }
        scene.broker.commit()
        #expect(
            scene.answers(channel) == [.done, .refused(code: "limit"), .done, .done, .refused(code: "limit")])
    }

    /// What is there already needs no more room.
    @Test func aBindingThatIsThereIsNoNewOne() {
        var limits = Limits()
        limits.bindingsMax = 1
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        bind("amq.direct", "q", "a", in: scene, from: channel)
        bind("amq.direct", "q", "a", in: scene, from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done])
    }

    @Test func aTopicCanBeBoundAsAQueueCan() {
        let scene = Scene(topic: "t", partitions: 2)
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        bind("amq.fanout", "t", in: scene, from: channel)
        scene.put("a", to: "key", .init(exchange: "amq.fanout", partition: 1), from: channel)
        scene.put("a", to: "key", .init(exchange: "amq.fanout", partition: 2), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done, .refused(code: "mismatch")])
        scene.read(by: channel)
        scene.settle()
        #expect(watcher.take(channel).map(\.partition) == [1])
    }
}
