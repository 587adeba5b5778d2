import ColaTesting
import Testing

@testable import ColaCore

/// Random names, exchanges and bindings that come and go: the router answers what the specification's plain reading
/// answers, and its lists agree.
@Suite struct RouterPropertyTests {
    private static let queues = ["p", "q", "r", "s"]
    private static let exchanges = ["direct", "fanout", "topic", "headers", "other", "amq.topic"]
    private static let keys = ["", "a", "a.b", "b.a", "a.a", "#", "*", "a.#", "#.a", "#.a.#", "*.*", "p"]

    /// Those of which a plain reading says where a message goes.
    private static let kinds: [ExchangeDefinition.Kind] = [
        .direct, .fanout, .topic, .headers, .modulusHash, .recentHistory,
    ]

    @Test(.timeLimit(.minutes(5)), arguments: Seeds.of(40))
    func theRouterAnswersAsThePlainReadingDoes(seed: UInt64) throws {
        var run = Run(seed: seed)
        for step in 0..<400 {
            try run.change("step \(step), seed \(seed)")
            for _ in 0..<3 { try run.compareARoute("step \(step), seed \(seed)") }
            if step % 20 == 0 { try run.compareLists("step \(step), seed \(seed)") }
        }
        try run.compareLists("the end, seed \(seed)")
        for name in Self.queues { _ = run.scene.router.removeDestination(name) }
        for name in Self.exchanges { _ = run.scene.router.removeExchange(name) }
        #expect(run.scene.router.bindingCount == 0)
    }

    private struct Run {
        let scene = RouterScene()
        var model = RoutingModel()
        var random: SplitMix64

        init(seed: UInt64) {
            random = SplitMix64(seed: seed)
            for exchange in Router.predeclared { model.exchanges[exchange.name] = exchange }
        }

        mutating func pick<Element>(_ elements: [Element]) -> Element {
            elements[Int.random(in: 0..<elements.count, using: &random)]
        }

        mutating func pickBinding() -> BindingDefinition {
            let target = pick([BindingDefinition.Target.queue, .queue, .exchange])
            let destination = pick(target == .queue ? queues : exchanges)
            let headers = ["a", "b"].compactMap { name -> HeadersMatch.Header? in
                Bool.random(using: &random) ? .init(name: name, value: pick(["1", "2", nil])) : nil
            }
            var arguments = HeadersMatch(isAny: Bool.random(using: &random), headers: headers).arguments
            // As other protocols say it: of any type, and with arguments that mean nothing.
            if Int.random(in: 0..<4, using: &random) == 0 {
                arguments["x-a"] = pick([.text("1"), .integer(1), .nothing])
            }
            return BindingDefinition(
                source: pick(exchanges), target: target, destination: destination, routingKey: pick(keys),
                arguments: arguments)
        }

        mutating func change(_ place: String) throws {
            let router = scene.router
            switch Int.random(in: 0..<20, using: &random) {
            case 0, 1:
                let name = pick(queues)
                scene.addQueue(name)
                model.queues.insert(name)
            case 2:
                let name = pick(queues)
                try #require(Set(router.removeDestination(name)) == model.removeQueue(name), "\(place)")
            case 3, 4, 5:
                let name = pick(exchanges)
                let kind = model.exchanges[name]?.kind ?? pick(kinds)
                let alternate = pick([nil] + exchanges)
                let definition = ExchangeDefinition(name: name, kind: kind, alternate: alternate)
                router.add(definition)
                model.exchanges[name] = definition
            case 6:
                let name = pick(exchanges)
                let gone = router.removeExchange(name)
                try #require(Set(gone).count == gone.count, "\(place)")
                try #require(Set(gone) == model.removeExchange(name), "\(place)")
            case 7, 8, 9, 10:
                let binding = model.bindings.isEmpty ? pickBinding() : pick(model.bindings.sorted(by: isBefore))
                try #require(router.remove(binding) == (model.bindings.remove(binding) != nil), "\(place)")
            default:
                let binding = pickBinding()
                let isNew = model.exchanges[binding.source] != nil && !model.bindings.contains(binding)
                try #require(router.add(binding) == isNew, "\(place)")
                if isNew { model.bindings.insert(binding) }
            }
        }

        mutating func compareARoute(_ place: String) throws {
            let exchange = pick(exchanges + [""])
            let key = pick(keys)
            let more = Int.random(in: 0..<3, using: &random) == 0 ? [pick(keys), pick(keys)] : []
            let headers = ["a", "b", "c"].compactMap { name -> (name: String, value: String?)? in
                Bool.random(using: &random) ? (name, pick(["1", "2", nil])) : nil
            }
            var encoded = RecordHeaders()
            for (name, value) in headers { encoded.append(name: name.utf8, value: value?.utf8) }
            let found = scene.router.route(exchange: exchange, key: key, moreKeys: more, headers: encoded)?
                .map(\.name)
            let expected = model.route(exchange: exchange, keys: [key] + more, headers: headers)
            try #require(
                found?.sorted() == expected?.sorted(), "'\(exchange)', '\(key)', \(more), \(headers), \(place)")
        }

        func compareLists(_ place: String) throws {
            let router = scene.router
            let all = router.bindings
            try #require(all.count == router.bindingCount && Set(all) == model.bindings, "\(place)")
            try #require(Set(Array(router.destinations).map(\.key)) == model.queues, "\(place)")
            try #require(Set(Array(router.exchanges).map(\.key)) == Set(model.exchanges.keys), "\(place)")
            for name in exchanges {
                let from = router.bindings(from: name)
                try #require(Set(from) == model.bindings.filter { $0.source == name }, "\(place)")
            }
            for (target, names) in [(BindingDefinition.Target.queue, queues), (.exchange, exchanges)] {
                for name in names {
                    let to = router.bindings(of: name, target: target)
                    let expected = model.bindings.filter { $0.target == target && $0.destination == name }
                    try #require(Set(to) == expected && to.count == expected.count, "\(place)")
                }
            }
        }

        /// Any order, as long as it is the same in every run.
        private func isBefore(_ left: BindingDefinition, _ right: BindingDefinition) -> Bool {
            String(describing: left) < String(describing: right)
        }
    }
}
