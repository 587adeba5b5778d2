import Testing

@testable import ColaCore

/// Where a message goes, and that nothing outdated is remembered.
@Suite struct RouterTests {
    private let router = Router()

    private func addQueue(_ name: String) {
        let log = Log(id: LogID(1), name: name, state: .empty)
        let cursor = SharedCursor(floor: Offset(0), recoveredBelow: Offset(0))
        let queue = Queue(
            definition: QueueDefinition(name: name, log: LogID(1)), log: log, cursor: cursor,
            storedHandedOut: Offset(0))
        router.add(.queue(queue), named: name)
    }

    private func bind(_ source: String, _ destination: String, _ key: String = "") -> BindingDefinition {
        let binding = BindingDefinition(source: source, destination: destination, routingKey: key)
        _ = router.add(binding)
        return binding
    }

    private func names(_ exchange: String, _ key: String) -> [String]? {
        router.route(exchange: exchange, key: key)?.map(\.log.name)
    }

    @Test func withoutAnExchangeTheKeyIsTheName() {
        addQueue("q")
        #expect(names("", "q") == ["q"])
        #expect(names("", "r") == [])
        addQueue("r")
        #expect(names("", "r") == ["r"])
        _ = router.removeDestination("q")
        #expect(names("", "q") == [])
        #expect(names("nope", "q") == nil)
    }

    @Test func aDirectExchangeGoesByTheKey() {
        for name in ["q", "r"] { addQueue(name) }
        _ = bind("amq.direct", "q", "k")
        _ = bind("amq.direct", "r", "k")
        let other = bind("amq.direct", "q", "l")
        #expect(names("amq.direct", "k") == ["q", "r"])
        #expect(names("amq.direct", "l") == ["q"])
        #expect(names("amq.direct", "m") == [])
        #expect(router.remove(other))
        #expect(!router.remove(other))
        #expect(names("amq.direct", "l") == [])
        #expect(router.bindingCount == 2)
    }

    @Test func aFanoutReachesEveryoneOnce() {
        for name in ["q", "r"] { addQueue(name) }
        for key in ["", "k"] { for name in ["q", "r"] { _ = bind("amq.fanout", name, key) } }
        #expect(names("amq.fanout", "any") == ["q", "r"])
        #expect(router.bindingCount == 4)
        #expect(router.removeDestination("q").count == 2)
        #expect(names("amq.fanout", "any") == ["r"])
        #expect(router.bindingCount == 2)
    }

    @Test func theLastRouteIsForgottenWhenSomethingChanges() {
        for name in ["q", "r"] { addQueue(name) }
        router.add(ExchangeDefinition(name: "x", kind: .direct))
        _ = bind("x", "q", "k")
        #expect(names("x", "k") == ["q"])
        let second = bind("x", "r", "k")
        #expect(names("x", "k") == ["q", "r"])
        _ = router.remove(second)
        #expect(names("x", "k") == ["q"])
        #expect(names("amq.direct", "k") == [])
        #expect(names("x", "k") == ["q"])
        #expect(router.removeExchange("x").count == 1)
        #expect(names("x", "k") == nil)
        #expect(router.bindingCount == 0)
    }

    @Test func bindingTwiceChangesNothing() {
        addQueue("q")
        let binding = bind("amq.direct", "q", "k")
        #expect(!router.add(binding))
        #expect(router.bindings == [binding])
    }
}
