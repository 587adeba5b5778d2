internal import OrderedCollections

/// The bindings of a fanout exchange: a message takes all of them, whatever its routing key.
///
/// Source: AMQP 0-9-1, section 3.1.3.2, "The Fanout Exchange Type"
final class FanoutTable: BindingTable {
    private var bindings: OrderedSet<Binding> = []

    func insert(_ binding: Binding) { bindings.append(binding) }

    func remove(_ binding: Binding) { bindings.removeSwapping(binding) }

    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void) {
        for binding in bindings { found(binding) }
    }
}
