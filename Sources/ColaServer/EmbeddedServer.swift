internal import ColaAMQP
package import ColaCore
internal import ColaNative
package import ColaStore
package import Logging
package import NIOCore

/// The broker's loop between a store and connections that somebody else brings: everything of a server but sockets,
/// signals and settings.
///
/// It runs on whatever event loop, by whatever clock, so a simulation runs the code that serves, not a copy of it.
/// All calls are made on the event loop.
package final class EmbeddedServer {
    private let loop: NIOLoopBound<BrokerLoop>
    private let listener: NativeListener
    private let amqpListener: AMQPListener

    /// What a connection may speak.
    package enum Wire: Sendable { case native, amqp }

    /// What it may be told; the defaults are those of `cola serve`.
    package struct Options: Sendable {
        package var limits = Limits()
        package var bodyBytesMax = 16 * 1024 * 1024
        package var connectionsMax = 10_000
        package var access = Access(serverUser: 0)

        package init() {}
    }

    /// Opens the store and begins a life of the broker.
    ///
    /// - Parameters:
    ///   - clock: is read once per turn.
    ///   - failed: nothing can be made durable any more; whoever runs the server must end it.
    package init(
        store: any Store, on eventLoop: any EventLoop, options: Options, logger: Logger,
        clock: @escaping @Sendable () -> Now, failed: @escaping @Sendable (StoreError) -> Void
    ) throws(StoreError) {
        let owner = LoopOwner(eventLoop: eventLoop)
        let recovery = try store.open(events: owner.events(failed: failed))
        let broker = BrokerLoop(
            eventLoop: eventLoop, recovery: recovery, limits: options.limits, access: options.access, store: store,
            logger: logger, clock: clock)
        loop = NIOLoopBound(broker, eventLoop: eventLoop)
        owner.set(loop)
        var configuration = NativeSession.Configuration(server: "Cola/\(Server.version)")
        configuration.bodyBytesMax = options.bodyBytesMax
        configuration.amqpProblem = Content.problem
        listener = NativeListener(
            loop: loop, configuration: configuration, access: options.access, connectionsMax: options.connectionsMax,
            logger: logger)
        var amqp = AMQPSession.Configuration(product: "Cola", version: Server.version)
        amqp.bodyBytesMax = options.bodyBytesMax
        amqpListener = AMQPListener(
            loop: loop, configuration: amqp, connectionsMax: options.connectionsMax, logger: logger)
    }

    /// A connection begins.
    package func accept(_ channel: any Channel, from peer: Peer, speaking wire: Wire = .native) throws {
        switch wire {
        case .native: try listener.add(channel, peer)
        case .amqp: try amqpListener.add(channel, peer)
        }
    }

    /// Whoever runs the workers; nil: there are none.
    package var workerDesk: (any WorkerDesk)? {
        get { loop.value.workerDesk }
        set { loop.value.workerDesk = newValue }
    }

    package var connectionCount: Int { loop.value.connectionCount }

    /// Says good-bye to everyone and gives the last batch to the store, which the caller then closes.
    package func stop() {
        loop.value.stop()
    }
}
