internal import ColaNative
public import NIOCore
internal import Synchronization

/// A connection to a Cola server.
///
/// Everything that the server confirms is on its disk when the call returns. Any number of tasks may use one client at
/// the same time; what each asks is answered in the order it was asked. A client does not connect again by itself: when
/// the connection is lost every call throws ``ColaError`` with ``ColaError/Code/connectionLost``, which says what was
/// in flight.
public final class Client: Sendable {
    private let connection: Connection
    /// What the server said about itself.
    public let server: ServerInformation

    init(_ connection: Connection, server: ServerInformation) {
        self.connection = connection
        self.server = server
    }

    /// Says goodbye and closes; a server that does not answer for five seconds is left without one. Unacknowledged
    /// deliveries go back to their queues.
    public func close() async {
        let channel = connection.channel
        guard channel.isActive else { return }
        let timeout = channel.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
        defer { timeout.cancel() }
        _ = try? await connection.ask(.quit, "quit")
        connection.fail(ColaError(code: .closed, message: "the client was closed", isRetryable: false))
        try? await channel.close().get()
    }

    // MARK: Definitions

    /// Makes the queue if there is none of the name.
    /// - Returns: how many messages wait in it.
    @discardableResult public func declareQueue(_ name: String) async throws -> Int {
        try await count("ready", .declareQueue(name), "declare of queue '\(name)'")
    }

    /// Makes the topic if there is none of the name.
    /// - Returns: how many messages are in it.
    @discardableResult public func declareTopic(_ name: String) async throws -> Int {
        try await count("ready", .declareTopic(name), "declare of topic '\(name)'")
    }

    /// Makes the exchange if there is none of the name. `type` is `direct` or `fanout`.
    public func declareExchange(_ name: String, type: String) async throws {
        _ = try await connection.ask(.declareExchange(name, type: type), "declare of exchange '\(name)'")
    }

    /// What can be deleted.
    public enum Kind: String, Sendable, CaseIterable { case queue, topic, exchange }

    /// Deletes it with its messages and bindings.
    /// - Returns: how many messages were deleted with it.
    @discardableResult public func delete(_ kind: Kind, _ name: String) async throws -> Int {
        let request = ClientRequest.delete(kind: kind.rawValue, name: name)
        return try await count("messages", request, "delete of \(kind.rawValue) '\(name)'")
    }

    /// From now on the exchange leads messages with the routing key to the queue or topic.
    public func bind(exchange: String, to name: String, routingKey: String = "") async throws {
        let request = ClientRequest.bind(.init(exchange, to: name, key: routingKey.isEmpty ? nil : routingKey))
        _ = try await connection.ask(request, "bind of '\(exchange)' to '\(name)'")
    }

    /// Takes a binding back.
    public func unbind(exchange: String, from name: String, routingKey: String = "") async throws {
        let request = ClientRequest.unbind(.init(exchange, to: name, key: routingKey.isEmpty ? nil : routingKey))
        _ = try await connection.ask(request, "unbind of '\(exchange)' from '\(name)'")
    }

    /// Removes every message of a queue that is not handed out.
    /// - Returns: how many there were.
    @discardableResult public func purge(_ queue: String) async throws -> Int {
        try await count("messages", .purge(queue), "purge of '\(queue)'")
    }

    private func count(_ option: String, _ request: ClientRequest, _ what: String) async throws -> Int {
        Int(try await connection.ask(request, what).answer.number(option) ?? 0)
    }

    // MARK: Publishing

    /// Publishes one message and waits until it is on the server's disk. For many, see ``withPublisher(to:window:_:)``.
    public func publish(
        _ body: ByteBuffer, to destination: Destination, key: [UInt8]? = nil, headers: [Header] = []
    ) async throws {
        let publisher = publisher(to: destination, window: 1, key: key, headers: headers)
        try await publisher.publish(body)
        try await publisher.confirmAll()
    }

    /// Publishes a text and waits until it is on the server's disk.
    public func publish(_ text: String, to destination: Destination) async throws {
        try await publish(ByteBuffer(string: text), to: destination)
    }

    /// Hands `body` a publisher with that window, and waits for its last confirm.
    public func withPublisher<Result: Sendable>(
        to destination: Destination, window: Int = 1000, key: [UInt8]? = nil, headers: [Header] = [],
        _ body: (Publisher) async throws -> Result
    ) async throws -> Result {
        let publisher = publisher(to: destination, window: window, key: key, headers: headers)
        let result = try await body(publisher)
        try await publisher.confirmAll()
        return result
    }

    private func publisher(to destination: Destination, window: Int, key: [UInt8]?, headers: [Header]) -> Publisher {
        let template = PublishTemplate(
            routingKey: destination.routingKey, exchange: destination.exchange, key: key,
            headers: headers.map { ($0.name, Array($0.value.utf8)) })
        return Publisher(connection, to: destination, window: window, template: template)
    }

    // MARK: Consuming

    /// When a message counts as acknowledged.
    public enum Acknowledgement: Sendable {
        /// When ``Client/ack(_:)`` says so.
        case manual
        /// When it is sent; if the connection is lost on the way, so is the message.
        case automatic
    }

    /// Begins to consume a queue, or to read a topic.
    /// - Parameters:
    ///   - prefetch: how many may be here and unacknowledged, 1 to 65,535.
    ///   - limit: how many messages to take in all, and not one more; nil is no limit. The server then counts what it
    ///     sends and not what is acknowledged: `prefetch` is how many come ahead of whoever takes them.
    ///   - from: for a topic: `first`, `last`, `next` or an offset; nil is `next`.
    public func consume(
        _ name: String, prefetch: Int = 100, limit: Int? = nil, acknowledgement: Acknowledgement = .manual,
        from: String? = nil
    ) async throws -> Deliveries {
        let isAutomatic = acknowledgement == .automatic
        let usesCredit = isAutomatic || limit != nil
        let first = min(prefetch, limit ?? prefetch)
        let deliveries = connection.addConsumer { number in
            Deliveries(
                consumer: number, connection: connection, grant: usesCredit ? max(1, first / 2) : nil,
                left: limit.map { max(0, $0 - first) } ?? .max)
        }
        var consume = ClientRequest.Consume(name: name, consumer: deliveries.consumer)
        consume.flow = usesCredit ? .credit(first) : .prefetch(first)
        consume.ack = isAutomatic ? "auto" : nil
        consume.from = from
        do {
            _ = try await connection.ask(.consume(consume), "consume of '\(name)'")
        } catch {
            connection.removeConsumer(deliveries.consumer)
            throw error
        }
        return deliveries
    }

    /// The message is done: the server may delete it. Returns at once; ``settled()`` waits until it is on the disk.
    public func ack(_ delivery: Delivery) throws { try ack(through: delivery.number...delivery.number) }

    /// All those deliveries that this connection holds are done.
    public func ack(through numbers: ClosedRange<Int64>) throws { try connection.tell(.acknowledge(.ack, numbers)) }

    /// The message goes back to its place in the queue, for whoever comes next.
    public func nack(_ delivery: Delivery) throws {
        try connection.tell(.acknowledge(.nack, delivery.number...delivery.number))
    }

    /// The message is not to be delivered again.
    public func reject(_ delivery: Delivery) throws {
        try connection.tell(.acknowledge(.reject, delivery.number...delivery.number))
    }

    /// Waits until every acknowledgement so far is on the server's disk.
    /// - Throws: what one of them was refused with.
    public func settled() async throws {
        try await ping()
        if let refusal = connection.takeRefusal() { throw refusal }
    }

    /// One message, now, or nil if none waits.
    public func get(_ queue: String, acknowledgement: Acknowledgement = .manual) async throws -> Delivery? {
        let request = ClientRequest.get(queue, ack: acknowledgement == .automatic ? "auto" : "manual")
        let answer = try await connection.ask(request, "get from '\(queue)'").answer
        guard let number = answer.number("delivery"), let offset = answer.number("offset"), let body = answer.body
        else { return nil }
        var arrival = ServerLine.Arrival(consumer: 0, delivery: number, offset: offset)
        for option in answer.options {
            let isHeader = option.name.hasPrefix("h.")
            let name = isHeader ? String(option.name.dropFirst(2)) : option.name
            arrival.take(ServerLine.Option(name: name, value: option.value), isHeader: isHeader)
        }
        arrival.body = body
        return Delivery(number: number, message: StoredMessage(arrival))
    }

    /// Up to `count` messages at or above the offset, without taking them, whether handed out or not.
    public func peek(_ name: String, from offset: Int64 = 0, count: Int = 1) async throws -> [StoredMessage] {
        let request = ClientRequest.peek(name, from: offset, count: count)
        return try await connection.ask(request, "peek of '\(name)'").peeked
    }

    // MARK: Looking inside

    /// What can be listed.
    public enum Listing: String, Sendable, CaseIterable {
        case queues, topics, exchanges, bindings, consumers, connections
    }

    /// One JSON array with an object per row, sorted by name.
    public func list(_ what: Listing) async throws -> String {
        try await json(.list(what.rawValue), "list of \(what.rawValue)")
    }

    /// One JSON object about the server.
    public func stat() async throws -> String { try await json(.stat, "stat") }

    /// Waits for a sign of life; everything that was asked before is then done.
    public func ping() async throws { _ = try await connection.ask(.ping, "ping") }

    private func json(_ request: ClientRequest, _ what: String) async throws -> String {
        try await connection.ask(request, what).answer.body.map { String(buffer: $0) } ?? "null"
    }
}
