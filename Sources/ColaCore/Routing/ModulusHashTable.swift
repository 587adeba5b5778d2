/// The bindings of a modulus hash exchange: a message takes the one that the hash of its routing key by their number
/// points to. With another number most keys take another.
///
/// Source: RabbitMQ, plugin "sharding"
final class ModulusHashTable: BindingTable {
    /// Sorted, so that the order in which they were bound does not matter.
    private var bindings: [Binding] = []

    func insert(_ binding: Binding) { bindings.insert(binding, at: place(of: binding)) }

    func remove(_ binding: Binding) {
        var index = place(of: binding)
        while index < bindings.count, bindings[index] != binding { index += 1 }
        if index < bindings.count { bindings.remove(at: index) }
    }

    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void) {
        guard !bindings.isEmpty else { return }
        found(bindings[Int(RoutingHash.of(key.utf8) % UInt64(bindings.count))])
    }

    /// Where the first stands that is not before it.
    private func place(of binding: Binding) -> Int {
        var (low, high) = (0, bindings.count)
        while low < high {
            let middle = (low + high) / 2
            if Self.isBefore(bindings[middle].definition, binding.definition) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// Those that differ in their arguments alone lead to the same place, whichever is first.
    private static func isBefore(_ left: BindingDefinition, _ right: BindingDefinition) -> Bool {
        (left.destination, left.target.rawValue, left.routingKey)
            < (right.destination, right.target.rawValue, right.routingKey)
    }
}
