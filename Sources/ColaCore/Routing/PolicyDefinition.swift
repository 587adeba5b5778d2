/// Arguments for every queue or topic whose name matches a pattern. What a queue says of its own counts before them.
///
/// Of several that match, the one with the highest priority counts, and of equals the first by name.
///
/// Source: RabbitMQ, "Parameters and policies"
package struct PolicyDefinition: Equatable, Sendable {
    package enum AppliesTo: String, CaseIterable, Sendable {
        case queues
        case topics
        case all
    }

    package var host: String
    package var name: String
    /// A regular expression that is searched for in the name; see ``Pattern``.
    package var pattern: String
    package var appliesTo: AppliesTo
    package var priority: Int
    package var arguments: Arguments

    package init(
        host: String = VirtualHostDefinition.defaultName, name: String, pattern: String, appliesTo: AppliesTo = .all,
        priority: Int = 0, arguments: Arguments
    ) {
        self.host = host
        self.name = name
        self.pattern = pattern
        self.appliesTo = appliesTo
        self.priority = priority
        self.arguments = arguments
    }
}
