internal import ColaNative
public import NIOCore

// Messages to the server.
extension Client {
    /// Publishes one message and waits until it is on the server's disk. For many, see ``withPublisher(to:window:_:)``.
    public func publish(
        _ body: ByteBuffer, to destination: Destination, key: [UInt8]? = nil, headers: [Header] = []
    ) async throws {
        _ = try await publish(OutgoingMessage(body, key: key, headers: headers), to: destination)
    }

    /// Publishes a text and waits until it is on the server's disk.
    public func publish(_ text: String, to destination: Destination) async throws {
        try await publish(ByteBuffer(string: text), to: destination)
    }

    /// Publishes one message with all that is said of it. Returns when it is on the server's disk, in all queues that
    /// it leads to; with a delay, when it waits for its time there.
    ///
    /// - Returns: whether it was stored, or all its places had taken its id before.
    /// - Throws: ``ColaError``: ``ColaError/Code/unroutable`` if it leads nowhere, ``ColaError/Code/full`` if a queue
    ///   takes no more, ``ColaError/Code/tooLarge`` before it is sent; nothing is stored then. If the connection is
    ///   lost or the task is cancelled it is not known whether it is stored: an id and a queue with a deduplication
    ///   window let it be published again.
    @discardableResult
    public func publish(_ message: OutgoingMessage, to destination: Destination) async throws -> PublishOutcome {
        try message.check(bodyBytesMax: server.bodyBytesMax)
        let template = message.template(to: destination)
        let reply = try await connection.withConnection { connection in
            try await connection.ask("publish to \(destination.described)") { buffer, tag in
                template.write(body: message.body, tag: tag, to: &buffer)
            }
        }
        return reply.answer.text("duplicate") == "yes" ? .duplicate : .stored
    }

    /// Publishes several messages in one request: after any crash all of them are there or none.
    ///
    /// - Parameters:
    ///   - bodies: 1 to 10,000, together at most ``ServerInformation/bodyBytesMax`` bytes.
    ///   - options: what holds for each of them: priority, time to live, delay, partition and whether they are
    ///     mandatory. Its body is not used; key, headers, ids and the like a batch cannot carry.
    /// - Throws: ``ColaError``; nothing is stored then, unless the connection was lost.
    public func publishBatch(
        _ bodies: [ByteBuffer], to destination: Destination, options: OutgoingMessage = OutgoingMessage("")
    ) async throws {
        guard (1...10_000).contains(bodies.count) else {
            throw ColaError(
                code: .limit, message: "a batch has 1 to 10000 messages, not \(bodies.count); publish it in several",
                isRetryable: false)
        }
        guard options.key == nil, options.headers.isEmpty, !options.isNull,
            [options.id, options.replyTo, options.correlationID].allSatisfy({ $0 == nil })
        else {
            throw ColaError(
                code: .syntax,
                message: "the messages of a batch carry neither key nor headers, ids or where to answer; publish these "
                    + "one by one, with a publisher",
                isRetryable: false)
        }
        try options.check(bodyBytesMax: nil)
        let bytes = bodies.reduce(0) { $0 + $1.readableBytes }
        if let limit = server.bodyBytesMax, bytes > limit {
            throw ColaError(
                code: .tooLarge,
                message:
                    "the batch has \(bytes) bytes, and the server takes \(limit) (body-max); publish it in several",
                isRetryable: false)
        }
        let request = ClientRequest.publishBatch(
            routingKey: destination.routingKey, exchange: destination.exchange, isMandatory: options.isMandatory,
            properties: options.properties, bodies: bodies)
        _ = try await connection.ask(request, "publish of \(bodies.count) messages to \(destination.described)")
    }

    /// Hands `body` a publisher with that window, and waits for its last confirm. Everything is then on the server's
    /// disk.
    /// - Throws: what `body` throws, without waiting for confirms then; the first refusal; ``ColaError`` with
    ///   ``ColaError/confirmed`` and ``ColaError/inFlight`` if the connection is lost.
    public func withPublisher<Result: Sendable>(
        to destination: Destination, window: Int = 1000, key: [UInt8]? = nil, headers: [Header] = [],
        _ body: (Publisher) async throws -> Result
    ) async throws -> Result {
        let template = OutgoingMessage("", key: key, headers: headers).template(to: destination)
        let publisher = Publisher(connection, to: destination, window: window, template: template)
        let result = try await body(publisher)
        try await publisher.confirmAll()
        return result
    }
}
