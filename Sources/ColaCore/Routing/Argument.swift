/// Each argument by its name: how it is read, written and copied, and what it may be said of.
///
/// Source: RabbitMQ, "Queue arguments" (the names after `x-`); Kafka, "Topic configs" (with `-` for `.`)
package enum Argument: String, CaseIterable, Sendable {
    case messageTimeToLive = "message-ttl"
    case expires = "expires"
    case maxLength = "max-length"
    case maxLengthBytes = "max-length-bytes"
    case overflow = "overflow"
    case deliveryLimit = "delivery-limit"
    case retry = "retry"
    case deadLetterExchange = "dead-letter-exchange"
    case deadLetterRoutingKey = "dead-letter-routing-key"
    case deadLetterStrategy = "dead-letter-strategy"
    case consumerTimeout = "consumer-timeout"
    case delayedRetryType = "delayed-retry-type"
    case delayedRetryMin = "delayed-retry-min"
    case delayedRetryMax = "delayed-retry-max"
    case queueType = "queue-type"
    case isSingleActiveConsumer = "single-active-consumer"
    case maxPriority = "max-priority"
    case deduplicationWindow = "deduplication-window"
    case retentionMilliseconds = "retention-ms"
    case retentionBytes = "retention-bytes"
    case cleanup = "cleanup-policy"
    case deleteRetention = "delete-retention-ms"
    case alternateExchange = "alternate-exchange"

    /// The argument of that name, or of RabbitMQ's name for the same.
    package static func named(_ name: String) -> Argument? {
        name == "max-age" ? .retentionMilliseconds : Argument(rawValue: name)
    }

    /// Whether it is one of RabbitMQ's names for where it keeps a queue, and in which form. Where arguments are taken,
    /// so is this, and has no effect: there is one server here, and one form.
    package static func isWithoutEffect(_ name: String) -> Bool {
        switch name {
        case "queue-mode", "queue-version", "queue-leader-locator", "queue-master-locator", "quorum-initial-group-size",
            "quorum-target-group-size", "initial-cluster-size", "max-in-memory-length", "max-in-memory-bytes",
            "stream-max-segment-size-bytes", "stream-filter-size-bytes", "consumer-disconnected-timeout":
            true
        default: false
        }
    }

    /// A hundred years: more is meant as forever, and would not add up. Milliseconds.
    package static let millisecondsMax: Int64 = 3_155_760_000_000

    /// What is wrong with an argument, as the end of a sentence that names it.
    package struct Refusal: Error, Equatable, Sendable {
        package var sentence: String

        package init(sentence: String) { self.sentence = sentence }
    }

    package var isOfQueues: Bool {
        switch self {
        case .retentionMilliseconds, .retentionBytes, .cleanup, .deleteRetention, .alternateExchange: false
        default: true
        }
    }

    package var isOfTopics: Bool {
        switch self {
        case .retentionMilliseconds, .retentionBytes, .cleanup, .deleteRetention, .deduplicationWindow: true
        default: false
        }
    }

    /// Whether a policy may set it for exchanges; an exchange itself is declared with other words.
    package var isOfExchanges: Bool { self == .alternateExchange }

    /// Whether a policy may set it: what a queue is, and how its messages are laid out on the disk, is its own.
    package var isOfPolicies: Bool { self != .maxPriority && self != .queueType }

    /// Whether it says how much there may be at most, or for how long: where a queue and its policy both do, the lower
    /// one holds. Source: RabbitMQ, `rabbit_queue_type_util:args_policy_lookup`, as its queues use it
    package var isLimit: Bool {
        switch self {
        case .messageTimeToLive, .expires, .maxLength, .maxLengthBytes, .deliveryLimit, .consumerTimeout,
            .retentionMilliseconds, .retentionBytes:
            true
        case .overflow, .retry, .deadLetterExchange, .deadLetterRoutingKey, .deadLetterStrategy, .delayedRetryType,
            .delayedRetryMin, .delayedRetryMax, .queueType, .isSingleActiveConsumer, .maxPriority,
            .deduplicationWindow, .cleanup, .deleteRetention, .alternateExchange:
            false
        }
    }

    /// Whether a queue that is declared again must be declared with the same. Source: RabbitMQ, which leaves out what
    /// changes nothing about the queue itself
    package var isCompared: Bool { self != .consumerTimeout && self != .deadLetterStrategy }

    /// Reads `text`, the form that ``text(in:)`` writes.
    package func set(_ text: String, in arguments: inout Arguments) throws(Refusal) {
        switch self {
        case .messageTimeToLive: arguments.messageTimeToLive = Int64(try number(text, 0...Int(Self.millisecondsMax)))
        case .expires: arguments.expires = try milliseconds(text)
        case .maxLength: arguments.maxLength = try number(text, 0...Int.max)
        case .maxLengthBytes: arguments.maxLengthBytes = try number(text, 0...Int.max)
        case .overflow: arguments.overflow = try choice(text)
        case .deliveryLimit: arguments.deliveryLimit = text == "-1" ? -1 : try number(text, -1...1_000_000)
        case .retry:
            do throws(Refusal) {
                arguments.retry = try RetryRule(text)
            } catch {
                throw Refusal(sentence: "\(rawValue) \(error.sentence)")
            }
        case .deadLetterExchange: arguments.deadLetterExchange = try name(text)
        case .deadLetterRoutingKey: arguments.deadLetterRoutingKey = try name(text)
        case .deadLetterStrategy: arguments.deadLetterStrategy = try choice(text)
        case .consumerTimeout: arguments.consumerTimeout = try milliseconds(text)
        case .delayedRetryType: arguments.delayedRetryType = try choice(text)
        case .delayedRetryMin: arguments.delayedRetryMin = try milliseconds(text)
        case .delayedRetryMax: arguments.delayedRetryMax = try milliseconds(text)
        case .queueType:
            guard text != "stream" else {
                throw Refusal(sentence: "queue-type=stream is a topic; declare it with `cola declare topic`")
            }
            arguments.queueType = try choice(text)
        case .isSingleActiveConsumer: arguments.isSingleActiveConsumer = try truth(text)
        case .maxPriority: arguments.maxPriority = try number(text, 0...255)
        case .deduplicationWindow: arguments.deduplicationWindow = try milliseconds(text)
        case .retentionMilliseconds: arguments.retentionMilliseconds = try age(text)
        case .retentionBytes: arguments.retentionBytes = try number(text, 1...Int.max)
        case .cleanup: arguments.cleanup = try choice(text)
        case .deleteRetention: arguments.deleteRetention = Int64(try number(text, 0...Int(Self.millisecondsMax)))
        case .alternateExchange: arguments.alternateExchange = try name(text)
        }
    }

    /// Nil if it is not said.
    package func text(in arguments: Arguments) -> String? {
        switch self {
        case .messageTimeToLive: arguments.messageTimeToLive.map { String($0) }
        case .expires: arguments.expires.map { String($0) }
        case .maxLength: arguments.maxLength.map { String($0) }
        case .maxLengthBytes: arguments.maxLengthBytes.map { String($0) }
        case .overflow: arguments.overflow?.rawValue
        case .deliveryLimit: arguments.deliveryLimit.map { String($0) }
        case .retry: arguments.retry?.text
        case .deadLetterExchange: arguments.deadLetterExchange
        case .deadLetterRoutingKey: arguments.deadLetterRoutingKey
        case .deadLetterStrategy: arguments.deadLetterStrategy?.rawValue
        case .consumerTimeout: arguments.consumerTimeout.map { String($0) }
        case .delayedRetryType: arguments.delayedRetryType?.rawValue
        case .delayedRetryMin: arguments.delayedRetryMin.map { String($0) }
        case .delayedRetryMax: arguments.delayedRetryMax.map { String($0) }
        case .queueType: arguments.queueType?.rawValue
        case .isSingleActiveConsumer: arguments.isSingleActiveConsumer.map { $0 ? "yes" : "no" }
        case .maxPriority: arguments.maxPriority.map { String($0) }
        case .deduplicationWindow: arguments.deduplicationWindow.map { String($0) }
        case .retentionMilliseconds: arguments.retentionMilliseconds.map { String($0) }
        case .retentionBytes: arguments.retentionBytes.map { String($0) }
        case .cleanup: arguments.cleanup?.rawValue
        case .deleteRetention: arguments.deleteRetention.map { String($0) }
        case .alternateExchange: arguments.alternateExchange
        }
    }

    package func copy(from source: Arguments, to target: inout Arguments) {
        switch self {
        case .messageTimeToLive: target.messageTimeToLive = source.messageTimeToLive
        case .expires: target.expires = source.expires
        case .maxLength: target.maxLength = source.maxLength
        case .maxLengthBytes: target.maxLengthBytes = source.maxLengthBytes
        case .overflow: target.overflow = source.overflow
        case .deliveryLimit: target.deliveryLimit = source.deliveryLimit
        case .retry: target.retry = source.retry
        case .deadLetterExchange: target.deadLetterExchange = source.deadLetterExchange
        case .deadLetterRoutingKey: target.deadLetterRoutingKey = source.deadLetterRoutingKey
        case .deadLetterStrategy: target.deadLetterStrategy = source.deadLetterStrategy
        case .consumerTimeout: target.consumerTimeout = source.consumerTimeout
        case .delayedRetryType: target.delayedRetryType = source.delayedRetryType
        case .delayedRetryMin: target.delayedRetryMin = source.delayedRetryMin
        case .delayedRetryMax: target.delayedRetryMax = source.delayedRetryMax
        case .queueType: target.queueType = source.queueType
        case .isSingleActiveConsumer: target.isSingleActiveConsumer = source.isSingleActiveConsumer
        case .maxPriority: target.maxPriority = source.maxPriority
        case .deduplicationWindow: target.deduplicationWindow = source.deduplicationWindow
        case .retentionMilliseconds: target.retentionMilliseconds = source.retentionMilliseconds
        case .retentionBytes: target.retentionBytes = source.retentionBytes
        case .cleanup: target.cleanup = source.cleanup
        case .deleteRetention: target.deleteRetention = source.deleteRetention
        case .alternateExchange: target.alternateExchange = source.alternateExchange
        }
    }

    package func clear(in arguments: inout Arguments) { copy(from: Arguments(), to: &arguments) }

    // MARK: Reading

    private func number(_ text: String, _ range: ClosedRange<Int>) throws(Refusal) -> Int {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(text),
            range.contains(number)
        else {
            throw Refusal(sentence: "\(rawValue) is a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private func milliseconds(_ text: String) throws(Refusal) -> Int64 {
        Int64(try number(text, 1...Int(Self.millisecondsMax)))
    }

    /// The units of RabbitMQ's `max-age`. Milliseconds.
    private static let units: [Character: Int64] = [
        "Y": 31_536_000_000, "M": 2_592_000_000, "D": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000,
    ]

    /// A number of milliseconds, or of the unit behind it.
    private func age(_ text: String) throws(Refusal) -> Int64 {
        guard let unit = text.last.flatMap({ Self.units[$0] }) else { return try milliseconds(text) }
        let digits = text.dropLast()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let count = Int64(digits),
            count > 0, count <= Self.millisecondsMax / unit
        else {
            throw Refusal(
                sentence: "\(rawValue) is a number of milliseconds, or such as 7D with one of the units Y, M, D, h, m "
                    + "and s; \(Self.millisecondsMax) milliseconds at most")
        }
        return count * unit
    }

    private func choice<Choice>(_ text: String) throws(Refusal) -> Choice
    where Choice: RawRepresentable<String> & CaseIterable {
        guard let choice = Choice(rawValue: text) else {
            let all = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw Refusal(sentence: "\(rawValue) is one of: \(all)")
        }
        return choice
    }

    private func truth(_ text: String) throws(Refusal) -> Bool {
        guard text == "yes" || text == "no" else { throw Refusal(sentence: "\(rawValue) is yes or no") }
        return text == "yes"
    }

    private func name(_ text: String) throws(Refusal) -> String {
        guard text.utf8.count <= 255, !text.utf8.contains(0) else {
            throw Refusal(sentence: "\(rawValue) has at most 255 bytes, none of them zero")
        }
        return text
    }
}
