import ColaCore
import ColaTesting

/// Shorthand for broker tests: what a client would say in one line is one line here.
struct Scene {
    let broker: TestBroker

    init(limits: Limits = Limits()) { broker = TestBroker(limits: limits) }

    /// A scene in which these queues exist, durably; the first has log 1, the next log 2.
    init(queues: [String], limits: Limits = Limits()) {
        self.init(limits: limits)
        let channel = broker.attach()
        for name in queues { broker.send(.declareQueue(QueueDeclaration(name: name)), from: channel) }
        broker.commit()
        broker.detach(channel)
    }

    init(topics: [String], limits: Limits = Limits()) {
        self.init(limits: limits)
        let channel = broker.attach()
        for name in topics { broker.send(.declareTopic(name: name, partitions: nil, Arguments()), from: channel) }
        broker.commit()
        broker.detach(channel)
    }

    func attach() -> ChannelID { broker.attach() }

    @discardableResult
    func publish(_ bodies: String..., to name: String, from channel: ChannelID, exchange: String = "") -> RequestID {
        let messages = bodies.map { Message(value: Array($0.utf8)[...]) }
        return broker.send(
            .publish(
                Publish(
                    exchange: exchange, routingKey: name, message: messages[0], more: Array(messages.dropFirst()))),
            from: channel)
    }

    @discardableResult
    func consume(
        _ name: String, _ tag: UInt64 = 1, prefetch: Int = 100, isAutoAck: Bool = false, from channel: ChannelID
    ) -> RequestID {
        broker.send(
            .consume(
                Consume(name: name, consumer: ConsumerTag(tag), flow: .prefetch(prefetch), isAutoAck: isAutoAck)),
            from: channel)
    }

    @discardableResult
    func settle(
        _ first: UInt64, _ last: UInt64? = nil, _ settlement: Settlement = .acknowledge, from channel: ChannelID
    ) -> RequestID {
        broker.send(
            .settle(first: DeliveryTag(first), last: DeliveryTag(last ?? first), settlement), from: channel)
    }

    /// Takes what was heard, and keeps the messages alone.
    func messages(_ channel: ChannelID) -> [Heard.Received] {
        broker.hear(channel).compactMap { if case .message(let message) = $0 { message } else { nil } }
    }

    func bodies(_ channel: ChannelID) -> [String] { messages(channel).map(\.body) }

    /// Takes what was heard, and keeps the answers alone.
    func answers(_ channel: ChannelID) -> [Heard.Answer] {
        broker.hear(channel).compactMap { if case .answer(_, let answer) = $0 { answer } else { nil } }
    }

    /// The ids of the requests that were answered.
    func answered(_ channel: ChannelID) -> [RequestID] {
        broker.hear(channel).compactMap { if case .answer(let id, _) = $0 { id } else { nil } }
    }

    /// The only queue's row, as `list queues` shows it to somebody who waits for nothing.
    func queue(_ name: String) -> Description? {
        let channel = broker.attach()
        defer { broker.detach(channel) }
        broker.send(.list(.queues), from: channel)
        guard case .rows(let rows) = answers(channel).first else { return nil }
        return rows.first { $0["name"] == .text(name) }
    }

    /// What can be counted of a queue.
    struct Counts: Equatable {
        var ready: Int
        var unacknowledged: Int
        var bytes: Int
        var consumers: Int
    }

    func counts(_ name: String) -> Counts? {
        queue(name).map {
            Counts(
                ready: $0.number("ready"), unacknowledged: $0.number("unacknowledged"), bytes: $0.number("bytes"),
                consumers: $0.number("consumers"))
        }
    }

    func stored(_ log: Int64 = 1) -> TestBroker.Stored? { broker.stored(LogID(log)) }
}

extension LogChange {
    /// The records that were taken in one by one; nil if there are none.
    var appendedRecords: RecordSegment? {
        for case .records(let segment) in appended { return segment }
        return nil
    }
}
