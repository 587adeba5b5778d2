/// Arguments for every queue, topic or exchange whose name matches a pattern. What a queue says of its own counts
/// before them, but of two limits the lower one holds.
///
/// Of several that match, the one with the highest priority counts, and of equals the first by name.
///
/// Source: RabbitMQ, "Parameters and policies"
package struct PolicyDefinition: Equatable, Sendable {
    package enum AppliesTo: String, CaseIterable, Sendable {
        case queues
        case topics
        case exchanges
        case all
        /// Queues of that type alone.
        case classicQueues = "classic_queues"
        case quorumQueues = "quorum_queues"
        /// RabbitMQ's name for topics.
        case streams

        func includes(_ subject: Subject) -> Bool {
            switch (self, subject) {
            case (.all, _), (.queues, .queue), (.topics, .topic), (.streams, .topic), (.exchanges, .exchange): true
            case (.classicQueues, .queue(let type)): type == .classic
            case (.quorumQueues, .queue(let type)): type == .quorum
            default: false
            }
        }

        /// Whether an argument says something of what such a policy is for. To RabbitMQ a stream is a queue, so that
        /// policies for streams say how long they may be as those for queues do.
        package func takes(_ argument: Argument) -> Bool {
            guard argument.isOfPolicies else { return false }
            return switch self {
            case .all: true
            case .queues, .classicQueues, .quorumQueues: argument.isOfQueues
            case .topics: argument.isOfTopics
            case .streams: argument.isOfTopics || argument == .maxLengthBytes
            case .exchanges: argument.isOfExchanges
            }
        }
    }

    /// What a policy may be for.
    enum Subject {
        case queue(Arguments.QueueType)
        case topic
        case exchange
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
