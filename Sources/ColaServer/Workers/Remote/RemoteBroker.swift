internal import ColaCore
internal import ColaNative
internal import NIOCore
internal import NIOPosix

/// A broker that is another process, for workers that are kept here: each seat has a connection of its own, so that its
/// messages and those of others are told apart when it fails.
final class RemoteBroker: WorkerBroker {
    let eventLoop: any EventLoop
    var turnEnded: (() -> Void)?
    /// Ends the process of a seat, whose messages the broker has given to others.
    var lost: ((any Connection) -> Void)?
    private let server: WorkerRunner.Server
    private let clock = SystemClock()
    private var uplinks: [ChannelID: Uplink] = [:]
    private var lastChannel = ChannelID(0)
    private var backlogs: [String: Backlog] = [:]

    init(_ server: WorkerRunner.Server, on eventLoop: any EventLoop) {
        self.server = server
        self.eventLoop = eventLoop
    }

    var now: Now { clock.now }

    func takeChannelID() -> ChannelID {
        lastChannel = ChannelID(lastChannel.rawValue + 1)
        return lastChannel
    }

    func add(_ seat: any Connection) {
        var greeting = ClientRequest.Hello()
        greeting.user = server.user
        greeting.password = server.password
        let (address, eventLoop) = (server.address, eventLoop)
        uplinks[seat.id] = Uplink(of: seat, on: eventLoop, greeting: greeting) { uplink, promise in
            let bound = NIOLoopBound(uplink, eventLoop: eventLoop)
            let bootstrap = ClientBootstrap(group: eventLoop).connectTimeout(.seconds(10))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(bound.value)
                    }
                }
            switch address {
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path).cascade(to: promise)
            case .tcp(let host, let port):
                bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1).connect(host: host, port: port)
                    .cascade(to: promise)
            }
        } lost: { [weak self, weak seat] in
            if let seat { self?.lost?(seat) }
        }
    }

    func remove(_ seat: any Connection) { uplinks.removeValue(forKey: seat.id)?.close() }

    func submit(_ commands: [Command], from seat: any Connection, at now: Now) { uplinks[seat.id]?.submit(commands) }

    /// A seat's window is its socket's affair.
    func windowOpened(_ id: ChannelID) {}

    func backlog(of queue: String, in host: String, at now: Now) -> Backlog? { backlogs["\(host)\u{0}\(queue)"] }

    /// What somebody has found out about a queue.
    func note(_ backlog: Backlog, of queue: String, in host: String) {
        backlogs["\(host)\u{0}\(queue)"] = backlog
        turnEnded?()
    }
}
