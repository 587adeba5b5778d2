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

    /// The number of a partition that a routing key stands for; nil if it is none.
    static func number(of key: String) -> UInt32? {
        guard let number = UInt32(key), "\(number)" == key else { return nil }
        return number
    }

    func insert(_ binding: Binding) {
        count += 1
        guard let number = Self.number(of: binding.definition.routingKey) else { return }
        byNumber[number, default: []].append(binding)
    }

    func remove(_ binding: Binding) {
        count -= 1
        guard let number = Self.number(of: binding.definition.routingKey) else { return }
        byNumber[number]?.removeSwapping(binding)
        if byNumber[number]?.isEmpty == true { byNumber[number] = nil }
    }

    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void) {
        guard count > 0, let bindings = byNumber[Murmur3.hash(key, seed: Murmur3.superStreamSeed) % count] else {
            return
        }
        // Of several, the same after a restart, in whichever order they were bound.
        let first = bindings.min { $0.definition.destination < $1.definition.destination }
        if let first { found(first) }
    }
}
