import ColaCore
import ColaTesting

// What a client says about topics, schedules and policies, in one line each.
extension Scene {
    /// A scene with one topic.
    init(
        topic: String, partitions: Int = 1, _ texts: [Argument: String] = [:], limits: Limits = Limits()
    ) {
        self.init(limits: limits)
        let channel = attach()
        declare(topic: topic, partitions: partitions, texts, from: channel)
        broker.commit()
        broker.detach(channel)
    }

    func declare(topic: String, partitions: Int?, _ texts: [Argument: String] = [:], from channel: ChannelID) {
        broker.send(.declareTopic(name: topic, partitions: partitions, arguments(texts)), from: channel)
    }

    func declare(queue: String, _ texts: [Argument: String] = [:], isDurable: Bool = true, from channel: ChannelID) {
        broker.send(
            .declareQueue(QueueDeclaration(name: queue, arguments: arguments(texts), isDurable: isDurable)),
            from: channel)
    }

    func arguments(_ texts: [Argument: String]) -> Arguments {
        var arguments = Arguments()
        for argument in Argument.allCases {
            if let text = texts[argument] { try? argument.set(text, in: &arguments) }
        }
        return arguments
    }

    /// What a message is published with.
    struct Options {
        var exchange = ""
        var key: String?
        var partition: Int?
        var delay: Int64 = 0
        var id: String?
        var priority: UInt8 = 0
        var timeToLive: Int64?
        var isMandatory = true
        var headers: [(String, String)] = []
    }

    @discardableResult
    func put(_ body: String?, to name: String, _ options: Options = Options(), from channel: ChannelID) -> RequestID {
        var message = Message(key: options.key.map { Array($0.utf8)[...] }, value: body.map { Array($0.utf8)[...] })
        for (name, value) in options.headers { message.headers.append(name: name.utf8, value: value.utf8) }
        var publish = Publish(
            exchange: options.exchange, routingKey: name, isMandatory: options.isMandatory, message: message)
        publish.partition = options.partition
        publish.delay = options.delay
        publish.id = options.id.map { Array($0.utf8)[...] }
        publish.priority = options.priority
        publish.timeToLive = options.timeToLive
        return broker.send(.publish(publish), from: channel)
    }

    func read(
        _ name: String = "t", _ tag: UInt64 = 1, from position: Consume.Position? = .first, partitions: [Int]? = nil,
        group: String? = nil, join: PartitionAssignor? = nil, prefetch: Int = 1_000, by channel: ChannelID
    ) {
        var consume = Consume(
            name: name, consumer: ConsumerTag(tag), flow: .prefetch(prefetch), isAutoAck: true, position: position,
            group: group)
        consume.partitions = partitions
        consume.strategy = join
        broker.send(.consume(consume), from: channel)
    }

    /// Lets time pass, and everything happen that is due meanwhile, down to the last commit.
    ///
    /// - Returns: false if it did not come to rest.
    @discardableResult
    func settle(milliseconds: Int64 = 0) -> Bool {
        let end = broker.now.monotonic.advanced(byMilliseconds: milliseconds)
        for _ in 0..<100_000 {
            guard broker.run() else { return false }
            let due = [broker.broker.nextDeadline, broker.commitDeadline].compactMap { $0 }.min()
            if let due, due <= end {
                let nanoseconds = max(0, due.rawValue - broker.now.monotonic.rawValue)
                broker.pass(milliseconds: (nanoseconds + 999_999) / 1_000_000)
            } else if broker.now.monotonic < end {
                broker.pass(milliseconds: (end.rawValue - broker.now.monotonic.rawValue + 999_999) / 1_000_000)
            } else if broker.cut() == nil {
                return true
            }
        }
        return false
    }

    /// One row of a listing, as somebody sees it who waits for nothing.
    func rows(_ listing: Listing) -> [Description] {
        let channel = attach()
        defer { broker.detach(channel) }
        broker.send(.list(listing), from: channel)
        guard case .rows(let rows) = answers(channel).last else { return [] }
        return rows
    }

    func describe(_ subject: Subject) -> Description? {
        let channel = attach()
        defer { broker.detach(channel) }
        broker.send(.describe(subject), from: channel)
        guard case .description(let description) = answers(channel).last else { return nil }
        return description
    }

    func statistics() -> Description? {
        let channel = attach()
        defer { broker.detach(channel) }
        broker.send(.statistics, from: channel)
        guard case .description(let description) = answers(channel).last else { return nil }
        return description
    }

    func topic(_ name: String = "t") -> Description? { rows(.topics).first { $0["name"] == .text(name) } }

    /// Takes one message after the other out of a queue.
    func drain(_ name: String) -> [String] {
        let channel = attach()
        defer { broker.detach(channel) }
        consume(name, prefetch: 100_000, isAutoAck: true, from: channel)
        settle()
        return bodies(channel)
    }
}
