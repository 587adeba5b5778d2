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
///
/// No command does unbounded work: what moves or drops many messages is done in slices, one with each turn.
package final class Broker {
    package let limits: Limits
    /// Who may come in, for those who look; sessions decide on it.
    let access: Access
    /// Who unpacks compressed batches, to see what producers send; nil: they are believed.
    let inflater: BatchInflater?
    let epoch: Epoch

    var hosts: OrderedDictionary<String, VirtualHost> = [:]
    var users: OrderedDictionary<String, UserDefinition> = [:]
    var grants: OrderedDictionary<GrantKey, Grant> = [:]
    /// How often users or their permissions have changed.
    var rightsCount = 0
    /// Whose permissions have changed, so that they may have consumers of what they may not read any more.
    var revised: [GrantKey] = []
    /// Connections that end with a change that is not on the disk yet.
    var dismissals: [(batch: BatchNumber, id: ChannelID, dismissal: Dismissal)] = []
    var owners: [LogID: Owner] = [:]
    var channels: [ChannelID: Channel] = [:]
    var nextLog: LogID
    /// Queues and topics of all virtual hosts together.
    var destinationCount = 0
    /// Names that the broker chose so far.
    var namesGiven = 0

    /// Whose log it is.
    enum Owner {
        case lane(Lane)
        case partition(Partition)

        var log: Log {
            switch self {
            case .lane(let lane): lane.log
            case .partition(let partition): partition.log
            }
        }

        /// Below it everything is durable and decided.
        var stableEnd: Offset {
            switch self {
            case .lane(let lane): lane.log.committedEnd
            case .partition(let partition): partition.stableEnd
            }
        }
    }

    // What gathers for the next batch.
    var gathering = BatchNumber(1)
    var changes = GatheringChanges()
    var touched: [Owner] = []
    /// Publishes that gather and whose records may be handed out early, in their order.
    var tickets: Deque<Ticket> = []
    /// The number of the first of them.
    var firstTicket = 0
    /// The batch of the last change of a definition.
    var lastDefinitionBatch = BatchNumber(0)
    /// The size of what gathers. Bytes.
    package internal(set) var gatheringBytes = 0
    /// Somebody waits for the gathering batch.
    package internal(set) var isCommitWanted = false
    /// When the gathering batch is due though nobody waits for it.
    var lazyCommit: Instant?

    // What is under way.
    struct Flight {
        var number: BatchNumber
        var ends: [(owner: Owner, end: Offset)]
        /// Chunks that were in memory alone until now.
        var spilled: [Spilled] = []

        struct Spilled {
            var lane: Lane
            var base: Offset
            var bytes: Int
        }
    }
    var flights: Deque<Flight> = []
    var durable = BatchNumber(0)
    /// Channels with answers that wait, and those of which the last was sent since the last commit.
    var holders: [Channel] = []
    /// Channels whose next request waits for a commit.
    var stalled: [Channel] = []
    /// Channels that wait for a read of a peek.
    var peeking: [Channel] = []

    /// Transactions of Kafka's producers, and who gives producers their ids.
    var transactions: TransactionCoordinator
    /// What was stored of them, until time begins.
    var recoveredTransactions: [ProducerTransaction] = []
    /// Fetches that look again in this turn, because of something new.
    var dueFetches: [Fetching] = []
    /// Who waits for what is read from the store as it is stored. Looked up, never walked.
    var packedReads: [ReadRequest: [Fetching]] = [:]
    /// Who waits for the coordinator of a group. Looked up, never walked.
    var groupWaiters: [GroupWaiter: (channel: Channel, request: RequestID)] = [:]
    var nextGroupWaiter: UInt64 = 0
    /// Who waits for the store to find a record. Looked up, never walked.
    var searches: [Query: [(locating: Locating, index: Int)]] = [:]

    // The cache of committed chunks.
    /// Logs with packed runs in their tails, in the order in which those came, and the size of them all. Bytes.
    var tails: Deque<LogID> = []
    var tailBytes = 0
    var cacheBytes = 0
    var cacheOrder: Deque<(log: LogID, base: Offset)> = []
    var cachedChunks = 0
    /// Records of logs that do not outlive the process, which are in memory alone.
    package internal(set) var pinnedBytes = 0
    /// The part of it that is on its way to the store.
    package internal(set) var spillingBytes = 0
    /// What exchanges keep of their last messages.
    var historyBytes = 0
    /// Lanes that may have such records, for when memory becomes short.
    var pinnedLanes: Deque<Lane> = []

    // Time.
    var clock = SteadyClock()
    var lastTime: (given: Now, steady: Now)?
    var timers = Timers<TimerKey>()
    var schedule: Schedule<ScheduledMessage>
    var nextSchedule: ScheduleID
    /// The batch of the last change of the schedule: before it is durable the store cannot be asked for more of it.
    var lastScheduleBatch = BatchNumber(0)
    /// Message ids in all deduplication windows.
    var seenCount = 0

    // What is to be done in this turn, or in slices in those after it.
    var pendingQueues: [Queue] = []
    /// Channels whose consumers together may have more again.
    var pendingChannels: [Channel] = []
    /// Queues that got messages in this burst which may be handed out at its end.
    var earlyQueues: [Queue] = []
    var pendingReaders: [Consumer] = []
    /// Readers with more to pass over than one turn does; each has its turn.
    var skimming: Deque<Consumer> = []
    /// How many records may still be passed over in this turn.
    var skimBudget = 0
    /// Queues with more to move or drop than one turn does.
    var sweeping: [Queue] = []
    var redrives: [Redrive] = []
    /// The copy that is being made.
    var backup: Backup?
    /// Virtual hosts whose policies have changed.
    var refreshing: [VirtualHost] = []
    /// Partitions to compact; the first one's pass is under way.
    var compactions: Deque<Partition> = []
    /// How many messages may still be moved or dropped in this turn.
    var sweepBudget = 0
    /// Whether one of `sweeping` has messages to drop that go nowhere, which even a full disk does not hold up.
    var hasDropsLeft = false
    /// Whether more of the schedule is due than the last turn did.
    var isScheduleDue = false

    var alarms: OrderedDictionary<Alarm, String> = [:]
    var statistics = Statistics()
    /// When the first command came.
    var began: Instant?
    var effects: [Effect] = []

    package init(
        _ recovery: Recovery, limits: Limits = Limits(), access: Access = Access(serverUser: 0),
        inflater: BatchInflater? = nil
    ) {
        self.inflater = inflater
        self.limits = limits
        self.access = access
        epoch = recovery.epoch
        nextLog = recovery.nextLog
        nextSchedule = recovery.nextSchedule
        schedule = Schedule(
            storedCount: recovery.scheduledCount, countMax: limits.scheduledInMemoryMax,
            bytesMax: limits.scheduledBytesMax)
        transactions = TransactionCoordinator(at: Now(monotonic: Instant(0), wall: Timestamp(0)))
        recover(recovery)
    }

    /// Applies one command, and adds what is to be done now to `effects`.
    package func apply(_ command: consuming Command, at now: Now, into effects: inout [Effect]) {
        // The caller's array is moved in and out, not copied.
        swap(&self.effects, &effects)
        defer { swap(&self.effects, &effects) }
        let now = steady(now)
        if began == nil { begin(at: now) }
        sweepBudget = limits.sweepMax
        skimBudget = limits.skimMax
        switch consume command {
        case .attach(let id, let info): attach(id, info)
        case .detach(let id, let isLost): detach(id, isLost: isLost, at: now)
        case .hold(let id): hold(id, at: now)
        case .abandon(let id, let attempt, let consequence): abandon(id, attempt, consequence, at: now)
        case .feed(let id, let feeding): feed(id, feeding, at: now)
        case .request(let id, let request, let body):
            if let channel = channels[id] { take(body, request, from: channel, at: now) }
        case .publishes(let id): channels[id]?.connection.isPublisher = true
        case .windowOpened(let id): windowOpened(id, at: now)
        case .committed(let number): committed(number, at: now)
        case .loaded(let result): loaded(result, at: now)
        case .loadFailed(let request, let reason): loadFailed(request, reason: reason, at: now)
        case .fetched(let result): fetched(result, at: now)
        case .fetchFailed(let request, let reason): fetchFailed(request, reason: reason, at: now)
        case .answered(let query, let result): answered(query, result, at: now)
        case .queryFailed(let query, let reason): queryFailed(query, reason: reason, at: now)
        case .backingUp(let progress): backingUp(progress)
        case .backedUp(let result): backedUp(result, at: now)
        case .workersAnswered(let id, let request, let result): workersAnswered(id, request, result, at: now)
        case .passwordHashed(let id, let request, let hash): passwordHashed(id, request, hash, at: now)
        case .alarm(let alarm, let reason): change(alarm, reason, at: now)
        case .tick: break
        }
        if let next = timers.next, next <= now.monotonic { fireTimers(at: now) }
        if !refreshing.isEmpty { goOnRefreshing(at: now) }
        if isScheduleDue, canSweep { releaseDue(at: now) }
        // Trying in vain is not free: it reads what has left the cache.
        if canSweep || hasDropsLeft && hasRoomToGather, !sweeping.isEmpty || !redrives.isEmpty { sweep(at: now) }
        if !revised.isEmpty { endUnreadable(at: now) }
        if !skimming.isEmpty { goOnSkimming() }
        if !dueFetches.isEmpty { goOnFetching(at: now) }
        dispatchPending(at: now)
        trimMemory()
    }

    /// Ends a burst of commands: what it published is handed out, as far as that may be before it is durable.
    ///
    /// Not with each command, for what was handed out is a segment of its own.
    package func endBurst(at now: Now, into effects: inout [Effect]) {
        guard !earlyQueues.isEmpty else { return }
        swap(&self.effects, &effects)
        defer { swap(&self.effects, &effects) }
        for queue in earlyQueues {
            queue.isEarlyPending = false
            dispatchLater(queue)
        }
        earlyQueues.removeAll(keepingCapacity: true)
        dispatchPending(at: steady(now))
    }

    /// The same with a wall clock that does not jump. Most commands of a burst come with the same time.
    func steady(_ now: Now) -> Now {
        if let lastTime, lastTime.given == now { return lastTime.steady }
        let steady = clock.steady(now)
        lastTime = (now, steady)
        return steady
    }

    /// When to apply a `tick`, or nil if only a command can change anything.
    package var nextDeadline: Instant? {
        if !refreshing.isEmpty || !skimming.isEmpty { return Instant(0) }
        // With much to commit the next slice waits for the commit, and during an alarm for its end.
        if canSweep, isScheduleDue || redrives.contains(where: { !$0.isResting && !$0.queue.isReading }) {
            return Instant(0)
        }
        if canSweep || hasDropsLeft && hasRoomToGather, !sweeping.isEmpty { return Instant(0) }
        return timers.next
    }

    /// When the gathering batch is due though nobody waits for it.
    package func commitDeadline(at now: Now) -> Instant? {
        guard let ticket = ticketDeadline(at: now.monotonic) else { return lazyCommit }
        return lazyCommit.map { min($0, ticket) } ?? ticket
    }

    /// Whether the gathering batch should be cut now, if the store can take one.
    package func isCommitDue(at now: Now) -> Bool {
        isCommitWanted || (commitDeadline(at: now).map { $0 <= now.monotonic } ?? false)
    }

    /// Whether nothing more should be read from the connection until the next commit.
    package func holdsBack(_ id: ChannelID) -> Bool {
        guard let channel = channels[id] else { return false }
        if hasMuchToAnswer(channel) || channel.connection.channels.contains(where: hasMuchToAnswer) { return true }
        guard channel.connection.isPublisher else { return false }
        return gatheringBytes > limits.gatheringBytesMax || !alarms.isEmpty || pinnedBytes > 2 * limits.pinnedBytesMax
    }

    private func hasMuchToAnswer(_ channel: Channel) -> Bool {
        channel.held.count > limits.heldAnswersMax || channel.deferred.count > limits.heldAnswersMax
    }

    /// Why publishers are held back; nil if they are not.
    package var blocked: String? { alarms.values.first }

    // MARK: Answers

    /// Answers a request, at once or when all that the channel did before is durable.
    func respond(_ channel: Channel, _ request: RequestID, _ reply: Reply) {
        if request.isSilent, case .done = reply { return }
        // One that is held already must not be overtaken.
        guard channel.lastBatch > durable || !channel.held.isEmpty else {
            effects.append(.reply(channel.id, request, reply))
            return
        }
        if channel.lastBatch == gathering { isCommitWanted = true }
        let batch = max(channel.lastBatch, channel.held.last?.batch ?? BatchNumber(0))
        hold(HeldReply(request: request, reply: reply, batch: batch, needs: channel.lastBatch), of: channel)
    }

    func hold(_ reply: HeldReply, of channel: Channel) {
        if !channel.isHolder {
            channel.isHolder = true
            holders.append(channel)
        }
        channel.held.append(reply)
    }

    /// Sends what need not wait any more.
    func releaseHeld(of channel: Channel) {
        while let first = channel.held.first,
            first.batch <= durable || first.unsettled == 0 && first.needs <= durable
        {
            channel.held.removeFirst()
            channel.heldBefore += 1
            effects.append(.reply(channel.id, first.request, first.reply))
        }
    }

    func refuse(_ channel: Channel, _ request: RequestID, _ error: BrokerError) {
        if channel.info.isStrict, error.endsStrictChannel { fail(channel) }
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

    func touch(_ lane: Lane) {
        lane.isChanged = true
        touchEarly(lane)
    }

    /// Of what happened to the lane nothing need be written, if it is settled in time.
    func touchEarly(_ lane: Lane) {
        guard !lane.log.isTouched else { return }
        lane.log.isTouched = true
        touched.append(.lane(lane))
    }

    func touch(_ partition: Partition) {
        guard !partition.log.isTouched else { return }
        partition.log.isTouched = true
        touched.append(.partition(partition))
    }
}

extension RequestID {
    /// Answered only if it fails.
    package static let silent = RequestID(.max)

    private static let firstSilent: UInt64 = .max - 0x1FF

    /// The same, of several kinds that the session tells apart when one fails.
    package static func silent(_ kind: UInt8) -> RequestID { RequestID(firstSilent + UInt64(kind)) }

    package var silentKind: UInt8? {
        guard rawValue >= Self.firstSilent, rawValue <= Self.firstSilent + 0xFF else { return nil }
        return UInt8(rawValue - Self.firstSilent)
    }

    var isSilent: Bool { rawValue >= Self.firstSilent && (self == .silent || silentKind != nil) }
}
