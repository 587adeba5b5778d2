/// The durable shape of a virtual host: what a client declares once and finds again after a restart.
package enum Definition: Equatable, Sendable {
    case queue(QueueDefinition)
    case topic(TopicDefinition)
    case exchange(ExchangeDefinition)
    case binding(BindingDefinition)
}

/// A queue: a log with one shared cursor, whose records are deleted as they are settled.
package struct QueueDefinition: Equatable, Sendable {
    package var name: String
    package var log: LogID

    package init(name: String, log: LogID) {
        self.name = name
        self.log = log
    }
}

/// A topic: logs that any number of readers read, each at its own offset. One log per partition.
package struct TopicDefinition: Equatable, Sendable {
    package var name: String
    /// The log of each partition, in the order of their numbers; at least one.
    package var partitions: [LogID]

    package init(name: String, partitions: [LogID]) {
        self.name = name
        self.partitions = partitions
    }
}

/// A durable position of a named group of readers in one log: the offset it will read next.
package struct GroupOffset: Equatable, Sendable {
    package var group: String
    package var log: LogID
    package var next: Offset

    package init(group: String, log: LogID, next: Offset) {
        self.group = group
        self.log = log
        self.next = next
    }
}
