import ColaTesting
import Testing

@testable import ColaCore

/// How long exchanges live, who may use them, and what is said to those who may not.
@Suite(.timeLimit(.minutes(5))) struct ExchangeLifeTests {
    private func declare(_ exchange: ExchangeDeclaration, in scene: Scene, from channel: ChannelID) -> BrokerError? {
        refusal(.declareExchange(exchange), in: scene, from: channel)
    }

    /// Sends the request and waits for the disk; the error that it was answered with, if it was one.
    private func refusal(_ request: Request, in scene: Scene, from channel: ChannelID) -> BrokerError? {
        var error: BrokerError?
        var isAnswered = false
        let id = RequestID(777)
        scene.broker.effectListener = { effect in
            guard case .reply(channel, id, let reply) = effect else { return }
            isAnswered = true
            if case .refused(let found) = reply { error = found }
        }
        scene.broker.apply(.request(channel, id, request))
        scene.broker.commit()
        scene.broker.effectListener = nil
        #expect(isAnswered)
        _ = scene.broker.hear(channel)
        return error
    }

    private func bind(
        _ source: String, _ destination: String, _ key: String = "", to target: BindingDefinition.Target = .queue,
        arguments: ArgumentTable = [:], in scene: Scene, from channel: ChannelID
    ) -> BrokerError? {
        let binding = BindingDefinition(
            source: source, target: target, destination: destination, routingKey: key, arguments: arguments)
        return refusal(.bind(binding), in: scene, from: channel)
    }

    private func names(_ scene: Scene) -> [String] {
        scene.rows(.exchanges).compactMap { $0.text("name") }.filter { !$0.hasPrefix("amq.") }
    }

    @Test func anExchangeThatIsNotDurableGoesWithTheServer() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        #expect(declare(.init(name: "kept", kind: .fanout), in: scene, from: channel) == nil)
        _ = scene.broker.cut()
        scene.broker.commit()
        let passing = ExchangeDeclaration(name: "passing", kind: .fanout, isDurable: false)
        #expect(declare(passing, in: scene, from: channel) == nil)
        #expect(bind("passing", "q", in: scene, from: channel) == nil)
        #expect(bind("passing", "kept", to: .exchange, in: scene, from: channel) == nil)
        // Nothing of it is written.
        #expect(scene.broker.cut() == nil)
        #expect(bind("kept", "passing", to: .exchange, in: scene, from: channel) == nil)
        #expect(bind("kept", "q", in: scene, from: channel) == nil)
        #expect(scene.rows(.bindings).count == 4)
        scene.put("1", to: "", .init(exchange: "passing"), from: channel)
        #expect(scene.counts("q")?.ready == 1)
        scene.broker.crash()
        channel = scene.attach()
        #expect(names(scene) == ["kept"])
        #expect(scene.rows(.bindings).map { $0.text("source") } == ["kept"])
        #expect(declare(passing, in: scene, from: channel) == nil)
        #expect(refusal(.deleteExchange(name: "passing", ifUnused: true), in: scene, from: channel) == nil)
        #expect(scene.broker.cut() == nil)
    }

    @Test func anAutoDeleteExchangeGoesWithItsLastBinding() {
        let scene = Scene(queues: ["q", "r"])
        var channel = scene.attach()
        let auto = ExchangeDeclaration(name: "auto", kind: .direct, isAutoDelete: true)
        #expect(declare(auto, in: scene, from: channel) == nil)
        #expect(bind("amq.fanout", "auto", to: .exchange, in: scene, from: channel) == nil)
        #expect(bind("auto", "q", "a", in: scene, from: channel) == nil)
        #expect(bind("auto", "r", "b", in: scene, from: channel) == nil)
        scene.broker.crash()
        channel = scene.attach()
        let binding = BindingDefinition(source: "auto", destination: "q", routingKey: "a")
        #expect(refusal(.unbind(binding), in: scene, from: channel) == nil)
        #expect(names(scene) == ["auto"])
        #expect(refusal(.deleteQueue(name: "r", ifUnused: false, ifEmpty: false), in: scene, from: channel) == nil)
        #expect(names(scene) == [])
        // The bindings to it went along.
        #expect(scene.rows(.bindings).isEmpty)
        scene.broker.crash()
        #expect(names(scene) == [] && scene.rows(.bindings).isEmpty)
    }

    /// Queue, exchange, exchange: with the last of them goes the first, but for one that stays.
    @Test func aChainOfAutoDeleteExchangesGoesAsOne() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        for name in ["a", "b", "c"] {
            let kind = ExchangeDeclaration(name: name, kind: .fanout, isAutoDelete: name != "a")
            #expect(declare(kind, in: scene, from: channel) == nil)
        }
        #expect(bind("a", "b", to: .exchange, in: scene, from: channel) == nil)
        #expect(bind("b", "c", to: .exchange, in: scene, from: channel) == nil)
        #expect(bind("c", "q", in: scene, from: channel) == nil)
        #expect(refusal(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), in: scene, from: channel) == nil)
        #expect(names(scene) == ["a"])
        scene.broker.crash()
        #expect(names(scene) == ["a"] && scene.rows(.bindings).isEmpty)
    }

    /// Two that lead to each other keep each other; deleting one takes the other along.
    @Test func aCircleOfAutoDeleteExchangesEndsWithEither() {
        let scene = Scene(queues: [])
        let channel = scene.attach()
        for name in ["a", "b"] {
            #expect(declare(.init(name: name, kind: .fanout, isAutoDelete: true), in: scene, from: channel) == nil)
        }
        #expect(bind("a", "b", to: .exchange, in: scene, from: channel) == nil)
        #expect(bind("b", "a", to: .exchange, in: scene, from: channel) == nil)
        #expect(bind("a", "a", to: .exchange, in: scene, from: channel) == nil)
        #expect(refusal(.deleteExchange(name: "a", ifUnused: true), in: scene, from: channel)?.code == "in_use")
        #expect(refusal(.deleteExchange(name: "a", ifUnused: false), in: scene, from: channel) == nil)
        #expect(names(scene) == [] && scene.rows(.bindings).isEmpty)
        scene.broker.crash()
        #expect(names(scene) == [] && scene.rows(.bindings).isEmpty)
    }

    @Test func nobodyPublishesToAnInternalExchange() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        #expect(declare(.init(name: "in", kind: .fanout, isInternal: true), in: scene, from: channel) == nil)
        #expect(declare(.init(name: "out", kind: .fanout), in: scene, from: channel) == nil)
        #expect(bind("in", "q", in: scene, from: channel) == nil)
        #expect(bind("out", "in", to: .exchange, in: scene, from: channel) == nil)
        for exchange in ["in", "out", "in", "amq.rabbitmq.trace", "out"] {
            scene.put("a", to: "k", .init(exchange: exchange, isMandatory: false), from: channel)
        }
        scene.broker.commit()
        #expect(
            scene.answers(channel) == [
                .refused(code: "access_refused"), .done, .refused(code: "access_refused"),
                .refused(code: "access_refused"), .done,
            ])
        #expect(scene.counts("q")?.ready == 2)
    }

    @Test func theDefaultExchangeIsLeftAlone() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        let binding = BindingDefinition(source: "", destination: "q", routingKey: "k")
        let toIt = BindingDefinition(source: "amq.fanout", target: .exchange, destination: "", routingKey: "")
        let requests: [(Request, String)] = [
            (.declareExchange(.init(name: "", kind: .direct)), "declared"),
            (.declareExchange(.init(name: "", kind: .direct, isPassive: true)), "declared"),
            (.deleteExchange(name: "", ifUnused: false), "deleted"), (.bind(binding), "bound"),
            (.unbind(binding), "unbound"), (.bind(toIt), "bound"), (.unbind(toIt), "unbound"),
        ]
        for (request, word) in requests {
            let error = refusal(request, in: scene, from: channel)
            #expect(error?.code == "access_refused")
            #expect(error?.description.contains("default exchange: it cannot be \(word)") == true)
        }
    }

    @Test func whatIsPredeclaredStays() {
        let scene = Scene(queues: [])
        let channel = scene.attach()
        for exchange in Router.predeclared {
            let same = ExchangeDeclaration(
                name: exchange.name, kind: exchange.kind, isInternal: exchange.isInternal)
            #expect(declare(same, in: scene, from: channel) == nil)
            #expect(
                refusal(.deleteExchange(name: exchange.name, ifUnused: true), in: scene, from: channel)?.code
                    == "access_refused")
        }
        #expect(declare(.init(name: "amq.topic", kind: .fanout), in: scene, from: channel)?.code == "mismatch")
        #expect(declare(.init(name: "amq.mine", kind: .fanout), in: scene, from: channel)?.code == "access_refused")
        #expect(
            refusal(.deleteExchange(name: "amq.mine", ifUnused: false), in: scene, from: channel)?.code
                == "access_refused")
        #expect(refusal(.deleteExchange(name: "none", ifUnused: false), in: scene, from: channel)?.code == "not_found")
    }

    @Test func aPassiveDeclarationOnlyAsks() {
        let scene = Scene(queues: [])
        let channel = scene.attach()
        let asked = ExchangeDeclaration(name: "x", kind: .topic, isDurable: false, isPassive: true)
        #expect(declare(asked, in: scene, from: channel)?.code == "not_found")
        #expect(declare(.init(name: "x", kind: .direct), in: scene, from: channel) == nil)
        #expect(declare(asked, in: scene, from: channel) == nil)
        #expect(names(scene) == ["x"])
    }

    @Test func anotherDeclarationIsToldWhatDiffers() {
        let scene = Scene(queues: [])
        let channel = scene.attach()
        var first = ExchangeDeclaration(name: "x", kind: .direct, alternate: "a")
        #expect(declare(first, in: scene, from: channel) == nil)
        func difference(_ change: (inout ExchangeDeclaration) -> Void) -> String? {
            var other = first
            change(&other)
            return declare(other, in: scene, from: channel)?.description
        }
        func sentence(_ property: String, _ received: String, _ current: String) -> String {
            "inequivalent arg '\(property)' for exchange 'x' in vhost '/': received \(received) but current is "
                + "\(current); delete the exchange first, or choose another name"
        }
        #expect(difference { $0.kind = .topic } == sentence("type", "'topic'", "'direct'"))
        #expect(difference { $0.isDurable = false } == sentence("durable", "'false'", "'true'"))
        #expect(difference { $0.isAutoDelete = true } == sentence("auto_delete", "'true'", "'false'"))
        #expect(difference { $0.isInternal = true } == sentence("internal", "'true'", "'false'"))
        #expect(difference { $0.isDelayed = true } == sentence("type", "'x-delayed-message'", "'direct'"))
        #expect(difference { $0.alternate = "b" } == sentence("alternate-exchange", "'b'", "'a'"))
        #expect(difference { $0.alternate = nil } == sentence("alternate-exchange", "none", "'a'"))
        // What means nothing is not compared.
        #expect(difference { $0.arguments["who"] = .text("me") } == nil)
        first = ExchangeDeclaration(name: "y", kind: .topic, isDelayed: true)
        #expect(declare(first, in: scene, from: channel) == nil)
        #expect(
            difference { $0.kind = .fanout }?.hasPrefix("inequivalent arg 'x-delayed-type' for exchange 'y'") == true)
        first = ExchangeDeclaration(name: "z", kind: .consistentHash, arguments: ["hash-header": .text("a")])
        #expect(declare(first, in: scene, from: channel) == nil)
        #expect(
            difference { $0.arguments = [:] }?.hasPrefix("inequivalent arg 'hash-header' for exchange 'z'") == true)
    }

    @Test func whatAnExchangeIsDeclaredWithMustMeanSomething() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        let wrong: [(ExchangeDefinition.Kind, ArgumentTable)] = [
            (.consistentHash, ["hash-header": .text("a"), "hash-property": .text("message_id")]),
            (.consistentHash, ["hash-header": .integer(1)]), (.consistentHash, ["hash-property": .text("expiration")]),
            (.recentHistory, ["x-recent-history-length": .integer(0)]),
            (.recentHistory, ["x-recent-history-length": .text("5")]),
        ]
        for (kind, arguments) in wrong {
            #expect(
                declare(.init(name: "x", kind: kind, arguments: arguments), in: scene, from: channel)?.code == "syntax")
        }
        #expect(declare(.init(name: "x", kind: .consistentHash), in: scene, from: channel) == nil)
        for key in ["", "a", "0", "-1", "1.5"] {
            #expect(bind("x", "q", key, in: scene, from: channel)?.code == "syntax")
        }
        #expect(bind("x", "q", "3", in: scene, from: channel) == nil)
        let table = ArgumentTable.Value.opaque(type: 0x46, [], text: nil)
        #expect(bind("amq.headers", "q", arguments: ["a": table], in: scene, from: channel)?.code == "syntax")
        #expect(bind("amq.headers", "q", arguments: ["x-a": table], in: scene, from: channel) == nil)
        for value in [ArgumentTable.Value.text("some"), .integer(1)] {
            #expect(bind("amq.headers", "q", arguments: ["x-match": value], in: scene, from: channel)?.code == "syntax")
            #expect(bind("amq.direct", "q", arguments: ["x-match": value], in: scene, from: channel) == nil)
        }
    }

    /// The form in which RabbitMQ's clients declare.
    @Test func aTypeAndArgumentsBecomeADeclaration() throws {
        let arguments: ArgumentTable = [
            "alternate-exchange": .text("a"), "x-delayed-type": .text("topic"), "who": .truth(true),
        ]
        var declaration = try ExchangeDeclaration(name: "x", type: "x-delayed-message", arguments: arguments)
        #expect(
            declaration
                == ExchangeDeclaration(
                    name: "x", kind: .topic, isDelayed: true, alternate: "a", arguments: ["who": .truth(true)]))
        let definition = declaration.definition(in: "/")
        #expect(definition.type == "x-delayed-message" && definition.allArguments == arguments)
        declaration = try ExchangeDeclaration(name: "x", type: "x-random", arguments: [:])
        #expect(declaration.kind == .random && declaration.isDurable && !declaration.isDelayed)
        #expect(throws: ExchangeDeclaration.Refusal.unknownType("odd")) {
            try ExchangeDeclaration(name: "x", type: "odd", arguments: [:])
        }
        for type: ArgumentTable.Value? in [nil, .text("odd"), .integer(1), .text("x-delayed-message")] {
            var arguments: ArgumentTable = [:]
            arguments["x-delayed-type"] = type
            #expect(throws: ExchangeDeclaration.Refusal.self) {
                try ExchangeDeclaration(name: "x", type: "x-delayed-message", arguments: arguments)
            }
        }
        #expect(throws: ExchangeDeclaration.Refusal.self) {
            try ExchangeDeclaration(name: "x", type: "fanout", arguments: ["alternate-exchange": .integer(1)])
        }
    }

    @Test func bindingsOfOneKeyAreToldApartByTheirArguments() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        let others: [ArgumentTable] = [[:], ["a": .integer(1)], ["a": .text("1")], ["a": .integer(1), "b": .nothing]]
        for arguments in others + others {
            #expect(bind("amq.direct", "q", "k", arguments: arguments, in: scene, from: channel) == nil)
        }
        scene.broker.crash()
        channel = scene.attach()
        #expect(scene.rows(.bindings).count == 4)
        scene.put("once", to: "k", .init(exchange: "amq.direct"), from: channel)
        scene.broker.commit()
        #expect(scene.counts("q")?.ready == 1)
        let one = BindingDefinition(source: "amq.direct", destination: "q", routingKey: "k", arguments: others[1])
        #expect(refusal(.unbind(one), in: scene, from: channel) == nil)
        let left = scene.rows(.bindings).compactMap { row -> Description? in
            if case .fields(let fields)? = row["arguments"] { fields } else { nil }
        }
        #expect(left.count == 2 && left.contains { $0["a"] == .text("1") } && left.contains { $0["b"] != nil })
    }

    @Test func whatAnExchangeWasDeclaredWithIsShown() {
        let scene = Scene(queues: [])
        let channel = scene.attach()
        let declaration = ExchangeDeclaration(
            name: "x", kind: .consistentHash, isAutoDelete: true, isDelayed: true,
            arguments: ["hash-header": .text("h"), "n": .integer(1)])
        #expect(declare(declaration, in: scene, from: channel) == nil)
        scene.broker.crash()
        let row = scene.rows(.exchanges).first { $0.text("name") == "x" }
        #expect(row?.text("type") == "x-consistent-hash")
        #expect(row?["durable"] == .truth(true) && row?["auto-delete"] == .truth(true))
        #expect(row?["internal"] == .truth(false) && row?["delayed"] == .truth(true))
        guard case .fields(let arguments)? = row?["arguments"] else { return #expect(Bool(false)) }
        #expect(arguments["hash-header"] == .text("h") && arguments["n"] == .number(1))
    }
}
