internal import ColaCore
internal import ColaNative
internal import Logging
internal import NIOCore

/// Begins connections of the native protocol.
struct NativeListener: Sendable {
    let loop: NIOLoopBound<BrokerLoop>
    let configuration: NativeSession.Configuration
    let access: Access
    let connectionsMax: Int
    let logger: Logger

    /// How many connections more the server's own user and root may have, through the Unix socket.
    private static let administratorsRoom = 3

    var sockets: SocketListener { SocketListener(setting: "native", logger: logger, accept: add) }

    /// The connection begins: its handler is the last in the channel's pipeline.
    func add(_ channel: any Channel, _ peer: Peer) throws {
        let loop = loop.value
        var session = NativeSession(
            channel: loop.takeChannelID(), peer: peer, access: access, configuration: configuration, admission: loop,
            now: loop.now)
        // So that somebody can look who has all the others.
        let isAdministrator = access.identity(of: peer)?.isAdministrator ?? false
        if loop.connectionCount >= connectionsMax + (isAdministrator ? Self.administratorsRoom : 0) {
            session.refuseConnection(limit: connectionsMax)
        } else if let reason = loop.blocked {
            session.handle(.blocked(reason))
        }
        try channel.pipeline.syncOperations.addHandler(
            ConnectionHandler(id: session.channel, session: session, loop: loop))
    }
}
