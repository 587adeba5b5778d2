package import ColaCore
internal import DequeModule
package import NIOCore

/// The server's side of one Kafka connection, without the socket: bytes in, commands out; effects in, bytes out.
///
/// Requests are answered in the order in which they came, whatever their answers wait for. One fetch is under way at a
/// time: what stands behind it is read when it is answered, as Kafka's broker does with all requests.
///
/// Source: Kafka protocol guide
package struct KafkaSession {
    package struct Configuration: Sendable {
        /// What clients are told that the cluster is called: never another's.
        package var clusterID = "cola"
        /// Where clients are told to connect to; nil: to where this one did.
        package var advertised: (host: String, port: Int)?
        /// Of topics that are made because somebody asked for them.
        package var partitions = 1
        /// Whether topics are made because somebody asked for them.
        package var makesTopics = true
        /// Source: Kafka, `socket.request.max.bytes`
        package var requestBytesMax = 100 * 1024 * 1024
        package var handshakeMilliseconds: Int64 = 10_000
        /// Source: Kafka, `connections.max.idle.ms`
        package var idleMilliseconds: Int64 = 600_000
        /// What one batch may have. Bytes.
        package var batchBytesMax = 1_048_588

        package init() {}

        /// A request of somebody who has not said who he is. Bytes.
        static let requestBytesMaxBefore = 64 * 1024
    }

    enum State {
        /// Nobody has said who he is: versions may be asked for, and a login begun.
        case new
        /// A mechanism was agreed on; the login comes in requests, or bare.
        case loggingIn(isBare: Bool)
        /// Somebody looks at the name and the password; nothing is read meanwhile.
        case authenticating(Login)
        case open
        case closed
    }

    /// How whoever is looked at has said who he is.
    enum Login {
        /// Not at all: he comes from this machine, and is the guest.
        case none
        /// In a request that is answered.
        case request
        /// In a bare frame, which is answered with an empty one.
        case bare
    }

    /// The id of the only broker that there is.
    static let nodeID: Int32 = 1
    /// So many requests are under way; the others wait in what was received.
    private static let pendingMax = 1_000

    package let channel: ChannelID
    let peer: Peer
    /// Where the client connected to.
    let local: (host: String, port: Int)
    let configuration: Configuration
    let began: Now
    var state = State.new
    var clientID = ""
    /// Of the request that a login came in.
    var loginHeader: RequestHeader?

    private var input = ByteBuffer()
    /// How much `input` must hold before it is worth looking at again.
    private var inputNeeded = FrameScanner.sizeBytes
    private var hasEnded = false
    private var lastReceived: Instant

    /// Requests that are not answered, in their order.
    var pending: Deque<PendingRequest> = []
    /// The number of the first of them.
    private var firstPending: UInt64 = 1
    /// Whether a fetch is under way.
    var isFetching = false

    package var commands: [Command] = []
    package var output = ByteBuffer()
    package var credentials: Credentials?
    package var hasQuit: Bool { hasEnded }
    /// Kafka has no last word: the client sees the end of the connection.
    package var isPeerGone: Bool { false }

    /// - Parameter local: the address that the client connected to.
    package init(
        channel: ChannelID, peer: Peer, local: (host: String, port: Int), configuration: Configuration, now: Now
    ) {
        self.channel = channel
        self.peer = peer
        self.local = local
        self.configuration = configuration
        began = now
        lastReceived = now.monotonic
    }

    package var isClosed: Bool { if case .closed = state { true } else { false } }
    package var inputBytes: Int { input.readableBytes }

    var isOpen: Bool { if case .open = state { true } else { false } }

    /// Where clients are told to connect to.
    var address: (host: String, port: Int) { configuration.advertised ?? local }

    // MARK: Reading

    package mutating func receive(_ bytes: inout ByteBuffer, at now: Instant) {
        lastReceived = now
        if input.readableBytes == 0 {
            swap(&input, &bytes)
        } else {
            input.writeBuffer(&bytes)
        }
        read()
    }

    private var isReading: Bool {
        switch state {
        case .authenticating, .closed: false
        case .new, .loggingIn, .open: !isFetching && pending.count < Self.pendingMax
        }
    }

    mutating func read() {
        while isReading, input.readableBytes >= inputNeeded {
            let sizeMax = isOpen ? configuration.requestBytesMax : Configuration.requestBytesMaxBefore
            let bytes = input
            let scan = bytes.withUnsafeReadableBytes { FrameScanner.scan($0, sizeMax: sizeMax) }
            switch scan {
            case .incomplete(let needed):
                inputNeeded = needed
                return
            case .malformed(let error):
                // A large request of somebody who says nothing of himself: first it is seen whether he may come in.
                if case .new = state, case .tooLarge(let size, _) = error, size <= configuration.requestBytesMax {
                    return comeInAsGuest()
                }
                return end()
            case .frame(let range):
                inputNeeded = FrameScanner.sizeBytes
                let isTaken = bytes.withUnsafeReadableBytes { take(UnsafeRawBufferPointer(rebasing: $0[range])) }
                // What has to wait is read again.
                if isTaken, !isClosed { input.moveReaderIndex(forwardBy: range.upperBound) }
            }
        }
        if input.readableBytes == 0 { input.clear() }
        if hasEnded, pending.isEmpty, isReading { end() }
    }

    /// - Returns: whether it is done with; otherwise it is read again, when it is known who asks.
    private mutating func take(_ frame: UnsafeRawBufferPointer) -> Bool {
        if case .loggingIn(isBare: true) = state {
            logIn(Array(frame), as: .bare)
            return true
        }
        do throws(Malformed) {
            var reader = KafkaReader(frame)
            let header = try RequestHeader(from: &reader)
            guard let key = ApiKey(rawValue: header.apiKey), Self.served.contains(key), let versions = key.served
            else {
                // As Kafka does: nobody could make sense of an answer.
                end()
                return true
            }
            if let name = header.clientID, isOpen, clientID.isEmpty, !name.isEmpty { setClient(name) }
            guard versions.contains(header.version) else {
                if key == .apiVersions { answerOldVersions(header) } else { end() }
                return true
            }
            if case .loggingIn = state, key != .saslAuthenticate, key != .apiVersions {
                // As Kafka does: a login that was begun is ended first.
                end()
                return true
            }
            if !isOpen, !key.isBeforeLogin {
                clientID = header.clientID ?? ""
                comeInAsGuest()
                return false
            }
            try take(header, key, &reader)
        } catch {
            end()
        }
        return true
    }

    /// What the client calls itself came with a request behind the login.
    private mutating func setClient(_ name: String) { clientID = name }

    // MARK: Answering

    /// A request begins to wait for its answer.
    ///
    /// - Returns: by which the broker's answer finds it.
    mutating func wait(_ header: RequestHeader, for wanted: PendingRequest.Wanted) -> RequestID {
        pending.append(PendingRequest(header: header, wanted: wanted))
        return RequestID(firstPending + UInt64(pending.count - 1))
    }

    mutating func ask(_ request: Request, _ header: RequestHeader, for wanted: PendingRequest.Wanted) {
        let id = wait(header, for: wanted)
        commands.append(.request(channel, id, request))
    }

    /// Answers a request that waits for nobody, in its turn.
    mutating func answer(_ header: RequestHeader, _ response: some KafkaResponse) {
        guard !pending.isEmpty else {
            return output.writeResponse(response, correlationID: header.correlationID, version: header.version)
        }
        var request = PendingRequest(header: header, wanted: .nothing)
        request.response = Self.writing(response, header)
        pending.append(request)
    }

    static func writing(_ response: some KafkaResponse, _ header: RequestHeader) -> (inout ByteBuffer) -> Void {
        { $0.writeResponse(response, correlationID: header.correlationID, version: header.version) }
    }

    package mutating func handle(_ effect: Effect) {
        switch effect {
        case .reply(_, let id, let reply): answer(id, reply)
        case .dismiss: end()
        case .deliver, .consumerFailed, .assigned, .blocked, .read, .fetch, .ask, .windowFull, .damaged, .backUp,
            .cancelBackup, .workers, .hashPassword:
            break
        }
    }

    private mutating func answer(_ id: RequestID, _ reply: Reply) {
        guard !isClosed, id.rawValue >= firstPending, id.rawValue - firstPending < UInt64(pending.count) else {
            return
        }
        let index = Int(id.rawValue - firstPending)
        if case .fetch = pending[index].wanted { isFetching = false }
        let response = response(to: pending[index], reply)
        guard !isClosed else { return }
        pending[index].response = response
        while let first = pending.first, let response = first.response {
            pending.removeFirst()
            firstPending += 1
            response(&output)
            guard !isClosed else { return }
        }
        read()
    }

    package mutating func flush() {}

    // MARK: Time and the end

    package var nextDeadline: Instant? {
        switch state {
        case .new, .loggingIn, .authenticating:
            began.monotonic.advanced(byMilliseconds: configuration.handshakeMilliseconds)
        case .open:
            pending.isEmpty ? lastReceived.advanced(byMilliseconds: configuration.idleMilliseconds) : nil
        case .closed: nil
        }
    }

    package mutating func tick(at now: Instant) {
        guard let deadline = nextDeadline, deadline <= now else { return }
        end()
    }

    package mutating func didSend(at now: Instant) {}

    package mutating func excuseSilence(at now: Instant) { lastReceived = now }

    package mutating func receiveEnd() {
        hasEnded = true
        // Who does not wait for answers is given none.
        end()
    }

    package mutating func close(code: String, sentence: String) { end() }

    package mutating func shrinkInput(above bytes: Int) {
        guard input.readableBytes < input.storageCapacity / 2, input.storageCapacity > bytes else { return }
        input = ByteBuffer(buffer: input)
    }

    mutating func end() {
        state = .closed
        input = ByteBuffer()
        pending = []
    }
}

/// A request that is not answered yet.
struct PendingRequest {
    /// What becomes of the broker's answer.
    enum Wanted {
        case nothing
        case produce(ProduceRequest)
        case fetch(FetchRequest)
        case listOffsets(ListOffsetsRequest)
        case leaderEpoch(OffsetForLeaderEpochRequest)
        case metadata(MetadataRequest)
        case createTopics(CreateTopicsRequest, refused: [Int: CreateTopicsResponse.CreatableTopicResult])
        case deleteTopics(DeleteTopicsRequest)
        case configs(DescribeConfigsRequest)
        case producer
        case addPartitions(AddPartitionsToTxnRequest)
        case addOffsets
        case endTransaction
        case commitInTransaction(TxnOffsetCommitRequest)
        case join(JoinGroupRequest)
        case sync
        case heartbeat
        case leave(LeaveGroupRequest)
        case commit(OffsetCommitRequest)
        case offsets(OffsetFetchRequest)
        case describeGroups(DescribeGroupsRequest)
        case listGroups(ListGroupsRequest)
        case deleteGroups(DeleteGroupsRequest)
    }

    let header: RequestHeader
    let wanted: Wanted
    /// Writes the answer, which waits for those before it.
    var response: ((inout ByteBuffer) -> Void)?
}
