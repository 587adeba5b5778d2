import Testing

@testable import ColaCore

/// Exchanges that lead to other exchanges: by a binding, or by their alternate for what no binding takes.
@Suite struct ExchangeGraphTests {
    private let scene = RouterScene()

    @Test func theAlternateGetsWhatNoBindingTakes() {
        scene.addQueues("q", "rest")
        scene.addExchange("unrouted", .fanout)
        for kind in [ExchangeDefinition.Kind.direct, .fanout, .topic, .headers] {
            let name = kind.rawValue
            scene.addExchange(name, kind, alternate: "unrouted")
            #expect(scene.names(name, "k") == [], "\(name)")
        }
        scene.bind("unrouted", "rest")
        scene.bind("direct", "q", "k")
        scene.bind("topic", "q", "k")
        scene.bind("headers", "q", ["a": "1"])
        for name in ["direct", "topic", "headers"] {
            #expect(scene.names(name, "k", ["a": "1"]) == ["q"], "\(name)")
            #expect(scene.names(name, "other", ["a": "2"]) == ["rest"], "\(name)")
        }
        #expect(scene.names("fanout", "k") == ["rest"])
        scene.bind("fanout", "q")
        #expect(scene.names("fanout", "k") == ["q"])
    }

    @Test func theAlternateHasAnAlternateInItsTurn() {
        scene.addQueue("q")
        scene.addExchange("a", .direct, alternate: "b")
        scene.addExchange("b", .direct, alternate: "c")
        scene.addExchange("c", .fanout)
        scene.bind("c", "q")
        #expect(scene.names("a", "k") == ["q"])
        scene.bind("b", "q", "k")
        #expect(scene.names("a", "k") == ["q"])
        _ = scene.router.removeExchange("b")
        #expect(scene.names("a", "k") == [])
    }

    @Test func anAlternateThatIsNotThereLeadsNowhere() {
        scene.addQueue("q")
        scene.addExchange("a", .direct, alternate: "later")
        #expect(scene.names("a", "k") == [])
        scene.addExchange("later", .fanout)
        scene.bind("later", "q")
        #expect(scene.names("a", "k") == ["q"])
        _ = scene.router.removeExchange("later")
        #expect(scene.names("a", "k") == [])
    }

    @Test func alternatesInACircleEnd() {
        scene.addQueue("q")
        scene.addExchange("self", .direct, alternate: "self")
        #expect(scene.names("self", "k") == [])
        scene.addExchange("a", .direct, alternate: "b")
        scene.addExchange("b", .direct, alternate: "a")
        #expect(scene.names("a", "k") == [])
        scene.bind("a", "q", "k")
        #expect(scene.names("b", "k") == ["q"])
    }

    @Test func aBoundExchangeThatLeadsNowhereIsAsGoodAsAQueue() {
        scene.addQueues("q", "rest")
        scene.addExchange("a", .fanout, alternate: "unrouted")
        scene.addExchange("b", .direct)
        scene.addExchange("unrouted", .fanout)
        scene.bind("unrouted", "rest")
        scene.bind("a", toExchange: "b")
        #expect(scene.names("a", "k") == [])
        scene.router.replace(ExchangeDefinition(name: "b", kind: .direct, alternate: "unrouted"))
        #expect(scene.names("a", "k") == ["rest"])
    }

    @Test func aBindingToNothingTakesNoMessageFromTheAlternate() {
        scene.addQueue("rest")
        scene.addExchange("a", .fanout, alternate: "b")
        scene.addExchange("b", .fanout)
        scene.bind("b", "rest")
        scene.bind("a", "nobody")
        scene.bind("a", toExchange: "nobody")
        #expect(scene.names("a") == ["rest"])
    }

    @Test func exchangesLeadToExchanges() {
        scene.addQueues("q", "r")
        scene.addExchange("orders", .fanout)
        scene.bind("amq.topic", toExchange: "orders", "orders.#")
        scene.bind("orders", "q")
        scene.bind("orders", toExchange: "amq.direct")
        scene.bind("amq.direct", "r", "orders.new")
        #expect(scene.names("amq.topic", "orders.new") == ["q", "r"])
        #expect(scene.names("amq.topic", "orders.old") == ["q"])
        #expect(scene.names("amq.topic", "other") == [])
    }

    @Test func aCircleOfExchangesDeliversOnce() {
        scene.addQueues("q", "r", "s")
        for name in ["a", "b", "c"] { scene.addExchange(name, .fanout) }
        for (source, destination) in [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a"), ("a", "c")] {
            scene.bind(source, toExchange: destination)
        }
        for (exchange, queue) in [("a", "q"), ("b", "r"), ("c", "s"), ("c", "q")] { scene.bind(exchange, queue) }
        for name in ["a", "b", "c"] { #expect(scene.names(name) == ["q", "r", "s"], "\(name)") }
    }

    @Test func aChainOfAThousandExchangesIsFollowed() {
        scene.addQueue("q")
        for number in 0..<1_000 { scene.addExchange("x\(number)", .fanout) }
        for number in 0..<999 {
            // Two ways each: doubled at every step, they would never end.
            scene.bind("x\(number)", toExchange: "x\(number + 1)", "one")
            scene.bind("x\(number)", toExchange: "x\(number + 1)", "two")
        }
        scene.bind("x999", "q")
        #expect(scene.names("x0") == ["q"])
    }

    @Test func aQueueAndAnExchangeOfOneNameAreTwoThings() {
        scene.addQueues("same", "q")
        scene.addExchange("same", .fanout)
        scene.bind("same", "q")
        scene.bind("amq.fanout", toExchange: "same")
        #expect(scene.names("amq.fanout") == ["q"])
        scene.bind("amq.fanout", "same")
        #expect(scene.names("amq.fanout") == ["q", "same"])
        #expect(scene.router.removeDestination("same").count == 1)
        #expect(scene.names("amq.fanout") == ["q"])
    }
}
