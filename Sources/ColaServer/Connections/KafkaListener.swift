internal import ColaCore
internal import ColaKafka
internal import Logging
internal import NIOCore

/// Begins connections that speak Kafka's protocol.
struct KafkaListener: Sendable {
    let loop: NIOLoopBound<BrokerLoop>
    let configuration: KafkaSession.Configuration
    let connectionsMax: Int
    let logger: Logger

    var sockets: SocketListener { SocketListener(setting: "kafka", logger: logger, accept: add) }

    /// The connection begins: its handler is the last in the channel's pipeline.
    func add(_ channel: any Channel, _ peer: Peer) throws {
        let loop = loop.value
        // There is no way to say it in this protocol: it is closed.
        guard loop.connectionCount < connectionsMax else { return channel.close(promise: nil) }
        let local = (host: channel.localAddress?.ipAddress ?? "127.0.0.1", port: channel.localAddress?.port ?? 0)
        let session = KafkaSession(
            channel: loop.takeChannelID(), peer: peer, local: local, configuration: configuration, now: loop.now)
        try channel.pipeline.syncOperations.addHandler(
            ConnectionHandler(id: session.channel, session: session, loop: loop, isSecured: peer.isSecured))
    }
}

extension KafkaSession: Session {}
