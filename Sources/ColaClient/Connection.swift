internal import ColaNative
internal import DequeModule
internal import NIOCore
internal import Synchronization

/// One connection: what is still to be sent, what waits for an answer, and who gets what arrives.
///
/// Requests are encoded by whoever makes them, into one buffer that the event loop picks up: a burst of publishes costs
/// one wake-up, not one each. Everything that waits carries a tag, and tags are given out in the order of the bytes, so
/// answers are matched from the front of one queue. Nothing is called while the lock is held.
final class Connection: Sendable {
    /// What an answer brings: its options and body, and the messages that a `peek` sent before it.
    struct Reply: Sendable {
        var answer: ServerLine.Answer
        var peeked: [StoredMessage]
    }

    private enum Waiting: Sendable {
        case request(ticket: UInt64, what: String, CheckedContinuation<Reply, any Error>)
        case publish(Publisher, bodyBytes: Int)
        /// Whoever asked was cancelled; the answer still comes.
        case abandoned

        /// What is in flight, for the error message; nil where nobody waits.
        var described: String? {
            switch self {
            case .request(_, let what, _): what
            case .publish(let publisher, _): "publish to \(publisher.destination.described)"
            case .abandoned: nil
            }
        }
    }

    private struct State: Sendable {
        var outgoing = ByteBuffer()
        var isFlushDue = false
        var waiting = Deque<Waiting>()
        /// The tag of `waiting.first`.
        var firstTag: Int64 = 1
        var nextTicket: UInt64 = 1
        var consumers: [Int64: Deliveries] = [:]
        var nextConsumer: Int64 = 1
        var peeked: [StoredMessage] = []
        /// What the server said last that answers no request: why it closes, or which acknowledgement failed.
        var lastRefusal: ColaError?
        var failure: ColaError?
    }

    let url: ColaURL
    let channel: any Channel
    private let notice: (@Sendable (String) -> Void)?
    private let state = Mutex(State())

    init(url: ColaURL, channel: any Channel, notice: (@Sendable (String) -> Void)?) {
        self.url = url
        self.channel = channel
        self.notice = notice
    }

    // MARK: Asking

    /// Sends a request and waits for its answer.
    func ask(_ request: ClientRequest, _ what: String) async throws -> Reply {
        let ticket = state.withLock { state -> UInt64 in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Reply, any Error>) in
                do {
                    try enqueue(.request(ticket: ticket, what: what, continuation)) { buffer, tag in
                        request.write(to: &buffer, tag: tag)
                    }
                    // If it was cancelled before the line above, nobody found it in the queue.
                    if Task.isCancelled { abandon(ticket) }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        } onCancel: {
            abandon(ticket)
        }
    }

    func publish(_ template: PublishTemplate, body: ByteBuffer, for publisher: Publisher) throws {
        try enqueue(.publish(publisher, bodyBytes: body.readableBytes)) { buffer, tag in
            template.write(body: body, tag: tag, to: &buffer)
        }
    }

    /// Sends a request that is answered only if it fails.
    func tell(_ request: ClientRequest) throws {
        try enqueue(nil) { buffer, _ in request.write(to: &buffer) }
    }

    private func enqueue(_ waiting: Waiting?, _ write: (inout ByteBuffer, Int64) -> Void) throws {
        let isFirst = try state.withLock { state -> Bool in
            if let failure = state.failure { throw failure }
            write(&state.outgoing, state.firstTag + Int64(state.waiting.count))
            if let waiting { state.waiting.append(waiting) }
            defer { state.isFlushDue = true }
            return !state.isFlushDue
        }
        if isFirst { channel.eventLoop.execute { self.flush() } }
    }

    private func flush() {
        let bytes = state.withLock { state -> ByteBuffer in
            let bytes = state.outgoing
            // The old buffer goes to the socket; a new one of its size saves growing step by step.
            state.outgoing = ByteBufferAllocator().buffer(capacity: min(bytes.readableBytes, 65_536))
            state.isFlushDue = false
            return bytes
        }
        if bytes.readableBytes > 0 { channel.writeAndFlush(bytes, promise: nil) }
    }

    private func abandon(_ ticket: UInt64) {
        let continuation = state.withLock { state -> CheckedContinuation<Reply, any Error>? in
            for index in state.waiting.indices {
                if case .request(ticket, _, let continuation) = state.waiting[index] {
                    state.waiting[index] = .abandoned
                    return continuation
                }
            }
            return nil
        }
        continuation?.resume(throwing: CancellationError())
    }

    // MARK: Consumers

    func addConsumer(_ make: (Int64) -> Deliveries) -> Deliveries {
        state.withLock { state in
            let deliveries = make(state.nextConsumer)
            state.consumers[state.nextConsumer] = deliveries
            state.nextConsumer += 1
            return deliveries
        }
    }

    func removeConsumer(_ number: Int64) {
        state.withLock { $0.consumers[number] = nil }
    }

    // MARK: Answers

    /// Takes what the server said. On the event loop.
    func receive(_ line: ServerLine) {
        switch line {
        case .ok(let answer): answered(answer)
        case .error(let refusal): refused(refusal)
        case .message(let arrival): arrived(arrival)
        case .bye(let code, let sentence):
            let error = ColaError(code: ColaError.Code(rawValue: code), message: sentence, isRetryable: false)
            state.withLock { $0.lastRefusal = $0.lastRefusal ?? error }
        case .blocked(let sentence): notice?("the server holds publishers back: \(sentence)")
        case .unblocked: notice?("the server takes messages again")
        // Nobody here joins a group, so nobody is told what to read.
        case .beat, .assigned: break
        }
    }

    private func answered(_ answer: ServerLine.Answer) {
        guard let tags = answer.tags else { return violated("an answer has no tag") }
        // One lock for the whole range; whom it concerns is told afterwards, each publisher once. A merged answer can
        // be for requests too: those whose answer is one word.
        var confirmed: [(publisher: Publisher, messages: Int, bytes: Int)] = []
        var answered: [CheckedContinuation<Reply, any Error>] = []
        let peeked = state.withLock { state -> [StoredMessage]? in
            guard tags.lowerBound == state.firstTag,
                tags.upperBound - state.firstTag < Int64(state.waiting.count)
            else { return nil }
            for _ in tags {
                switch state.waiting.removeFirst() {
                case .request(_, _, let continuation): answered.append(continuation)
                case .publish(let publisher, let bytes):
                    if let last = confirmed.indices.last, confirmed[last].publisher === publisher {
                        confirmed[last].messages += 1
                        confirmed[last].bytes += bytes
                    } else {
                        confirmed.append((publisher, 1, bytes))
                    }
                case .abandoned: break
                }
            }
            state.firstTag = tags.upperBound + 1
            defer { state.peeked = [] }
            return state.peeked
        }
        guard let peeked else { return violated("an answer has the tag \(tags), which was not its turn") }
        for part in confirmed { part.publisher.confirmed(messages: part.messages, bytes: part.bytes) }
        for continuation in answered { continuation.resume(returning: Reply(answer: answer, peeked: peeked)) }
    }

    private func refused(_ refusal: ServerLine.Refusal) {
        let error = ColaError(
            code: ColaError.Code(rawValue: refusal.code), message: refusal.sentence, isRetryable: refusal.isRetryable)
        if let consumer = refusal.consumer {
            // A damaged message is put aside and the consumer goes on; everything else ends it.
            if error.code == .damaged { return notice?(error.message) ?? () }
            state.withLock { $0.consumers.removeValue(forKey: consumer) }?.finish(throwing: error)
            return
        }
        guard let tag = refusal.tag else {
            state.withLock { $0.lastRefusal = error }
            notice?(error.message)
            return
        }
        let waiting = state.withLock { state -> Waiting? in
            guard tag == state.firstTag else { return nil }
            state.peeked = []
            state.firstTag += 1
            return state.waiting.popFirst()
        }
        switch waiting {
        case .request(_, _, let continuation): continuation.resume(throwing: error)
        case .publish(let publisher, let bytes): publisher.refused(error, bytes: bytes)
        case .abandoned: break
        case nil: violated("an error has the tag \(tag), which was not its turn")
        }
    }

    private func arrived(_ arrival: ServerLine.Arrival) {
        let message = StoredMessage(arrival)
        if arrival.consumer == 0 {
            state.withLock { $0.peeked.append(message) }
            return
        }
        // One that was cancelled may still be sent some; they go back when the connection ends.
        let consumer = state.withLock { $0.consumers[arrival.consumer] }
        consumer?.append(Delivery(number: arrival.delivery, message: message))
    }

    private func violated(_ reason: String) {
        fail(
            ColaError(
                code: .protocolViolation, message: "\(url) does not keep to the native protocol: \(reason)",
                isRetryable: false))
        channel.close(promise: nil)
    }

    // MARK: Ends

    /// What an acknowledgement was refused with since the last time somebody asked.
    func takeRefusal() -> ColaError? {
        state.withLock { state in
            defer { state.lastRefusal = nil }
            return state.lastRefusal
        }
    }

    /// Everything that waits fails, and whatever is asked from now on. The first reason stays.
    func fail(_ reason: ColaError) {
        let (error, waiting, consumers) = state.withLock { state -> (ColaError, Deque<Waiting>, [Deliveries]) in
            if let failure = state.failure { return (failure, [], []) }
            var error = reason
            if reason.code == .connectionLost, let said = state.lastRefusal { error = said }
            let asked = state.waiting.compactMap(\.described)
            error.inFlight = asked.count
            if let first = asked.first {
                error.message += "; \(asked.count) request\(asked.count == 1 ? "" : "s") in flight (first: \(first)): "
                error.message += "whether \(asked.count == 1 ? "it was" : "they were") carried out is not known"
            }
            state.failure = error
            defer {
                state.waiting = []
                state.consumers = [:]
            }
            return (error, state.waiting, state.consumers.keys.sorted().compactMap { state.consumers[$0] })
        }
        for request in waiting {
            switch request {
            case .request(_, _, let continuation): continuation.resume(throwing: error)
            case .publish(let publisher, let bytes): publisher.refused(error, bytes: bytes)
            case .abandoned: break
            }
        }
        for consumer in consumers { consumer.finish(throwing: error) }
    }
}

extension StoredMessage {
    init(_ arrival: ServerLine.Arrival) {
        offset = arrival.offset
        failedDeliveries = arrival.failedDeliveries.map { Int($0) }
        timestampMilliseconds = arrival.timestamp
        key = arrival.key
        headers = arrival.headers.map { Header($0.name, String(decoding: $0.value, as: UTF8.self)) }
        body = arrival.body
    }
}
