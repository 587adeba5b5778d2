package import ColaCore

/// What the arguments of a `queue.declare` come to: a queue or, for a stream, a topic, and what it is declared with.
///
/// All that a queue can do here it may be told, whatever its type: a classic queue may have a delivery limit, and a
/// quorum queue priorities. What is only about where RabbitMQ puts a queue is checked and has no effect. A name that
/// nobody knows is passed over, as RabbitMQ does; of our own arguments each has a name that begins with `x-`, too.
package struct QueueArguments: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case queue
        /// A topic of one partition.
        case stream
    }

    package var kind: Kind
    package var arguments: Arguments

    /// - Throws: ``Refusal``, all of them for the channel.
    package init(_ table: FieldTable, queue: String, host: String) throws(Refusal) {
        let reader = ArgumentReader(table: table, queue: queue, host: host)
        let type = try Self.type(reader)
        kind = type == .stream ? .stream : .queue
        arguments = Arguments()
        if type == .quorum { arguments.queueType = .quorum }
        if type == .classic { arguments.queueType = .classic }
        for name in table.fields.map(\.name) where Self.isOfOtherQueues(name, type ?? .classic) {
            throw reader.unknown(name, to: type ?? .classic)
        }
        if kind == .stream { try readStream(reader) } else { try readQueue(reader) }
        try Self.checkPlacement(reader)
        try readOurs(reader)
    }

    private static func type(_ reader: ArgumentReader) throws(Refusal) -> ArgumentReader.QueueKind? {
        guard let text = try reader.text("x-queue-type") else { return nil }
        switch text {
        case "classic": return .classic
        case "quorum": return .quorum
        case "stream": return .stream
        default: throw reader.invalid("x-queue-type", "\"unsupported queue type '\(text)'\"")
        }
    }

    private static func isOfOtherQueues(_ name: String, _ type: ArgumentReader.QueueKind) -> Bool {
        switch name {
        case "x-max-age", "x-stream-max-segment-size-bytes", "x-stream-filter-size-bytes", "x-initial-cluster-size":
            type != .stream
        case "x-message-ttl", "x-expires", "x-max-length", "x-overflow", "x-dead-letter-exchange",
            "x-dead-letter-routing-key", "x-dead-letter-strategy", "x-max-priority", "x-single-active-consumer",
            "x-delivery-limit", "x-queue-mode", "x-delayed-retry-type", "x-delayed-retry-min", "x-delayed-retry-max":
            type == .stream
        default: false
        }
    }

    /// What RabbitMQ says to a queue that is to be a stream and not to outlive its connection or the server.
    ///
    /// - Throws: ``Refusal``, for the channel.
    package static func checkStream(
        named queue: String, in host: String, isDurable: Bool, isExclusive: Bool, isAutoDelete: Bool
    ) throws(Refusal) {
        let wrong = [
            (!isDurable, "non-durable"), (isAutoDelete, "auto-delete"), (isExclusive, "exclusive-owner"),
        ].first { $0.0 }
        guard let wrong else { return }
        throw Refusal("invalid property '\(wrong.1)' for queue '\(queue)' in vhost '\(host)'")
    }

    // MARK: Queues

    /// RabbitMQ's longest time, ten years. Milliseconds.
    static let timeMax: Int64 = 315_360_000_000

    private mutating func readQueue(_ reader: ArgumentReader) throws(Refusal) {
        arguments.messageTimeToLive = try reader.integer("x-message-ttl", atMost: Self.timeMax)
        arguments.expires = try reader.integer("x-expires", atLeast: 1, atMost: Self.timeMax)
        arguments.maxLength = try reader.integer("x-max-length").map { Int(clamping: $0) }
        arguments.maxLengthBytes = try reader.integer("x-max-length-bytes").map { Int(clamping: $0) }
        arguments.overflow = try reader.choice("x-overflow") { _ in "invalid_overflow" }
        try readDeadLetters(reader)
        if let priority = try reader.integer("x-max-priority") {
            guard priority <= 255 else { throw reader.invalid("x-max-priority", "{max_value_exceeded,\(priority)}") }
            arguments.maxPriority = Int(priority)
        }
        arguments.isSingleActiveConsumer = try reader.truth("x-single-active-consumer")
        arguments.deliveryLimit = try reader.integer("x-delivery-limit", atLeast: -1).map { Int(min($0, 1_000_000)) }
        arguments.consumerTimeout = try reader.integer("x-consumer-timeout", atLeast: 1, atMost: Self.timeMax)
        arguments.delayedRetryType = try reader.choice("x-delayed-retry-type") { "\"unsupported retry type '\($0)'\"" }
        arguments.delayedRetryMin = try reader.integer("x-delayed-retry-min", atLeast: 1, atMost: Self.timeMax)
        arguments.delayedRetryMax = try reader.integer("x-delayed-retry-max", atLeast: 1, atMost: Self.timeMax)
        if let first = arguments.delayedRetryMin, let most = arguments.delayedRetryMax, first > most {
            throw reader.invalid("x-delayed-retry-max", "\"\(most) is less than x-delayed-retry-min, \(first)\"")
        }
    }

    private mutating func readDeadLetters(_ reader: ArgumentReader) throws(Refusal) {
        if let value = reader.table["x-dead-letter-exchange"], value.text == nil {
            throw Refusal(
                "invalid type '\(value.typeName)' for arg 'x-dead-letter-exchange' in queue '\(reader.queue)' in vhost "
                    + "'\(reader.host)'")
        }
        arguments.deadLetterExchange = try name("x-dead-letter-exchange", reader)
        arguments.deadLetterRoutingKey = try name("x-dead-letter-routing-key", reader)
        if arguments.deadLetterRoutingKey != nil, arguments.deadLetterExchange == nil {
            throw reader.invalid("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined")
        }
        arguments.deadLetterStrategy = try reader.choice("x-dead-letter-strategy") { _ in "invalid_dlx_strategy" }
    }

    private func name(_ name: String, _ reader: ArgumentReader) throws(Refusal) -> String? {
        guard let text = try reader.text(name) else { return nil }
        guard text.utf8.count <= 255, !text.utf8.contains(0) else {
            throw reader.invalid(name, "\"a name has at most 255 bytes, none of them zero\"")
        }
        return text
    }

    // MARK: Streams

    private mutating func readStream(_ reader: ArgumentReader) throws(Refusal) {
        if let age = try reader.text("x-max-age") {
            guard let milliseconds = Argument.age(age) else { throw reader.invalid("x-max-age", "invalid_max_age") }
            arguments.retentionMilliseconds = milliseconds
        }
        arguments.retentionBytes = try reader.integer("x-max-length-bytes").map { max(1, Int(clamping: $0)) }
    }

    // MARK: All of them

    /// What says where RabbitMQ keeps a queue, and in which form.
    private static func checkPlacement(_ reader: ArgumentReader) throws(Refusal) {
        if let mode = try reader.text("x-queue-mode"), mode != "default", mode != "lazy" {
            throw reader.invalid("x-queue-mode", "\"unsupported queue mode '\(mode)'\"")
        }
        if let version = try reader.integer("x-queue-version"), !(1...2).contains(version) {
            throw reader.invalid("x-queue-version", "\"unsupported queue version '\(version)'\"")
        }
        for name in [
            "x-stream-max-segment-size-bytes", "x-stream-filter-size-bytes", "x-max-in-memory-length",
            "x-max-in-memory-bytes", "x-consumer-disconnected-timeout",
        ] {
            _ = try reader.integer(name)
        }
        for name in ["x-initial-cluster-size", "x-quorum-initial-group-size", "x-quorum-target-group-size"] {
            _ = try reader.integer(name, atLeast: 1)
        }
        for name in ["x-queue-leader-locator", "x-queue-master-locator"] { _ = try reader.text(name) }
    }

    /// Arguments that RabbitMQ does not have, as text or number.
    private mutating func readOurs(_ reader: ArgumentReader) throws(Refusal) {
        for argument in [
            Argument.retry, .deduplicationWindow, .retentionMilliseconds, .retentionBytes, .cleanup,
            .deleteRetention,
        ]
        where kind == .stream ? argument.isOfTopics : argument.isOfQueues {
            let name = "x-" + argument.rawValue
            guard let value = reader.table[name] else { continue }
            guard let text = value.text ?? value.integer.map({ "\($0)" }) else {
                throw reader.unacceptable(name, value)
            }
            do throws(Argument.Refusal) {
                try argument.set(text, in: &arguments)
            } catch {
                throw reader.invalid(name, "\"\(error.sentence)\"")
            }
        }
    }
}

extension Argument {
    /// A number with one of RabbitMQ's units behind it, such as `7D`. Milliseconds; nil if it is not one.
    static func age(_ text: String) -> Int64? {
        guard let unit = text.utf8.last, !(0x30...0x39).contains(unit) else { return nil }
        var arguments = Arguments()
        try? Argument.retentionMilliseconds.set(text, in: &arguments)
        return arguments.retentionMilliseconds
    }

    /// What a client of RabbitMQ calls it.
    package var nameInAMQP: String { self == .retentionMilliseconds ? "x-max-age" : "x-" + rawValue }
}
