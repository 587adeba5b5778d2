internal import OrderedCollections

/// The bindings of a direct exchange: a message takes those whose key is its routing key.
///
/// Source: AMQP 0-9-1, section 3.1.3.1, "The Direct Exchange Type"
final class DirectTable: BindingTable {
    /// Looked up, never walked.
    private var byKey: [String: OrderedSet<Binding>] = [:]

    var takesEachKey: Bool { true }

    func insert(_ binding: Binding) {
        byKey[binding.definition.routingKey, default: []].append(binding)
    }

    func remove(_ binding: Binding) {
        let key = binding.definition.routingKey
        byKey[key]?.removeSwapping(binding)
        if byKey[key]?.isEmpty == true { byKey[key] = nil }
    }

    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void) {
        guard let bindings = byKey[key] else { return }
        for binding in bindings { found(binding) }
    }
}
