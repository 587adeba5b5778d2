internal import OrderedCollections

/// The bindings of a random exchange: each message takes one, and all of them equally often.
///
/// The core draws no random numbers: the hash of a count stands for one, which is spread as evenly and is the same when
/// a run is replayed.
///
/// Source: RabbitMQ, plugin "random exchange", and "local random exchange"
final class RandomTable: BindingTable {
    private var bindings: OrderedSet<Binding> = []
    private var draws: UInt64 = 0

    var isOfKeyAlone: Bool { false }

    func insert(_ binding: Binding) { bindings.append(binding) }

    func remove(_ binding: Binding) { bindings.removeSwapping(binding) }

    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void) {
        guard !bindings.isEmpty else { return }
        draws &+= 1
        found(bindings[Int(RoutingHash.mix(draws) % UInt64(bindings.count))])
    }
}
