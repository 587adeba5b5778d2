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

    private struct Parts {
        let host: WorkerHost
        let broker: RemoteBroker
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
    /// - Throws: ``Flaw`` if there is no such program or user.
    package static func start(
        _ workers: [WorkerDefinition], for server: Server, folder: String, environment: [String: String],
        logLevel: String
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
        let runner = try await WorkerRunner(server, settings, environment, logLevel)
        let parts = runner.parts
        try await runner.eventLoop.submit { parts.value.host.start(workers) }.get()
        return runner
    }

    private init(
        _ server: Server, _ settings: Settings, _ environment: [String: String], _ logLevel: String
    ) async throws {
        let eventLoop = group.next()
        self.eventLoop = eventLoop
        parts = try await eventLoop.submit {
            let broker = RemoteBroker(server, on: eventLoop)
            let logger = StderrLog.logger(format: "text", level: logLevel)
            let output = WorkerOutput(
                epoch: Epoch(1), files: nil, memoryBytesMax: settings.workerLogMemoryBytesMax, on: eventLoop,
                logger: logger, clock: { broker.now })
            let host = WorkerHost(
                broker: broker, output: output, settings: settings, read: { settings }, url: server.url,
                environment: environment, logger: logger)
            broker.lost = { [weak host] seat in host?.kill(seat) }
            return NIOLoopBound(Parts(host: host, broker: broker), eventLoop: eventLoop)
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
        try await group.shutdownGracefully()
    }
}
