internal import OrderedCollections

/// The bindings of a super stream exchange: a message takes the one whose key is the remainder of its routing key's
/// hash by their number, so that it lands in the partition that RabbitMQ's stream clients would have chosen.
///
/// The keys of the bindings are the numbers of the partitions, from 0 on; what points to a number that nothing is bound
/// with leads nowhere.
///
/// Source: RabbitMQ, exchange type `x-super-stream` (rabbitmq-server#8319)
final class SuperStreamTable: BindingTable {
    private var count: UInt32 = 0
    /// Looked up, never walked.
    private var byNumber: [UInt32: OrderedSet<Binding>] = [:]
    /// Of several with one number, the same after a restart, in whichever order they were bound.
    private var firsts: [UInt32: Binding] = [:]

    /// The number of a partition that a routing key stands for; nil if it is none.
    static func number(of key: String) -> UInt32? {
        guard let number = UInt32(key), "\(number)" == key else { return nil }
        return number
    }

    func insert(_ binding: Binding) {
        count += 1
        guard let number = Self.number(of: binding.definition.routingKey) else { return }
        byNumber[number, default: []].append(binding)
        if let first = firsts[number], Self.comes(first, before: binding) { return }
        firsts[number] = binding
    }

    func remove(_ binding: Binding) {
        count -= 1
        guard let number = Self.number(of: binding.definition.routingKey) else { return }
        byNumber[number]?.removeSwapping(binding)
        if byNumber[number]?.isEmpty == true { byNumber[number] = nil }
        if firsts[number] === binding { firsts[number] = byNumber[number]?.min(by: Self.comes) }
    }

    private static func comes(_ one: Binding, before other: Binding) -> Bool {
        let (one, other) = (one.definition, other.definition)
        return (one.destination, one.target == .queue ? 0 : 1) < (other.destination, other.target == .queue ? 0 : 1)
    }

    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void) {
        guard count > 0 else { return }
        if let first = firsts[Murmur3.hash(key, seed: Murmur3.superStreamSeed) % count] { found(first) }
    }
}
