internal import DequeModule
internal import OrderedCollections

/// The broker: queues and topics, who is connected, and every rule between them, as one deterministic machine.
///
/// It does no I/O, reads no clock and draws no random numbers: everything it needs arrives in a ``Command``, everything
/// it wants done leaves as an ``Effect`` or in the ``Batch`` that ``cut()`` hands out. Equal inputs give equal
/// outputs.
///
/// An effect that must not be seen before something is on the disk stays inside until the store has reported the
/// commit; so its owner needs no rule about what may leave when. It never undoes: a batch that was cut commits, or the
/// process ends.
package final class Broker {
    package let limits: Limits
    let epoch: Epoch

    var router = Router()
    var owners: [LogID: Router.Destination] = [:]
    var channels: [ChannelID: Channel] = [:]
    var nextLog: LogID

    // What gathers for the next batch.
    var gathering = BatchNumber(1)
    var touched: [Router.Destination] = []
    var definitionChanges: [DefinitionChange] = []
    /// The batch of the last change of a definition.
    var lastDefinitionBatch = BatchNumber(0)
    var groupChanges: [GroupOffset] = []
    var isNextLogChanged = false
    /// The size of what gathers. Bytes.
    package internal(set) var gatheringBytes = 0
    /// Somebody waits for the gathering batch.
    package internal(set) var isCommitWanted = false
    /// When the gathering batch is due though nobody waits for it.
    var lazyCommit: Instant?

    // What is under way.
    struct Flight {
        var number: BatchNumber
        var ends: [(destination: Router.Destination, end: Offset)]
    }
    var flights: Deque<Flight> = []
    var durable = BatchNumber(0)
    /// Effects that wait for a commit, in the order of their batches.
    var held: Deque<(batch: BatchNumber, channel: Channel, request: RequestID, reply: Reply)> = []
    /// Channels whose next request waits for a commit.
    var stalled: [Channel] = []
    /// Channels that wait for a read of a peek.
    var peeking: [Channel] = []

    // The cache of committed chunks.
    var cacheBytes = 0
    var cacheOrder: Deque<(log: LogID, base: Offset)> = []
    var cachedChunks = 0

    var pendingQueues: [Queue] = []
    var pendingReaders: [Consumer] = []
    var blocked: String?
    var statistics = Statistics()
    /// When the first command came.
    var began: Instant?
    var effects: [Effect] = []

    package init(_ recovery: Recovery, limits: Limits = Limits()) {
        self.limits = limits
        epoch = recovery.epoch
        nextLog = recovery.nextLog
        for (definition, states) in recovery.queues {
            let state = states[0]
            let handedOut = recovery.wasStoppedCleanly ? state.handedOut : state.next
            addQueue(definition, state: state, recoveredBelow: handedOut)
        }
        for (definition, states) in recovery.topics { addTopic(definition, states: states) }
        for definition in recovery.exchanges { router.add(definition) }
        for binding in recovery.bindings { _ = router.add(binding) }
        for offset in recovery.groupOffsets {
            if case .topic(let topic) = owners[offset.log] { topic.groups[offset.group] = offset.next }
        }
    }

    /// Applies one command, and adds what is to be done now to `effects`.
    package func apply(_ command: Command, at now: Now, into effects: inout [Effect]) {
        // The caller's array is moved in and out, not copied.
        swap(&self.effects, &effects)
        defer { swap(&self.effects, &effects) }
        if began == nil { began = now.monotonic }
        switch command {
        case .attach(let id, let info): attach(id, info)
        case .detach(let id): detach(id, at: now)
        case .request(let id, let request, let body):
            if let channel = channels[id] { take(body, request, from: channel, at: now) }
        case .windowOpened(let id): windowOpened(id, at: now)
        case .committed(let number): committed(number, at: now)
        case .loaded(let result): loaded(result, at: now)
        case .loadFailed(let request, let reason): loadFailed(request, reason: reason, at: now)
        case .answered, .queryFailed: break
        case .alarm(_, let reason):
            blocked = reason
            self.effects.append(.blocked(reason))
        case .tick: break
        }
        dispatchPending(at: now)
        trimCache()
    }

    /// When to apply a `tick` or cut, or nil if only a command can change anything.
    package var nextDeadline: Instant? { lazyCommit }

    /// Whether the gathering batch should be cut now, if the store can take one.
    package func isCommitDue(at now: Now) -> Bool {
        isCommitWanted || lazyCommit.map { $0 <= now.monotonic } ?? false
    }

    /// Whether nothing more should be read from the channel until the next commit.
    package func holdsBack(_ id: ChannelID) -> Bool {
        guard let channel = channels[id] else { return false }
        if channel.heldCount > limits.heldAnswersMax || channel.deferred.count > limits.heldAnswersMax { return true }
        return channel.isPublisher && (gatheringBytes > limits.gatheringBytesMax || blocked != nil)
    }

    // MARK: Answers

    /// Answers a request, at once or when all that the channel did before is durable.
    func respond(_ channel: Channel, _ request: RequestID, _ reply: Reply) {
        if request == .silent, case .done = reply { return }
        // An answer that is held already, behind another channel's later batch, must not be overtaken.
        guard channel.lastBatch > durable || channel.heldCount > 0 else {
            effects.append(.reply(channel.id, request, reply))
            return
        }
        if channel.lastBatch == gathering { isCommitWanted = true }
        let batch = max(channel.lastBatch, held.last?.batch ?? BatchNumber(0))
        held.append((batch, channel, request, reply))
        channel.heldCount += 1
    }

    func refuse(_ channel: Channel, _ request: RequestID, _ error: BrokerError) {
        respond(channel, request, .refused(error))
    }

    /// The channel changed something that the gathering batch will make durable.
    func didChange(_ channel: Channel) {
        channel.lastBatch = gathering
    }

    /// The gathering batch holds something that should not stay there for long, though nobody waits for it.
    func commitSoon(at now: Now) {
        if lazyCommit == nil { lazyCommit = now.monotonic.advanced(byMilliseconds: limits.lazyCommitMilliseconds) }
    }

    func touch(_ queue: Queue) {
        guard !queue.log.isTouched else { return }
        queue.log.isTouched = true
        touched.append(.queue(queue))
    }

    func touch(_ topic: Topic) {
        guard !topic.log.isTouched else { return }
        topic.log.isTouched = true
        touched.append(.topic(topic))
    }
}

extension RequestID {
    /// Answered only if it fails.
    package static let silent = RequestID(.max)
}
