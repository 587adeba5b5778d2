internal import ColaCore
internal import ColaStore
internal import DequeModule
internal import Logging
internal import NIOCore

/// The turn: take commands, apply them, give the batch to the store, release what may go, sleep until the next
/// deadline.
///
/// It owns the broker and runs on one event loop, on which all connections live as well, so nothing of a message
/// crosses a thread but the batch on its way to the disk. Nothing else sees the broker.
final class BrokerLoop {
    let eventLoop: any EventLoop
    let broker: Broker
    let store: any Store
    let logger: Logger
    private let clock: @Sendable () -> Now
    let epoch: Epoch

    var connections: [ChannelID: any Connection] = [:]
    private var nextChannel = ChannelID(1)
    /// Connections with something to write, each once.
    private var unflushed: [any Connection] = []
    /// Connections that are not read from until a commit makes room.
    private var held: [ChannelID] = []
    private var inbox: Inbox
    private let gatheringBytesMax: Int
    /// What stood in the way in the inbox when it was last looked at.
    private var obstacle: (id: ChannelID, bytes: Int)?
    private var inboxTimer: Scheduled<Void>?
    var effects: [Effect] = []
    private var submitted = BatchNumber(0)
    var committed = BatchNumber(0)
    private var watch: ResourceWatch?
    /// When the machine's resources were last looked at.
    private var lastLook: Instant?
    /// What was given to the store since. Bytes.
    private var bytesSinceLook = 0
    private var watchTimer: Scheduled<Void>?
    /// Whether somebody's message is held back because the disk might have no room for it.
    private var waitsForRoom = false
    private var timer: Scheduled<Void>?
    private var timerDeadline: Instant?
    var isStopping = false
    private var isFinishing = false
    private var isTurnPending = false
    /// Who looks at names and passwords.
    let passwords: Passwords
    /// Whoever runs the workers; nil: nobody can.
    var workerDesk: (any WorkerDesk)?
    /// Whoever runs the workers, for the connections of their processes.
    weak var workerConnections: (any WorkerConnections)?
    /// Connections of workers' processes, and whether they have ended.
    var ofWorkers: [ChannelID: Bool] = [:]
    /// Those of them with which something happened in this turn.
    private var stirred: Set<ChannelID> = []
    /// Is told after each turn that something may have changed.
    var turnEnded: (() -> Void)?
    /// Why publishers are held back; nil if they are not.
    var blocked: String? { broker.blocked }

    /// With one batch on its way, the next is not cut before it has this size: commits are the better the larger they
    /// are.
    private static let worthwhileBatchBytes = 256 * 1024

    /// So many effects are let out before the round of the event loop is over.
    private static let gatheredEffectsMax = 4_096

    /// How long a look at the machine's resources holds good, while something happens.
    private static let lookNanoseconds: Int64 = 250_000_000
    /// How much may be written before they are looked at again. Bytes.
    private static let lookBytes = 4 << 20

    /// - Parameters:
    ///   - watch: nil: nothing of the machine can become scarce.
    ///   - clock: is read once per turn.
    init(
        eventLoop: any EventLoop, recovery: Recovery, limits: Limits, access: Access, store: any Store,
        logger: Logger, watch: ResourceWatch? = nil,
        clock: @escaping @Sendable () -> Now = { SystemClock().now }
    ) {
        self.eventLoop = eventLoop
        self.store = store
        passwords = Passwords(thread: PasswordThread(on: eventLoop), logger: logger)
        self.clock = clock
        self.logger = logger
        self.watch = watch
        epoch = recovery.epoch
        broker = Broker(recovery, limits: limits, access: access, inflater: .stored)
        inbox = Inbox(bytesMax: limits.inboxBytesMax, smallBytes: ConnectionLimits.smallRequestBytes)
        gatheringBytesMax = limits.gatheringBytesMax
    }

    var now: Now { clock() }
    var connectionCount: Int { connections.count }

    /// In the order in which they came: a run is to be the same each time.
    private var connectionsInOrder: [any Connection] { connections.values.sorted { $0.id < $1.id } }

    // MARK: Connections

    func takeChannelID() -> ChannelID {
        defer { nextChannel = ChannelID(nextChannel.rawValue + 1) }
        return nextChannel
    }

    func add(_ connection: any Connection) {
        connections[connection.id] = connection
    }

    /// The connection is over for the broker: nothing more is handed to it, and what it holds goes back. Its socket may
    /// live on for a moment.
    func detach(_ connection: any Connection) {
        guard connections[connection.id] != nil, !isStopping else { return }
        releaseInbox(inbox.remove(connection.id))
        let now = now
        defer { finishTurnLater() }
        guard let isOver = ofWorkers[connection.id] else {
            return broker.apply(.detach(connection.id, isLost: connection.isLost), at: now, into: &effects)
        }
        guard !isOver else { return }
        ofWorkers[connection.id] = true
        broker.apply(.hold(connection.id), at: now, into: &effects)
        workerConnections?.ended(connection: connection.id, isLost: connection.isLost)
    }

    func remove(_ connection: any Connection) {
        detach(connection)
        connections[connection.id] = nil
        ofWorkers[connection.id] = nil
    }

    /// One read burst of one connection.
    func submit(_ commands: [Command], from connection: any Connection, at now: Now) {
        guard !isStopping else { return }
        for command in commands { broker.apply(command, at: now, into: &effects) }
        stir(connection.id)
        if broker.holdsBack(connection.id) {
            connection.hold()
            held.append(connection.id)
        }
        // What thousands of connections ask for in one round is not gathered in memory.
        if effects.count < Self.gatheredEffectsMax { finishTurnLater() } else { finishTurn() }
    }

    /// What a connection may keep of the memory that a burst was read into. Bytes.
    var inputCapacityMax: Int {
        connections.count <= ConnectionLimits.fewConnections ? ConnectionLimits.burstBytes : 0
    }

    /// The connection has part of a request, or none of one: see whether all of them together keep to their bound.
    func didReceive(_ connection: any Connection) {
        let bytes = connection.inputBytes
        guard bytes > 0 || inbox.contains(connection.id) else { return }
        switch inbox.note(connection.id, bytes) {
        case .wait: connection.hold()
        case .goOn(let others): releaseInbox(others)
        }
        if mustWait(connection), !held.contains(connection.id) {
            connection.hold()
            held.append(connection.id)
            if waitsForRoom {
                logger.warning(
                    "a large message waits for room on the disk",
                    metadata: ["received": "\(bytes)", "connection": "\(connection.id)"])
            }
        }
        watchInbox()
    }

    /// Whether the rest of a large message would find no room, behind those that wait for the disk or on the disk.
    private func mustWait(_ connection: any Connection) -> Bool {
        let bytes = connection.inputBytes
        if lacksRoom(bytes) {
            waitsForRoom = true
            lookLater()
            return true
        }
        return bytes > ConnectionLimits.smallRequestBytes && broker.gatheringBytes > gatheringBytesMax
    }

    private func lacksRoom(_ bytes: Int) -> Bool {
        guard bytes > ConnectionLimits.largeRequestBytes, let watch else { return false }
        return !watch.hasRoom(for: bytes)
    }

    private func releaseInbox(_ ids: [ChannelID]) {
        for id in ids where !held.contains(id) { connections[id]?.release() }
    }

    /// Whoever sends half a message and no more would stop all those that wait for it.
    private func watchInbox() {
        guard inboxTimer == nil, !isStopping, let found = inbox.obstacle else { return }
        obstacle = found
        inboxTimer = eventLoop.assumeIsolated().scheduleTask(in: .seconds(ConnectionLimits.patienceSeconds)) { [self] in
            inboxTimer = nil
            if let obstacle, let found = inbox.obstacle, found == obstacle,
                !held.contains(found.id) || lacksRoom(found.bytes)
            {
                connections[found.id]?.giveUp()
            }
            watchInbox()
        }
    }

    func processProceeds(_ id: ChannelID) { connections[id]?.peerProceeds() }

    func windowOpened(_ id: ChannelID) {
        guard !isStopping else { return }
        let now = now
        broker.apply(.windowOpened(id), at: now, into: &effects)
        releaseHeld()
        finishTurnLater()
    }

    /// The connection has something to write that no effect asked for.
    func needsFlush(_ connection: any Connection) {
        guard !connection.isFlushPending else { return }
        connection.isFlushPending = true
        unflushed.append(connection)
    }

    func flushAll() {
        while let connection = unflushed.popLast() {
            connection.isFlushPending = false
            connection.flush()
        }
    }

    /// Reads again from those that need not wait any more. What they waited for may have been a commit, but also a read
    /// from the disk or a socket, behind which their requests stood.
    func releaseHeld() {
        guard !held.isEmpty else { return }
        let waiting = held
        held = []
        for id in waiting {
            guard let connection = connections[id] else { continue }
            if broker.holdsBack(id) || mustWait(connection) {
                held.append(id)
            } else if !inbox.isWaiting(id) {
                connection.release()
            }
        }
    }

    private func stir(_ id: ChannelID) {
        if !ofWorkers.isEmpty, ofWorkers[id] != nil { stirred.insert(id) }
    }

    // MARK: The rest of a turn

    /// The rest comes once for all that one round of the event loop brings: what many connections sent together is
    /// handed out, committed and written together, with one write to each that gets something.
    func finishTurnLater() {
        guard !isTurnPending else { return }
        isTurnPending = true
        eventLoop.assumeIsolated().execute { [self] in
            if isTurnPending { finishTurn() }
        }
    }

    /// Does what a turn does after its commands. A write that fails ends its connection, which is a turn of its own.
    func finishTurn() {
        guard !isFinishing, !isStopping else { return }
        isFinishing = true
        defer { isFinishing = false }
        isTurnPending = false
        let now = now
        lookAround(at: now)
        broker.endBurst(at: now, into: &effects)
        release()
        commit(at: now)
        flushAll()
        schedule(at: now)
        if !stirred.isEmpty { workerConnections?.stirred(stirred.sorted()) }
        stirred.removeAll(keepingCapacity: true)
        turnEnded?()
    }

    func backlog(of queue: String, in host: String, at now: Now) -> Backlog? {
        broker.backlog(of: queue, in: host, at: now)
    }

    func hasPlace(_ name: String, in host: String) -> Bool { broker.hasPlace(name, in: host) }

    // MARK: Scarcity

    /// Looks at the machine's resources now and then; until an alarm is over also when nothing else happens.
    private func lookAround(at now: Now) {
        guard watch != nil else { return }
        if let lastLook, bytesSinceLook < Self.lookBytes,
            now.monotonic.rawValue - lastLook.rawValue < Self.lookNanoseconds
        {
            return
        }
        lastLook = now.monotonic
        bytesSinceLook = 0
        for change in watch?.look() ?? [] { raise(change.alarm, change.sentence, at: now) }
        if waitsForRoom {
            waitsForRoom = false
            releaseHeld()
        }
        if watch?.isAlarmed == true || waitsForRoom { lookLater() }
    }

    private func lookLater() {
        guard watchTimer == nil else { return }
        store.giveBackSpace()
        watchTimer = eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(2 * Self.lookNanoseconds)) { [self] in
            watchTimer = nil
            guard !isStopping else { return }
            finishTurnLater()
        }
    }

    func raise(_ alarm: Alarm, _ sentence: String?, at now: Now) {
        if let sentence {
            logger.warning("publishers are held back", metadata: ["reason": "\(sentence)"])
        } else {
            logger.notice("scarce no longer", metadata: ["what": "\(alarm.rawValue)"])
        }
        broker.apply(.alarm(alarm, sentence), at: now, into: &effects)
        if sentence == nil { releaseHeld() }
    }

    /// Does what the broker wants done now.
    private func release() {
        var batch: [Effect] = []
        swap(&batch, &effects)
        var current: (any Connection)?
        for effect in batch {
            switch effect {
            case .reply(let id, _, _), .deliver(let id, _, _), .consumerFailed(let id, _, _),
                .assigned(let id, _, _), .dismiss(let id, _):
                if current?.id != id.connection {
                    current = connections[id.connection]
                    stir(id.connection)
                }
                guard let current else { continue }
                current.handle(effect)
                needsFlush(current)
            case .fetch(let request): fetch(request)
            case .ask(let query): ask(query)
            case .backUp(let order): backUp(order)
            case .cancelBackup: store.cancelBackup()
            case .hashPassword(let id, let request, let password): hash(password, request, of: id)
            case .workers(let id, let request, let workers): ask(workers, request, of: id)
            case .windowFull(let id): connections[id]?.reportWhenWritable()
            case .read(let request): read(request)
            case .blocked:
                for connection in connectionsInOrder {
                    connection.handle(effect)
                    needsFlush(connection)
                }
            case .damaged(let log, let name, let sentence):
                logger.error(
                    "a stored batch failed its check and was put aside",
                    metadata: ["name": "\(name)", "log": "\(log)", "damage": "\(sentence)"])
            }
        }
        // The array's memory serves the next turn.
        batch.removeAll(keepingCapacity: batch.count < 65_536)
        if effects.isEmpty { swap(&batch, &effects) }
    }

    private func commit(at now: Now) {
        while broker.isCommitDue(at: now) {
            let inFlight = submitted.rawValue - committed.rawValue
            guard inFlight == 0 || inFlight == 1 && broker.gatheringBytes >= Self.worthwhileBatchBytes else { return }
            bytesSinceLook += broker.gatheringBytes
            guard let batch = broker.cut() else { return }
            submitted = batch.number
            store.submit(batch)
        }
    }

    private func schedule(at now: Now) {
        // With a batch on its way the end of its commit is the next moment at which one can be cut.
        let commit = submitted == committed ? broker.commitDeadline(at: now) : nil
        let deadline = [broker.nextDeadline, commit].compactMap { $0 }.min()
        guard deadline != timerDeadline else { return }
        timer?.cancel()
        timerDeadline = deadline
        guard let deadline else { return }
        let delay = max(0, deadline.rawValue - now.monotonic.rawValue)
        timer = eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(delay)) { [self] in
            timerDeadline = nil
            guard !isStopping else { return }
            let now = self.now
            broker.apply(.tick, at: now, into: &effects)
            finishTurnLater()
        }
    }

    // MARK: Stopping

    /// Says good-bye to everyone and gives the last batch to the store, which the caller then closes.
    func stop() {
        if isTurnPending { finishTurn() }
        isStopping = true
        passwords.stop()
        timer?.cancel()
        watchTimer?.cancel()
        inboxTimer?.cancel()
        for connection in connectionsInOrder { connection.stop() }
        broker.stop(at: now)
        if let batch = broker.cut() { store.submit(batch) }
    }
}
