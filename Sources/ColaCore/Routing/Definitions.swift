/// The durable shape of the broker: what a client declares once and finds again after a restart.
package enum Definition: Equatable, Sendable {
    case virtualHost(VirtualHostDefinition)
    case queue(QueueDefinition)
    case topic(TopicDefinition)
    case exchange(ExchangeDefinition)
    case binding(BindingDefinition)
    case policy(PolicyDefinition)
    case user(UserDefinition)
    case permission(PermissionDefinition)
    case topicPermission(TopicPermissionDefinition)
}

/// A queue: a log with one shared cursor, whose records are deleted as they are settled; one such log for each priority
/// in use.
package struct QueueDefinition: Equatable, Sendable {
    /// The log of one priority.
    package struct PriorityLog: Equatable, Sendable {
        package var priority: UInt8
        package var log: LogID

        package init(priority: UInt8, log: LogID) {
            self.priority = priority
            self.log = log
        }
    }

    package var host: String
    package var name: String
    /// The log of priority 0; there from the beginning.
    package var log: LogID
    /// The logs of higher priorities, each made when its first message came. Sorted by priority, lowest first.
    package var higher: [PriorityLog]
    package var arguments: Arguments
    /// Whether it goes when its last consumer has gone.
    package var isAutoDelete: Bool

    package init(
        host: String = VirtualHostDefinition.defaultName, name: String, log: LogID, higher: [PriorityLog] = [],
        arguments: Arguments = Arguments(), isAutoDelete: Bool = false
    ) {
        self.host = host
        self.name = name
        self.log = log
        self.higher = higher
        self.arguments = arguments
        self.isAutoDelete = isAutoDelete
    }

    /// All of its logs, the lowest priority first.
    package var logs: [LogID] { [log] + higher.map(\.log) }
}

/// A topic: logs that any number of readers read, each at its own offset. One log per partition.
package struct TopicDefinition: Equatable, Sendable {
    package var host: String
    package var name: String
    /// The log of each partition, in the order of their numbers; at least one.
    package var partitions: [LogID]
    package var arguments: Arguments

    package init(
        host: String = VirtualHostDefinition.defaultName, name: String, partitions: [LogID],
        arguments: Arguments = Arguments()
    ) {
        self.host = host
        self.name = name
        self.partitions = partitions
        self.arguments = arguments
    }
}

/// A durable position of a named group of readers in one log.
package struct GroupOffset: Equatable, Sendable {
    package var group: String
    package var log: LogID
    package var offset: CommittedOffset

    package init(group: String, log: LogID, offset: CommittedOffset) {
        self.group = group
        self.log = log
        self.offset = offset
    }

    package init(group: String, log: LogID, next: Offset) {
        self.init(group: group, log: log, offset: CommittedOffset(next: next))
    }
}

/// Where a group reads on, and what its member said when it committed that.
package struct CommittedOffset: Equatable, Sendable {
    package var next: Offset
    /// The epoch of the leader of the last record that was read; -1: not said. Source: KIP-320
    package var leaderEpoch: Int32
    package var metadata: String

    package init(next: Offset, leaderEpoch: Int32 = -1, metadata: String = "") {
        self.next = next
        self.leaderEpoch = leaderEpoch
        self.metadata = metadata
    }
}
