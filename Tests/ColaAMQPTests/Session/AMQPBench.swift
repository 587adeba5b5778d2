import ColaAMQP
import ColaCore
import ColaTesting
import NIOCore
import Testing

/// A connection of AMQP without a socket, with a broker behind it: what a client sends goes in, what it would read
/// comes out, frame by frame.
final class AMQPBench {
    /// What a client reads.
    enum Heard: Equatable, CustomStringConvertible {
        case method(UInt16, Method)
        /// Properties and body.
        case content(UInt16, [UInt8], [UInt8])
        case heartbeat
        /// Bytes that are no frames.
        case raw([UInt8])

        var description: String {
            switch self {
            case .method(let channel, let method): "\(channel): \(method)"
            case .content(let channel, let properties, let body):
                "\(channel): \(properties) \(String(decoding: body, as: UTF8.self))"
            case .heartbeat: "heartbeat"
            case .raw(let bytes): "raw \(bytes)"
            }
        }
    }

    static let loopback = Peer.address("127.0.0.1:5000", isLoopback: true)

    let broker: TestBroker
    let connection: ChannelID
    var session: AMQPSession
    /// Whether everything is given to the session one byte at a time.
    var isByteByByte = false
    private let effects = EffectList()

    private final class EffectList {
        var waiting: [Effect] = []
    }

    init(
        _ broker: TestBroker = TestBroker(), connection: UInt64 = 1, peer: Peer = loopback,
        configure: (inout AMQPSession.Configuration) -> Void = { _ in }
    ) {
        self.broker = broker
        self.connection = ChannelID(connection)
        var configuration = AMQPSession.Configuration(product: "Cola", version: "1.2.3")
        configure(&configuration)
        session = AMQPSession(
            channel: self.connection, peer: peer, configuration: configuration, epoch: Epoch(1),
            secret: "secret", now: broker.now)
        let earlier = broker.effectListener
        let effects = effects
        let id = self.connection
        broker.effectListener = { effect in
            earlier?(effect)
            if effect.connection.map({ $0 == id }) ?? true { effects.waiting.append(effect) }
        }
    }

    /// A connection that is open, with these channels open as well.
    convenience init(
        open channels: UInt16..., capabilities: [String] = ["consumer_cancel_notify"],
        broker: TestBroker = TestBroker(), connection: UInt64 = 1
    ) {
        self.init(broker, connection: connection)
        handshake(capabilities: capabilities)
        for channel in channels { send(.channelOpen, on: channel) }
        _ = hear()
    }

    func handshake(
        product: String = "test", capabilities: [String] = [], virtualHost: String = "/", frameMax: UInt32 = 131_072,
        heartbeat: UInt16 = 0
    ) {
        send(ProtocolHeader.bytes)
        let known = FieldTable(capabilities.map { .init(name: $0, value: .bool(true)) })
        send(
            .connectionStartOk(
                clientProperties: ["product": .string(product), "capabilities": .table(known)], mechanism: "PLAIN",
                response: Array("\0guest\0guest".utf8), locale: "en_US"), on: 0)
        send(.connectionTuneOk(channelMax: 2_047, frameMax: frameMax, heartbeat: heartbeat), on: 0)
        send(.connectionOpen(virtualHost: virtualHost), on: 0)
    }

    // MARK: To the server

    func send(_ method: Method, on channel: UInt16) {
        var buffer = ByteBuffer()
        buffer.writeMethod(method, channel: channel)
        send(Array(buffer.readableBytesView))
    }

    func publish(
        _ body: String, to key: String, exchange: String = "", isMandatory: Bool = false,
        properties: [UInt8] = [0x10, 0, 2], on channel: UInt16, frameMax: Int = 131_072
    ) {
        var buffer = ByteBuffer()
        buffer.writeMethod(
            .basicPublish(exchange: exchange, routingKey: key, mandatory: isMandatory, immediate: false),
            channel: channel)
        buffer.writeContent(channel: channel, properties: properties, body: Array(body.utf8), frameMax: frameMax)
        send(Array(buffer.readableBytesView))
    }

    func send(_ bytes: [UInt8]) {
        if isByteByByte {
            for byte in bytes { receive([byte]) }
        } else {
            receive(bytes)
        }
        settle()
    }

    private func receive(_ bytes: [UInt8]) {
        var buffer = ByteBuffer(bytes: bytes)
        session.receive(&buffer, at: broker.now.monotonic)
        turn()
    }

    /// What one turn of the loop does.
    private func turn() {
        if let credentials = session.credentials {
            session.credentials = nil
            let isRight = credentials.isCertified || credentials.user == "guest" && credentials.password == "guest"
            let admitted = Access.Identity(user: credentials.user, isAdministrator: true, authority: .all)
            session.authenticated(isRight ? .admitted(admitted) : .refused("the name or the password is wrong"))
        }
        while !session.commands.isEmpty || !effects.waiting.isEmpty {
            let commands = session.commands
            session.commands = []
            for command in commands { broker.apply(command) }
            let waiting = effects.waiting
            effects.waiting = []
            for effect in waiting { session.handle(effect) }
            session.flush()
        }
    }

    /// Until nothing more happens: all that waits for the store is answered.
    func settle() {
        for _ in 0..<10_000 {
            turn()
            if let deadline = broker.broker.nextDeadline, deadline <= broker.now.monotonic {
                broker.apply(.tick)
            } else if !broker.readNext(), !broker.commitNext(), broker.cut() == nil {
                return
            }
        }
        Issue.record("the broker does not come to rest")
    }

    func pass(milliseconds: Int64) {
        broker.pass(milliseconds: milliseconds)
        session.tick(at: broker.now.monotonic)
        settle()
    }

    // MARK: From the server

    /// Takes what was written since the last call.
    func hear() -> [Heard] {
        let bytes = Array(session.output.readableBytesView)
        session.output.clear()
        return Self.read(bytes)
    }

    func methods() -> [Method] {
        hear().compactMap { if case .method(_, let method) = $0 { method } else { nil } }
    }

    /// The bodies of what was delivered, and acknowledges nothing.
    func bodies() -> [String] {
        hear().compactMap {
            if case .content(_, _, let body) = $0 { String(decoding: body, as: UTF8.self) } else { nil }
        }
    }

    static func read(_ bytes: [UInt8]) -> [Heard] {
        var heard: [Heard] = []
        bytes.withUnsafeBytes { pointer in
            var position = 0
            var content: (properties: [UInt8], size: Int, body: [UInt8])?
            while position < bytes.count {
                guard
                    case .frame(let frame, let next) = FrameScanner.scan(pointer, from: position, payloadMax: .max / 2)
                else {
                    heard.append(.raw(Array(bytes[position...])))
                    return
                }
                position = next
                let payload = UnsafeRawBufferPointer(rebasing: pointer[frame.payload])
                switch frame.kind {
                case .heartbeat: heard.append(.heartbeat)
                case .method:
                    if let method = try? Method.decode(payload) { heard.append(.method(frame.channel, method)) }
                case .header:
                    if let header = try? ContentHeader.decode(payload) {
                        content = (Array(payload[header.properties]), Int(header.bodySize), [])
                    }
                case .body: content?.body.append(contentsOf: payload)
                }
                if let whole = content, whole.body.count == whole.size {
                    heard.append(.content(frame.channel, whole.properties, whole.body))
                    content = nil
                }
            }
        }
        return heard
    }
}

extension Effect {
    /// The connection that it is for; nil: all.
    fileprivate var connection: ChannelID? {
        switch self {
        case .reply(let id, _, _), .deliver(let id, _, _), .consumerFailed(let id, _, _), .assigned(let id, _, _),
            .windowFull(let id), .dismiss(let id, _):
            id.connection
        case .blocked: nil
        case .read, .fetch, .ask, .backUp, .cancelBackup, .damaged, .workers, .hashPassword: ChannelID(0)
        }
    }
}
