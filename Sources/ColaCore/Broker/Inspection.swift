/// What can be listed.
package enum Listing: String, CaseIterable, Sendable {
    case queues
    case topics
    case exchanges
    case bindings
    case consumers
    case connections
}

/// A listing, sorted by name.
package enum Rows: Equatable, Sendable {
    case queues([QueueRow])
    case topics([TopicRow])
    case exchanges([ExchangeDefinition])
    case bindings([BindingDefinition])
    case consumers([ConsumerRow])
    case connections([ConnectionRow])

    package var count: Int {
        switch self {
        case .queues(let rows): rows.count
        case .topics(let rows): rows.count
        case .exchanges(let rows): rows.count
        case .bindings(let rows): rows.count
        case .consumers(let rows): rows.count
        case .connections(let rows): rows.count
        }
    }
}

package struct QueueRow: Equatable, Sendable {
    package var name: String
    /// Waiting to be handed out.
    package var ready: Int
    /// Handed out and not settled.
    package var unacknowledged: Int
    package var bytes: Int
    package var consumers: Int
}

package struct TopicRow: Equatable, Sendable {
    package var name: String
    package var partitions: Int
    package var messages: Int
    package var bytes: Int
    package var first: Offset
    package var next: Offset
}

package struct ConsumerRow: Equatable, Sendable {
    package var connection: ChannelID
    package var consumer: ConsumerTag
    package var source: String
    /// Nil for a consumer with credit.
    package var prefetch: Int?
    package var credit: Int
    package var unacknowledged: Int
}

package struct ConnectionRow: Equatable, Sendable {
    package var connection: ChannelID
    package var info: ChannelInfo
    package var consumers: Int
    package var unacknowledged: Int
}

/// Counted since the start, but for what is a state.
package struct Statistics: Equatable, Sendable {
    package var epoch: Epoch
    package var uptimeSeconds = 0
    package var connections = 0
    package var consumers = 0
    package var queues = 0
    package var topics = 0
    package var messages = 0
    package var published = 0
    package var delivered = 0
    package var acknowledged = 0
    package var redelivered = 0
    package var commits = 0
    /// Records kept in memory. Bytes.
    package var memory = 0
    package var blocked: String?
    package var quarantined = 0

    package init(epoch: Epoch) { self.epoch = epoch }
}
