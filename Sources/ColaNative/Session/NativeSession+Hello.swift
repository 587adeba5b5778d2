internal import ColaCore
internal import NIOCore

// `hello` and `quit`: how a connection is opened and ended.
extension NativeSession {
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
        let wasAttached = isAttached
        var known = identity
        if user != nil || known == nil && token == nil {
            known = access.admit(user: user ?? "guest", password: password ?? "", from: peer)
            guard known != nil else {
                let sentence = "wrong name or password, or the user may not come from \(peer.description)"
                return refuseAndClose(code: "unauthenticated", sentence: sentence, reader.tag)
            }
        }
        if let token {
            guard let worker = admission?.admit(token: token, channel, from: peer) else {
                let sentence =
                    "the token is wrong, was used before, or its process has ended: each process of a worker finds "
                    + "one on the descriptor COLA_TOKEN_FD, good for one connection"
                return refuseAndClose(code: "unauthenticated", sentence: sentence, reader.tag)
            }
            self.worker = worker
            known = known ?? Access.Identity(user: "worker:\(worker.worker)", isAdministrator: false)
        }
        identity = known
        guard let identity else { return }
        hasSaidHello = true
        state = .open
        self.host = host ?? self.host
        heartbeatMilliseconds = heartbeat * 1_000
        commands.append(.attach(channel, info(of: identity, client: client)))
        pendingHello = (reader.tag, heartbeat)
        // In its turn, behind what one who was known before may have asked for. Where a virtual host is named, the
        // broker is asked for it: it refuses if there is none.
        if let host {
            request(.describe(.virtualHost(host)), .hello)
        } else if wasAttached {
            request(.barrier, .hello)
        } else {
            answerHello(.done)
        }
    }

    mutating func answerHello(_ reply: Reply) {
        guard let (tag, heartbeat) = pendingHello, let identity else { return }
        pendingHello = nil
        if case .refused(let error) = reply {
            write(reply, for: tag)
            return close(code: error.code, sentence: Self.oneLine(error.description))
        }
        flushTags()
        writeTagged("ok", tag)
        output.writeString(
            " version=1 server=\(configuration.server) user=\(escaped(identity.user))"
                + " admin=\(identity.isAdministrator ? "yes" : "no") heartbeat=\(heartbeat)"
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
