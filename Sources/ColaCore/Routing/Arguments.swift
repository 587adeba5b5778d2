/// What a queue or topic is declared with, and what a policy sets for those that say nothing of their own.
///
/// Nil stands for "not said". Names and meanings are those of RabbitMQ's `x-` arguments and of Kafka's topic
/// configurations; ``Argument`` is the table that reads and writes them.
package struct Arguments: Hashable, Sendable {
    /// What happens to a message that a full queue would have to hold.
    package enum Overflow: String, CaseIterable, Sendable {
        /// The oldest messages go.
        case dropHead = "drop-head"
        /// The publish is refused.
        case rejectPublish = "reject-publish"
        /// The message goes to the dead-letter target instead.
        case deadLetterPublish = "reject-publish-dlx"
    }

    /// How a topic lets go of records.
    package enum Cleanup: String, CaseIterable, Sendable {
        case delete
        /// The last record of each key stays.
        case compact
        case compactAndDelete = "compact,delete"
    }

    /// Queues: how long a message waits before it expires. Milliseconds.
    package var messageTimeToLive: Int64?
    /// Queues: deleted after so long without consumers and requests. Milliseconds.
    package var expires: Int64?
    /// Queues: messages that may wait.
    package var maxLength: Int?
    /// Queues: bytes of messages that may wait.
    package var maxLengthBytes: Int?
    package var overflow: Overflow?
    /// Queues: how many deliveries may end without an acknowledgement.
    package var deliveryLimit: Int?
    /// Queues: when a message that comes back is handed out again, and how often at most.
    package var retry: RetryRule?
    package var deadLetterExchange: String?
    package var deadLetterRoutingKey: String?
    /// Queues: one consumer at a time gets messages.
    package var isSingleActiveConsumer: Bool?
    /// Queues: the highest priority. Each priority in use has a log of its own.
    package var maxPriority: Int?
    /// A message whose id was seen in the last so many milliseconds is not taken again.
    package var deduplicationWindow: Int64?
    /// Topics: how long records stay. Milliseconds.
    package var retentionMilliseconds: Int64?
    /// Topics: how many bytes of records stay, for each partition.
    package var retentionBytes: Int?
    package var cleanup: Cleanup?
    /// Topics with compaction: how long a record without a value stays to say that its key is gone. Milliseconds.
    package var deleteRetention: Int64?

    package init() {}

    /// These, and where they say nothing what `others` say.
    package func filled(from others: Arguments) -> Arguments {
        var filled = self
        for argument in Argument.allCases where argument.text(in: filled) == nil {
            argument.copy(from: others, to: &filled)
        }
        return filled
    }

    /// Those of them for which `isIncluded` says so.
    package func filter(_ isIncluded: (Argument) -> Bool) -> Arguments {
        var filtered = self
        for argument in Argument.allCases where !isIncluded(argument) { argument.clear(in: &filtered) }
        return filtered
    }

    package var isEmpty: Bool { self == Arguments() }
}
