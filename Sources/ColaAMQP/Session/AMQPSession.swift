package import ColaCore
package import NIOCore

/// The server's side of one AMQP 0-9-1 connection, without the socket: bytes in, commands out; effects in, bytes out.
///
/// Each of its channels is a channel of the broker, which answers in order; what the session refuses by itself travels
/// through the broker as well, so that it comes behind the answers to what was asked before. An error of the connection
/// ends it at once.
///
/// Source: AMQP 0-9-1, sections 2 and 4, and RabbitMQ where it goes further
package struct AMQPSession {
    package struct Configuration: Sendable {
        /// What the server calls itself.
        package var product: String
        package var version: String
        /// What of a client's certificate is the name of its user, with the mechanism EXTERNAL.
        package var certificateName = PeerCertificate.Part.distinguishedName
        package var bodyBytesMax = 128 * 1024 * 1024
        package var handshakeMilliseconds: Int64 = 10_000
        package var channelMax: UInt16 = 2_047
        package var frameMax: UInt32 = 131_072
        /// Seconds.
        package var heartbeat: UInt16 = 60

        package init(product: String, version: String) {
            self.product = product
            self.version = version
        }

        /// A frame before the client has said how large they may be: a login may carry a long token.
        static let frameMaxBefore: UInt32 = 32_768
        /// Every peer must take frames of this size.
        static let frameMin: UInt32 = 4_096
    }

    enum State {
        /// Waits for the eight bytes that name the protocol.
        case header
        /// Waits for `connection.start-ok`.
        case starting
        /// Somebody looks at the name and the password; nothing is read meanwhile.
        case authenticating
        /// Waits for `connection.tune-ok`.
        case tuning
        /// Waits for `connection.open`.
        case opening
        case open
        /// The client has said that it leaves; its channels are still being answered for.
        case leaving
        /// We have said that it ends; all but the answer to that is dropped.
        case closing
        case closed
    }

    package let channel: ChannelID
    let peer: Peer
    let configuration: Configuration
    /// Makes the names that the session chooses differ from those of another life of the server.
    let epoch: Epoch
    /// Ends the names of its reply queues: nobody publishes to one whose name he was not told.
    let secret: String
    var state = State.header
    var identity: Access.Identity?
    var host = VirtualHostDefinition.defaultName
    var clientProperties = FieldTable()
    /// With which the client has shown who it is.
    var mechanism = ""
    /// Whether `connection.open` was answered.
    var isOpened = false
    var capabilities = Capabilities()

    /// What was received and does not make a whole frame yet.
    var input = ByteBuffer()
    /// How much `input` must hold before it is worth looking at again.
    var inputNeeded = 1
    /// The rest of a body's frame that is read as it comes.
    var streaming: StreamingFrame?
    var hasEndedEarly = false

    var channels: [UInt16: AMQPChannel] = [:]
    /// The channel of the last frame.
    var lastChannel: AMQPChannel?
    /// Channels with confirms that wait to be merged with the next.
    var unflushed: [AMQPChannel] = []
    /// How many channels of each number there were.
    var incarnations: [UInt16: UInt8] = [:]
    /// Answers that `connection.close-ok` waits for.
    var farewells = 0
    /// Bytes of bodies that are not whole yet.
    var bodyBytes = 0
    /// The same of all that waits for a `tx.commit`.
    var transactionBytes = 0

    var channelMax: UInt16
    var frameMax: UInt32 = Configuration.frameMaxBefore
    var heartbeatMilliseconds: Int64 = 0
    var lastReceived: Instant
    var lastSent: Instant
    let began: Now
    /// When it is closed whatever the peer does.
    var closeDeadline: Instant?

    /// Why publishers are held back, and whether the client was told.
    var blocked: String?
    var knowsBlocked = false
    var hasPublished = false
    /// What is read next is a publish, and has to wait.
    var isParked = false
    package var hasQuit = false
    package private(set) var isPeerGone = false

    /// How many queues it has chosen a name for.
    var namesGiven = 0
    /// The exchange and the routing key of the last publish, as received and as text.
    var lastTarget = PublishTarget()

    package var commands: [Command] = []
    package var output = ByteBuffer()
    package var credentials: Credentials?

    /// - Parameter secret: characters of a queue's name that nobody can guess.
    package init(
        channel: ChannelID, peer: Peer, configuration: Configuration, epoch: Epoch, secret: String, now: Now
    ) {
        self.epoch = epoch
        self.secret = secret
        self.channel = channel
        self.peer = peer
        self.configuration = configuration
        channelMax = configuration.channelMax
        began = now
        lastReceived = now.monotonic
        lastSent = now.monotonic
    }

    package var isClosed: Bool {
        if case .closed = state { true } else { false }
    }

    package var inputBytes: Int { input.readableBytes + bodyBytes }

    /// Whether frames are read.
    var isReading: Bool {
        switch state {
        case .authenticating, .closed: false
        // What follows `connection.open` is read when that has been answered.
        case .open: isOpened
        case .header, .starting, .tuning, .opening, .leaving, .closing: true
        }
    }

    /// About what the clock says.
    var wall: Timestamp {
        Timestamp(began.wall.rawValue + (lastReceived.rawValue - began.monotonic.rawValue) / 1_000_000)
    }

    // MARK: Time

    package var nextDeadline: Instant? {
        switch state {
        case .header, .starting, .authenticating, .tuning, .opening:
            return began.monotonic.advanced(byMilliseconds: configuration.handshakeMilliseconds)
        case .leaving, .closing: return closeDeadline
        case .open where heartbeatMilliseconds > 0:
            return min(
                lastSent.advanced(byMilliseconds: heartbeatMilliseconds / 2),
                lastReceived.advanced(byMilliseconds: heartbeatMilliseconds * 2))
        case .open, .closed: return nil
        }
    }

    package mutating func tick(at now: Instant) {
        guard let deadline = nextDeadline, deadline <= now else { return }
        guard case .open = state else { return end() }
        // As RabbitMQ: whoever is silent for so long is gone, and has no use for a last word.
        if lastReceived.advanced(byMilliseconds: heartbeatMilliseconds * 2) <= now {
            isPeerGone = true
            return end()
        }
        output.writeHeartbeat()
        lastSent = now
    }

    package mutating func didSend(at now: Instant) { lastSent = now }

    package mutating func excuseSilence(at now: Instant) { lastReceived = now }

    /// Nothing more is read or written.
    mutating func end() {
        state = .closed
        input = ByteBuffer()
    }

    // MARK: The end

    package mutating func close(code: String, sentence: String) {
        fail(ProtocolError(.connectionForced, sentence))
        // Whoever calls waits for nothing.
        end()
    }

    /// Ends the connection: the client is told why, and what it says from now on is dropped.
    mutating func fail(_ error: ProtocolError) {
        switch state {
        case .closing, .closed: return
        case .header, .starting, .authenticating:
            // Nothing was agreed on that an error could be said in.
            return end()
        case .tuning, .opening, .open, .leaving: break
        }
        flush()
        let method = error.method ?? MethodID(classID: 0, methodID: 0)
        write(
            .connectionClose(
                replyCode: error.code.rawValue, replyText: error.text, classID: method.classID,
                methodID: method.methodID))
        beginClosing()
    }

    mutating func beginClosing() {
        if identity != nil { commands.append(.detach(channel)) }
        for channel in channels.values { channel.drop() }
        channels = [:]
        lastChannel = nil
        streaming = nil
        bodyBytes = 0
        state = .closing
        closeDeadline = lastReceived.advanced(byMilliseconds: configuration.handshakeMilliseconds)
    }

    package mutating func receiveEnd() {
        switch state {
        case .authenticating: hasEndedEarly = true
        case .open where !isOpened || isParked: hasEndedEarly = true
        case .open where !channels.isEmpty:
            hasEndedEarly = true
            leave()
        default: end()
        }
    }

    mutating func write(_ method: Method, channel: UInt16 = 0) { output.writeMethod(method, channel: channel) }
}

/// What a client says that it understands. Source: RabbitMQ, "Client Properties and Capabilities"
struct Capabilities {
    var knowsAuthenticationFailure = false
    var knowsBlocked = false
    var knowsConsumerCancel = false
    /// Whether its users change the prefetch of consumers that are there, and say so as before RabbitMQ 3.3:
    /// py-amqp, and SimpleAmqpClient, which goes by the version alone and gives each consumer a channel of its own.
    var changesPrefetchLater = false

    init() {}

    init(_ properties: FieldTable) {
        if case .table(let table) = properties["capabilities"] {
            func has(_ name: String) -> Bool { table[name] == .bool(true) }
            knowsAuthenticationFailure = has("authentication_failure_close")
            knowsBlocked = has("connection.blocked")
            knowsConsumerCancel = has("consumer_cancel_notify")
        }
        changesPrefetchLater =
            switch properties["product"]?.text {
            case "py-amqp": true
            // Of those who are made of librabbitmq only SimpleAmqpClient asks for that notice.
            case "rabbitmq-c": knowsConsumerCancel
            default: false
            }
    }
}
