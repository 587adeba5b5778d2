package import ColaCore
internal import NIOCore

// `hello` and `quit`: how a connection is opened and ended.
extension NativeSession {
    /// What a `hello` asked for.
    struct PendingHello {
        var tag: RequestID
        var client: String
        var host: String?
        var token: String?
        var heartbeat: Int64
    }

    mutating func hello(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let version = try reader.number("VERSION", in: 0...Int64.max)
        let user = try reader.option("user")
        let password = try reader.option("password")
        let token = try reader.option("token")
        let host = try reader.optionName("vhost")
        let client = try reader.option("client") ?? ""
        let heartbeat = try reader.optionNumber("heartbeat", in: 0...3_600) ?? 0
        let need = try reader.option("need") ?? ""
        try reader.end()
        guard version == 1 else {
            let sentence = "this server speaks version 1 of the native protocol, not \(version)"
            return refuseAndClose(code: "unsupported_version", sentence: sentence, reader.tag)
        }
        guard !hasSaidHello else { throw RequestReader.Malformed("hello was said before on this connection") }
        let missing = need.split(separator: ",").first { !Configuration.features.contains(String($0)) }
        if let missing {
            let known = Configuration.features.joined(separator: ",")
            let sentence = "this server does not know the feature '\(missing)', but \(known)"
            _ = refuse("unsupported_feature", sentence, 0, reader.tag)
            return
        }
        if let host, host != self.host, hasAsked {
            let sentence = "this connection has worked in the virtual host '\(self.host)'; say hello first, then ask"
            _ = refuse("mismatch", sentence, 0, reader.tag)
            return
        }
        hasSaidHello = true
        pendingHello = PendingHello(
            tag: reader.tag, client: client, host: host, token: token, heartbeat: heartbeat)
        guard user != nil || identity == nil && token == nil else { return goOn(as: identity) }
        credentials = Credentials(user: user ?? "guest", password: password ?? "", peer: peer)
        isAuthenticating = true
    }

    /// What was found of the `credentials` that the owner took. What the client has sent behind its `hello` is read
    /// now.
    package mutating func authenticated(_ outcome: Authentication) {
        guard isAuthenticating, !isClosed, let hello = pendingHello else { return }
        isAuthenticating = false
        switch outcome {
        case .admitted(let identity): goOn(as: identity)
        case .refused(let sentence):
            pendingHello = nil
            refuseAndClose(code: "unauthenticated", sentence: sentence, hello.tag)
        }
        inputNeeded = 1
        readInput()
        if hasEndedEarly, !isAuthenticating { receiveEnd() }
    }

    /// - Parameter known: who the client is, if it need not show a token for that.
    private mutating func goOn(as known: Access.Identity?) {
        guard let hello = pendingHello else { return }
        var known = known
        worker = known?.worker
        if let token = hello.token {
            guard let worker = admission?.admit(token: token, channel, from: peer) else {
                pendingHello = nil
                let sentence =
                    "the token is wrong, was used before, or its process has ended: each process of a worker finds "
                    + "one on the descriptor COLA_TOKEN_FD, good for one connection"
                return refuseAndClose(code: "unauthenticated", sentence: sentence, hello.tag)
            }
            self.worker = worker
            known = known ?? Access.Identity(worker: worker)
        }
        identity = known
        guard let identity else { return }
        state = .open
        host = hello.host ?? host
        heartbeatMilliseconds = hello.heartbeat * 1_000
        commands.append(.attach(channel, info(of: identity, client: hello.client)))
        // In its turn, behind what one who was known before may have asked for. The broker refuses if there is no such
        // virtual host, or the user may not be there.
        request(.enter, .hello)
    }

    mutating func answerHello(_ reply: Reply) {
        guard let hello = pendingHello, let identity else { return }
        pendingHello = nil
        if case .refused(let error) = reply {
            write(reply, for: hello.tag)
            return close(code: error.code, sentence: error.description)
        }
        flushTags()
        writeTagged("ok", hello.tag)
        output.writeString(
            " version=1 server=\(configuration.server) user=\(escaped(identity.user))"
                + " admin=\(identity.isAdministrator ? "yes" : "no") heartbeat=\(hello.heartbeat)"
                + " line=\(Configuration.lineBytesMax) body=\(configuration.bodyBytesMax)"
                + " features=\(Configuration.features.joined(separator: ","))\n")
        if let blocked, !knowsBlocked { writeBlocked(blocked) }
    }

    mutating func quit(_ tag: RequestID) {
        guard isAttached else {
            write(.done, for: tag)
            state = .closed
            return
        }
        quitTag = tag
        request(.barrier, .quit)
        state = .draining
    }
}
