import ArgumentParser
import ColaClient

/// The settings of queues and topics, each as an option of its name in the protocol.
///
/// Source: `protocol/native.md` section 3.2, the table of arguments
struct ArgumentOptions: ParsableArguments {
    enum Overflow: String, ExpressibleByArgument, CaseIterable, Sendable {
        case dropHead = "drop-head"
        case rejectPublish = "reject-publish"
        case rejectPublishDeadLetter = "reject-publish-dlx"
    }

    enum Cleanup: String, ExpressibleByArgument, CaseIterable, Sendable {
        case delete, compact
        case both = "compact,delete"
    }

    enum DeadLetterStrategy: String, ExpressibleByArgument, CaseIterable, Sendable {
        case atMostOnce = "at-most-once"
        case atLeastOnce = "at-least-once"
    }

    enum DelayedRetry: String, ExpressibleByArgument, CaseIterable, Sendable { case disabled, all, failed, returned }

    enum QueueType: String, ExpressibleByArgument, CaseIterable, Sendable { case classic, quorum }

    enum Answer: String, ExpressibleByArgument, CaseIterable, Sendable { case yes, no }

    @Option(name: .customLong("message-ttl"), help: Self.help("A message that waited so long expires.", "ms"))
    var messageTimeToLive: Int64?

    @Option(name: .long, help: Self.help("The queue goes when nobody has used it for so long.", "ms"))
    var expires: Int64?

    @Option(name: .long, help: Self.help("Messages that may wait in a queue.", "count"))
    var maxLength: Int64?

    @Option(name: .long, help: Self.help("Bytes of messages that may wait in a queue.", "bytes"))
    var maxLengthBytes: Int64?

    @Option(name: .long, help: "What happens beyond: the oldest goes, or a publish is refused or a dead letter.")
    var overflow: Overflow?

    @Option(
        name: .long, help: Self.help("Deliveries that may fail before a message is a dead letter; -1: any.", "count"))
    var deliveryLimit: Int64?

    @Option(
        name: .long,
        help: Self.help("When and how often a message that comes back is tried: delay=5000,attempts=3 (ms).", "rule"))
    var retry: String?

    @Option(name: .long, help: Self.help("Where dead letters go; '' leads to the queue of the key's name.", "exchange"))
    var deadLetterExchange: String?

    @Option(name: .long, help: Self.help("The routing key of dead letters, if not their own.", "key"))
    var deadLetterRoutingKey: String?

    @Option(name: .long, help: "Taken because clients ask for it: a dead letter is moved exactly once, in any case.")
    var deadLetterStrategy: DeadLetterStrategy?

    @Option(name: .long, help: Self.help("How long a consumer may hold a message; then it is ended.", "ms"))
    var consumerTimeout: Int64?

    @Option(name: .long, help: "As in RabbitMQ: delay what comes back; --retry says more.")
    var delayedRetryType: DelayedRetry?

    @Option(name: .long, help: Self.help("The delay after the first failure; two of them after the second, …", "ms"))
    var delayedRetryMin: Int64?

    @Option(name: .long, help: Self.help("The longest of these delays.", "ms"))
    var delayedRetryMax: Int64?

    @Option(name: .long, help: "What RabbitMQ calls the queue; in one of type quorum the delivery-limit is 20.")
    var queueType: QueueType?

    @Option(name: .long, help: "One consumer of a queue at a time gets messages: yes or no.")
    var singleActiveConsumer: Answer?

    @Option(name: .long, help: Self.help("The highest priority that a queue tells apart, 0 to 255.", "priority"))
    var maxPriority: Int64?

    @Option(name: .long, help: Self.help("A message id that was taken so recently is not taken again.", "ms"))
    var deduplicationWindow: Int64?

    @Option(name: .long, help: Self.help("How long the records of a topic stay; or such as 7D, 24h, 30m.", "ms"))
    var retentionMs: String?

    @Option(name: .long, help: Self.help("Bytes of records that stay in each partition of a topic.", "bytes"))
    var retentionBytes: Int64?

    @Option(name: .long, help: "What happens to old records of a topic; compact keeps the last of each key.")
    var cleanupPolicy: Cleanup?

    @Option(name: .long, help: Self.help("How long compaction keeps a record without a value.", "ms"))
    var deleteRetentionMs: Int64?

    @Option(name: .long, help: Self.help("By policy, for exchanges: what no binding takes goes there.", "exchange"))
    var alternateExchange: String?

    @Option(
        name: .customLong("argument"),
        help: Self.help("Any of these by its name, with or without RabbitMQ's x- before it.", "name=value"))
    var others: [String] = []

    /// The names of all, in the order of the specification.
    static let names = [
        "message-ttl", "expires", "max-length", "max-length-bytes", "overflow", "delivery-limit", "retry",
        "dead-letter-exchange", "dead-letter-routing-key", "dead-letter-strategy", "consumer-timeout",
        "delayed-retry-type", "delayed-retry-min", "delayed-retry-max", "queue-type", "single-active-consumer",
        "max-priority", "deduplication-window", "retention-ms", "retention-bytes", "cleanup-policy",
        "delete-retention-ms", "alternate-exchange",
    ]

    /// Those that were given, in the order of the specification.
    var given: [Client.Argument] {
        let values: [String?] = [
            messageTimeToLive.map(String.init), expires.map(String.init), maxLength.map(String.init),
            maxLengthBytes.map(String.init), overflow?.rawValue, deliveryLimit.map(String.init), retry,
            deadLetterExchange, deadLetterRoutingKey, deadLetterStrategy?.rawValue, consumerTimeout.map(String.init),
            delayedRetryType?.rawValue, delayedRetryMin.map(String.init), delayedRetryMax.map(String.init),
            queueType?.rawValue, singleActiveConsumer?.rawValue, maxPriority.map(String.init),
            deduplicationWindow.map(String.init), retentionMs, retentionBytes.map(String.init),
            cleanupPolicy?.rawValue, deleteRetentionMs.map(String.init), alternateExchange,
        ]
        return zip(Self.names, values).compactMap { name, value in value.map { Client.Argument(name, $0) } }
            + others.compactMap { Self.split($0).map { Client.Argument($0.name, $0.value) } }
    }

    func validate() throws {
        for other in others where Self.split(other) == nil {
            throw ValidationError("--argument is NAME=VALUE, such as message-ttl=60000, and '\(other)' is not")
        }
    }

    private static func split(_ text: String) -> (name: String, value: String)? {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { return nil }
        let name = text[..<equals]
        let plain = name.hasPrefix("x-") ? name.dropFirst(2) : name
        return (String(plain), String(text[text.index(after: equals)...]))
    }

    private static func help(_ text: String, _ value: String) -> ArgumentHelp {
        ArgumentHelp("\(text)", valueName: value)
    }
}
