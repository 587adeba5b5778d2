internal import ColaCore
package import ColaWorkers
internal import Logging
internal import NIOCore
internal import NIOPosix

/// Runs workers for a broker that is another process: the same supervisor, keeper and seats as in the broker itself,
/// with connections in the place of the broker's own loop.
package final class WorkerRunner: Sendable {
    /// Which broker, and as whom.
    package struct Server: Sendable {
        package enum Address: Sendable {
            case unix(path: String)
            case tcp(host: String, port: Int)
        }

        package var address: Address
        /// The same for the programs that are started.
        package var url: String
        package var user: String?
        package var password: String?

        package init(address: Address, url: String, user: String?, password: String?) {
            self.address = address
            self.url = url
            self.user = user
            self.password = password
        }
    }

    /// How much a worker has to do, and how busy it is.
    package struct Activity: Sendable {
        package var processes = 0
        package var messages = 0
    }

    /// A line that a program has written.
    package struct Line: Sendable {
        package let worker: String
        package let instance: UInt64
        /// As it was written, except for what was no UTF-8.
        package let text: String
        /// Whether it was longer.
        package let isCut: Bool
    }

    private struct Parts {
        let host: WorkerHost
        let broker: RemoteBroker
        let relay: LineRelay
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let eventLoop: any EventLoop
    private let parts: NIOLoopBound<Parts>

    /// What nothing can be started from, in words.
    package struct Flaw: Error {
        package let sentence: String
    }

    /// Starts them.
    ///
    /// - Parameters:
    ///   - folder: what relative directories count from.
    ///   - environment: what the programs may have of it, their definitions say.
    ///   - receive: takes what they write to standard error, and to standard output where that is neither a result nor
    ///     answers: the oldest line first, on another thread. As long as it does not return, they wait in the end.
    /// - Throws: ``Flaw`` if there is no such program or user.
    package static func start(
        _ workers: [WorkerDefinition], for server: Server, folder: String, environment: [String: String],
        logLevel: String, receive: @escaping @Sendable ([Line]) -> Void
    ) async throws -> WorkerRunner {
        var settings = try Settings(arguments: [], environment: [:]) { _ in nil }
        settings.takeWorkers(workers, folder: folder)
        let resolution = ProgramResolution(serverEnvironment: environment, folder: folder)
        for worker in workers {
            do throws(ProgramResolution.Problem) {
                _ = try resolution.spec(of: worker, InstanceID(1), message: [])
            } catch {
                throw Flaw(sentence: "worker \(worker.name): \(error.sentence)")
            }
        }
        let runner = try await WorkerRunner(server, settings, environment, logLevel, receive)
        let parts = runner.parts
        try await runner.eventLoop.submit { parts.value.host.start(workers) }.get()
        return runner
    }

    private init(
        _ server: Server, _ settings: Settings, _ environment: [String: String], _ logLevel: String,
        _ receive: @escaping @Sendable ([Line]) -> Void
    ) async throws {
        let eventLoop = group.next()
        self.eventLoop = eventLoop
        parts = try await eventLoop.submit {
            let broker = RemoteBroker(server, on: eventLoop)
            let relay = LineRelay(on: eventLoop, receive: receive)
            let host = WorkerHost(
                broker: broker, output: relay, settings: settings, read: { settings }, url: server.url,
                environment: environment, logger: StderrLog.logger(format: "text", level: logLevel))
            broker.lost = { [weak host] seat in host?.kill(seat) }
            return NIOLoopBound(Parts(host: host, broker: broker, relay: relay), eventLoop: eventLoop)
        }.get()
    }

    /// What waits in a queue, for workers whose number follows it.
    package func note(ready: Int, oldestMilliseconds: Int64, of queue: String, in virtualHost: String) {
        let parts = parts
        eventLoop.execute {
            parts.value.broker.note(
                Backlog(ready: ready, oldestMilliseconds: oldestMilliseconds), of: queue, in: virtualHost)
        }
    }

    /// What goes on at this moment.
    package func activity() async throws -> Activity {
        let parts = parts
        return try await eventLoop.submit {
            parts.value.host.supervisor.status.reduce(into: Activity()) { activity, worker in
                activity.processes += worker.alive
                activity.messages += worker.instances.reduce(0) { $0 + $1.messagesInHand }
            }
        }.get()
    }

    /// Stops them in order: messages in hand are finished, as far as there is time.
    package func stop(withinMilliseconds limit: Int64) async throws {
        let parts = parts
        try await eventLoop.flatSubmit { parts.value.host.stop(withinMilliseconds: limit) }.get()
        try await eventLoop.submit { parts.value.host.takeKeeper() }.get()?.stop()
        try await eventLoop.flatSubmit { parts.value.relay.close() }.get()
        try await group.shutdownGracefully()
    }
}
