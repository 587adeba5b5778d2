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

    /// How a dead letter goes where dead letters go. A move is one transaction here, so both come to the same; it is
    /// kept because clients ask for one of them, and look for it.
    package enum DeadLetterStrategy: String, CaseIterable, Sendable {
        case atMostOnce = "at-most-once"
        case atLeastOnce = "at-least-once"
    }

    /// What comes back of a queue with delayed retries is delayed, in whichever way it came back.
    package enum DelayedRetry: String, CaseIterable, Sendable {
        case disabled
        case all
        case failed
        case returned
    }

    /// What RabbitMQ calls its kinds of queues. They are all the same here, but for what holds where nothing is said.
    package enum QueueType: String, CaseIterable, Sendable {
        case classic
        /// Gives up a message whose delivery has failed more than ``Arguments/quorumDeliveryLimit`` times.
        case quorum
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
    /// Queues: how many deliveries may end without an acknowledgement; -1: any number.
    package var deliveryLimit: Int?
    /// Queues: when a message that comes back is handed out again, and how often at most.
    package var retry: RetryRule?
    package var deadLetterExchange: String?
    package var deadLetterRoutingKey: String?
    package var deadLetterStrategy: DeadLetterStrategy?
    /// Queues: how long a consumer may hold a message. Milliseconds.
    package var consumerTimeout: Int64?
    /// Queues: as RabbitMQ's way to say `retry`: a message waits for so long with its first failure, twice as long with
    /// the second, and so on. Milliseconds.
    package var delayedRetryType: DelayedRetry?
    package var delayedRetryMin: Int64?
    package var delayedRetryMax: Int64?
    package var queueType: QueueType?
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
    /// Exchanges, by policy: where a message goes that no binding takes.
    package var alternateExchange: String?

    package init() {}

    /// How many deliveries may fail in a queue of type quorum that does not say so. Source: RabbitMQ 4, "Quorum Queues"
    package static let quorumDeliveryLimit = 20

    /// These, and where they say nothing what `others` say.
    package func filled(from others: Arguments) -> Arguments {
        var filled = self
        for argument in Argument.allCases where argument.text(in: filled) == nil {
            argument.copy(from: others, to: &filled)
        }
        return filled
    }

    /// What holds for a queue or topic that was declared with these and has a policy: the lower of two limits, and of
    /// the rest what it was declared with.
    package func merged(with policy: Arguments) -> Arguments {
        var merged = filled(from: policy)
        for argument in Argument.allCases where argument.isLimit {
            // All limits are numbers, and -1 is none.
            guard let own = argument.text(in: self).flatMap({ Int64($0) }),
                let other = argument.text(in: policy).flatMap({ Int64($0) })
            else { continue }
            if other >= 0, own < 0 || other < own { argument.copy(from: policy, to: &merged) }
        }
        return merged
    }

    /// These, with what they imply for a queue.
    func completed() -> Arguments {
        var completed = self
        if queueType == .quorum, deliveryLimit == nil { completed.deliveryLimit = Self.quorumDeliveryLimit }
        if retry == nil { completed.retry = delayedRetry }
        return completed
    }

    /// The rule that RabbitMQ's delayed retries come to. How often at most, the delivery limit says.
    private var delayedRetry: RetryRule? {
        guard let delayedRetryType, delayedRetryType != .disabled, let first = delayedRetryMin else { return nil }
        let most = max(first, delayedRetryMax ?? Argument.millisecondsMax)
        return RetryRule(pace: .linear(step: first, most: most), attempts: RetryRule.attemptsMax)
    }

    /// Those of them for which `isIncluded` says so.
    package func filter(_ isIncluded: (Argument) -> Bool) -> Arguments {
        var filtered = self
        for argument in Argument.allCases where !isIncluded(argument) { argument.clear(in: &filtered) }
        return filtered
    }

    package var isEmpty: Bool { self == Arguments() }
}
