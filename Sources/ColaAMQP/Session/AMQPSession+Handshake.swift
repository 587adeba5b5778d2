package import ColaCore
internal import NIOCore

// How a connection begins and ends. Source: AMQP 0-9-1, section 2.2.4
extension AMQPSession {
    mutating func start() {
        state = .starting
        write(
            .connectionStart(
                versionMajor: 0, versionMinor: 9, serverProperties: serverProperties,
                mechanisms: Array(mechanisms.utf8), locales: Array("en_US".utf8)))
    }

    /// Clients without a preference of their own take the first that they know.
    private var mechanisms: String { peer.certificate == nil ? "PLAIN AMQPLAIN" : "PLAIN AMQPLAIN EXTERNAL" }

    private var serverProperties: FieldTable {
        let names = [
            "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
            "connection.blocked", "consumer_priorities", "authentication_failure_close", "per_consumer_qos",
            "direct_reply_to",
        ]
        return [
            "capabilities": .table(FieldTable(names.map { FieldTable.Field(name: $0, value: .bool(true)) })),
            "cluster_name": .string("cola"),
            "copyright": .string("The Cola authors"),
            "information": .string("A lightweight message broker"),
            "platform": .string("Swift"),
            "product": .string(configuration.product),
            "version": .string(configuration.version),
        ]
    }

    /// A method on channel 0.
    mutating func handle(_ method: Method) {
        switch (state, method) {
        case (.starting, .connectionStartOk(let properties, let mechanism, let response, _)):
            clientProperties = properties
            capabilities = Capabilities(properties)
            login(mechanism, response)
        case (.tuning, .connectionTuneOk(let channelMax, let frameMax, let heartbeat)):
            tune(channelMax: channelMax, frameMax: frameMax, heartbeat: heartbeat)
        case (.opening, .connectionOpen(let virtualHost)): open(virtualHost)
        case (.tuning, .connectionClose), (.opening, .connectionClose):
            write(.connectionCloseOk)
            hasQuit = true
            end()
        case (.open, .connectionClose): leave()
        case (.closing, .connectionClose):
            write(.connectionCloseOk)
        case (.closing, .connectionCloseOk): end()
        case (.closing, _), (.leaving, _): return
        case (.open, .connectionUpdateSecret):
            // A password is looked at when a connection begins; what follows is no reason to end it.
            write(.connectionUpdateSecretOk)
        case (.open, .connectionCloseOk): return
        case (.open, _):
            fail(
                ProtocolError(.channelError, "\(method.id) is not for channel 0, or not for a server", in: method.id))
        default:
            fail(ProtocolError(.commandInvalid, "\(method.id) does not come now", in: method.id))
        }
    }

    // MARK: Who it is

    private mutating func login(_ mechanism: String, _ response: [UInt8]) {
        let found: Credentials? =
            switch mechanism {
            case "PLAIN": Self.plain(response).map { Credentials(user: $0, password: $1, peer: peer) }
            case "AMQPLAIN": Self.amqplain(response).map { Credentials(user: $0, password: $1, peer: peer) }
            case "EXTERNAL": Credentials(certificateOf: peer, by: configuration.certificateName)
            default: nil
            }
        guard let found else { return refuseLogin(mechanism) }
        self.mechanism = mechanism
        credentials = found
        state = .authenticating
    }

    /// Source: RFC 4616: `authorization NUL name NUL password`
    private static func plain(_ response: [UInt8]) -> (String, String)? {
        let parts = response.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let user = String(validating: parts[1], as: UTF8.self),
            let password = String(validating: parts[2], as: UTF8.self)
        else { return nil }
        return (user, password)
    }

    /// A field table without the length that usually stands before one. Source: RabbitMQ, "Access Control"
    private static func amqplain(_ response: [UInt8]) -> (String, String)? {
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt32(clamping: response.count))
        buffer.writeBytes(response)
        let table = buffer.withUnsafeReadableBytes { try? FieldTable.decode($0) }
        guard let user = table?["LOGIN"]?.text, let password = table?["PASSWORD"]?.text else { return nil }
        return (user, password)
    }

    package mutating func authenticated(_ outcome: Authentication) {
        guard case .authenticating = state else { return }
        switch outcome {
        case .admitted(let identity):
            self.identity = identity
            state = .tuning
            write(
                .connectionTune(
                    channelMax: configuration.channelMax, frameMax: configuration.frameMax,
                    heartbeat: configuration.heartbeat))
        case .refused: refuseLogin(mechanism)
        }
        inputNeeded = 1
        readInput()
        if hasEndedEarly { receiveEnd() }
    }

    /// Which part of it was wrong is not said.
    private mutating func refuseLogin(_ mechanism: String) {
        guard capabilities.knowsAuthenticationFailure else { return end() }
        let name = peer.certificate?.name(by: configuration.certificateName)
        let proof = mechanism == "EXTERNAL" ? "whether there is a user \(name ?? "of its name")" : "name and password"
        let sentence =
            "Login was refused using authentication mechanism \(mechanism); look at \(proof), and "
            + "whether the user may come from \(peer.description)"
        let error = ProtocolError(.accessRefused, sentence)
        write(.connectionClose(replyCode: error.code.rawValue, replyText: error.text, classID: 0, methodID: 0))
        beginClosing()
    }

    // MARK: What is agreed on

    private mutating func tune(channelMax: UInt16, frameMax: UInt32, heartbeat: UInt16) {
        if let sentence = Self.objection("channel_max", Int(channelMax), 0...Int(configuration.channelMax))
            ?? Self.objection("frame_max", Int(frameMax), Int(Configuration.frameMin)...Int(configuration.frameMax))
        {
            return fail(ProtocolError(.notAllowed, sentence, in: .connectionTuneOk))
        }
        self.channelMax = channelMax
        self.frameMax = frameMax
        heartbeatMilliseconds = Int64(heartbeat) * 1_000
        state = .opening
    }

    private static func objection(_ name: String, _ value: Int, _ range: ClosedRange<Int>) -> String? {
        if value > 0, value < range.lowerBound {
            return "negotiated \(name) = \(value) is lower than the minimum allowed value (\(range.lowerBound))"
        }
        if value == 0 || value > range.upperBound {
            let given = value == 0 ? "0 (no limit)" : "\(value)"
            return "negotiated \(name) = \(given) is higher than the maximum allowed value (\(range.upperBound))"
        }
        return nil
    }

    private mutating func open(_ virtualHost: String) {
        guard let identity else { return end() }
        host = virtualHost
        commands.append(.attach(channel, info(of: identity)))
        commands.append(.request(channel, .opening, .enter))
        state = .open
    }

    func info(of identity: Access.Identity) -> ChannelInfo {
        let name = clientProperties["connection_name"]?.text ?? clientProperties["product"]?.text ?? ""
        var info = ChannelInfo(
            protocolName: peer.isSecured ? "amqps" : "amqp", host: host, peer: peer.description, user: identity.user,
            client: name,
            since: began.wall)
        info.authority = identity.authority
        info.worker = identity.worker
        return info
    }

    mutating func answerOpen(_ reply: Reply) {
        switch reply {
        case .refused(let error):
            let sentence =
                switch error {
                case .notFound(.virtualHost, let name):
                    "vhost \(name) not found; make it with `cola declare vhost \(name)`"
                default: error.description
                }
            fail(ProtocolError(.notAllowed, sentence, in: .connectionOpen))
        default:
            write(.connectionOpenOk)
            isOpened = true
            tellBlocked()
            inputNeeded = 1
            readInput()
        }
        if hasEndedEarly { receiveEnd() }
    }

    // MARK: The end

    /// The client ends the connection; what it asked for before is done and answered first.
    mutating func leave() {
        // Who only ends the stream may have been killed.
        hasQuit = !hasEndedEarly
        state = .leaving
        // A disk that hangs must not keep a connection for ever.
        closeDeadline = lastReceived.advanced(byMilliseconds: 3 * configuration.handshakeMilliseconds)
        farewells = 0
        for channel in channels.values.sorted(by: { $0.number < $1.number }) where channel.state != .closing {
            farewells += 1
            channel.owesFarewell = true
            // One that ends by itself has said all when it has ended.
            if channel.isReading { commands.append(.request(channel.id, .farewell, .barrier)) }
        }
        if farewells == 0 { finishLeaving() }
    }

    mutating func finishLeaving() {
        flush()
        // What becomes of what a lost connection held is for its owner to say.
        guard !hasEndedEarly else { return end() }
        commands.append(.detach(channel))
        write(.connectionCloseOk)
        // The client ends the stream. Some take it for an error if the server does, before they have read the answer.
        state = .closing
        closeDeadline = lastReceived.advanced(byMilliseconds: configuration.handshakeMilliseconds)
    }
}

extension RequestID {
    /// `connection.open`.
    static let opening = RequestID(.max - 1)
    /// All that a channel asked for before the connection ends.
    static let farewell = RequestID(.max - 2)
    /// A request whose answer is the first of the channel's pending ones.
    static let pending = RequestID(.max - 3)
    /// A publish that nobody wants confirmed.
    static let unconfirmed = RequestID(.max - 4)
}
