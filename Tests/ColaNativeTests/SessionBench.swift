import ColaCore
import ColaNative
import ColaTesting
import NIOCore

extension RequestID {
    /// `hello`, for the broker.
    static let hello = RequestID(.max - 5)
}

/// A native session without a socket, alone or with a broker behind it, fed by hand.
struct SessionBench {
    static let channel = ChannelID(1)
    static let access = Access(serverUser: 1_000)
    static let local = Peer.process(id: 42, user: 1_000, group: 1_000)
    static let loopback = Peer.address("127.0.0.1:5000", isLoopback: true)

    var session: NativeSession
    var now = Instant(0)
    /// The session does not keep it.
    private let tokens: Tokens
    /// Who comes in over TCP.
    private let user: (name: String, password: String)

    /// Whoever runs a worker of which one process was given a token.
    final class Tokens: WorkerAdmission {
        private var token: String?

        init(_ token: String?) { self.token = token }

        func admit(token: String, _ channel: ChannelID, from peer: Peer) -> WorkerRequest.Target? {
            guard token == self.token else { return nil }
            self.token = nil
            return WorkerRequest.Target(worker: "resize", instance: 7)
        }
    }

    /// - Parameter token: good once; nil: no worker has one.
    init(
        _ peer: Peer = local, user: (name: String, password: String) = ("guest", "guest"),
        bodyBytesMax: Int = 16 * 1024 * 1024, token: String? = nil
    ) {
        tokens = Tokens(token)
        self.user = user
        var configuration = NativeSession.Configuration(server: "Cola/0.1.0")
        configuration.bodyBytesMax = bodyBytesMax
        session = NativeSession(
            channel: Self.channel, peer: peer, access: Self.access, configuration: configuration, admission: tokens,
            now: Now(monotonic: Instant(0), wall: Timestamp(0)))
    }

    mutating func feed(_ bytes: some Sequence<UInt8>) {
        var buffer = ByteBuffer(bytes: bytes)
        session.receive(&buffer, at: now)
        if answersCredentials { answerCredentials() }
        if entersAtOnce { enter() }
    }

    /// Whether the session is told at once what is to be thought of a name and a password.
    var answersCredentials = true

    mutating func answerCredentials() {
        guard let credentials = session.credentials else { return }
        session.credentials = nil
        let isRight = credentials.user == user.name && credentials.password == user.password
        let isAllowed = credentials.user != "guest" || credentials.peer == Self.loopback
        session.authenticated(
            isRight && isAllowed
                ? .admitted(Access.Identity(user: user.name, isAdministrator: false)) : .refused("wrong password"))
    }

    /// The broker lets in who has come in.
    mutating func enter() {
        let isAsked = session.commands.contains {
            if case .request(_, .hello, .enter) = $0 { true } else { false }
        }
        if isAsked { reply(.done, to: .hello) }
    }

    /// Whether the broker lets in at once who has come in, before anything else is answered.
    var entersAtOnce = true

    mutating func feed(_ text: String) { feed(text.utf8) }

    /// Takes the requests that the session has for the broker.
    mutating func requests() -> [String] {
        defer { session.commands = [] }
        return session.commands.compactMap {
            guard case .request(_, let id, let request) = $0, id != .hello || !entersAtOnce else { return nil }
            return Self.spell(request, id)
        }
    }

    /// Takes what is to be sent.
    mutating func output() -> String {
        session.flush()
        defer { session.output.clear() }
        return String(buffer: session.output)
    }

    mutating func outputBytes() -> [UInt8] {
        session.flush()
        defer { session.output.clear() }
        return Array(session.output.readableBytesView)
    }

    mutating func reply(_ reply: Reply, to id: RequestID) {
        session.handle(.reply(ChannelID(1), id, reply))
    }

    /// A request in a form that can be compared; slices of different buffers are equal if their bytes are.
    static func spell(_ request: Request, _ id: RequestID) -> String {
        let tag = id.rawValue <= UInt64(Int64.max) ? "t=\(id) " : id == .silent ? "silent " : ""
        guard case .publish(let publish) = request else { return tag + "\(request)" }
        let messages = [publish.message] + publish.more
        let spelt = messages.map {
            "(\($0.key.map(Array.init).map { "\($0)" } ?? "-") \($0.value.map(Array.init).map { "\($0)" } ?? "-") "
                + "\($0.headers.count) \(Array($0.headers.encoded)))"
        }
        let id = publish.id.map { "\(Array($0))" } ?? "-"
        let when = "\(publish.priority)|\(publish.timeToLive ?? -1)|\(publish.delay)|\(publish.partition ?? -1)|\(id)|"
        return tag + "publish \(publish.exchange)|\(publish.routingKey)|\(publish.isMandatory)|" + when + spelt.joined()
    }
}
