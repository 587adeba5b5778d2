internal import ColaCore
internal import ColaTLS
internal import ColaWorkers
internal import Logging
internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The workers of a running broker: does what the supervisor decides, and tells it what happens.
///
/// It lives on the broker's loop, and its instances are channels of the broker, so that a message and the process that
/// holds it are known in one place. Processes are started by the keeper, never by this one.
final class WorkerHost {
    let broker: any WorkerBroker
    let logger: Logger
    let resolution: ProgramResolution
    /// What the workers go by.
    var settings: Settings
    /// Reads the settings again.
    let read: @Sendable () throws -> Settings
    var isReloading = false
    /// What new connections get through TLS, which is read again with the settings; nil: there is no TLS.
    var certificates: TLSCertificates?
    /// What a process that connects by itself is told.
    let clientEnvironment: [String]
    /// Where such a process may speak AMQP; nil: nowhere.
    var amqpPlace: AMQPPlace?
    /// Where what they write goes.
    let output: any OutputLog
    /// The same, for those who look at it later; nil: nobody can, as with a broker elsewhere.
    var archive: WorkerOutput?
    let outputPace: OutputPace
    let resultPace: OutputPace
    /// What processes write whose number is not known yet.
    var unidentified: [InstanceID: ProcessOutput] = [:]
    var supervisor: Supervisor
    var keeper: KeeperProcess?
    var seats: [InstanceID: any WorkerSeat] = [:]
    /// What the keeper was asked for and whose end it has not told yet, and the other way round.
    var processes: [SpawnID: InstanceID] = [:]
    var running: [InstanceID: SpawnID] = [:]
    /// Of processes that have ended, while what they started is still being killed.
    var exits: [SpawnID: (status: ExitStatus, usage: ResourceUsage)] = [:]
    /// Who waits for the keeper's answer about a niceness, in the order of the requests.
    var renicing: [SpawnID: [(_ error: Int32) -> Void]] = [:]
    var lastProcess: UInt64 = 0
    var memory = OutOfMemoryWatch()
    /// Whose last process was killed for want of memory.
    var starved: Set<InstanceID> = []
    var timer: Scheduled<Void>?
    var deadline: Instant?
    /// Actions that wait for those before them: an action may lead to an event, and that to actions.
    var actions: [SupervisorAction] = []
    var isActing = false
    var allGone: EventLoopPromise<Void>?
    var isAllGone = false
    /// What is still on its way then may never come: the disk is full, or the broker elsewhere is silent.
    var isOutOfPatience = false
    /// Seats of instances that are no more, of which something is still on its way.
    var leaving: [ChannelID: any WorkerSeat] = [:]
    /// Their queues, while they are being made.
    var queues: [ChannelID: WorkerQueues] = [:]
    var fed: [WorkerDefinition] = []
    var scale = WorkerScale()
    /// Where processes connect by themselves; nil: a broker elsewhere, which knows no tokens of this host.
    weak var connectionBroker: (any ConnectionBroker)?
    var tokens = WorkerTokens()
    /// Connections that have shown a token, and whose they are.
    var owners: [ChannelID: ClientSeat] = [:]

    /// - Parameters:
    ///   - read: reads the settings again.
    ///   - url: where the server can be reached from this machine.
    ///   - environment: of the server, for what workers may have of it.
    init(
        broker: any WorkerBroker, output: any OutputLog, settings: Settings,
        read: @escaping @Sendable () throws -> Settings, url: String,
        environment: [String: String], logger: Logger
    ) {
        self.broker = broker
        self.output = output
        outputPace = OutputPace(OutputPace.linesMax, on: broker.eventLoop) { output.isFull }
        resultPace = OutputPace(OutputPace.resultsMax, on: broker.eventLoop) { false }
        clientEnvironment = ["COLA_URL=\(url)"]
        self.settings = settings
        self.read = read
        self.logger = logger
        let folder = AbsolutePath.folder(of: settings.configurationPath ?? "cola.yaml")
        resolution = ProgramResolution(serverEnvironment: environment, folder: folder)
        supervisor = Supervisor(seed: UInt64.random(in: .min ... .max), at: broker.now.monotonic)
    }

    var now: Now { broker.now }

    // MARK: Start and stop

    /// From now on these are the workers.
    func start(_ definitions: [WorkerDefinition]) {
        if keeper == nil, !definitions.isEmpty { startKeeper() }
        // Before anybody is fed from them. Whoever runs workers for a broker elsewhere has asked that one.
        if let connectionBroker { WorkerQueues.provide(for: definitions, of: connectionBroker, host: self) }
        apply(.configure(definitions))
        for (instance, seat) in seats {
            if let definition = supervisor.definition(of: instance), seat.isFedAlike(by: definition) {
                seat.definition = definition
            }
        }
        fed = definitions.filter { $0.queue != nil }
        seeWhoIsScaled()
    }

    /// A server without workers has neither the thread nor the process.
    private func startKeeper() {
        let eventLoop = broker.eventLoop
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        keeper = KeeperProcess { notice in eventLoop.execute { bound.value.take(notice) } }
        apply(.keeperReady)
    }

    /// Stops all of them.
    ///
    /// - Returns: done when no process is left.
    func stop(withinMilliseconds limit: Int64) -> EventLoopFuture<Void> {
        let promise = broker.eventLoop.makePromise(of: Void.self)
        allGone = promise
        apply(.shutdown(withinMilliseconds: limit))
        return promise.futureResult
    }

    /// What holds the thread and the process that keep the workers; to be stopped when nothing is left.
    func takeKeeper() -> KeeperProcess? {
        defer { keeper = nil }
        return keeper
    }

    /// The seat, whose instance is no more, has said what became of everything.
    func hasLeft(_ id: ChannelID) {
        leaving[id] = nil
        succeedIfAllGone()
    }

    func succeedIfAllGone() {
        guard isAllGone, leaving.isEmpty || isOutOfPatience else { return }
        allGone?.succeed()
        allGone = nil
    }

    // MARK: From the keeper

    func take(_ notice: KeeperProcess.Notice) {
        switch notice {
        case .event(let event): take(event)
        case .lost(let reason):
            logger.error("the keeper of the workers has ended, and they with it", metadata: ["reason": "\(reason)"])
            processes = [:]
            running = [:]
            exits = [:]
            endUnidentifiedOutput()
            let waiting = renicing.values.joined()
            renicing = [:]
            for reply in waiting { reply(ESRCH) }
            apply(.keeperLost)
            // What the next one is asked for waits until nothing is left of this one. Not at once: if it cannot live,
            // it is not to be tried all the time.
            later(milliseconds: Self.keeperPause) { [weak self] in self?.apply(.keeperReady) }
        }
    }

    func take(_ event: KeeperEvent) {
        switch event {
        case .ready(let bytes): logger.debug("the keeper of the workers runs", metadata: ["resident": "\(bytes)"])
        case .started(let process, let number, _):
            guard let instance = processes[process] else { return }
            memory.processStarted(at: now.monotonic)
            starved.remove(instance)
            identifyOutput(of: instance, as: number)
            apply(.started(instance, processID: number))
            seats[instance]?.started(number)
        case .failed(let process, let failure):
            guard let instance = forget(process) else { return }
            identifyOutput(of: instance, as: nil)
            apply(.startFailed(instance, failure.description))
        case .exited(let process, let status, let usage):
            exits[process] = (status, usage)
            guard let instance = processes[process] else { return }
            if memory.explains(status) { starved.insert(instance) }
            if let ending = supervisor.ending(of: instance, by: status) { seats[instance]?.exited(ending) }
        case .swept(let process, let killed):
            // Only now nothing is left of it, and the next one may be started.
            guard let exit = exits.removeValue(forKey: process), let instance = forget(process) else { return }
            if killed > 0 {
                logger.info(
                    "what a process left behind was killed",
                    metadata: ["instance": "\(instance)", "processes": "\(killed)"])
            }
            apply(.exited(instance, exit.status, exit.usage))
        case .reniced(let process, let error):
            guard var waiting = renicing[process], !waiting.isEmpty else { return }
            let reply = waiting.removeFirst()
            renicing[process] = waiting.isEmpty ? nil : waiting
            reply(error)
        }
    }

    /// What a message is told of a process that nobody here has ended.
    func end(of instance: InstanceID, by status: ExitStatus) -> Attempt.End {
        if case .code = status { return .exited }
        return starved.contains(instance) ? .outOfMemory : .killed
    }

    func forget(_ process: SpawnID) -> InstanceID? {
        guard let instance = processes.removeValue(forKey: process) else { return nil }
        running[instance] = nil
        return instance
    }

    // MARK: The supervisor

    func apply(_ event: SupervisorEvent) {
        actions += supervisor.apply(event, at: now.monotonic)
        act()
        schedule()
    }

    func act() {
        guard !isActing else { return }
        isActing = true
        defer { isActing = false }
        var next = 0
        while next < actions.count {
            perform(actions[next])
            next += 1
        }
        actions.removeAll(keepingCapacity: true)
    }

    func perform(_ action: SupervisorAction) {
        switch action {
        case .spawn(let instance, let definition, _): spawn(instance, definition)
        case .signal(let instance, let signal, let scope):
            if let process = running[instance] { keeper?.send(.signal(process, number: signal.number, scope)) }
            if signal == .proceed { (seats[instance] as? ClientSeat)?.proceeds() }
        case .feed(let instance): feed(instance)
        case .stopFeeding(let instance): seats[instance]?.stopFeeding()
        case .endInput(let instance): seats[instance]?.endInput()
        case .changed(let change):
            logger.debug(
                "a worker changes its state",
                metadata: [
                    "worker": "\(change.worker)", "instance": "\(change.instance)", "from": "\(change.from)",
                    "to": "\(change.to)", "reason": "\(change.reason)",
                ])
        case .ended(let instance, let ending, _):
            if case .startFailed(let sentence) = ending { report("\(instance)", sentence) }
            seats[instance]?.ended(ending)
        case .removed(let instance):
            identifyOutput(of: instance, as: nil)
            seats.removeValue(forKey: instance)?.leave()
            starved.remove(instance)
        case .allGone:
            isAllGone = true
            succeedIfAllGone()
            guard allGone != nil else { return }
            later(milliseconds: Self.farewell) { [weak self] in
                self?.isOutOfPatience = true
                self?.succeedIfAllGone()
            }
        }
    }

    func schedule() {
        let next = supervisor.nextDeadline
        guard next != deadline else { return }
        timer?.cancel()
        timer = nil
        deadline = next
        guard let next else { return }
        let delay = max(0, next.rawValue - now.monotonic.rawValue)
        timer = broker.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(delay)) { [self] in
            deadline = nil
            apply(.tick)
        }
    }

    // MARK: Feeding

    func feed(_ instance: InstanceID) {
        if let definition = supervisor.definition(of: instance) { seat(of: instance, definition).feed() }
    }

    /// The one that there is, by the definition that holds now, or else a new one.
    func seat(of instance: InstanceID, _ definition: WorkerDefinition) -> any WorkerSeat {
        if let seat = seats[instance] {
            if seat.isFedAlike(by: definition) {
                seat.definition = definition
                return seat
            }
            seat.leave()
        }
        let seat: any WorkerSeat =
            switch definition.mode {
            case .exec: ExecSeat(instance, of: definition, host: self)
            case .stream: StreamSeat(instance, of: definition, host: self)
            case .client: ClientSeat(instance, of: definition, host: self)
            }
        seats[instance] = seat
        return seat
    }

    func isReady(_ instance: InstanceID) { apply(.isReady(instance)) }

    func took(_ instance: InstanceID, _ count: Int = 1) { apply(.took(instance, count: count)) }

    func settled(_ instance: InstanceID, _ count: Int) { apply(.settled(instance, count: count)) }

    func misbehaved(_ instance: InstanceID, _ sentence: String) {
        apply(.misbehaved(instance, sentence))
    }

    /// Whether the process of the instance is gone, though not all that it started.
    func hasExited(_ instance: InstanceID) -> Bool { running[instance].map { exits[$0] != nil } ?? true }

    /// The broker has given to others what this seat's process holds.
    func kill(_ seat: any Connection) {
        guard let instance = seats.first(where: { $0.value === seat })?.key else { return }
        guard let more = try? supervisor.apply(.kill, to: .instance(instance), at: now.monotonic) else { return }
        actions += more
        act()
        schedule()
    }

    func canFeed(_ instance: InstanceID) { apply(.letGo(instance)) }

    func cannotFeed(_ instance: InstanceID, _ sentence: String) {
        report("\(instance)", sentence)
        apply(.heldBack(instance, sentence))
        later(milliseconds: Self.feedingPause) { [weak self] in self?.feedAgain(instance) }
    }

    private func feedAgain(_ instance: InstanceID) {
        if supervisor.status(of: instance)?.isFed == true { seats[instance]?.feed() }
    }

    /// For what seats that are no more still wait for when the last process has ended. Milliseconds.
    static let farewell: Int64 = 5_000

    /// Before a keeper is started anew. Milliseconds.
    static let keeperPause: Int64 = 1_000

    /// Before a queue that is not there is asked for again. Milliseconds.
    static let feedingPause: Int64 = 5_000

    func later(milliseconds: Int64, _ body: @escaping () -> Void) {
        _ = broker.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(milliseconds)) { body() }
    }

    func report(_ who: String, _ sentence: String) {
        logger.warning("a worker cannot go on", metadata: ["worker": "\(who)", "reason": "\(sentence)"])
    }
}
