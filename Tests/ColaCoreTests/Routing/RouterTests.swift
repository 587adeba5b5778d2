import Testing

@testable import ColaCore

/// Where a message goes, that nothing outdated is remembered, and that what is removed takes its bindings with it.
@Suite struct RouterTests {
    private let scene = RouterScene()
    private var router: Router { scene.router }

    @Test func withoutAnExchangeTheKeyIsTheName() {
        scene.addQueue("q")
        #expect(scene.names("", "q") == ["q"])
        #expect(scene.names("", "r") == [])
        scene.addQueue("r")
        #expect(scene.names("", "r") == ["r"])
        _ = router.removeDestination("q")
        #expect(scene.names("", "q") == [])
        #expect(scene.names("nope", "q") == nil)
    }

    @Test func theExchangesOfTheSpecificationAreThere() {
        scene.addQueue("q")
        for name in ["amq.direct", "amq.fanout", "amq.topic"] { scene.bind(name, "q", "k") }
        for name in ["amq.headers", "amq.match"] { scene.bind(name, "q", ["a": nil]) }
        for name in ["amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"] {
            #expect(scene.names(name, "k", ["a": "1"]) == ["q"], "\(name)")
        }
        for name in ["amq.headers", "amq.match"] { #expect(scene.names(name, "k") == [], "\(name)") }
        let definitions = Array(Router(host: "other").exchanges).map(\.value.definition)
        #expect(definitions.map(\.name) == Router.predeclared.map(\.name))
        #expect(definitions.allSatisfy { $0.host == "other" })
    }

    @Test func aDirectExchangeGoesByTheKey() {
        scene.addQueues("q", "r")
        scene.bind("amq.direct", "q", "k")
        scene.bind("amq.direct", "r", "k")
        let other = scene.bind("amq.direct", "q", "l")
        #expect(scene.names("amq.direct", "k") == ["q", "r"])
        #expect(scene.names("amq.direct", "l") == ["q"])
        #expect(scene.names("amq.direct", "m") == [])
        #expect(router.remove(other))
        #expect(!router.remove(other))
        #expect(scene.names("amq.direct", "l") == [])
        #expect(router.bindingCount == 2)
    }

    @Test func aDirectExchangeTakesNoPatterns() {
        scene.addQueue("q")
        scene.bind("amq.direct", "q", "#")
        #expect(scene.names("amq.direct", "k") == [])
        #expect(scene.names("amq.direct", "#") == ["q"])
    }

    @Test func aFanoutReachesEveryoneOnce() {
        scene.addQueues("q", "r")
        for key in ["", "k"] { for name in ["q", "r"] { scene.bind("amq.fanout", name, key) } }
        #expect(scene.names("amq.fanout", "any") == ["q", "r"])
        #expect(router.bindingCount == 4)
        #expect(router.removeDestination("q").count == 2)
        #expect(scene.names("amq.fanout", "any") == ["r"])
        #expect(router.bindingCount == 2)
    }

    @Test func theLastRouteIsForgottenWhenSomethingChanges() {
        scene.addQueues("q", "r")
        scene.addExchange("x", .direct)
        scene.bind("x", "q", "k")
        #expect(scene.names("x", "k") == ["q"])
        let second = scene.bind("x", "r", "k")
        #expect(scene.names("x", "k") == ["q", "r"])
        _ = router.remove(second)
        #expect(scene.names("x", "k") == ["q"])
        #expect(scene.names("amq.direct", "k") == [])
        #expect(scene.names("x", "k") == ["q"])
        #expect(router.removeExchange("x").count == 1)
        #expect(scene.names("x", "k") == nil)
        #expect(router.bindingCount == 0)
    }

    @Test func theSameRouteAgainIsNotWorkedOutAgain() {
        scene.addExchange("x", .topic)
        for number in 0..<1_000 {
            scene.addQueue("q\(number)")
            scene.bind("amq.fanout", "q\(number)")
        }
        for (exchange, count) in [("amq.fanout", 1_000), ("x", 0), ("", 0)] {
            let before = router.misses
            for _ in 0..<10 { #expect(scene.names(exchange, "k")?.count == count) }
            #expect(router.misses == before + 1, "'\(exchange)'")
        }
    }

    @Test func aRouteThatDependsOnHeadersIsNotRemembered() {
        scene.addQueue("q")
        scene.bind("amq.fanout", toExchange: "amq.headers")
        scene.bind("amq.headers", "q", ["a": "1"])
        #expect(scene.names("amq.fanout", "k", ["a": "1"]) == ["q"])
        #expect(scene.names("amq.fanout", "k", ["a": "2"]) == [])
        #expect(scene.names("amq.fanout", "k", ["a": "1"]) == ["q"])
        #expect(scene.names("amq.headers", "k") == [])
    }

    @Test func bindingTwiceChangesNothing() {
        scene.addQueue("q")
        let binding = scene.bind("amq.direct", "q", "k")
        #expect(!router.add(binding))
        #expect(router.bindings == [binding])
        #expect(scene.names("amq.direct", "k") == ["q"])
    }

    @Test func everyPartOfABindingCounts() {
        scene.addQueue("q")
        scene.addExchange("q", .fanout)
        let bindings = [
            scene.bind("amq.direct", "q", "k"), scene.bind("amq.direct", "q", "l"),
            scene.bind("amq.direct", toExchange: "q", "k"), scene.bind("amq.topic", "q", "k"),
            scene.bind("amq.direct", "q", ["a": "1"]), scene.bind("amq.direct", "q", ["a": nil]),
            scene.bind("amq.direct", "q", any: true, ["a": nil]),
        ]
        #expect(router.bindingCount == bindings.count)
        #expect(Set(router.bindings) == Set(bindings))
        for (index, binding) in bindings.enumerated() {
            #expect(router.remove(binding))
            #expect(Set(router.bindings) == Set(bindings[(index + 1)...]))
        }
        #expect(router.bindingCount == 0)
    }

    @Test func aMessageThatTwoBindingsTakeArrivesOnce() {
        scene.addQueue("q")
        for key in ["a.b", "a.*", "#", "#.#", "*.b"] { scene.bind("amq.topic", "q", key) }
        #expect(scene.names("amq.topic", "a.b") == ["q"])
        #expect(router.remove(BindingDefinition(source: "amq.topic", destination: "q", routingKey: "#")))
        #expect(scene.names("amq.topic", "x.y.z") == ["q"])
        #expect(router.remove(BindingDefinition(source: "amq.topic", destination: "q", routingKey: "#.#")))
        #expect(scene.names("amq.topic", "x.y.z") == [])
        #expect(scene.names("amq.topic", "a.b") == ["q"])
    }

    @Test func bindingsAreListedFromEitherEnd() {
        scene.addQueues("q", "r")
        scene.addExchange("x", .fanout)
        let first = scene.bind("x", "q")
        let second = scene.bind("amq.topic", "q", "#")
        let third = scene.bind("x", "r")
        let fourth = scene.bind("amq.topic", toExchange: "x", "a.#")
        #expect(router.bindings(from: "x") == [first, third])
        #expect(router.bindings(from: "amq.topic") == [second, fourth])
        #expect(router.bindings(of: "q", target: .queue) == [first, second])
        #expect(router.bindings(of: "x", target: .exchange) == [fourth])
        #expect(router.bindings(of: "x", target: .queue) == [])
        #expect(router.bindings(from: "nope") == [])
        #expect(router.removeDestination("q") == [first, second])
        #expect(router.bindings(from: "x") == [third])
    }

    @Test func anExchangeTakesTheBindingsOfBothEndsWithIt() {
        scene.addQueue("q")
        scene.addExchange("x", .fanout)
        let from = scene.bind("x", "q")
        let loop = scene.bind("x", toExchange: "x")
        let to = scene.bind("amq.fanout", toExchange: "x")
        let other = scene.bind("amq.fanout", "q")
        #expect(router.removeExchange("x") == [from, loop, to])
        #expect(router.bindings == [other])
        #expect(router.bindingCount == 1)
        #expect(router.bindings(of: "x", target: .exchange) == [])
        #expect(router.bindings(of: "q", target: .queue) == [other])
        #expect(router.removeExchange("x") == [])
    }

    @Test func aQueueThatComesBackHasNoneOfItsOldBindings() {
        scene.addQueue("q")
        for exchange in ["amq.direct", "amq.topic", "amq.headers", "amq.fanout"] { scene.bind(exchange, "q", "k") }
        #expect(router.removeDestination("q").count == 4)
        scene.addQueue("q")
        for exchange in ["amq.direct", "amq.topic", "amq.headers", "amq.fanout"] {
            #expect(scene.names(exchange, "k") == [], "\(exchange)")
        }
    }

    @Test func aBindingLeadsToWhatHasTheNameNow() {
        scene.bind("amq.fanout", "q")
        scene.bind("amq.fanout", toExchange: "x")
        #expect(scene.names("amq.fanout") == [])
        scene.addQueues("q", "r")
        #expect(scene.names("amq.fanout") == ["q"])
        scene.addExchange("x", .fanout)
        scene.bind("x", "r")
        #expect(scene.names("amq.fanout") == ["q", "r"])
    }

    @Test func aReplacedDefinitionKeepsTheBindings() {
        scene.addQueues("q", "r")
        scene.addExchange("x", .direct)
        scene.bind("x", "q", "k")
        scene.bind("amq.fanout", "r")
        #expect(scene.names("x", "other") == [])
        router.replace(ExchangeDefinition(name: "x", kind: .direct, alternate: "amq.fanout"))
        #expect(scene.names("x", "k") == ["q"])
        #expect(scene.names("x", "other") == ["r"])
        router.add(ExchangeDefinition(name: "x", kind: .direct))
        #expect(scene.names("x", "other") == [])
        #expect(scene.names("x", "k") == ["q"])
        #expect(router.bindingCount == 2)
    }
}
