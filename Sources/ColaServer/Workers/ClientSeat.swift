internal import ColaCore
internal import ColaWorkers
internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// An instance of a `client` worker: its process connects by itself, and shows by a token whose it is.
///
/// What such a connection holds is tied to the process: if the connection ends without a word, it stays held until it
/// is known whether the process has ended, and how. The other way round, the end of a process counts only when all that
/// it had said before was read.
final class ClientSeat: WorkerSeat {
    let instance: InstanceID
    var definition: WorkerDefinition
    private unowned let host: WorkerHost
    private var process = ClientProcess()
    /// Also of processes before this one, for a moment.
    private var connections: [WorkerConnection] = []
    private var feeding = Feeding.on

    /// How long what a connection held stays so, while it is not known whether its process has ended. Milliseconds.
    private static let patience: Int64 = 900
    /// How long after the end of a process its connection may take to end as well. Milliseconds.
    private static let farewell: Int64 = 500
    /// How long after an end what was written before it is still read. Milliseconds.
    private static let outputPatience: Int64 = 20

    init(_ instance: InstanceID, of definition: WorkerDefinition, host: WorkerHost) {
        self.instance = instance
        self.definition = definition
        self.host = host
    }

    var heldMessage: HeldMessage? {
        let now = host.now
        return connections.compactMap { host.connectionBroker?.work(of: $0.id)?.oldest }
            .min { $0.began < $1.began }
            .map { message in
                let held = max(0, now.wall.rawValue - message.began.rawValue)
                return HeldMessage(
                    queue: message.name, offset: message.offset, since: now.monotonic.advanced(byMilliseconds: -held))
            }
    }

    // MARK: Feeding

    func feed() { tell(.on) }

    func stopFeeding() {
        let isForGood = host.supervisor.isStopping(instance)
        tell(isForGood ? .ended(reason: "worker \(definition.name) is being stopped") : .paused)
    }

    private func tell(_ feeding: Feeding) {
        self.feeding = feeding
        for connection in connections { host.connectionBroker?.tell(.feed(connection.id, feeding)) }
    }

    private var isStopped: Bool { if case .ended = feeding { true } else { false } }

    /// Whether it may start processes that connect as well.
    var mayHaveChildren: Bool { process.ending == nil && !isStopped }

    // MARK: The process

    func provide() throws(ProgramResolution.Problem) -> Provision {
        let streams = try ProcessStreams(input: [])
        let token = StandardStreams.input(of: Array(host.tokens.issue(for: instance).utf8)[...])
        guard let descriptor = token.descriptor else {
            for open in streams.passed + [streams.output, streams.errors] { close(open) }
            host.tokens.revoke(instance)
            throw .init(sentence: "there is no memory for its token: \(token.problem)")
        }
        process = ClientProcess()
        feeding = .on
        let process = process
        host.keepOutput(of: instance, definition.name, [(.out, streams.output), (.err, streams.errors)]) { bytes in
            process.output.append(bytes.readableBytesView)
        }
        var environment = host.clientEnvironment + ["COLA_TOKEN_FD=\(streams.passed.count)"]
        environment.append("COLA_PREFETCH=\(definition.prefetch)")
        environment.append("COLA_VHOST=\(definition.virtualHost)")
        if let place = host.amqpPlace {
            let token = host.tokens.issueLasting(for: instance)
            environment.append("COLA_AMQP_URL=\(place.url(token, of: definition))")
        }
        if let queue = definition.queue { environment.append("COLA_QUEUE=\(queue)") }
        return Provision(descriptors: streams.passed + [descriptor], environment: environment)
    }

    func started(_ process: Int32) { self.process.id = process }

    /// It was halted, and goes on.
    func proceeds() {
        for connection in connections { host.connectionBroker?.processProceeds(connection.id) }
    }

    func exited(_ ending: Ending) {
        guard process.ending == nil else { return }
        process.ending = ending
        host.tokens.revoke(instance)
        for connection in connections where connection.process === process { convict(connection.id, ending) }
    }

    func ended(_ ending: Ending) { exited(ending) }

    func leave() {
        for connection in connections { host.leaving[connection.id] = self }
        exited(.stopped(nil, why: "the worker has gone"))
    }

    // MARK: Connections

    func admit(_ channel: ChannelID, peer: Int32?) {
        connections.append(WorkerConnection(id: channel, peer: peer, process: process))
        // The broker hears of the connection with the rest of what it said.
        host.later(milliseconds: 0) { [weak self] in self?.tellAtFirst(channel) }
    }

    /// How it is fed, as soon as the broker knows the connection.
    private func tellAtFirst(_ id: ChannelID) {
        guard let index = index(of: id), !connections[index].wasTold, host.connectionBroker?.work(of: id) != nil
        else { return }
        connections[index].wasTold = true
        if feeding != .on { host.connectionBroker?.tell(.feed(id, feeding)) }
    }

    func stirred(_ id: ChannelID) {
        tellAtFirst(id)
        guard let index = index(of: id), let work = host.connectionBroker?.work(of: id) else { return }
        let (took, settled) = connections[index].see(work)
        let process = connections[index].process
        if settled > 0 { host.didSettle(definition.name, settled) }
        // Of what a process held when it ended the supervisor hears by that.
        guard process.ending == nil else { return }
        if work.consumers > 0, !process.isReady {
            process.isReady = true
            host.isReady(instance)
        }
        if took > 0 { host.took(instance, took) }
        if settled > 0 { host.settled(instance, settled) }
    }

    func connectionEnded(_ id: ChannelID, isLost: Bool) {
        stirred(id)
        guard let index = index(of: id) else { return }
        connections[index].isOver = true
        if !isLost { return release(id) }
        guard connections[index].verdict == nil else { return settleIfDone(id) }
        host.later(milliseconds: Self.patience) { [weak self] in self?.patienceEnds(id) }
    }

    /// Nobody has said that a process has ended.
    private func patienceEnds(_ id: ChannelID) {
        guard let index = index(of: id), connections[index].verdict == nil else { return }
        if let peer = connections[index].peer, !ProcessReader().isAlive(peer) {
            abandon(id, .exited, "process \(peer) has ended, and nobody has said how", suspicion)
        } else {
            release(id, isLost: true)
        }
    }

    /// A process that this one has started is no more.
    func childEnded(_ child: Int32, _ status: ExitStatus) {
        let ending: Ending = isStopped ? .stopped(status, why: "the worker is being stopped") : .exited(status)
        for connection in connections
        where connection.peer == child && child != process.id && connection.process === process {
            convict(connection.id, ending)
        }
    }

    private var suspicion: Consequence {
        .suspect(attemptsMax: definition.retry.attempts, isDefault: definition.ownRetry == nil)
    }

    private func index(of id: ChannelID) -> Int? { connections.firstIndex { $0.id == id } }

    /// The process behind the connection has ended.
    private func convict(_ id: ChannelID, _ ending: Ending) {
        guard let index = index(of: id), connections[index].verdict == nil else { return }
        connections[index].verdict = ending
        host.later(milliseconds: Self.outputPatience) { [weak self] in
            guard let self, let index = self.index(of: id) else { return }
            connections[index].isOutputRead = true
            settleIfDone(id)
        }
        host.later(milliseconds: Self.farewell) { [weak self] in self?.settle(id) }
    }

    private func settleIfDone(_ id: ChannelID) {
        guard let index = index(of: id), connections[index].isOver, connections[index].isOutputRead else { return }
        settle(id)
    }

    private func settle(_ id: ChannelID) {
        guard let index = index(of: id), let ending = connections[index].verdict else { return }
        switch ending {
        case .exited(let status): abandon(id, host.end(of: instance, by: status), "\(status)", suspicion)
        case .timedOut: abandon(id, .timedOut, "\(ending)", suspicion)
        case .stopped, .startFailed, .keeperLost: abandon(id, .cancelled, "\(ending)", .giveBack)
        }
        host.connectionBroker?.dismiss(id, because: "the process that this connection's token was given to has ended")
    }

    private func abandon(_ id: ChannelID, _ end: Attempt.End, _ detail: String, _ consequence: Consequence) {
        guard let connection = forget(id) else { return }
        let attempt = Attempt(
            began: Timestamp(0), ended: Timestamp(0), end: end, worker: "\(definition.name)",
            process: connection.peer ?? connection.process.id, detail: detail, output: connection.process.output.text)
        host.connectionBroker?.tell(.abandon(id, attempt, consequence))
    }

    /// What a living process has left behind goes back, as from any connection.
    private func release(_ id: ChannelID, isLost: Bool = false) {
        guard !isStopped else { return abandon(id, .cancelled, "the worker is being stopped", .giveBack) }
        if forget(id) != nil { host.connectionBroker?.tell(.detach(id, isLost: isLost)) }
    }

    private func forget(_ id: ChannelID) -> WorkerConnection? {
        guard let index = index(of: id) else { return nil }
        let connection = connections.remove(at: index)
        host.owners[id] = nil
        defer { host.hasLeft(id) }
        if connection.process.ending == nil, connection.inHand > 0 { host.settled(instance, connection.inHand) }
        return connection
    }
}
