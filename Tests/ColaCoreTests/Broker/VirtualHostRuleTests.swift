import ColaCore
import ColaTesting
import Testing

/// Virtual hosts: sets of names that do not meet.
@Suite(.timeLimit(.minutes(5))) struct VirtualHostRuleTests {
    private func attach(_ scene: Scene, _ id: UInt64, to host: String) -> ChannelID {
        let channel = ChannelID(1_000 + id)
        var info = ChannelInfo(protocolName: "test", host: host, peer: "p", user: "u")
        info.authority = .all
        scene.broker.apply(.attach(channel, info))
        return channel
    }

    private func scene(_ hosts: String...) -> Scene {
        let scene = Scene()
        let channel = scene.attach()
        for host in hosts { scene.broker.send(.declareVirtualHost(name: host), from: channel) }
        scene.broker.commit()
        return scene
    }

    private func names(_ scene: Scene, _ listing: Listing, _ channel: ChannelID) -> [Description.Value] {
        scene.broker.send(.list(listing), from: channel)
        scene.broker.commit()
        guard case .rows(let rows) = scene.answers(channel).last else { return [] }
        return rows.compactMap { $0["name"] ?? $0["destination"] }
    }

    @Test func theSameNamesInTwoHostsAreDifferentThings() {
        let scene = scene("a")
        var here = attach(scene, 1, to: "/")
        var there = attach(scene, 2, to: "a")
        for channel in [here, there] {
            scene.declare(queue: "q", from: channel)
            scene.declare(topic: "t", partitions: channel == here ? 1 : 3, from: channel)
            scene.broker.send(
                .declareExchange(ExchangeDeclaration(name: "x", kind: .fanout, alternate: nil)), from: channel)
        }
        // The host of a binding or policy is the one that it is sent in.
        scene.broker.send(.bind(BindingDefinition(source: "x", destination: "q", routingKey: "")), from: there)
        scene.broker.send(
            .setPolicy(PolicyDefinition(name: "p", pattern: "q", arguments: scene.arguments([.maxLength: "1"]))),
            from: there)
        scene.broker.commit()
        _ = (scene.answers(here), scene.answers(there))
        for restart in [{}, scene.broker.crash, scene.broker.stop] {
            restart()
            here = attach(scene, 1, to: "/")
            there = attach(scene, 2, to: "a")
            scene.put("lost", to: "", .init(exchange: "x"), from: here)
            scene.put("one", to: "", .init(exchange: "x"), from: there)
            scene.put("two", to: "q", from: there)
            scene.broker.commit()
            #expect(scene.answers(here) == [.refused(code: "unroutable")])
            #expect(scene.answers(there) == [.done, .done])
            scene.settle()
            scene.consume("q", isAutoAck: true, from: here)
            scene.consume("q", isAutoAck: true, from: there)
            scene.settle()
            #expect(scene.bodies(here).isEmpty)
            #expect(scene.bodies(there) == ["two"])
            #expect(names(scene, .queues, here) == [.text("q")])
            #expect(names(scene, .topics, there) == [.text("t")])
            #expect(names(scene, .bindings, here).isEmpty)
            #expect(names(scene, .bindings, there) == [.text("q")])
            #expect(names(scene, .policies, here).isEmpty)
            #expect(names(scene, .policies, there) == [.text("p")])
            scene.broker.send(.describe(.topic("t")), from: there)
            guard case .description(let topic) = scene.answers(there).last else {
                Issue.record("no topic")
                return
            }
            #expect(topic.number("partitions") == 3)
        }
    }

    @Test func deadLettersStayInTheirHost() {
        let scene = scene("a")
        let (here, there) = (attach(scene, 1, to: "/"), attach(scene, 2, to: "a"))
        scene.declare(queue: "dead", from: here)
        scene.declare(queue: "dead", from: there)
        scene.declare(queue: "q", [.deadLetterExchange: "", .deadLetterRoutingKey: "dead"], from: there)
        scene.put("a", to: "q", from: there)
        scene.put("b", to: "q", .init(delay: 50), from: there)
        scene.settle(milliseconds: 100)
        scene.consume("q", from: there)
        scene.settle(1, 2, .reject, from: there)
        scene.settle()
        _ = (scene.broker.hear(here), scene.broker.hear(there))
        scene.consume("dead", 2, isAutoAck: true, from: here)
        scene.consume("dead", 2, isAutoAck: true, from: there)
        scene.settle()
        #expect(scene.bodies(here).isEmpty)
        #expect(scene.bodies(there) == ["a", "b"])
    }

    @Test func anUnknownHostIsRefusedUntilItIsThere() {
        let scene = scene()
        let stranger = attach(scene, 1, to: "a")
        scene.declare(queue: "q", from: stranger)
        scene.broker.send(.list(.queues), from: stranger)
        scene.put("x", to: "q", from: stranger)
        #expect(scene.answers(stranger) == Array(repeating: .refused(code: "not_found"), count: 3))
        scene.broker.send(.declareVirtualHost(name: "a"), from: stranger)
        scene.broker.commit()
        #expect(scene.answers(stranger) == [.done])
        let guest = attach(scene, 2, to: "a")
        scene.declare(queue: "q", from: guest)
        scene.broker.commit()
        #expect(scene.answers(guest) == [.declared(messages: 0)])
    }

    @Test func onlyAnEmptyHostCanBeDeletedAndNeverTheFirst() {
        let scene = scene("a", "b")
        let channel = attach(scene, 1, to: "a")
        scene.declare(queue: "q", from: channel)
        scene.broker.send(
            .declareExchange(ExchangeDeclaration(name: "x", kind: .fanout, alternate: nil)), from: channel)
        scene.broker.send(
            .setPolicy(PolicyDefinition(name: "p", pattern: "q", arguments: scene.arguments([.maxLength: "1"]))),
            from: channel)
        scene.broker.send(.deleteVirtualHost(name: "a"), from: channel)
        scene.broker.send(.deleteVirtualHost(name: "/"), from: channel)
        scene.broker.send(.deleteVirtualHost(name: "none"), from: channel)
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: channel)
        scene.broker.send(.deleteVirtualHost(name: "a"), from: channel)
        scene.declare(queue: "late", from: channel)
        scene.broker.commit()
        #expect(
            scene.answers(channel) == [
                .declared(messages: 0), .done, .done, .refused(code: "in_use"), .refused(code: "access_refused"),
                .refused(code: "not_found"), .removed(messages: 0), .done, .refused(code: "not_found"),
            ])
        scene.broker.crash()
        #expect(scene.rows(.virtualHosts).map { $0["name"] } == [.text("/"), .text("b")])
        // Of the name nothing is left.
        let again = attach(scene, 2, to: "b")
        scene.broker.send(.declareVirtualHost(name: "a"), from: again)
        scene.broker.commit()
        let new = attach(scene, 3, to: "a")
        #expect(names(scene, .policies, new).isEmpty)
        #expect(
            names(scene, .exchanges, new).allSatisfy { if case .text(let name) = $0 { name != "x" } else { false } })
    }

    @Test func declaredTwiceItIsOneAndThereAreNoMoreThanTheLimit() {
        var limits = Limits()
        limits.virtualHostsMax = 3
        let scene = Scene(limits: limits)
        let (first, second) = (scene.attach(), scene.attach())
        scene.broker.send(.declareVirtualHost(name: "a"), from: first)
        scene.broker.send(.declareVirtualHost(name: "a"), from: second)
        #expect(scene.answers(second).isEmpty)
        scene.broker.send(.declareVirtualHost(name: "b"), from: second)
        scene.broker.send(.declareVirtualHost(name: "c"), from: second)
        scene.broker.send(.declareVirtualHost(name: ""), from: second)
        scene.broker.commit()
        #expect(scene.answers(second) == [.done, .done, .refused(code: "limit"), .refused(code: "syntax")])
        #expect(scene.rows(.virtualHosts).map { $0.number("queues") } == [0, 0, 0])
    }

    @Test func aMessageForAHostThatIsGoneWhenItIsDueIsCounted() {
        let scene = scene("a")
        let channel = attach(scene, 1, to: "a")
        scene.declare(queue: "q", from: channel)
        scene.put("x", to: "q", .init(delay: 100), from: channel)
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: channel)
        scene.broker.send(.deleteVirtualHost(name: "a"), from: channel)
        scene.settle(milliseconds: 200)
        #expect(scene.statistics()?.number("undeliverable") == 1)
    }
}
