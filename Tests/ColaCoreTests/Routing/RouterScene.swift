import Testing

@testable import ColaCore

/// A router with queues that are names only, for the tests of routing.
struct RouterScene {
    let router = Router()

    func addQueue(_ name: String) {
        let queue = Queue(
            definition: QueueDefinition(name: name, log: LogID(1)), host: VirtualHost(name: "/"), isDurable: true)
        router.add(.queue(queue), named: name)
    }

    func addQueues(_ names: String...) {
        for name in names { addQueue(name) }
    }

    func addExchange(
        _ name: String, _ kind: ExchangeDefinition.Kind, alternate: String? = nil, arguments: ArgumentTable = [:]
    ) {
        router.add(ExchangeDefinition(name: name, kind: kind, alternate: alternate, arguments: arguments))
    }

    @discardableResult
    func bind(_ source: String, _ destination: String, _ key: String = "") -> BindingDefinition {
        add(BindingDefinition(source: source, destination: destination, routingKey: key))
    }

    @discardableResult
    func bind(_ source: String, toExchange destination: String, _ key: String = "") -> BindingDefinition {
        add(BindingDefinition(source: source, target: .exchange, destination: destination, routingKey: key))
    }

    @discardableResult
    func bind(
        _ source: String, _ destination: String, any: Bool = false, _ headers: KeyValuePairs<String, String?>
    ) -> BindingDefinition {
        let match = HeadersMatch(isAny: any, headers: headers.map { .init(name: $0, value: $1) })
        return bind(source, destination, arguments: match.arguments)
    }

    @discardableResult
    func bind(_ source: String, _ destination: String, arguments: ArgumentTable) -> BindingDefinition {
        add(BindingDefinition(source: source, destination: destination, routingKey: "", arguments: arguments))
    }

    private func add(_ binding: BindingDefinition) -> BindingDefinition {
        _ = router.add(binding)
        return binding
    }

    /// Where a message goes, in the order of the names; nil if there is no such exchange.
    func names(
        _ exchange: String, _ key: String = "", moreKeys: [String] = [],
        _ headers: KeyValuePairs<String, String?> = [:]
    ) -> [String]? {
        var encoded = RecordHeaders()
        for (name, value) in headers { encoded.append(name: name.utf8, value: value?.utf8) }
        return router.route(exchange: exchange, key: key, moreKeys: moreKeys, headers: encoded)?.map(\.name).sorted()
    }
}
