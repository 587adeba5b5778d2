internal import ColaNative

// Asking another program and waiting for what it answers.
extension Client {
    /// Publishes a question and waits for the answer to it.
    ///
    /// The answer comes through a queue of its own, which belongs to this connection and goes when the answer is here.
    /// Whoever answers publishes to the question's ``StoredMessage/replyTo`` with its ``StoredMessage/correlationID``;
    /// ``answer(_:with:)`` does that.
    ///
    /// - Parameters:
    ///   - message: the question; its `replyTo` and, if it has none, its `correlationID` are set here.
    ///   - milliseconds: how long to wait for the answer after the question is on the server's disk.
    /// - Throws: ``ColaError``: ``ColaError/Code/timeout`` if no answer came in time, which may still be on its way;
    ///   ``ColaError/Code/connectionLost`` if the connection was lost, and with it the queue for the answer.
    public func request(
        _ message: OutgoingMessage, to destination: Destination, timeoutMilliseconds milliseconds: Int64 = 30_000
    ) async throws -> StoredMessage {
        try await connection.withConnection { connection in
            var declare = ClientRequest.QueueOptions()
            declare.isExclusive = true
            let made = try await connection.ask(.declareQueue("", declare), "declare of a queue for the answer")
            guard let queue = made.answer.text("name") else {
                throw ColaError(
                    code: .protocolViolation, message: "\(connection.url) did not name the queue that it made",
                    isRetryable: false)
            }
            defer { try? connection.send(.delete(kind: "queue", name: queue)) }
            var question = message
            question.replyTo = queue
            question.correlationID = message.correlationID ?? queue
            return try await ask(question, to: destination, over: connection, within: milliseconds)
        }
    }

    private func ask(
        _ question: OutgoingMessage, to destination: Destination, over connection: Connection,
        within milliseconds: Int64
    ) async throws -> StoredMessage {
        try question.check(bodyBytesMax: server.bodyBytesMax)
        var plan = ConsumePlan(question.replyTo ?? "")
        plan.isAutomatic = true
        plan.isExclusive = true
        plan.endsWithConnection = true
        let answers = Subscription(plan)
        defer { answers.giveBack() }
        // From here on the queue is of this connection, so nothing of it can be done on another one.
        do {
            try await answers.begin(on: connection)
            let template = question.template(to: destination)
            _ = try await connection.ask("publish to \(destination.described)") { buffer, tag in
                template.write(body: question.body, tag: tag, to: &buffer)
            }
        } catch let unsent as Connection.NotSent {
            throw unsent.reason
        }
        let deadline = ContinuousClock.now + .milliseconds(milliseconds)
        while true {
            let left = deadline - .now
            let wait = max(0, left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000)
            switch try await answers.next(within: wait) {
            case .event(.delivery(let delivery)) where delivery.message.correlationID == question.correlationID:
                return delivery.message
            case .event: continue
            case .ended:
                throw CancellationError()
            case .idle:
                throw ColaError(
                    code: .timeout,
                    message:
                        "no answer from \(destination.described) within \(milliseconds) ms; the question is stored "
                        + "and may still be answered",
                    isRetryable: true)
            }
        }
    }

    /// Publishes the answer to a question that came as a message.
    /// - Throws: ``ColaError``: ``ColaError/Code/syntax`` if the message asks for none, ``ColaError/Code/unroutable``
    ///   if whoever asked does not wait any more.
    public func answer(_ question: StoredMessage, with message: OutgoingMessage) async throws {
        guard let replyTo = question.replyTo else {
            throw ColaError(
                code: .syntax, message: "the message at offset \(question.offset) does not say where to answer",
                isRetryable: false)
        }
        var message = message
        message.correlationID = question.correlationID
        try await publish(message, to: .queue(replyTo))
    }
}
