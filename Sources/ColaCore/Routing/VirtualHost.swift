internal import OrderedCollections

/// One virtual host: its names, its routing, its policies. Nothing of one host reaches into another.
final class VirtualHost {
    let name: String
    var definition: VirtualHostDefinition
    let router: Router
    private(set) var policies: OrderedDictionary<String, Policy> = [:]
    var isDeleted = false
    /// Of groups that have members, or are about to.
    var coordinators: OrderedDictionary<String, GroupCoordinator> = [:]
    /// How many of its queues and topics, from the first on, have still to be held against its policies; and how many
    /// of its exchanges.
    var unrefreshed = 0
    var unrefreshedExchanges = 0

    struct Policy {
        var definition: PolicyDefinition
        var pattern: Pattern
    }

    init(_ definition: VirtualHostDefinition) {
        self.definition = definition
        name = definition.name
        let name = name
        router = Router(host: name)
    }

    convenience init(name: String) { self.init(VirtualHostDefinition(name: name)) }

    /// - Throws: what is wrong with its pattern; nothing has changed then.
    func set(_ policy: PolicyDefinition) throws(PatternError) {
        policies[policy.name] = Policy(definition: policy, pattern: try Pattern(policy.pattern))
    }

    /// - Returns: nil if there is none of that name.
    func removePolicy(_ name: String) -> PolicyDefinition? { policies.removeValue(forKey: name)?.definition }

    /// The policy that counts for a queue, topic or exchange.
    func policy(for name: String, _ subject: PolicyDefinition.Subject) -> PolicyDefinition? {
        var best: PolicyDefinition?
        for policy in policies.values {
            let definition = policy.definition
            guard definition.appliesTo.includes(subject) else { continue }
            if let best, (best.priority, definition.name) >= (definition.priority, best.name) { continue }
            if policy.pattern.matches(name) { best = definition }
        }
        return best
    }
}
