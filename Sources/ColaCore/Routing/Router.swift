internal import OrderedCollections

/// Where messages go: the names of queues and topics of one virtual host, its exchanges, and what is bound to them.
///
/// Routing is a function of (exchange, routing keys, headers), but for the types that take any binding. The last answer
/// is kept, as producers rarely change their mind, if the key alone decides it. A message visits each exchange at most
/// once and each destination gets it once, so cycles are harmless.
///
/// What is removed costs as much as its own bindings, however many there are besides.
final class Router {
    /// What a name stands for.
    enum Destination {
        case queue(Queue)
        case topic(Topic)
        /// Of a topic with several; its name is stored nowhere.
        case partition(Partition)

        var name: String {
            switch self {
            case .queue(let queue): queue.name
            case .topic(let topic): topic.name
            case .partition(let partition): partition.name
            }
        }
    }

    /// The exchanges that always exist and cannot be deleted. Source: AMQP 0-9-1, section 3.1.3, and RabbitMQ's second
    /// name for the headers exchange, and the one that it traces to.
    static let predeclared = [
        ExchangeDefinition(name: "amq.direct", kind: .direct), ExchangeDefinition(name: "amq.fanout", kind: .fanout),
        ExchangeDefinition(name: "amq.topic", kind: .topic), ExchangeDefinition(name: "amq.headers", kind: .headers),
        ExchangeDefinition(name: "amq.match", kind: .headers),
        ExchangeDefinition(name: "amq.rabbitmq.trace", kind: .topic, isInternal: true),
    ]

    private(set) var destinations: OrderedDictionary<String, Destination> = [:]
    private(set) var exchanges: OrderedDictionary<String, Exchange> = [:]
    private(set) var bindingCount = 0
    /// Looked up, never walked.
    private var endpoints: [Endpoint.Name: Endpoint] = [:]

    private var walk: UInt64 = 0
    private var lastExchange = ""
    private var lastKey = ""
    private var lastRoute: [Destination] = []
    private var isLastKnown = false
    /// Whether the route that was asked for last began at an exchange that no publisher may name.
    private(set) var isLastInternal = false
    /// Exchanges on the route that was asked for last that keep what comes by.
    private(set) var lastHistories: [Exchange] = []
    /// How many routes were found without the help of the last one.
    private(set) var misses = 0

    /// - Parameter host: the virtual host that the predeclared exchanges are listed under.
    init(host: String = VirtualHostDefinition.defaultName) {
        for var definition in Self.predeclared {
            definition.host = host
            exchanges[definition.name] = Exchange(definition)
        }
    }

    // MARK: Routing

    /// The destinations of a message, each once; nil if there is no such exchange. Without an exchange, the key is the
    /// name of the destination. `moreKeys` are routing keys beside the first.
    func route(
        exchange name: String, key: String, moreKeys: [String] = [], headers: RecordHeaders
    ) -> [Destination]? {
        if isLastKnown, key == lastKey, name == lastExchange, moreKeys.isEmpty { return lastRoute }
        misses += 1
        isLastInternal = false
        if !lastHistories.isEmpty { lastHistories = [] }
        var route: [Destination] = []
        var isOfKeyAlone = moreKeys.isEmpty
        if name.isEmpty {
            lookUp(key, moreKeys, into: &route)
        } else {
            guard let exchange = exchanges[name] else {
                guard let topic = superStream(named: name) else { return nil }
                return [.topic(topic)]
            }
            isLastInternal = exchange.definition.isInternal
            let isSame = follow(from: exchange, key, moreKeys, headers, into: &route)
            isOfKeyAlone = isOfKeyAlone && isSame && !isLastInternal
        }
        if isOfKeyAlone {
            (lastExchange, lastKey, lastRoute, isLastKnown) = (name, key, route, true)
        } else if isLastInternal || !lastHistories.isEmpty {
            // What is kept of another route does not say these.
            forgetLast()
        }
        return route
    }

    private func lookUp(_ key: String, _ moreKeys: [String], into route: inout [Destination]) {
        if let destination = destination(named: key) { route.append(destination) }
        guard !moreKeys.isEmpty else { return }
        var seen: Set<String> = [key]
        for key in moreKeys where seen.insert(key).inserted {
            if let destination = destination(named: key) { route.append(destination) }
        }
    }

    /// - Returns: whether the route is the same for every message of that key.
    private func follow(
        from first: Exchange, _ key: String, _ moreKeys: [String], _ headers: RecordHeaders,
        into route: inout [Destination]
    ) -> Bool {
        walk += 1
        first.walk = walk
        var reached = [first]
        var position = 0
        var isOfKeyAlone = true
        while position < reached.count {
            let exchange = reached[position]
            position += 1
            if exchange.history != nil {
                isOfKeyAlone = false
                lastHistories.append(exchange)
            }
            let table = exchange.table
            if !table.isOfKeyAlone { isOfKeyAlone = false }
            var isTaken = false
            func take(_ binding: Binding) {
                let endpoint = binding.endpoint
                switch endpoint.content {
                case .nothing: return
                case .destination(let destination):
                    if endpoint.walk != walk { route.append(destination) }
                    endpoint.walk = walk
                case .exchange(let exchange): reach(exchange, &reached)
                }
                isTaken = true
            }
            table.match(key: key, headers: headers, take)
            if !moreKeys.isEmpty, table.takesEachKey {
                for key in moreKeys { table.match(key: key, headers: headers, take) }
            }
            // As RabbitMQ does: the alternate is for what no binding takes. What a bound exchange cannot place is for
            // that one's alternate.
            if !isTaken, let name = exchange.alternate, let alternate = exchanges[name] {
                reach(alternate, &reached)
            }
        }
        return isOfKeyAlone
    }

    private func reach(_ exchange: Exchange, _ reached: inout [Exchange]) {
        guard exchange.walk != walk else { return }
        exchange.walk = walk
        reached.append(exchange)
    }

    private func forgetLast() {
        isLastKnown = false
        lastRoute = []
    }

    // MARK: Names

    /// The queue, topic or partition of that name.
    func destination(named name: String) -> Destination? {
        destinations[name] ?? partition(named: name).map { .partition($0) }
    }

    /// The topic that is an exchange of that name, if there is no other.
    func superStream(named name: String) -> Topic? {
        guard exchanges[name] == nil, case .topic(let topic)? = destinations[name], topic.isSuperStream else {
            return nil
        }
        return topic
    }

    /// What `TOPIC-NUMBER` stands for.
    private func partition(named name: String) -> Partition? {
        guard let dash = name.utf8.lastIndex(of: UInt8(ascii: "-")) else { return nil }
        let digits = name[dash...].dropFirst()
        guard let number = Int(digits), number >= 0, "\(number)" == digits,
            case .topic(let topic)? = destinations[String(name[..<dash])], topic.isSuperStream,
            number < topic.partitions.count
        else { return nil }
        return topic.partitions[number]
    }

    func add(_ destination: Destination, named name: String) {
        destinations[name] = destination
        endpoints[Endpoint.Name(target: .queue, name: name)]?.content = .destination(destination)
        forgetLast()
    }

    /// An exchange that is there keeps its bindings, if the definition is of the same type with the same arguments.
    func add(_ definition: ExchangeDefinition) {
        if let found = exchanges[definition.name]?.definition, found.kind == definition.kind,
            found.arguments == definition.arguments
        {
            return replace(definition)
        }
        _ = removeExchange(definition.name)
        let exchange = Exchange(definition)
        exchanges[definition.name] = exchange
        endpoints[Endpoint.Name(target: .exchange, name: definition.name)]?.content = .exchange(exchange)
        forgetLast()
    }

    /// Gives an exchange another definition of the same type: another alternate. Its bindings stay.
    func replace(_ definition: ExchangeDefinition) {
        guard let exchange = exchanges[definition.name] else { return }
        let kind = exchange.definition.kind
        precondition(
            kind == definition.kind, "exchange '\(definition.name)' is \(kind) and cannot become \(definition.kind)")
        exchange.definition = definition
        forgetLast()
    }

    /// - Returns: the bindings that went with it.
    func removeDestination(_ name: String) -> [BindingDefinition] {
        forgetLast()
        destinations.removeSwapping(name)
        return unlink(incoming(of: name, target: .queue))
    }

    /// - Returns: the bindings that went with it: from it, and to it.
    func removeExchange(_ name: String) -> [BindingDefinition] {
        forgetLast()
        guard let exchange = exchanges[name] else { return [] }
        let others = incoming(of: name, target: .exchange).filter { $0.definition.source != name }
        let gone = unlink(exchange.bindings.elements + others)
        exchanges.removeSwapping(name)
        return gone
    }

    func setAlternate(_ name: String?, byPolicyOf exchange: Exchange) {
        guard exchange.policyAlternate != name else { return }
        exchange.policyAlternate = name
        forgetLast()
    }

    // MARK: Bindings

    /// - Returns: false if it was there before, or there is no such exchange.
    func add(_ definition: BindingDefinition) -> Bool {
        guard let exchange = exchanges[definition.source] else { return false }
        let name = Endpoint.Name(target: definition.target, name: definition.destination)
        let endpoint = endpoints[name] ?? Endpoint(name, content(of: name))
        let binding = Binding(definition, endpoint: endpoint)
        guard exchange.insert(binding) else { return false }
        endpoint.incoming.append(binding)
        endpoints[name] = endpoint
        bindingCount += 1
        forgetLast()
        return true
    }

    /// - Returns: false if there was none.
    func remove(_ definition: BindingDefinition) -> Bool {
        let name = Endpoint.Name(target: definition.target, name: definition.destination)
        guard let exchange = exchanges[definition.source], let endpoint = endpoints[name],
            let index = exchange.bindings.firstIndex(of: Binding(definition, endpoint: endpoint))
        else { return false }
        _ = unlink([exchange.bindings[index]])
        forgetLast()
        return true
    }

    var bindings: [BindingDefinition] { exchanges.values.flatMap { $0.bindings.map(\.definition) } }

    func bindings(from exchange: String) -> [BindingDefinition] {
        exchanges[exchange]?.bindings.map(\.definition) ?? []
    }

    func bindings(of destination: String, target: BindingDefinition.Target) -> [BindingDefinition] {
        incoming(of: destination, target: target).map(\.definition)
    }

    private func incoming(of name: String, target: BindingDefinition.Target) -> [Binding] {
        endpoints[Endpoint.Name(target: target, name: name)]?.incoming.elements ?? []
    }

    private func content(of name: Endpoint.Name) -> Endpoint.Content {
        switch name.target {
        case .queue: destinations[name.name].map { .destination($0) } ?? .nothing
        case .exchange: exchanges[name.name].map { .exchange($0) } ?? .nothing
        }
    }

    private func unlink(_ bindings: [Binding]) -> [BindingDefinition] {
        for binding in bindings {
            exchanges[binding.definition.source]?.remove(binding)
            let endpoint = binding.endpoint
            endpoint.incoming.removeSwapping(binding)
            if endpoint.incoming.isEmpty { endpoints[endpoint.name] = nil }
        }
        bindingCount -= bindings.count
        return bindings.map(\.definition)
    }
}
