/// A wish for the messages of a queue or the records of a topic.
package struct Consume: Equatable, Sendable {
    package enum Flow: Equatable, Sendable {
        /// At most so many messages handed out and not yet settled.
        case prefetch(Int)
        /// So many messages, and more when they are granted.
        case credit(Int)
    }

    /// Where reading a topic begins.
    package enum Position: Equatable, Sendable {
        case first
        case last
        case next
        case offset(Offset)
        /// The first record that is at least as young.
        case time(Timestamp)
    }

    package var name: String
    package var consumer: ConsumerTag
    package var flow: Flow
    package var isAutoAck: Bool
    /// For topics only; nil if not given.
    package var position: Position?
    /// For topics only: the position that is committed under this name.
    package var group: String?
    /// For topics only: it shares the partitions with the group's other members, and the broker assigns them. Nil: it
    /// reads what `partitions` says.
    package var strategy: PartitionAssignor?
    /// For topics only: the partitions to read; nil: all.
    package var partitions: [Int]?
    /// For topics only: which records it is sent; nil: all.
    package var filter: StreamFilter?
    /// For queues only: of those that can take a message, the ones with the highest priority get it.
    package var priority = 0
    /// For queues only: nobody else may consume.
    package var isExclusive = false
    /// Whether it is a queue that the session made for the answers to what its client asks: that takes no permission.
    package var isOfAnswers = false
    /// For queues only: how long it may hold a message, whatever the queue says. Milliseconds; 0: for any time; nil: as
    /// the queue says.
    package var timeout: Int64?

    package init(
        name: String, consumer: ConsumerTag, flow: Flow, isAutoAck: Bool = false, position: Position? = nil,
        group: String? = nil
    ) {
        self.name = name
        self.consumer = consumer
        self.flow = flow
        self.isAutoAck = isAutoAck
        self.position = position
        self.group = group
    }
}
