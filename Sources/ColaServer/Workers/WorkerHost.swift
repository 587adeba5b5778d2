internal import ColaCore
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
    private let loop: BrokerLoop
    private let logger: Logger
    private let resolution: ProgramResolution
    let bodyBytesMax: Int
    /// What a process that connects by itself is told.
    private let clientEnvironment: [String]
    private var supervisor: Supervisor
    private var keeper: KeeperProcess?
    private var seats: [InstanceID: ExecSeat] = [:]
    /// What the keeper was asked for and whose end it has not told yet, and the other way round.
    private var processes: [SpawnID: InstanceID] = [:]
    private var running: [InstanceID: SpawnID] = [:]
    /// Of processes that have ended, while what they started is still being killed.
    private var exits: [SpawnID: (status: ExitStatus, usage: ResourceUsage)] = [:]
    private var lastProcess: UInt64 = 0
    private var timer: Scheduled<Void>?
    private var deadline: Instant?
    /// Actions that wait for those before them: an action may lead to an event, and that to actions.
    private var actions: [SupervisorAction] = []
    private var isActing = false
    private var allGone: EventLoopPromise<Void>?
    private var fed: [WorkerDefinition] = []
    private var scale = WorkerScale()

    /// - Parameters:
    ///   - url: where the server can be reached from this machine.
    ///   - folder: of the file that defines the workers.
    ///   - environment: of the server, for what workers may have of it.
    init(
        loop: BrokerLoop, bodyBytesMax: Int, url: String, folder: String, environment: [String: String], logger: Logger
    ) {
        self.loop = loop
        clientEnvironment = ["COLA_URL=\(url)"]
        self.bodyBytesMax = bodyBytesMax
        self.logger = logger
        resolution = ProgramResolution(serverEnvironment: environment, folder: folder)
        supervisor = Supervisor(seed: UInt64.random(in: .min ... .max), at: loop.now.monotonic)
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let eventLoop = loop.eventLoop
        keeper = KeeperProcess { notice in eventLoop.execute { bound.value.take(notice) } }
        loop.workerDesk = self
    }

    var now: Now { loop.now }

    // MARK: Start and stop

    func start(_ definitions: [WorkerDefinition]) {
        apply(.keeperReady)
        apply(.configure(definitions))
        fed = definitions.filter { $0.mode == .exec && $0.queue != nil }
        seeWhoIsScaled()
    }

    /// Stops all of them.
    ///
    /// - Returns: done when no process is left.
    func stop(withinMilliseconds limit: Int64) -> EventLoopFuture<Void> {
        let promise = loop.eventLoop.makePromise(of: Void.self)
        allGone = promise
        apply(.shutdown(withinMilliseconds: limit))
        return promise.futureResult
    }

    /// What holds the thread and the process that keep the workers; to be stopped when nothing is left.
    func takeKeeper() -> KeeperProcess? {
        defer { keeper = nil }
        return keeper
    }

    // MARK: From the keeper

    private func take(_ notice: KeeperProcess.Notice) {
        switch notice {
        case .event(let event): take(event)
        case .lost(let reason):
            logger.error("the keeper of the workers has ended, and they with it", metadata: ["reason": "\(reason)"])
            processes = [:]
            running = [:]
            exits = [:]
            apply(.keeperLost)
            // What the next one is asked for waits until nothing is left of this one. Not at once: if it cannot live,
            // it is not to be tried all the time.
            later(milliseconds: Self.keeperPause) { [weak self] in self?.apply(.keeperReady) }
        }
    }

    private func take(_ event: KeeperEvent) {
        switch event {
        case .ready(let bytes): logger.debug("the keeper of the workers runs", metadata: ["resident": "\(bytes)"])
        case .started(let process, let number, _):
            guard let instance = processes[process] else { return }
            seats[instance]?.started(number)
            apply(.started(instance, processID: number))
            // One that connects by itself is on its own from here on.
            if supervisor.definition(of: instance)?.mode == .client { apply(.isReady(instance)) }
        case .failed(let process, let failure):
            guard let instance = forget(process) else { return }
            apply(.startFailed(instance, failure.description))
        case .exited(let process, let status, let usage): exits[process] = (status, usage)
        case .swept(let process, let killed):
            // Only now nothing is left of it, and the next one may be started.
            guard let exit = exits.removeValue(forKey: process), let instance = forget(process) else { return }
            if killed > 0 {
                logger.info(
                    "what a process left behind was killed",
                    metadata: ["instance": "\(instance)", "processes": "\(killed)"])
            }
            apply(.exited(instance, exit.status, exit.usage))
        }
    }

    private func forget(_ process: SpawnID) -> InstanceID? {
        guard let instance = processes.removeValue(forKey: process) else { return nil }
        running[instance] = nil
        return instance
    }

    // MARK: The supervisor

    private func apply(_ event: SupervisorEvent) {
        actions += supervisor.apply(event, at: now.monotonic)
        act()
        schedule()
    }

    private func act() {
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

    private func perform(_ action: SupervisorAction) {
        switch action {
        case .spawn(let instance, let definition, _): spawn(instance, definition)
        case .signal(let instance, let signal, let scope):
            if let process = running[instance] { keeper?.send(.signal(process, number: signal.number, scope)) }
        case .feed(let instance): feed(instance)
        case .stopFeeding(let instance): seats[instance]?.stopFeeding()
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
            guard let seat = seats.removeValue(forKey: instance) else { return }
            seat.settleNow()
            loop.remove(seat)
        case .allGone:
            allGone?.succeed()
            allGone = nil
        }
    }

    private func schedule() {
        let next = supervisor.nextDeadline
        guard next != deadline else { return }
        timer?.cancel()
        timer = nil
        deadline = next
        guard let next else { return }
        let delay = max(0, next.rawValue - now.monotonic.rawValue)
        timer = loop.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(delay)) { [self] in
            deadline = nil
            apply(.tick)
        }
    }

    // MARK: Feeding

    private func feed(_ instance: InstanceID) {
        guard let definition = supervisor.definition(of: instance), definition.mode == .exec,
            let queue = definition.queue
        else { return }
        if let seat = seats[instance] { return seat.feed() }
        let seat = ExecSeat(instance, of: definition, queue: queue, id: loop.takeChannelID(), host: self)
        seats[instance] = seat
        loop.add(seat)
        seat.attach()
        seat.feed()
    }

    func took(_ instance: InstanceID) { apply(.took(instance)) }

    func canFeed(_ instance: InstanceID) { apply(.letGo(instance)) }

    func cannotFeed(_ instance: InstanceID, _ sentence: String) {
        report("\(instance)", sentence)
        apply(.heldBack(instance, sentence))
        later(milliseconds: Self.feedingPause) { [weak self] in self?.seats[instance]?.feed() }
    }

    /// Before a keeper is started anew. Milliseconds.
    private static let keeperPause: Int64 = 1_000

    /// Before a queue that is not there is asked for again. Milliseconds.
    private static let feedingPause: Int64 = 5_000

    func submit(_ commands: [Command], from seat: ExecSeat) { loop.submit(commands, from: seat, at: now) }

    func windowOpened(_ channel: ChannelID) { loop.windowOpened(channel) }

    func later(milliseconds: Int64, _ body: @escaping () -> Void) {
        _ = loop.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(milliseconds)) { body() }
    }

    func report(_ who: String, _ sentence: String) {
        logger.warning("a worker cannot go on", metadata: ["worker": "\(who)", "reason": "\(sentence)"])
    }

    // MARK: Scaling

    /// Only where the number of processes follows the backlog somebody has to look at it.
    private func seeWhoIsScaled() {
        let scaled = supervisor.status.filter { $0.range.count > 1 }.map(\.definition.name)
        scale.workers = fed.filter { scaled.contains($0.name) }
        guard !scale.workers.isEmpty else {
            loop.turnEnded = nil
            return
        }
        loop.turnEnded = { [weak self] in self?.lookSoon() }
        lookSoon()
    }

    func didSettle(_ worker: WorkerName) { scale.settled(worker) }

    /// Something happened in the broker: what waits may be more, or less.
    private func lookSoon() {
        guard let delay = scale.begin(at: now.monotonic) else { return }
        later(milliseconds: delay) { [weak self] in self?.look() }
    }

    private func look() {
        let now = now
        var isMore = false
        for (worker, rate) in scale.look(at: now.monotonic) {
            let backlog = worker.queue.flatMap { loop.backlog(of: $0, in: worker.virtualHost, at: now) }
            apply(
                .backlog(
                    worker.name, ready: backlog?.ready ?? 0, oldestMilliseconds: backlog?.oldestMilliseconds ?? 0,
                    ratePerSecond: rate))
            if let backlog, backlog.ready > 0 { isMore = true }
        }
        // As long as messages wait, time alone makes them older.
        if isMore { lookSoon() }
    }

    // MARK: Processes

    private func spawn(_ instance: InstanceID, _ definition: WorkerDefinition) {
        switch definition.mode {
        case .exec:
            guard let seat = seats[instance], seat.message != nil else {
                return apply(.startFailed(instance, "there is no message to start it for"))
            }
            spawn(instance, definition, input: seat.body, environment: seat.environment) { output, errors in
                read(output, of: seat) { seat, bytes in seat.wrote(output: bytes) }
                read(errors, of: seat) { seat, bytes in seat.wrote(error: bytes) }
            }
        case .client:
            var environment = clientEnvironment
            if let queue = definition.queue { environment.append("COLA_QUEUE=\(queue)") }
            spawn(instance, definition, input: [], environment: environment) { output, errors in
                for descriptor in [output, errors] { log(descriptor, of: "\(definition.name)/\(instance)") }
            }
        case .stream:
            apply(.startFailed(instance, "workers of mode stream are not in this version yet"))
        }
    }

    /// - Parameter begin: takes the ends to read its output from.
    private func spawn(
        _ instance: InstanceID, _ definition: WorkerDefinition, input: ArraySlice<UInt8>, environment: [String],
        begin: (_ output: Int32, _ errors: Int32) -> Void
    ) {
        let spec: ProcessSpec
        do throws(ProgramResolution.Problem) {
            spec = try resolution.spec(of: definition, instance, message: environment)
        } catch {
            return apply(.startFailed(instance, error.sentence))
        }
        let body = StandardStreams.input(of: input)
        guard let input = body.descriptor else {
            return apply(.startFailed(instance, "there is no memory for its standard input: \(body.problem)"))
        }
        guard let output = StandardStreams.pipe() else {
            close(input)
            return apply(.startFailed(instance, "there are no descriptors left for its output"))
        }
        guard let errors = StandardStreams.pipe() else {
            for descriptor in [input, output.read, output.write] { close(descriptor) }
            return apply(.startFailed(instance, "there are no descriptors left for its output"))
        }
        begin(output.read, errors.read)
        lastProcess += 1
        let process = SpawnID(lastProcess)
        processes[process] = instance
        running[instance] = process
        keeper?.send(.spawn(process, spec), descriptors: [input, output.write, errors.write])
    }

    /// What a process that lives on writes is the log's.
    private func log(_ descriptor: Int32, of instance: String) {
        let logger = logger
        let lines = OutputLines { line in
            logger.info("a worker says", metadata: ["instance": "\(instance)", "line": "\(line)"])
        }
        OutputPipe.open(
            descriptor, on: loop.eventLoop, receive: { lines.append($0.readableBytesView) }, ended: { lines.end() })
    }

    private func read(_ descriptor: Int32, of seat: ExecSeat, _ take: @escaping (ExecSeat, ByteBuffer) -> Void) {
        let message = seat.message?.tag
        seat.willRead()
        OutputPipe.open(descriptor, on: loop.eventLoop) { [weak seat] bytes in
            // What is left of the process before is not this message's affair.
            if let seat, seat.message?.tag == message { take(seat, bytes) }
        } ended: { [weak seat] in
            if let seat, seat.message?.tag == message { seat.pipeEnded() }
        }
    }
}

extension WorkerHost: WorkerDesk {
    func answer(_ request: WorkerRequest, at now: Instant) -> Result<WorkerAnswer, BrokerError> {
        let rows = WorkerRows(of: supervisor, at: now, messageInHand: { [seats] in seats[$0]?.heldMessage })
        switch request {
        case .list: return .success(.rows(rows.workers))
        case .processes: return .success(.rows(rows.processes))
        case .show(let target): return rows.description(of: target).map { .description($0) }
        case .control(let operation, let target):
            do throws(BrokerError) {
                try carryOut(WorkerOrder(operation, target, for: supervisor))
                return .success(.done)
            } catch {
                return .failure(error)
            }
        }
    }

    private func carryOut(_ order: WorkerOrder) throws(BrokerError) {
        switch order {
        case .command(let command, let target):
            do throws(SupervisorError) {
                actions += try supervisor.apply(command, to: target, at: now.monotonic)
            } catch {
                throw BrokerError(error)
            }
            act()
            schedule()
            seeWhoIsScaled()
        case .signal(let signal, let instances):
            for instance in instances {
                if let process = running[instance] {
                    keeper?.send(.signal(process, number: signal.number, .process))
                }
            }
        }
    }
}
