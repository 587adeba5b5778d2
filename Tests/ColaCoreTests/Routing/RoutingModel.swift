@testable import ColaCore

/// Routing as the specification says it, without a thought for speed: every binding is asked, patterns are tried word
/// by word. What the router is compared with.
struct RoutingModel {
    var queues: Set<String> = []
    var exchanges: [String: ExchangeDefinition] = [:]
    var bindings: Set<BindingDefinition> = []

    func route(exchange: String, keys: [String], headers: [(name: String, value: String?)]) -> Set<String>? {
        if exchange.isEmpty { return queues.intersection(keys) }
        guard exchanges[exchange] != nil else { return nil }
        var seen: Set<String> = [exchange]
        var pending = [exchange]
        var route: Set<String> = []
        while let name = pending.popLast(), let exchange = exchanges[name] {
            let from = bindings.filter { $0.source == name }
            var chosen: Set<BindingDefinition> = []
            switch exchange.kind {
            case .direct, .topic:
                for key in keys { chosen.formUnion(from.filter { takes(exchange.kind, $0, key, headers) }) }
            case .fanout, .recentHistory: chosen = from
            case .headers: chosen = from.filter { takes(.headers, $0, "", headers) }
            case .modulusHash: chosen.formUnion(Self.byRemainder(from, keys[0]))
            case .consistentHash, .superStream, .random, .localRandom:
                preconditionFailure("what is \(exchange.kind) is not modelled")
            }
            let taken = chosen.filter {
                $0.target == .queue ? queues.contains($0.destination) : exchanges[$0.destination] != nil
            }
            route.formUnion(taken.filter { $0.target == .queue }.map(\.destination))
            var further = taken.filter { $0.target == .exchange }.map(\.destination)
            if taken.isEmpty, let alternate = exchange.alternate { further.append(alternate) }
            for name in further where exchanges[name] != nil && seen.insert(name).inserted { pending.append(name) }
        }
        return route
    }

    mutating func removeQueue(_ name: String) -> Set<BindingDefinition> {
        queues.remove(name)
        return removeBindings { $0.target == .queue && $0.destination == name }
    }

    mutating func removeExchange(_ name: String) -> Set<BindingDefinition> {
        guard exchanges.removeValue(forKey: name) != nil else { return [] }
        return removeBindings { $0.source == name || ($0.target == .exchange && $0.destination == name) }
    }

    private mutating func removeBindings(_ isGone: (BindingDefinition) -> Bool) -> Set<BindingDefinition> {
        let gone = bindings.filter(isGone)
        bindings.subtract(gone)
        return gone
    }

    private func takes(
        _ kind: ExchangeDefinition.Kind, _ binding: BindingDefinition, _ key: String,
        _ headers: [(name: String, value: String?)]
    ) -> Bool {
        switch kind {
        case .direct: return binding.routingKey == key
        case .topic: return Self.matches(Self.words(binding.routingKey)[...], Self.words(key)[...])
        case .headers:
            func has(_ wanted: HeadersMatch.Header) -> Bool {
                headers.contains { $0.name == wanted.name && (wanted.value == nil || wanted.value == $0.value) }
            }
            let match = binding.match
            return match.isAny ? match.headers.contains(where: has) : match.headers.allSatisfy(has)
        default: preconditionFailure("\(kind) asks no binding by itself")
        }
    }

    /// The one that the hash points to among them in their order.
    private static func byRemainder(_ bindings: Set<BindingDefinition>, _ key: String) -> [BindingDefinition] {
        let sorted = bindings.sorted {
            ($0.destination, $0.target.rawValue, $0.routingKey) < ($1.destination, $1.target.rawValue, $1.routingKey)
        }
        return sorted.isEmpty ? [] : [sorted[Int(RoutingHash.of(key.utf8) % UInt64(sorted.count))]]
    }

    static func words(_ key: String) -> [String] {
        key.isEmpty ? [] : key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    }

    /// Exponential in the number of `#`.
    static func matches(_ pattern: ArraySlice<String>, _ key: ArraySlice<String>) -> Bool {
        guard let first = pattern.first else { return key.isEmpty }
        let rest = pattern.dropFirst()
        if first == "#" {
            return (key.startIndex...key.endIndex).contains { matches(rest, key[$0...]) }
        }
        guard let word = key.first else { return false }
        return (first == "*" || first == word) && matches(rest, key.dropFirst())
    }
}
