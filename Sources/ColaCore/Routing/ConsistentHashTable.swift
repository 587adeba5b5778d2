internal import OrderedCollections

/// The bindings of a consistent hash exchange: a message takes one of them, and messages of the same key the same one.
///
/// The routing key of a binding is its weight: twice the weight, twice the messages. What a key takes depends on the
/// destinations and their weights alone, not on the order in which they were bound, so it survives a restart. When a
/// destination comes or goes, only the keys move that go to it or come from it. A destination that is bound more than
/// once counts with the largest of its weights.
///
/// Source: RabbitMQ, plugin "consistent hash exchange", for what is hashed; Thaler and Ravishankar, "A Name-Based
/// Mapping Scheme for Rendezvous" (1996), with the weights of Schindelhauer and Schomaker (2005), for where it leads
final class ConsistentHashTable: BindingTable {
    /// What can be hashed in place of the routing key, beside a header. As RabbitMQ names it.
    enum Property: String, CaseIterable {
        case messageID = "message_id"
        case correlationID = "correlation_id"
        case timestamp
    }

    /// The header that is hashed; nil: the routing key.
    private let header: [UInt8]?
    private var candidates: OrderedDictionary<Binding, Candidate> = [:]

    private struct Candidate {
        var seed: UInt64
        var weight: Double
    }

    init(_ arguments: ArgumentTable) {
        let property = arguments[ExchangeArgument.hashProperty]?.asText.flatMap(Property.init)
        header =
            switch property {
            case .messageID: Array(BrokerHeader.messageID.rawValue.utf8)
            case .correlationID: Array(BrokerHeader.correlationID.rawValue.utf8)
            case .timestamp: Array(BrokerHeader.timestamp.rawValue.utf8)
            case nil: arguments[ExchangeArgument.hashHeader]?.asText.map { Array($0.utf8) }
            }
    }

    /// The weight that a routing key stands for; nil if it is none.
    static func weight(of key: String) -> Double? {
        guard let number = Int(key), number >= 1 else { return nil }
        return Double(number)
    }

    var isOfKeyAlone: Bool { header == nil }

    func insert(_ binding: Binding) {
        let definition = binding.definition
        candidates[binding] = Candidate(
            seed: RoutingHash.of("\(definition.target.rawValue) \(definition.destination)".utf8),
            weight: Self.weight(of: definition.routingKey) ?? 1)
    }

    func remove(_ binding: Binding) { candidates.removeSwapping(binding) }

    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void) {
        let hash = hash(key, headers)
        var best: (binding: Binding, cost: Double)?
        for (binding, candidate) in candidates {
            let cost = Self.surprise(RoutingHash.mix(hash ^ candidate.seed)) / candidate.weight
            if let best, best.cost <= cost { continue }
            best = (binding, cost)
        }
        if let best { found(best.binding) }
    }

    /// A message without the header has none to tell it from others like it: they all take the same way.
    private func hash(_ key: String, _ headers: RecordHeaders) -> UInt64 {
        guard let header else { return RoutingHash.of(key.utf8) }
        return RoutingHash.of(headers.list.first { $0.name.elementsEqual(header) }?.value ?? [])
    }

    /// The negative logarithm of what stands for a number between 0 and 1: exponentially distributed, so that divided
    /// by weights the smallest of several is each with the probability of its weight.
    ///
    /// The logarithm is written out, as a machine's own may differ from another's in the last bit.
    static func surprise(_ hash: UInt64) -> Double {
        // 52 bits, so that neither 0 nor 1 is among them.
        let fraction = (Double(hash >> 12) + 0.5) / 4_503_599_627_370_496
        var (significand, exponent) = (fraction.significand, Double(fraction.exponent))
        // Closer to 1, or what is left of the logarithm of a number just below it would be its error.
        if significand > 1.5 { (significand, exponent) = (significand / 2, exponent + 1) }
        let half = (significand - 1) / (significand + 1)
        let square = half * half
        var sum = 0.0
        for odd in stride(from: 21.0, through: 1, by: -2) { sum = sum * square + 1 / odd }
        return -(2 * half * sum + exponent * 0.693_147_180_559_945_3)
    }
}
