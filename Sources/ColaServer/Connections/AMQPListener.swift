internal import ColaAMQP
internal import ColaCore
internal import ColaTLS
internal import Logging
internal import NIOCore

/// Begins connections that speak AMQP 0-9-1.
struct AMQPListener: Sendable {
    let loop: NIOLoopBound<BrokerLoop>
    let configuration: AMQPSession.Configuration
    let connectionsMax: Int
    let logger: Logger

    var sockets: SocketListener { SocketListener(setting: "amqp", logger: logger, accept: add) }

    func sockets(_ certificates: TLSCertificates) -> SocketListener {
        SocketListener(setting: "amqps", logger: logger, accept: add, certificates: certificates)
    }

    /// 132 random bits, as characters that base64 has.
    private static func secret() -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        var system = SystemRandomNumberGenerator()
        return String((0..<22).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &system)] })
    }

    /// The connection begins: its handler is the last in the channel's pipeline.
    func add(_ channel: any Channel, _ peer: Peer) throws {
        let loop = loop.value
        // There is no way to say it before the client has said something: it is closed.
        guard loop.connectionCount < connectionsMax else { return channel.close(promise: nil) }
        var session = AMQPSession(
            channel: loop.takeChannelID(), peer: peer, configuration: configuration, epoch: loop.epoch,
            secret: Self.secret(), now: loop.now)
        if let reason = loop.blocked { session.handle(.blocked(reason)) }
        try channel.pipeline.syncOperations.addHandler(
            ConnectionHandler(id: session.channel, session: session, loop: loop, isSecured: peer.isSecured))
    }
}

extension AMQPSession: Session {}
