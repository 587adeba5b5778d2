internal import OrderedCollections

/// Where messages go: the names of queues and topics, the exchanges, and what is bound to them.
///
/// Routing is a pure function of (exchange, routing key); the last answer is kept, as producers rarely change their
/// mind.
final class Router {
    /// What a name stands for.
    enum Destination {
        case queue(Queue)
        case topic(Topic)

        var log: Log {
            switch self {
            case .queue(let queue): queue.log
            case .topic(let topic): topic.log
            }
        }
    }

    /// One exchange and its bindings: by routing key, the names they lead to.
    final class Exchange {
        let definition: ExchangeDefinition
        var bindings: OrderedDictionary<String, OrderedSet<String>> = [:]

        init(_ definition: ExchangeDefinition) { self.definition = definition }
    }

    /// The exchanges that always exist and cannot be deleted. Source: AMQP 0-9-1, section 3.1.3.
    static let predeclared = [
        ExchangeDefinition(name: "amq.direct", kind: .direct), ExchangeDefinition(name: "amq.fanout", kind: .fanout),
    ]

    private(set) var destinations: OrderedDictionary<String, Destination> = [:]
    private(set) var exchanges: OrderedDictionary<String, Exchange> = [:]
    private(set) var bindingCount = 0

    private var lastExchange = ""
    private var lastKey = ""
    private var lastRoute: [Destination] = []

    init() {
        for definition in Self.predeclared { exchanges[definition.name] = Exchange(definition) }
    }

    /// The destinations of a message, each once; nil if there is no such exchange.
    func route(exchange: String, key: String) -> [Destination]? {
        if !lastRoute.isEmpty, key == lastKey, exchange == lastExchange { return lastRoute }
        let route: [Destination]
        if exchange.isEmpty {
            route = destinations[key].map { [$0] } ?? []
        } else {
            guard let exchange = exchanges[exchange] else { return nil }
            var names: OrderedSet<String> = []
            switch exchange.definition.kind {
            case .direct: names = exchange.bindings[key] ?? []
            case .topic, .headers, .fanout: for bound in exchange.bindings.values { names.formUnion(bound) }
            }
            route = names.compactMap { destinations[$0] }
        }
        (lastExchange, lastKey, lastRoute) = (exchange, key, route)
        return route
    }

    func add(_ destination: Destination, named name: String) {
        destinations[name] = destination
        forgetLast()
    }

    func add(_ definition: ExchangeDefinition) {
        exchanges[definition.name] = Exchange(definition)
        forgetLast()
    }

    /// - Returns: false if it was there before.
    func add(_ binding: BindingDefinition) -> Bool {
        forgetLast()
        guard let exchange = exchanges[binding.source],
            exchange.bindings[binding.routingKey, default: []].append(binding.destination).inserted
        else { return false }
        bindingCount += 1
        return true
    }

    /// - Returns: false if there was none.
    func remove(_ binding: BindingDefinition) -> Bool {
        forgetLast()
        guard let exchange = exchanges[binding.source],
            exchange.bindings[binding.routingKey]?.remove(binding.destination) != nil
        else { return false }
        if exchange.bindings[binding.routingKey]?.isEmpty == true { exchange.bindings[binding.routingKey] = nil }
        bindingCount -= 1
        return true
    }

    /// - Returns: the bindings that went with it.
    func removeDestination(_ name: String) -> [BindingDefinition] {
        destinations[name] = nil
        let gone = bindings.filter { $0.destination == name }
        for binding in gone { _ = remove(binding) }
        forgetLast()
        return gone
    }

    /// - Returns: the bindings that went with it.
    func removeExchange(_ name: String) -> [BindingDefinition] {
        let gone = bindings.filter { $0.source == name }
        bindingCount -= gone.count
        exchanges[name] = nil
        forgetLast()
        return gone
    }

    var bindings: [BindingDefinition] {
        exchanges.values.flatMap { exchange in
            exchange.bindings.flatMap { key, names in
                names.map { BindingDefinition(source: exchange.definition.name, destination: $0, routingKey: key) }
            }
        }
    }

    private func forgetLast() {
        lastRoute = []
    }
}
