/// A place in a log that somebody looks for.
///
/// Source: Kafka protocol guide, "ListOffsets"
package struct LogPlace: Equatable, Sendable {
    package enum Target: Equatable, Sendable {
        /// Behind the last durable record.
        case end
        /// Where the first transaction begins that is not decided; behind the last durable record if there is none.
        case stableEnd
        case start
        /// The first record that is as young as this, or younger.
        case time(Timestamp)
        /// The record with the latest time.
        case youngest
    }

    package var place: TopicPartition
    package var target: Target

    package init(place: TopicPartition, target: Target) {
        self.place = place
        self.target = target
    }
}

/// What stands at a ``LogPlace``.
package struct LocatedRecord: Equatable, Sendable {
    /// Nil: there is no such record.
    package var offset: Offset?
    /// Of the record that was looked for by its time.
    package var timestamp: Timestamp?

    package init(offset: Offset?, timestamp: Timestamp? = nil) {
        self.offset = offset
        self.timestamp = timestamp
    }
}
