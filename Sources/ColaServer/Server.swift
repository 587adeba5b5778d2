internal import ColaAMQP
internal import ColaCore
internal import ColaKafka
internal import ColaNative
internal import ColaStore
internal import ColaTLS
internal import ColaWorkers
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import UnixSignals

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The running broker: store, loop and listeners, started in this order and stopped in reverse.
package struct Server {
    package static let version = "0.1.0"
    /// How long the store may take to close.
    private static let stopMilliseconds: Int64 = 4_500
    /// How long workers may take to end before they are killed.
    private static let workersMilliseconds: Int64 = 3_000

    private let settings: Settings
    private let logger: Logger
    private let announce: @Sendable (String) -> Void
    private let environment: [String: String]
    private let read: @Sendable () throws -> Settings
    private let notifier: ServiceNotifier
    private let reloading: Reloading

    /// - Parameters:
    ///   - environment: what workers may be given of.
    ///   - read: reads the settings again; what it throws is said to whoever wanted that. By default they stay.
    ///   - announce: takes the one line that says that connections are accepted.
    package init(
        settings: Settings, environment: [String: String] = [:],
        read: (@Sendable () throws -> Settings)? = nil, announce: @escaping @Sendable (String) -> Void
    ) {
        self.settings = settings
        self.read = read ?? { settings }
        self.environment = environment
        self.announce = announce
        logger = StderrLog.logger(format: settings.logFormat, level: settings.logLevel)
        notifier = ServiceNotifier(environment, logger: logger)
        reloading = Reloading(notifier)
    }

    /// Why a server did not start or had to end, with the exit code that says it (sysexits.h).
    package struct Failure: Error, CustomStringConvertible {
        package var exitCode: Int32
        package var description: String
    }

    /// Serves until a graceful shutdown is asked for.
    package func run() async throws {
        try settings.checkWorkers()
        let certificates = try certificates()
        let inherited = InheritedSockets(try InheritedSocket.all(environment))
        warn()
        MachineResources.keepHeapSmall()
        let store = SQLiteStore(options: options)
        // With two cores or fewer everything but the commits happens on one loop: no hop, no wake-up.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        do {
            let started = try await start(store, certificates, inherited, on: eventLoop)
            announce(started.announcement)
            notifier.ready(started.announcement)
            notifier.watch(eventLoop)
            try? await gracefulShutdown()
            notifier.stopping()
            try await stop(started, store: store, on: eventLoop)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
        logger.info("stopped")
    }

    private var options: SQLiteStore.Options {
        var options = SQLiteStore.Options(directory: settings.dataDirectory)
        options.relaxedDurability = settings.isDurabilityRelaxed
        options.acceptDamage = settings.acceptsDamage
        options.reserveBytes = settings.reserveBytes
        return options
    }

    private func certificates() throws(Failure) -> TLSCertificates? {
        guard settings.amqps != nil, let files = settings.tls else { return nil }
        do {
            let context = try TLSContext(files)
            context.warnIfOver(at: SystemClock().now.wall, logger)
            return TLSCertificates(context)
        } catch {
            throw Failure(exitCode: error.kind == .notPermitted ? 77 : 78, description: error.description)
        }
    }

    private func warn() {
        if settings.isDurabilityRelaxed {
            logger.warning("durability=relaxed: a power failure may lose messages that were confirmed")
        }
        if getuid() == 0 { logger.warning("running as root; a user of its own is safer") }
        let hosts = [settings.native, settings.amqp, settings.amqps].compactMap(\.?.host)
        if settings.account == nil, !hosts.allSatisfy(["127.0.0.1", "::1", "localhost"].contains) {
            logger.warning("nobody can log in from another machine: set default-user and default-pass")
        }
    }

    // MARK: Starting

    private struct Started: Sendable {
        var loop: NIOLoopBound<BrokerLoop>
        var workers: NIOLoopBound<WorkerHost>
        var listeners: [any Channel]
        /// What to remove at the end; nil: there is no Unix socket, or it is not ours.
        var socketPath: String?
        var announcement: String
    }

    private func start(
        _ store: SQLiteStore, _ certificates: TLSCertificates?, _ inherited: InheritedSockets,
        on eventLoop: any EventLoop
    ) async throws -> Started {
        let owner = LoopOwner(eventLoop: eventLoop)
        let logger = logger
        let recovery: Recovery
        do {
            recovery = try store.open(
                events: owner.events(
                    failed: { error in
                        // Nothing may be said or done any more: what is on the disk decides, at the next start.
                        logger.critical("\(error)")
                        _exit(error.exitCode)
                    },
                    damaged: { logger.error("a stored message was put aside", metadata: ["damage": "\($0)"]) },
                    noticed: { $0.tell(logger) }))
        } catch {
            throw Failure(exitCode: error.exitCode, description: error.description)
        }
        logger.info(
            "opened",
            metadata: [
                "data": "\(settings.dataDirectory)", "epoch": "\(recovery.epoch)", "queues": "\(recovery.queues.count)",
                "topics": "\(recovery.topics.count)", "clean": "\(recovery.wasStoppedCleanly)",
                "sqlite": "\(SQLiteStore.engineVersion)",
            ])
        do {
            let (settings, access) = (settings, access)
            let bound = try await eventLoop.submit {
                let loop = BrokerLoop(
                    eventLoop: eventLoop, recovery: recovery, limits: settings.limits, access: access, store: store,
                    logger: logger, watch: settings.watch)
                // Before anybody can ask for anything, so that a hash that takes long holds nobody up.
                if let account = settings.account { loop.begin(with: account) }
                return NIOLoopBound(loop, eventLoop: eventLoop)
            }.get()
            owner.set(bound)
            return try await listen(bound, certificates, inherited, on: eventLoop)
        } catch {
            try? store.close()
            throw error
        }
    }

    /// - Parameters:
    ///   - url: where the server can be reached from this machine, by its Unix socket if it has one.
    ///   - amqp: the same of AMQP; nil: nowhere.
    private func startWorkers(
        of loop: NIOLoopBound<BrokerLoop>, _ certificates: TLSCertificates?, url: String, amqp: AMQPPlace?,
        on eventLoop: any EventLoop
    ) async throws -> NIOLoopBound<WorkerHost> {
        let (settings, logger, environment, read) = (settings, logger, environment, read)
        return try await eventLoop.submit {
            let broker = loop.value
            let output = WorkerOutput(
                epoch: broker.epoch, files: settings.workerLogs,
                memoryBytesMax: settings.workerLogMemoryBytesMax, on: eventLoop, logger: logger,
                clock: { broker.now })
            let host = WorkerHost(
                broker: broker, output: output, settings: settings, read: read, url: url,
                environment: environment.filter { !ServiceNotifier.variables.contains($0.key) }, logger: logger)
            host.amqpPlace = amqp
            host.archive = output
            host.certificates = certificates
            loop.value.workerDesk = host
            loop.value.workerConnections = host
            host.connectionBroker = loop.value
            host.start(settings.workers)
            return NIOLoopBound(host, eventLoop: eventLoop)
        }.get()
    }

    private var access: Access { Access(serverUser: Int(getuid())) }

    private func listen(
        _ loop: NIOLoopBound<BrokerLoop>, _ certificates: TLSCertificates?, _ inherited: InheritedSockets,
        on eventLoop: any EventLoop
    ) async throws -> Started {
        var listening = Listening(inherited: inherited, eventLoop: eventLoop)
        let native = nativeListener(loop)
        var socketPath: String?
        var url = ""
        var amqp: AMQPPlace?
        do {
            if let address = settings.native {
                url = "tcp://" + address.text(bound: try await listening.open(address, native.sockets))
                listening.words.append("native=\(url)")
            }
            if let path = settings.socketPath {
                if let bound = try await listening.takeUnixSocket(native.sockets) {
                    url = "unix://\(bound)"
                } else {
                    try await listening.open(path: path, mode: settings.socketMode, native.sockets)
                    socketPath = path
                    url = "unix://\(AbsolutePath.of(path))"
                }
                listening.words.append("socket=\(url)")
            }
            if let address = settings.amqp {
                let bound = try await listening.open(address, amqpListener(loop).sockets)
                amqp = AMQPPlace(host: address.host, port: bound.first?.localAddress?.port ?? address.port)
                listening.words.append("amqp=amqp://\(address.text(bound: bound))")
            }
            if let address = settings.amqps, let certificates {
                let bound = try await listening.open(address, amqpListener(loop).sockets(certificates))
                listening.words.append("amqps=amqps://\(address.text(bound: bound))")
            }
            if let address = settings.kafka {
                let bound = try await listening.open(address, kafkaListener(loop).sockets)
                listening.words.append("kafka=\(address.text(bound: bound))")
            }
            try listening.inherited.expectNone()
        } catch {
            for channel in listening.channels { try? await channel.close() }
            throw error
        }
        let workers = try await startWorkers(of: loop, certificates, url: url, amqp: amqp, on: eventLoop)
        listening.words.append("data=\(AbsolutePath.of(settings.dataDirectory))")
        let announcement = listening.words.joined(separator: " ")
        reloading.begin(workers, announcement, on: eventLoop)
        return Started(
            loop: loop, workers: workers, listeners: listening.channels, socketPath: socketPath,
            announcement: announcement)
    }

    /// What listens so far.
    private struct Listening {
        var inherited: InheritedSockets
        let eventLoop: any EventLoop
        var channels: [any Channel] = []
        var words = ["cola ready"]

        /// - Returns: what listens there: what was handed over, else what was bound.
        mutating func open(_ address: Settings.Address, _ sockets: SocketListener) async throws -> [any Channel] {
            var opened: [any Channel] = []
            for socket in inherited.take(sockets.setting, port: address.port) {
                let channel = try await sockets.take(socket, on: eventLoop)
                opened.append(channel)
                channels.append(channel)
            }
            if opened.isEmpty {
                opened = try await sockets.bind(address, on: eventLoop)
                channels += opened
            }
            return opened
        }

        mutating func open(path: String, mode: UInt32, _ sockets: SocketListener) async throws {
            channels.append(try await sockets.bind(path: path, mode: mode, on: eventLoop))
        }

        /// - Returns: where it is; nil: none was handed over.
        mutating func takeUnixSocket(_ sockets: SocketListener) async throws -> String? {
            guard let socket = inherited.takeUnixSocket() else { return nil }
            channels.append(try await sockets.take(socket, on: eventLoop))
            return socket.address
        }
    }

    private func nativeListener(_ loop: NIOLoopBound<BrokerLoop>) -> NativeListener {
        var configuration = NativeSession.Configuration(server: "Cola/\(Self.version)")
        configuration.bodyBytesMax = settings.bodyBytesMax
        configuration.amqpProblem = Content.problem
        return NativeListener(
            loop: loop, configuration: configuration, access: access, connectionsMax: settings.connectionsMax,
            logger: logger)
    }

    private func amqpListener(_ loop: NIOLoopBound<BrokerLoop>) -> AMQPListener {
        var configuration = AMQPSession.Configuration(
            product: settings.amqpProduct?.name ?? "Cola", version: settings.amqpProduct?.version ?? Self.version)
        configuration.bodyBytesMax = settings.amqpBodyBytesMax
        configuration.certificateName = settings.certificateName
        return AMQPListener(
            loop: loop, configuration: configuration, connectionsMax: settings.connectionsMax, logger: logger)
    }

    private func kafkaListener(_ loop: NIOLoopBound<BrokerLoop>) -> KafkaListener {
        var configuration = KafkaSession.Configuration()
        configuration.advertised = settings.kafkaAdvertised.map { ($0.host, $0.port) }
        configuration.partitions = settings.kafkaPartitions
        configuration.makesTopics = settings.kafkaMakesTopics
        configuration.batchBytesMax = settings.limits.batchBytesMax
        return KafkaListener(
            loop: loop, configuration: configuration, connectionsMax: settings.connectionsMax, logger: logger)
    }

    // MARK: Stopping

    private func stop(_ started: Started, store: SQLiteStore, on eventLoop: any EventLoop) async throws {
        logger.info("stopping")
        for listener in started.listeners { try? await listener.close() }
        // While the data directory is still ours: afterwards the name may be that of the next server's socket.
        if let path = started.socketPath { unlink(path) }
        // What they hold goes back while there is still a broker to take it.
        let workers = started.workers
        try await eventLoop.flatSubmit { workers.value.stop(withinMilliseconds: Self.workersMilliseconds) }.get()
        try await eventLoop.submit { workers.value.takeKeeper() }.get()?.stop()
        try await eventLoop.flatSubmit {
            workers.value.archive?.close() ?? eventLoop.makeSucceededVoidFuture()
        }.get()
        try await eventLoop.submit { started.loop.value.stop() }.get()
        // A disk that hangs would keep us for ever. What was confirmed is on it; the rest was never promised.
        let logger = logger
        let patience = eventLoop.scheduleTask(in: .milliseconds(Self.stopMilliseconds)) {
            logger.critical("the disk did not take the last batch in \(Self.stopMilliseconds) ms; stopping without it")
            _exit(70)
        }
        defer { patience.cancel() }
        do throws(StoreError) {
            try store.close()
        } catch {
            throw Failure(exitCode: error.exitCode, description: error.description)
        }
    }
}

extension Server: CustomStringConvertible {
    /// Not its settings, among which are secrets: the libraries that run it log what it is.
    package var description: String { "Cola/\(Self.version)" }
}

extension Server: Service {
    /// Serves until SIGTERM or SIGINT, and stops in order then. SIGHUP has it read its configuration again.
    package func runUntilSignal() async throws {
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(service: self, successTerminationBehavior: .gracefullyShutdownGroup),
                    .init(service: reloading),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }
}

extension Settings.Address {
    /// With the port that was bound, if any was left to choose.
    fileprivate func text(bound channels: [any Channel]) -> String {
        "\(host.contains(":") ? "[\(host)]" : host):\(channels.first?.localAddress?.port ?? port)"
    }
}

extension Settings {
    /// Nil: what workers write is in memory alone.
    fileprivate var workerLogs: OutputFiles? {
        guard workerLogBytesMax > 0 else { return nil }
        return OutputFiles(
            folder: AbsolutePath.of(dataDirectory) + "/logs",
            rotation: OutputRotation(bytesMax: workerLogBytesMax, filesMax: workerLogFilesMax),
            freeDiskMin: freeDiskMin)
    }

    /// Two fifths of the memory, as the page cache and other processes need some too.
    fileprivate var watch: ResourceWatch {
        ResourceWatch(
            MachineResources(directory: dataDirectory), freeDiskMin: freeDiskMin,
            memoryMax: memoryMax ?? MachineResources.memoryBytes / 5 * 2)
    }
}
