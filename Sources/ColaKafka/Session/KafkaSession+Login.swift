package import ColaCore
internal import NIOCore

// Versions, and who is there. Source: KIP-35, KIP-43, KIP-152, KIP-511
extension KafkaSession {
    private static let mechanisms = ["PLAIN"]

    private var versions: [ApiVersionsResponse.ApiVersion] {
        Self.served.compactMap { key in
            key.advertised.map {
                ApiVersionsResponse.ApiVersion(
                    apiKey: key.rawValue, minVersion: $0.lowerBound, maxVersion: $0.upperBound)
            }
        }
    }

    mutating func answerVersions(_ request: ApiVersionsRequest, _ header: RequestHeader) {
        if clientID.isEmpty, !request.clientSoftwareName.isEmpty { clientID = request.clientSoftwareName }
        answer(header, ApiVersionsResponse(apiKeys: versions))
    }

    /// Whoever asks in a version of later times is answered in the first one, and can step down.
    mutating func answerOldVersions(_ header: RequestHeader) {
        var header = header
        header.version = 0
        answer(header, ApiVersionsResponse(errorCode: .unsupportedVersion, apiKeys: versions))
    }

    // MARK: SASL

    mutating func beginLogin(_ request: SaslHandshakeRequest, _ header: RequestHeader) {
        guard case .new = state else {
            return answer(
                header, SaslHandshakeResponse(errorCode: .illegalSaslState, mechanisms: Self.mechanisms))
        }
        guard Self.mechanisms.contains(request.mechanism) else {
            return answer(
                header, SaslHandshakeResponse(errorCode: .unsupportedSaslMechanism, mechanisms: Self.mechanisms))
        }
        answer(header, SaslHandshakeResponse(mechanisms: Self.mechanisms))
        state = .loggingIn(isBare: header.version == 0)
    }

    mutating func logIn(_ request: SaslAuthenticateRequest, _ header: RequestHeader) {
        guard case .loggingIn = state else {
            let sentence = "SaslAuthenticate comes behind SaslHandshake, once on a connection"
            return answer(
                header, SaslAuthenticateResponse(errorCode: .illegalSaslState, errorMessage: sentence))
        }
        loginHeader = header
        logIn(request.authBytes, as: .request)
    }

    /// `authorization NUL name NUL password`. Source: RFC 4616
    mutating func logIn(_ bytes: [UInt8], as login: Login) {
        let parts = bytes.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let user = String(validating: parts[1], as: UTF8.self),
            let password = String(validating: parts[2], as: UTF8.self), !user.isEmpty,
            // Nobody comes in for somebody else.
            parts[0].isEmpty || parts[0].elementsEqual(parts[1])
        else { return refuse(login) }
        state = .authenticating(login)
        credentials = Credentials(user: user, password: password, peer: peer)
    }

    /// Who says nothing of himself is the guest, if he may be: as one who has his well-known password.
    mutating func comeInAsGuest() {
        state = .authenticating(.none)
        credentials = Credentials(user: "guest", password: "guest", peer: peer)
    }

    package mutating func authenticated(_ outcome: Authentication) {
        guard case .authenticating(let login) = state else { return }
        switch outcome {
        case .admitted(let identity):
            state = .open
            var info = ChannelInfo(
                protocolName: peer.isSecured ? "kafkas" : "kafka", peer: peer.description, user: identity.user,
                client: clientID, since: began.wall)
            info.authority = identity.authority
            info.worker = identity.worker
            commands.append(.attach(channel, info))
            switch login {
            case .none: break
            case .request:
                if let header = loginHeader { answer(header, SaslAuthenticateResponse()) }
            case .bare: output.writeInteger(Int32(0))
            }
            read()
        case .refused: refuse(login)
        }
    }

    /// Which part of it was wrong is not said.
    private mutating func refuse(_ login: Login) {
        switch login {
        case .none, .bare: end()
        case .request:
            let sentence = "the login was refused; look at name and password, and whether the user may come from here"
            if let header = loginHeader {
                answer(
                    header, SaslAuthenticateResponse(errorCode: .saslAuthenticationFailed, errorMessage: sentence))
            }
            end()
        }
    }
}
