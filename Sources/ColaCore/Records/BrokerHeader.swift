/// Headers that the broker itself gives a record. Publishers cannot set them: all names that begin so are reserved.
///
/// What they hold is text, so that every client of every protocol can read it, but for `amqp`.
package enum BrokerHeader: String, CaseIterable, Sendable {
    package static let prefix = "cola-"

    /// When the message expires. Milliseconds since 1970.
    case expires = "cola-expires"
    /// Above 0.
    case priority = "cola-priority"
    /// The exchange that the message was published to, if it was not the default one.
    case exchange = "cola-exchange"
    /// The routing key that it was published to that exchange with.
    case routingKey = "cola-routing-key"
    /// A routing key that it was published with beside the first, one header for each: where it dies it goes by all of
    /// them.
    case moreKeys = "cola-more-keys"
    case messageID = "cola-message-id"
    case replyTo = "cola-reply-to"
    case correlationID = "cola-correlation-id"
    /// When it was made, as its publisher says. Seconds since 1970.
    case timestamp = "cola-timestamp"
    /// Of a message that was moved: `EPOCH-LOG-OFFSET` of its first place.
    case origin = "cola-id"
    /// Of a message that was moved: how many deliveries had failed before.
    case deliveries = "cola-deliveries"
    /// Of a dead letter: `REASON COUNT TIME QUEUE`, one header for each pair of queue and reason, the latest last.
    case death = "cola-death"
    /// Of a message that a worker failed at: one header for each attempt that did not succeed, the latest last.
    case attempt = "cola-attempt"
    /// The properties of a message of AMQP 0-9-1, flags and list as they were received; not there where they are no
    /// more than a delivery mode of 2.
    case amqp = "cola-amqp"
}
