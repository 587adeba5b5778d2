import ColaCore
import ColaTesting
import Testing

/// Shorthand for the tests of the rules of queues.
extension Scene {
    /// A message as it stands in a queue.
    struct Letter {
        var body: String
        var headers: [(name: String, value: String)]
        var redelivered: Int?

        func all(_ name: String) -> [String] { headers.filter { $0.name == name }.map(\.value) }

        /// The only header of that name.
        subscript(_ name: String) -> String? {
            let found = all(name)
            return found.count == 1 ? found[0] : nil
        }

        /// Reason, count, queue, exchange and routing key of each death; the time is left out.
        var deaths: [String] {
            all("cola-death").map { value in
                let words = value.split(separator: " ")
                return (words.prefix(2) + words.dropFirst(3)).joined(separator: " ")
            }
        }
    }

    /// A queue with arguments, from the channel or from one that is gone again.
    @discardableResult
    func declare(
        _ name: String, isDurable: Bool = true, isExclusive: Bool = false, isAutoDelete: Bool = false,
        from given: ChannelID? = nil, _ change: (inout Arguments) -> Void = { _ in }
    ) -> [Heard.Answer] {
        var arguments = Arguments()
        change(&arguments)
        let channel = given ?? attach()
        broker.send(
            .declareQueue(
                QueueDeclaration(
                    name: name, arguments: arguments, isDurable: isDurable, isExclusive: isExclusive,
                    isAutoDelete: isAutoDelete)), from: channel)
        broker.commit()
        let heard = answers(channel)
        if given == nil { broker.detach(channel) }
        return heard
    }

    func alter(_ name: String, clear: [Argument] = [], _ change: (inout Arguments) -> Void = { _ in }) {
        var arguments = Arguments()
        change(&arguments)
        let channel = attach()
        broker.send(.alter(name: name, set: arguments, clear: clear), from: channel)
        broker.commit()
        #expect(answers(channel) == [.done])
        broker.detach(channel)
    }

    func bind(_ exchange: String, _ queue: String, key: String = "") {
        let channel = attach()
        broker.send(
            .bind(BindingDefinition(source: exchange, destination: queue, routingKey: key)), from: channel)
        broker.commit()
        #expect(answers(channel) == [.done])
        broker.detach(channel)
    }

    /// One message with properties.
    @discardableResult
    func put(
        _ body: String, to name: String, priority: UInt8 = 0, ttl: Int64? = nil, delay: Int64 = 0,
        exchange: String = "", from channel: ChannelID
    ) -> RequestID {
        var publish = Publish(exchange: exchange, routingKey: name, message: Message(value: Array(body.utf8)[...]))
        publish.priority = priority
        publish.timeToLive = ttl
        publish.delay = delay
        return broker.send(.publish(publish), from: channel)
    }

    /// Does all that a server does at this instant that has the time: every tick that is due, every read, every commit.
    ///
    /// A deadline that is due and does not go away is found here: a server would spin.
    func rest(_ location: SourceLocation = #_sourceLocation) {
        for _ in 0..<20_000 {
            if let deadline = broker.broker.nextDeadline, deadline <= broker.now.monotonic {
                broker.apply(.tick)
                continue
            }
            if broker.readNext() || broker.commitNext() { continue }
            if broker.cut() == nil { return }
        }
        Issue.record("the broker does not come to rest", sourceLocation: location)
    }

    /// Applies the ticks that are due, without a commit or a read, until there is none.
    ///
    /// - Returns: how many there were.
    @discardableResult
    func tick(atMost turns: Int = 1_000, _ location: SourceLocation = #_sourceLocation) -> Int {
        for turn in 0..<turns {
            guard let deadline = broker.broker.nextDeadline, deadline <= broker.now.monotonic else { return turn }
            broker.apply(.tick)
        }
        Issue.record("the deadline is due for ever", sourceLocation: location)
        return turns
    }

    func pass(_ milliseconds: Int64, _ location: SourceLocation = #_sourceLocation) {
        broker.pass(milliseconds: milliseconds)
        rest(location)
    }

    /// What the queue holds, leased messages included.
    func letters(in name: String) -> [Letter] {
        let channel = attach()
        var found: [Letter] = []
        broker.effectListener = { effect in
            guard case .reply(channel, _, .peeked(let deliveries, _)) = effect else { return }
            found = deliveries.map(Self.letter)
        }
        broker.send(.peek(name: name, partition: 0, from: Offset(0), count: 100_000), from: channel)
        rest()
        broker.effectListener = nil
        broker.detach(channel)
        return found
    }

    static func letter(_ delivery: Delivery) -> Letter {
        let bytes = delivery.entry.headerCount == 0 ? [] : Array(delivery.data[delivery.entry.headers.range])
        let headers = bytes.withUnsafeBytes { RecordHeaders.decode($0) } ?? []
        return Letter(
            body: String(decoding: delivery.data[delivery.entry.value.range], as: UTF8.self),
            headers: headers.map {
                (String(decoding: $0.name, as: UTF8.self), String(decoding: $0.value ?? [], as: UTF8.self))
            },
            redelivered: delivery.redelivered)
    }

    /// The bodies in the queue, as one who looks sees them.
    func contents(_ name: String) -> [String] { letters(in: name).map(\.body) }

    /// Takes all that the queue holds, one by one, as a client does that acknowledges with each get.
    func takeAll(_ name: String) -> [String] {
        let channel = attach()
        defer { broker.detach(channel) }
        var taken: [String] = []
        for _ in 0..<10_000 {
            broker.send(.get(name: name, isAutoAck: true), from: channel)
            rest()
            // What was sent before may have been as much as its socket takes.
            broker.apply(.windowOpened(channel))
            rest()
            guard case .message(let message)? = answers(channel).last else { return taken }
            taken.append(message.body)
        }
        return taken
    }

    /// The fields of one thing, as somebody sees them who waits for nothing.
    func describe(_ queue: String) -> Description { ask(.describe(.queue(queue))) }

    func why(_ queue: String, _ offset: Int64? = nil, priority: UInt8 = 0) -> Description {
        ask(.why(name: queue, offset.map { Offset($0) }, priority: priority))
    }

    func statistics() -> Description { ask(.statistics) }

    private func ask(_ request: Request) -> Description {
        let channel = attach()
        defer { broker.detach(channel) }
        broker.send(request, from: channel)
        guard case .description(let description)? = answers(channel).last else { return Description() }
        return description
    }

    /// How leases of the queue have ended, without those that there were none of.
    func ends(of queue: String) -> [String: Int] {
        guard case .fields(let ends)? = describe(queue)["ends"] else { return [:] }
        let pairs = Attempt.End.allCases.map { ($0.rawValue, ends.number($0.rawValue)) }
        return Dictionary(uniqueKeysWithValues: pairs).filter { $0.value != 0 }
    }

    /// A number of the queue's counters.
    func count(_ name: String, of queue: String) -> Int {
        guard case .fields(let counts)? = describe(queue)["counts"] else { return -1 }
        return counts.number(name)
    }
}

extension Description {
    func text(_ name: String) -> String? {
        if case .text(let text) = self[name] { text } else { nil }
    }
}
