internal import ColaCore
internal import NIOCore

/// The broker that workers get their messages from, as far as they need it. All calls are made on its event loop.
protocol WorkerBroker: AnyObject {
    var eventLoop: any EventLoop { get }
    var now: Now { get }
    /// A number for a seat that becomes a channel.
    func takeChannelID() -> ChannelID
    func add(_ seat: any Connection)
    /// What the seat holds goes back.
    func remove(_ seat: any Connection)
    func submit(_ commands: [Command], from seat: any Connection, at now: Now)
    func windowOpened(_ id: ChannelID)
    /// What waits in a queue; nil: there is no such queue.
    func backlog(of queue: String, in host: String, at now: Now) -> Backlog?
    /// Is told after each turn that something may have changed.
    var turnEnded: (() -> Void)? { get set }
}

/// The broker that the processes of workers connect to by themselves.
protocol ConnectionBroker: AnyObject {
    /// Whether there is a queue or a topic of the name.
    func hasPlace(_ name: String, in host: String) -> Bool
    /// From here on this connection is one of a worker's process.
    func isOfWorker(_ id: ChannelID)
    /// How such a connection is fed, and what becomes of what it holds.
    func tell(_ command: Command)
    /// Closes such a connection from this side.
    func dismiss(_ id: ChannelID, because sentence: String)
    func work(of id: ChannelID) -> ChannelWork?
    /// The process of such a connection was halted, and goes on.
    func processProceeds(_ id: ChannelID)
}

extension BrokerLoop: WorkerBroker, ConnectionBroker {}
