package import ColaCore
package import NIOCore

/// The server's side of one native connection, without the socket: bytes in, commands out; effects in, bytes out.
///
/// The owner feeds what was received, takes `commands` to the broker, hands back the effects that name the session's
/// channel, and writes `output`. Nothing is answered out of turn: what the session refuses by itself travels through
/// the broker as well, so that it comes behind the answers to what was asked before.
///
/// Source: `protocol/native.md`
package struct NativeSession {
    package struct Configuration: Sendable {
        package var server: String
        package var bodyBytesMax = 16 * 1024 * 1024
        package var handshakeMilliseconds: Int64 = 10_000
        /// Why these are no properties of AMQP that the user may send, as a sentence; nil if they are. Nil for the user
        /// is whoever may name anybody as the sender.
        package var amqpProblem: @Sendable (_ properties: [UInt8], _ user: String?) -> String? = { _, _ in
            "this server does not speak AMQP"
        }

        package init(server: String) { self.server = server }

        static let lineBytesMaxBefore = 8_192
        static let lineBytesMax = 65_536
        static let batchMessagesMax = 10_000
        static let pathBytesMax = 4_000
        /// What one is told who asks for something before that.
        static let helloFirst = "say who you are first: hello 1 user=NAME password=PASSWORD"
        static let features = [
            "alter", "backup", "batch", "bind", "dead-letters", "dedup", "delay", "describe", "exclusive", "get",
            "groups",
            "headers", "keys", "partitions", "peek", "policies", "prefetch", "priority", "redrive", "seek", "topics",
            "ttl", "vhosts", "why", "workers",
        ]
    }

    enum State {
        /// Over TCP: nobody has named himself yet.
        case new
        case open
        /// Nothing more is read; what was asked before is still answered.
        case draining
        /// Nothing more is read or answered; `output` is the last.
        case closed
    }

    package let channel: ChannelID
    let peer: Peer
    let access: Access
    let configuration: Configuration
    private(set) weak var admission: (any WorkerAdmission)?
    var state: State
    var identity: Access.Identity?
    /// Whose process it is of, if that has shown its token.
    var worker: WorkerRequest.Target?
    /// What was received and does not make a whole request yet.
    var input = ByteBuffer()
    /// How much `input` must hold before it is worth looking at again.
    var inputNeeded = 1
    /// A `pubs` at the front of `input` that is not whole yet.
    var pendingBatch: PendingBatch?
    /// Up to where `input` was searched for the end of its line.
    var searched = 0
    var scanner = LineScanner()
    /// What a `hello` asked for that is still to be answered.
    var pendingHello: PendingHello?
    /// A name and a password to be looked at: the owner takes them, and answers with `authenticated`. Until then
    /// nothing more is read.
    package var credentials: Credentials?
    var isAuthenticating = false
    /// The client ended its half while its password was looked at.
    var hasEndedEarly = false
    var hasSaidHello = false
    /// The virtual host that the connection works in.
    var host = VirtualHostDefinition.defaultName
    /// Whether anything was asked of the broker, after which the virtual host stays what it is.
    var hasAsked = false
    /// Why publishers are held back, and whether the client was told.
    var blocked: String?
    var knowsBlocked = false
    /// Of `stat` requests that are not answered.
    var statisticsTags: Set<RequestID> = []
    var quitTag: RequestID?
    /// The routing key of the last publish, as received and as text.
    var lastKeyBytes: [UInt8] = []
    var lastKey = ""

    /// Answers of one word that wait to be merged with the next.
    var unwrittenTags: ClosedRange<UInt64>?
    var deliveries = DeliveryWriter()

    var heartbeatMilliseconds: Int64 = 0
    var lastReceived: Instant
    var lastSent: Instant
    let began: Now

    /// What the connection has asked for, for the owner to take to the broker.
    package var commands: [Command] = []
    /// What is to be sent, for the owner to take.
    package var output = ByteBuffer()

    /// - Parameter admission: who knows the tokens of workers; nil: there are none.
    package init(
        channel: ChannelID, peer: Peer, access: Access, configuration: Configuration,
        admission: (any WorkerAdmission)? = nil, now: Now
    ) {
        self.channel = channel
        self.admission = admission
        self.peer = peer
        self.access = access
        self.configuration = configuration
        began = now
        lastReceived = now.monotonic
        lastSent = now.monotonic
        identity = access.identity(of: peer)
        state = identity == nil ? .new : .open
        if let identity { commands.append(.attach(channel, info(of: identity, client: ""))) }
    }

    /// Whether the connection is to be closed once `output` has been sent.
    package var isClosed: Bool {
        if case .closed = state { return true }
        return false
    }

    /// What was received of a request that is not whole yet. Bytes.
    package var inputBytes: Int { input.readableBytes }

    /// Whether the client has said that it leaves.
    package var hasQuit: Bool { quitTag != nil }

    /// Whether a session is there that the broker knows.
    package var isAttached: Bool { identity != nil }

    func info(of identity: Access.Identity, client: String) -> ChannelInfo {
        var info = ChannelInfo(
            protocolName: "native", host: host, peer: peer.description, user: identity.user, client: client,
            since: began.wall)
        if case .process(let id, let user, _) = peer {
            info.processID = id
            info.userID = user
        }
        info.worker = worker
        info.authority = identity.authority
        return info
    }

    // MARK: Time

    /// When `tick` has something to do, or nil.
    package var nextDeadline: Instant? {
        switch state {
        case .new where isAuthenticating: return nil
        case .new: return began.monotonic.advanced(byMilliseconds: configuration.handshakeMilliseconds)
        case .open where heartbeatMilliseconds > 0:
            return min(
                lastSent.advanced(byMilliseconds: heartbeatMilliseconds / 2),
                lastReceived.advanced(byMilliseconds: heartbeatMilliseconds * 2))
        case .open, .draining, .closed: return nil
        }
    }

    package mutating func tick(at now: Instant) {
        guard let deadline = nextDeadline, deadline <= now else { return }
        if case .new = state {
            return close(code: "timeout", sentence: "no hello came within \(configuration.handshakeMilliseconds) ms")
        }
        if lastReceived.advanced(byMilliseconds: heartbeatMilliseconds * 2) <= now {
            let sentence = "nothing was received for \(heartbeatMilliseconds * 2) ms, twice the heartbeat"
            return close(code: "timeout", sentence: sentence)
        }
        output.writeStaticString("beat\n")
        lastSent = now
    }

    /// The owner has written `output`.
    package mutating func didSend(at now: Instant) {
        lastSent = now
    }

    /// The owner did not read: that nothing was received says nothing about the client.
    package mutating func excuseSilence(at now: Instant) {
        lastReceived = now
    }

    /// There are too many connections for this one.
    package mutating func refuseConnection(limit: Int) {
        commands = []
        close(
            code: "busy", sentence: "all \(limit) connections are in use (setting connections-max); try again later")
    }

    /// Says good-bye now, whatever is outstanding.
    package mutating func close(code: String, sentence: String) {
        guard !isClosed else { return }
        flushTags()
        output.writeString("bye \(code) \(Self.oneLine(sentence))\n")
        state = .closed
    }

    // MARK: Bytes in

    /// Takes what was received; what it asks for is in `commands` afterwards.
    package mutating func receive(_ bytes: inout ByteBuffer, at now: Instant) {
        lastReceived = now
        switch state {
        case .draining, .closed: return
        case .new, .open: break
        }
        if input.readableBytes == 0 { input = bytes } else { input.writeBuffer(&bytes) }
        readInput()
    }

    /// Reads the requests that have arrived, as far as they are whole.
    mutating func readInput() {
        guard !isAuthenticating, input.readableBytes >= inputNeeded else { return }
        if var batch = pendingBatch {
            let isWhole = input.withUnsafeReadableBytes { batch.advance(in: $0) }
            pendingBatch = isWhole ? nil : batch
            guard isWhole else { return }
        }
        // One copy of the whole burst; the bodies in the commands are slices of it.
        let burst = [UInt8](input.readableBytesView)
        let used = burst.withUnsafeBytes { read($0, of: burst) }
        if used == burst.count {
            input = ByteBuffer()
        } else {
            input.moveReaderIndex(forwardBy: used)
            input.discardReadBytes()
        }
    }

    /// Makes what holds an unfinished request small again, if it is mostly empty and larger than `bytes`.
    package mutating func shrinkInput(above bytes: Int) {
        guard input.storageCapacity > bytes, input.readableBytes < input.storageCapacity / 4 else { return }
        input = ByteBuffer(bytes: input.readableBytesView)
    }

    /// The client will send nothing more: what it asked for is answered, then the connection is closed.
    package mutating func receiveEnd() {
        guard !isAuthenticating else {
            hasEndedEarly = true
            return
        }
        switch state {
        case .open:
            request(.barrier, .end)
            state = .draining
        case .new: state = .closed
        case .draining, .closed: break
        }
    }

    /// - Returns: how many bytes were read for good.
    private mutating func read(_ bytes: UnsafeRawBufferPointer, of burst: [UInt8]) -> Int {
        var position = 0
        while true {
            guard state.isReading else { return bytes.count }
            guard !isAuthenticating else { return position }
            let limit = state.isOpen ? Configuration.lineBytesMax : Configuration.lineBytesMaxBefore
            let line = LineScanner.findLine(in: bytes, from: position, searched: position + searched, limit: limit)
            switch line {
            case .incomplete:
                searched = bytes.count - position
                inputNeeded = searched + 1
                return position
            case .tooLong:
                let sentence = "no line feed within \(limit) bytes, the most that a line may have"
                refuseAndClose(code: "line_too_long", sentence: sentence)
                return bytes.count
            case .found(let end, let next):
                searched = 0
                inputNeeded = 1
                guard end > position else {
                    position = next
                    continue
                }
                guard let after = readRequest(bytes, of: burst, from: position, to: end, body: next) else {
                    return position  // its body is still to come
                }
                position = after
            }
        }
    }
}

extension NativeSession.State {
    var isOpen: Bool {
        if case .open = self { return true }
        return false
    }

    var isReading: Bool {
        switch self {
        case .new, .open: true
        case .draining, .closed: false
        }
    }
}

extension RequestID {
    /// A request without a tag.
    static let untagged = RequestID(.max - 1)
    /// A refusal after which the connection is closed.
    static let closing = RequestID(.max - 2)
    /// `quit`.
    static let quit = RequestID(.max - 3)
    /// The client's end of the stream.
    static let end = RequestID(.max - 4)
    /// `hello` of a peer that was known before it said so.
    static let hello = RequestID(.max - 5)
    /// `stat` without a tag.
    static let statistics = RequestID(.max - 6)

    var isTag: Bool { rawValue <= UInt64(Int64.max) }
}
