internal import ColaNative
internal import NIOCore

/// A connection to a Cola server.
///
/// Everything that the server confirms is on its disk when the call returns, or, of a message, was already delivered
/// and acknowledged. Any number of tasks may use one client at the same time; what each asks is answered in the order
/// it was asked.
///
/// When the connection is lost, whatever was in flight throws ``ColaError`` with ``ColaError/Code/connectionLost`` (or
/// the code that the server said good-bye with); what became of it is not known, and it is never sent again by itself.
/// Without ``ClientOptions/reconnect`` every later call throws the same. With it later calls wait for the next
/// connection, and consumers begin again on it.
///
/// A call whose task is cancelled throws `CancellationError` at once; the request may still be carried out.
public final class Client: Sendable {
    let connection: Link

    /// What the server said about itself, on the present connection or the last one.
    public var server: ServerInformation { connection.server }

    init(_ connection: Link) { self.connection = connection }

    /// Says goodbye and closes; a server that does not answer for five seconds is left without one. Unacknowledged
    /// deliveries go back to their queues.
    public func close() async {
        let last = connection.current
        let channel = last.channel
        connection.stopReconnecting()
        guard channel.isActive else { return connection.close() }
        let timeout = channel.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
        defer { timeout.cancel() }
        // A cancelled task could not wait for the answer.
        _ = try? await Task { try await last.ask(.quit, "quit") }.value
        connection.close()
        try? await channel.close().get()
    }

    // MARK: Definitions

    /// Makes the queue if there is none of the name. Returns when it is on the server's disk.
    /// - Returns: how many messages wait in it.
    /// - Throws: ``ColaError``: ``ColaError/Code/mismatch`` if there is one that was declared otherwise, or a topic,
    ///   ``ColaError/Code/accessRefused`` if the name is reserved.
    @discardableResult public func declareQueue(_ name: String) async throws -> Int {
        try await count("ready", .declareQueue(name), "declare of queue '\(name)'")
    }

    /// Makes the topic if there is none of the name. Returns when it is on the server's disk.
    /// - Parameter partitions: 1 to 1,000; nil is one.
    /// - Returns: how many messages are in it.
    @discardableResult public func declareTopic(_ name: String, partitions: Int? = nil) async throws -> Int {
        try await count("ready", .declareTopic(name, partitions: partitions), "declare of topic '\(name)'")
    }

    /// Makes the exchange if there is none of the name. `type` is `direct`, `fanout`, `topic`, `headers`, or one of
    /// those with `x-`.
    public func declareExchange(_ name: String, type: String) async throws {
        _ = try await connection.ask(.declareExchange(name, .init(type: type)), "declare of exchange '\(name)'")
    }

    /// What can be deleted.
    public enum Kind: String, Sendable, CaseIterable { case queue, topic, exchange }

    /// Deletes it with its messages and bindings. Returns when that is on the server's disk; who consumed it is told
    /// (``ColaError/Code/cancelled``).
    /// - Throws: ``ColaError`` with ``ColaError/Code/notFound``.
    /// - Returns: how many messages were deleted with it.
    @discardableResult public func delete(_ kind: Kind, _ name: String) async throws -> Int {
        let request = ClientRequest.delete(kind: kind.rawValue, name: name)
        return try await count("messages", request, "delete of \(kind.rawValue) '\(name)'")
    }

    /// From now on the exchange leads messages with the routing key to the queue or topic. Returns when that is on the
    /// server's disk; twice is as once.
    /// - Throws: ``ColaError`` with ``ColaError/Code/notFound`` if one of the two is not there.
    public func bind(exchange: String, to name: String, routingKey: String = "") async throws {
        let request = ClientRequest.bind(.init(exchange, to: name, key: routingKey.isEmpty ? nil : routingKey))
        _ = try await connection.ask(request, "bind of '\(exchange)' to '\(name)'")
    }

    /// Takes a binding back. Returns when that is on the server's disk.
    /// - Throws: ``ColaError`` with ``ColaError/Code/notFound`` if there is no such binding.
    public func unbind(exchange: String, from name: String, routingKey: String = "") async throws {
        let request = ClientRequest.unbind(.init(exchange, to: name, key: routingKey.isEmpty ? nil : routingKey))
        _ = try await connection.ask(request, "unbind of '\(exchange)' from '\(name)'")
    }

    /// Removes every message of a queue that is not handed out. Returns when that is on the server's disk.
    /// - Returns: how many there were.
    @discardableResult public func purge(_ queue: String) async throws -> Int {
        try await count("messages", .purge(queue), "purge of '\(queue)'")
    }

    private func count(_ option: String, _ request: ClientRequest, _ what: String) async throws -> Int {
        Int(try await connection.ask(request, what).answer.number(option) ?? 0)
    }

    // MARK: Looking inside

    /// Up to `count` messages, 1 to 1,000, at or above the offset (of a topic in partition 0), without taking them,
    /// whether handed out or not. At most 16 MiB of bodies come at a time.
    public func peek(_ name: String, from offset: Int64 = 0, count: Int = 1) async throws -> [StoredMessage] {
        let request = ClientRequest.peek(name, from: offset, count: count)
        return try await connection.ask(request, "peek of '\(name)'").peeked
    }

    /// What can be listed.
    public enum Listing: String, Sendable, CaseIterable {
        case queues, topics, exchanges, bindings, consumers, connections, groups, policies, vhosts
        /// For administrators.
        case users
        case permissions
        case passwordHashes = "password-hashes"
        case topicPermissions = "topic-permissions"
        /// For administrators: the programs that the server runs.
        case workers
        /// For administrators: the server's own process, and the instances of its workers.
        case processes
    }

    /// One JSON array with an object per row, sorted by name. `protocol/native.md`, section 3.6, lists its members.
    public func list(_ what: Listing) async throws -> String {
        try await json(.list(what.rawValue), "list of \(what.rawValue)")
    }

    /// One JSON object about the server.
    public func stat() async throws -> String { try await json(.stat, "stat") }

    /// Has the server read its configuration again; what has changed of its workers holds from then on. For
    /// administrators.
    ///
    /// - Parameter isDryRun: nothing is changed, and the answer is what would be.
    /// - Returns: a JSON object: what is different of which worker and setting; `protocol/native.md`, section 3.7.
    /// - Throws: ``ColaError``, with ``ColaError/Code/configuration`` if it cannot be taken on as it is.
    public func reload(isDryRun: Bool = false) async throws -> String {
        try await json(.reload(isDryRun: isDryRun), "reload")
    }

    /// Waits for a sign of life; everything that was asked before is then done.
    public func ping() async throws { _ = try await connection.ask(.ping, "ping") }

    func json(_ request: ClientRequest, _ what: String) async throws -> String {
        try await connection.ask(request, what).answer.body.map { String(buffer: $0) } ?? "null"
    }
}
