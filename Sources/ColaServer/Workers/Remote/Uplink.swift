internal import ColaCore
internal import ColaNative
internal import DequeModule
internal import NIOCore
internal import NIOPosix

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The connection of one seat to a broker that is another process: what a seat asks becomes requests of the native
/// protocol, and what the broker says becomes the effects that a seat of the broker's own would get.
///
/// It connects when something is asked, and again after it was lost. Numbers of deliveries go on growing: what is said
/// of one that an earlier connection brought is for nobody, because the broker has given it to somebody else.
final class Uplink: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private enum State {
        case closed
        case connecting
        /// The greeting has been sent.
        case greeting(any Channel)
        case open(any Channel)

        var channel: (any Channel)? {
            switch self {
            case .closed, .connecting: nil
            case .greeting(let channel), .open(let channel): channel
            }
        }
    }

    private struct Asked {
        let tag: Int64
        let question: RequestID
        var isConsume = false
        /// Where a message is to go.
        var routingKey = ""
    }

    private unowned let seat: any Connection
    private let eventLoop: any EventLoop
    private let dial: (Uplink, EventLoopPromise<any Channel>) -> Void
    private let greeting: ClientRequest.Hello
    /// What is to be done with a process whose messages the broker has taken back.
    private let lost: () -> Void
    private var info: ChannelInfo?
    private var state = State.closed
    private var decoder = ClientDecoder()
    /// Requests that wait for the greeting to be answered, or for the end of the round.
    private var output = ByteBuffer()
    private var isWritePending = false
    /// Who waits for an answer, in the order of the requests.
    private var asked: Deque<Asked> = []
    private var lastTag: Int64 = 0
    /// The deliveries of connections before this one.
    private var earlier: UInt64 = 0
    private var lastDelivery: UInt64 = 0
    private var isOver = false

    /// - Parameters:
    ///   - dial: connects with this as the handler.
    ///   - lost: is called when a connection ends that was open.
    init(
        of seat: any Connection, on eventLoop: any EventLoop, greeting: ClientRequest.Hello,
        dial: @escaping (Uplink, EventLoopPromise<any Channel>) -> Void, lost: @escaping () -> Void
    ) {
        self.seat = seat
        self.eventLoop = eventLoop
        self.greeting = greeting
        self.dial = dial
        self.lost = lost
    }

    // MARK: From the seat

    func submit(_ commands: [Command]) {
        for command in commands {
            switch command {
            case .attach(_, let info): self.info = info
            case .request(_, let question, let request): ask(request, question)
            default: break
            }
        }
    }

    /// The seat is no more. What it asked for last is still sent: the broker takes back what is left.
    func close() {
        isOver = true
        guard let channel = state.channel else { return }
        ClientRequest.quit.write(to: &output)
        flush()
        channel.close(promise: nil)
    }

    private func ask(_ request: Request, _ question: RequestID) {
        if case .settle(let first, let last, _) = request, first.rawValue <= earlier || last.rawValue <= earlier {
            return
        }
        guard !isOver else { return }
        lastTag += 1
        var one = Asked(tag: lastTag, question: question)
        if case .publish(let publish) = request {
            one.routingKey = publish.routingKey
            // Not as a batch of one: those have no correlation id.
            PublishTemplate(publish).write(
                body: ByteBuffer(bytes: publish.message.value ?? []), tag: lastTag, to: &output)
        } else if let request = ClientRequest(request, earlier: earlier) {
            request.write(to: &output, tag: lastTag)
        } else {
            return
        }
        if case .consume = request { one.isConsume = true }
        asked.append(one)
        flushLater()
        // Last: where nobody listens it fails at once, and then this request is among those that are told.
        if case .closed = state { connect() }
    }

    /// Once for all that this round of the event loop brings.
    private func flushLater() {
        guard case .open = state, !isWritePending else { return }
        isWritePending = true
        eventLoop.assumeIsolated().execute { [self] in flush() }
    }

    private func flush() {
        isWritePending = false
        guard case .open(let channel) = state, output.readableBytes > 0 else { return }
        channel.writeAndFlush(output, promise: nil)
        output = ByteBuffer()
    }

    // MARK: The connection

    private func connect() {
        state = .connecting
        let promise = eventLoop.makePromise(of: (any Channel).self)
        // Not at once: it may fail at once, and whoever asks is not told before his question is noted.
        eventLoop.assumeIsolated().execute { [self] in dial(self, promise) }
        promise.futureResult.assumeIsolated().whenComplete { [self] result in
            switch result {
            case .success(let channel): greet(channel)
            case .failure(let error): ended("cannot reach the broker: \(Self.reason(error))")
            }
        }
    }

    private func greet(_ channel: any Channel) {
        // The seat has gone meanwhile.
        guard !isOver else { return channel.close(promise: nil) }
        guard channel.isActive else { return ended("the connection to the broker was lost") }
        // What it said while nobody listened yet is still to be read: the answer to the greeting comes after it.
        state = .greeting(channel)
        var hello = greeting
        hello.virtualHost = info?.host
        hello.client = info?.client
        var buffer = ByteBuffer()
        ClientRequest.hello(hello).write(to: &buffer, tag: 0)
        channel.writeAndFlush(buffer, promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard state.channel === context.channel else { return }
        decoder.feed(unwrapInboundIn(data))
        do throws(ClientDecoder.Malformed) {
            while let line = try decoder.next() { take(line) }
        } catch {
            ended("the broker does not speak the native protocol: \(error.reason)")
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        // One that was given up before may end when there is another already.
        guard state.channel === context.channel else { return }
        ended("the connection to the broker was lost")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// What the system said, without the type names around it.
    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { reason($0.error) } ?? "'\(error.host)' has no address"
        default: "\(error)"
        }
    }

    /// Nothing of this connection holds any more: whoever waits is told, and what the seat has belongs to others.
    private func ended(_ reason: String) {
        if case .closed = state { return }
        let wasOpen: Bool
        if case .open = state { wasOpen = true } else { wasOpen = false }
        let channel = state.channel
        state = .closed
        channel?.close(promise: nil)
        decoder = ClientDecoder()
        output = ByteBuffer()
        earlier = max(earlier, lastDelivery)
        lastDelivery = earlier
        let unanswered = asked
        asked = []
        guard !isOver else { return }
        if wasOpen { lost() }
        let error = BrokerError.badArgument(reason)
        // Its consumer is gone as well, whatever else it waits for.
        if !isOver, !unanswered.contains(where: \.isConsume) {
            seat.handle(.consumerFailed(seat.id, ConsumerTag(0), error))
        }
        for one in unanswered where !isOver { seat.handle(.reply(seat.id, one.question, .refused(error))) }
        if !isOver { seat.flush() }
    }

    // MARK: From the broker

    private func take(_ line: ServerLine) {
        // What it was told before may have been the last that the seat waited for.
        guard !isOver else { return }
        switch line {
        case .ok(let answer) where answer.tags == 0...0:
            guard case .greeting(let channel) = state else { return }
            state = .open(channel)
            flush()
        case .ok(let answer):
            for tag in answer.tags ?? 0...0 where !isOver { reply(tag, .done) }
        case .error(let refusal):
            if refusal.tag == 0 { return ended(refusal.sentence) }
            let routingKey = asked.first { $0.tag == refusal.tag }?.routingKey ?? ""
            let error = BrokerError(refusal, routingKey)
            if let consumer = refusal.consumer {
                seat.handle(.consumerFailed(seat.id, ConsumerTag(UInt64(clamping: consumer)), error))
            } else if let tag = refusal.tag {
                reply(tag, .refused(error))
            }
        case .message(let arrival):
            let delivery = Delivery(arrival, earlier: earlier)
            lastDelivery = max(lastDelivery, delivery.tag.rawValue)
            seat.handle(.deliver(seat.id, ConsumerTag(UInt64(clamping: arrival.consumer)), delivery))
        case .bye(_, let sentence): ended(sentence)
        case .assigned, .blocked, .unblocked, .beat: break
        }
        if !isOver { seat.flush() }
    }

    private func reply(_ tag: Int64, _ reply: Reply) {
        guard let first = asked.first, first.tag == tag else {
            // Answers come in the order of the requests.
            return
        }
        asked.removeFirst()
        seat.handle(.reply(seat.id, first.question, reply))
    }
}

extension BrokerError {
    /// What a broker elsewhere has refused; only what a seat tells apart is told apart.
    fileprivate init(_ refusal: ServerLine.Refusal, _ routingKey: String) {
        self =
            switch refusal.code {
            case "not_found": .notFound(.queue, name: "")
            case "unroutable": .unroutable(exchange: "", routingKey: routingKey)
            default: .badArgument(refusal.sentence)
            }
    }
}
