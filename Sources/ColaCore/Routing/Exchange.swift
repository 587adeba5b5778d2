internal import OrderedCollections

/// One exchange: its definition, its bindings, and the same bindings once more, arranged for what its type asks.
final class Exchange {
    /// Of the same type, with the same arguments, for ever.
    var definition: ExchangeDefinition
    var bindings: OrderedSet<Binding> = []
    let table: any BindingTable
    /// The policy that counts for it, and the alternate that this says.
    var policy: String?
    var policyAlternate: String?
    /// Where a message goes that no binding takes.
    var alternate: String? { definition.alternate ?? policyAlternate }
    /// The last messages that came here, if they are kept for later.
    var history: MessageHistory?
    /// The last walk of the router that came by here.
    var walk: UInt64 = 0

    init(_ definition: ExchangeDefinition) {
        self.definition = definition
        table =
            switch definition.kind {
            case .direct: DirectTable()
            case .fanout: FanoutTable()
            case .topic: TopicTrie()
            case .headers: HeadersTable()
            case .consistentHash: ConsistentHashTable(definition.arguments)
            case .modulusHash: ModulusHashTable()
            case .superStream: SuperStreamTable()
            case .random, .localRandom: RandomTable()
            case .recentHistory: FanoutTable()
            }
        if definition.kind == .recentHistory { history = MessageHistory(length: definition.historyLength) }
    }

    /// - Returns: false if it was there before.
    func insert(_ binding: Binding) -> Bool {
        guard bindings.append(binding).inserted else { return false }
        table.insert(binding)
        return true
    }

    func remove(_ binding: Binding) {
        bindings.removeSwapping(binding)
        table.remove(binding)
    }
}
