internal import ColaNative

// Messages of queues from the server, and what becomes of them.
extension Client {
    /// When a message counts as acknowledged.
    public enum Acknowledgement: Sendable {
        /// When ``Client/ack(_:)`` says so.
        case manual
        /// When it is sent; if the connection is lost on the way, so is the message.
        case automatic
    }

    /// Begins to consume a queue. A topic can be consumed too, each record being acknowledged to make room for more; it
    /// begins anew after a lost connection, so ``read(_:from:partitions:group:prefetch:)`` is better for it.
    ///
    /// Returns when the server has begun; nothing of that is durable.
    /// - Parameters:
    ///   - prefetch: how many may be here and unacknowledged, 1 to 65,535.
    ///   - limit: how many messages to take in all, and not one more; nil is no limit. The server then counts what it
    ///     sends and not what is acknowledged: `prefetch` is how many come ahead of whoever takes them.
    ///   - from: for a topic: `first`, `last`, `next`, an offset, or `@` and milliseconds; nil is `next`.
    ///   - priority: consumers with a higher one get what they can take first, 0 to 2147483647; nil is 0.
    ///   - isExclusive: nobody else may consume the queue.
    /// - Throws: ``ColaError``: ``ColaError/Code/notFound``, ``ColaError/Code/inUse`` if somebody consumes it who is
    ///   exclusive or this one would be, ``ColaError/Code/locked`` if the queue belongs to another connection.
    public func consume(
        _ name: String, prefetch: Int = 100, limit: Int? = nil, acknowledgement: Acknowledgement = .manual,
        from: String? = nil, priority: Int? = nil, isExclusive: Bool = false
    ) async throws -> Deliveries {
        var plan = ConsumePlan(name)
        plan.prefetch = prefetch
        plan.limit = limit
        plan.isAutomatic = acknowledgement == .automatic
        plan.from = from
        plan.priority = priority
        plan.isExclusive = isExclusive
        return Deliveries(try await begin(plan))
    }

    /// Hands `body` the messages of a queue, and ends the consumer in every case: what was not taken goes back.
    public func withDeliveries<Result: Sendable>(
        of queue: String, prefetch: Int = 100, priority: Int? = nil, isExclusive: Bool = false,
        _ body: (Deliveries) async throws -> Result
    ) async throws -> Result {
        let deliveries = try await consume(
            queue, prefetch: prefetch, priority: priority, isExclusive: isExclusive)
        defer { deliveries.giveBack() }
        return try await body(deliveries)
    }

    func begin(_ plan: ConsumePlan) async throws -> Subscription {
        guard (1...65_535).contains(plan.prefetch) else {
            throw ColaError(
                code: .syntax, message: "the prefetch of a consumer is 1 to 65535, not \(plan.prefetch)",
                isRetryable: false)
        }
        let subscription = Subscription(plan)
        try await connection.withConnection { try await subscription.begin(on: $0) }
        return subscription
    }

    // MARK: Acknowledging

    /// The message is done: the server may delete it. Returns at once; ``settled()`` waits until it is on the disk.
    /// - Throws: ``ColaError`` with ``ColaError/Code/unknownDelivery`` if the connection that brought it is lost: the
    ///   server has it back and delivers it again. So do the other ways to settle it.
    public func ack(_ delivery: Delivery) throws { try ack(through: delivery.number...delivery.number) }

    /// All those deliveries that this connection holds are done.
    public func ack(through numbers: ClosedRange<Int64>) throws { try connection.settle(.ack, numbers) }

    /// The message goes back to the queue: as its `retry` says, or at once to its place, for whoever comes next.
    /// - Parameter delayMilliseconds: in the place of what the queue says: 0 is at once, to its place; with more it
    ///   goes to the end of the queue, after so much time.
    public func nack(_ delivery: Delivery, delayMilliseconds: Int64? = nil) throws {
        if let delayMilliseconds, delayMilliseconds < 0 {
            throw ColaError(
                code: .syntax, message: "a delay is 0 or more milliseconds, not \(delayMilliseconds)",
                isRetryable: false)
        }
        try connection.settle(.nack, delivery.number...delivery.number, delay: delayMilliseconds)
    }

    /// The message is not to be delivered again: it becomes a dead letter, if the queue says where those go.
    public func reject(_ delivery: Delivery) throws {
        try connection.settle(.reject, delivery.number...delivery.number)
    }

    /// Waits until every acknowledgement so far is on the server's disk.
    /// - Throws: what one of them was refused with; ``ColaError`` with ``ColaError/Code/connectionLost`` if they went
    ///   over a connection that was lost before the server answered behind them, also where there is another one now.
    public func settled() async throws { try await connection.settled() }

    /// One message, now, or nil if none waits.
    /// - Throws: ``ColaError`` with ``ColaError/Code/mismatch`` if it is a topic.
    public func get(_ queue: String, acknowledgement: Acknowledgement = .manual) async throws -> Delivery? {
        let request = ClientRequest.get(queue, ack: acknowledgement == .automatic ? "auto" : "manual")
        let (answer, base) = try await connection.withConnection { connection in
            (try await connection.ask(request, "get from '\(queue)'").answer, connection.deliveryBase)
        }
        guard let number = answer.number("delivery"), let offset = answer.number("offset"), let body = answer.body
        else { return nil }
        var arrival = ServerLine.Arrival(consumer: 0, delivery: number, offset: offset)
        for option in answer.options {
            let isHeader = option.name.hasPrefix("h.")
            let name = isHeader ? String(option.name.dropFirst(2)) : option.name
            arrival.take(ServerLine.Option(name: name, value: option.value), isHeader: isHeader)
        }
        arrival.body = body
        return Delivery(number: number == 0 ? 0 : base + number, message: StoredMessage(arrival))
    }
}
