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
        /// Whether some were left out of it as they failed their check.
        var hasDamage = false
    }

    /// The connection was lost before the request was sent: nothing came of it.
    struct NotSent: Error {
        let reason: ColaError
    }

    /// Hears why the connection ended and which consumers it had; returns whether it takes care of these.
    typealias EndObserver = @Sendable (ColaError, [Subscription]) -> Bool

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
        var consumers: [Int64: Subscription] = [:]
        var nextConsumer: Int64 = 1
        /// The highest delivery that came, as the server counts on this connection.
        var lastDelivery: Int64 = 0
        var peeked: [StoredMessage] = []
        var hasDamage = false
        /// Which acknowledgement failed last.
        var lastRefusal: ColaError?
        /// Why the server says that it closes.
        var farewell: ColaError?
        var failure: ColaError?
        var observer: EndObserver?
    }

    let url: ColaURL
    let channel: any Channel
    /// The highest number of a delivery of the connections before: so much is added to what the server says, so that
    /// a number means one delivery as long as the client lives.
    let deliveryBase: Int64
    private let notice: (@Sendable (String) -> Void)?
    private let timeoutMilliseconds: Int?
    private let state = Mutex(State())

    init(url: ColaURL, channel: any Channel, options: ClientOptions, deliveryBase: Int64) {
        self.url = url
        self.channel = channel
        self.deliveryBase = deliveryBase
        notice = options.notice
        timeoutMilliseconds = options.requestTimeoutMilliseconds
    }

    /// Why it ended, if it has.
    var failure: ColaError? { state.withLock(\.failure) }

    /// The highest number of a delivery so far, as the client counts.
    var deliveryNumberMax: Int64 { deliveryBase + state.withLock(\.lastDelivery) }

    /// Deliveries of this connection as the server counts them.
    func wireNumbers(_ numbers: ClosedRange<Int64>) -> ClosedRange<Int64> {
        (numbers.lowerBound - deliveryBase)...(numbers.upperBound - deliveryBase)
    }

    // MARK: Asking

    /// Sends a request and waits for its answer.
    /// - Throws: ``NotSent`` if the connection had ended before; ``ColaError``; `CancellationError`.
    func ask(_ request: ClientRequest, _ what: String) async throws -> Reply {
        // How long the answer to a hello may take, the dialer watches.
        let milliseconds = if case .hello = request { nil as Int? } else { timeoutMilliseconds }
        return try await ask(what, within: milliseconds) { buffer, tag in request.write(to: &buffer, tag: tag) }
    }

    /// The same of a request that `write` appends to the buffer with that tag.
    func ask(_ what: String, _ write: (inout ByteBuffer, Int64) -> Void) async throws -> Reply {
        try await ask(what, within: timeoutMilliseconds, write)
    }

    private func ask(
        _ what: String, within milliseconds: Int?, _ write: (inout ByteBuffer, Int64) -> Void
    ) async throws -> Reply {
        let ticket = state.withLock { state -> UInt64 in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
        let timeout = milliseconds.map { milliseconds in
            channel.eventLoop.scheduleTask(in: .milliseconds(Int64(milliseconds))) { [url] in
                let message =
                    "\(url) has not answered the \(what) within \(milliseconds) ms; "
                    + "whether it was carried out is not known"
                self.abandon(
                    ticket, with: ColaError(code: .timeout, message: message, isRetryable: true, inFlight: 1))
            }
        }
        defer { timeout?.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Reply, any Error>) in
                do {
                    try enqueue(.request(ticket: ticket, what: what, continuation), write)
                    // If it was cancelled before the line above, nobody found it in the queue.
                    if Task.isCancelled { abandon(ticket, with: CancellationError()) }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        } onCancel: {
            abandon(ticket, with: CancellationError())
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

    /// Sends a request whose answer nobody waits for.
    func send(_ request: ClientRequest) throws {
        try enqueue(.abandoned) { buffer, tag in request.write(to: &buffer, tag: tag) }
    }

    private func enqueue(_ waiting: Waiting?, _ write: (inout ByteBuffer, Int64) -> Void) throws {
        let isFirst = try state.withLock { state -> Bool in
            if let failure = state.failure { throw NotSent(reason: failure) }
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

    private func abandon(_ ticket: UInt64, with error: any Error) {
        let continuation = state.withLock { state -> CheckedContinuation<Reply, any Error>? in
            for index in state.waiting.indices {
                if case .request(ticket, _, let continuation) = state.waiting[index] {
                    state.waiting[index] = .abandoned
                    return continuation
                }
            }
            return nil
        }
        continuation?.resume(throwing: error)
    }

    // MARK: Consumers

    /// - Returns: the number that the server knows it by.
    func addConsumer(_ subscription: Subscription) throws -> Int64 {
        try state.withLock { state in
            if let failure = state.failure { throw NotSent(reason: failure) }
            defer { state.nextConsumer += 1 }
            state.consumers[state.nextConsumer] = subscription
            return state.nextConsumer
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
            let code = ColaError.Code(rawValue: code)
            let passes = code == .busy || code == .shuttingDown
            state.withLock { $0.farewell = ColaError(code: code, message: sentence, isRetryable: passes) }
        case .blocked(let sentence): notice?("the server holds publishers back: \(sentence)")
        case .unblocked: notice?("the server takes messages again")
        case .assigned(let assigned):
            state.withLock { $0.consumers[assigned.consumer] }?.append(Assignment(assigned))
        case .beat: break
        }
    }

    private func answered(_ answer: ServerLine.Answer) {
        guard let tags = answer.tags else { return violated("an answer has no tag") }
        // One lock for the whole range; whom it concerns is told afterwards, each publisher once. A merged answer can
        // be for requests too: those whose answer is one word.
        var confirmed: [(publisher: Publisher, messages: Int, bytes: Int)] = []
        var answered: [CheckedContinuation<Reply, any Error>] = []
        let peeked = state.withLock { state -> (messages: [StoredMessage], hasDamage: Bool)? in
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
            defer { (state.peeked, state.hasDamage) = ([], false) }
            return (state.peeked, state.hasDamage)
        }
        guard let peeked else { return violated("an answer has the tag \(tags), which was not its turn") }
        for part in confirmed { part.publisher.confirmed(messages: part.messages, bytes: part.bytes) }
        for continuation in answered {
            continuation.resume(
                returning: Reply(answer: answer, peeked: peeked.messages, hasDamage: peeked.hasDamage))
        }
    }

    private func refused(_ refusal: ServerLine.Refusal) {
        let error = ColaError(
            code: ColaError.Code(rawValue: refusal.code), message: refusal.sentence, isRetryable: refusal.isRetryable)
        if let consumer = refusal.consumer {
            // A damaged message is put aside and the consumer goes on; everything else ends it.
            if error.code == .damaged {
                if consumer == 0 { state.withLock { $0.hasDamage = true } }
                return notice?(error.message) ?? ()
            }
            state.withLock { $0.consumers.removeValue(forKey: consumer) }?.finish(throwing: error)
            return
        }
        guard let tag = refusal.tag else {
            // Whoever waits is told when the server closes the connection, which is next.
            let isAwaited = state.withLock { state in
                state.lastRefusal = error
                return !state.waiting.isEmpty
            }
            if !isAwaited { notice?(error.message) }
            return
        }
        let waiting = state.withLock { state -> Waiting? in
            guard tag == state.firstTag else { return nil }
            (state.peeked, state.hasDamage) = ([], false)
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
        let consumer = state.withLock { state in
            state.lastDelivery = max(state.lastDelivery, arrival.delivery)
            return state.consumers[arrival.consumer]
        }
        let number = arrival.delivery == 0 ? 0 : deliveryBase + arrival.delivery
        if let consumer, consumer.append(Delivery(number: number, message: message)) { return }
        // What was still on its way to one that was cancelled goes back at once.
        if number > 0 { try? send(.acknowledge(.nack, arrival.delivery...arrival.delivery, delay: 0)) }
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

    /// Who is to hear of the end; at once if it has come already.
    func onEnd(_ observer: @escaping EndObserver) {
        let failure = state.withLock { state in
            state.observer = observer
            return state.failure
        }
        if let failure { _ = observer(failure, []) }
    }

    /// Everything that waits fails, and whatever is asked from now on. The first reason stays.
    func fail(_ reason: ColaError) {
        let ended = state.withLock { state -> (ColaError, Deque<Waiting>, [Subscription], EndObserver?)? in
            if state.failure != nil { return nil }
            var error = reason
            if reason.code == .connectionLost, let said = state.farewell ?? state.lastRefusal { error = said }
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
            let consumers = state.consumers.keys.sorted().compactMap { state.consumers[$0] }
            return (error, state.waiting, consumers, state.observer)
        }
        guard let (error, waiting, consumers, observer) = ended else { return }
        for request in waiting {
            switch request {
            case .request(_, _, let continuation): continuation.resume(throwing: error)
            case .publish(let publisher, let bytes): publisher.refused(error, bytes: bytes)
            case .abandoned: break
            }
        }
        // Last: no publisher that lost messages may find the next connection without knowing of it.
        let isTakenOver = observer?(error, consumers) ?? false
        if !isTakenOver { for consumer in consumers { consumer.finish(throwing: error) } }
    }
}
