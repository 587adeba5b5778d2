internal import DequeModule
internal import OrderedCollections

// From queues to consumers.
extension Broker {
    func dispatchLater(_ queue: Queue) {
        guard !queue.isDispatchPending else { return }
        queue.isDispatchPending = true
        pendingQueues.append(queue)
    }

    /// The consumer can take more, perhaps.
    func wake(_ consumer: Consumer) {
        switch consumer.source {
        case .queue(let queue):
            queue.enqueue(consumer)
            dispatchLater(queue)
        case .topic: pendingReaders.append(consumer)
        }
    }

    func wakeConsumers(of channel: Channel) {
        for consumer in channel.consumers { wake(consumer) }
    }

    /// Something of the channel was settled that kept its consumers from taking more. Where there is room for a few
    /// messages only, the same queue or consumer would have it each time, so they take turns.
    func serveInTurn(_ channel: Channel) {
        guard channel.prefetch != nil else { return wakeConsumers(of: channel) }
        pendingChannels.append(channel)
    }

    private func dispatchInTurn(to channel: Channel, at now: Now) {
        // Looked up, never walked.
        var exhausted: Set<ObjectIdentifier> = []
        for consumer in channel.consumersInTurn where !channel.isFed {
            switch consumer.source {
            case .queue(let queue):
                queue.enqueue(consumer)
                // It may have thousands of them, and has nothing for any.
                guard !exhausted.contains(ObjectIdentifier(queue)) else { continue }
                let before = channel.handedOut
                dispatch(queue, at: now)
                if channel.handedOut == before { exhausted.insert(ObjectIdentifier(queue)) }
            case .topic: pendingReaders.append(consumer)
            }
        }
    }

    func dispatchPending(at now: Now) {
        while true {
            if let channel = pendingChannels.popLast() {
                dispatchInTurn(to: channel, at: now)
            } else if let queue = pendingQueues.popLast() {
                queue.isDispatchPending = false
                dispatch(queue, at: now)
            } else if let reader = pendingReaders.popLast() {
                if case .topic(let topic) = reader.source { dispatch(reader, of: topic) }
            } else {
                return
            }
        }
    }

    private func dispatch(_ queue: Queue, at now: Now) {
        guard !queue.isDeleted else { return }
        for lane in queue.lanes where !lane.cursor.doomed.isEmpty { _ = moveDoomed(of: lane, at: now) }
        if queue.isOverLimit { dropHeads(of: queue, at: now) }
        if !queue.getters.isEmpty { serveGetters(of: queue, at: now) }
        if queue.warden != nil || queue.hasSuspects { dispatchSuspects(of: queue, at: now) }
        while !queue.waiting.isEmpty, let consumer = queue.nextConsumer() {
            guard case .found(let found) = next(of: queue, isForConsumer: true, at: now) else {
                consumer.isWaiting = true
                queue.waiting.prepend(consumer)
                break
            }
            hand(found, of: queue, to: consumer, at: now)
            queue.enqueue(consumer)
        }
        // Nobody may be there to take what expires.
        for lane in queue.lanes where lane.nextExpiry != nil { watchExpiry(of: lane, at: now) }
    }

    /// A message that can be handed out now.
    struct Found {
        let lane: Lane
        let chunk: Log.Chunk
        let entry: RecordSegment.Entry
        /// Whether it came back: to its place, or as one that is to be handed out alone.
        var origin = Origin.fresh

        enum Origin {
            case fresh
            case released
            case suspect
        }
    }

    enum Next {
        case found(Found)
        /// It must be read first, and a read is under way; or messages that are not to be handed out stand before it,
        /// and there are too many for one turn.
        case waiting
        case none
    }

    /// The message whose turn it is: of the highest priority that has one.
    ///
    /// - Parameter isForConsumer: a consumer waits for it.
    func next(of queue: Queue, isForConsumer: Bool = false, at now: Now) -> Next {
        for lane in queue.lanes {
            switch next(of: lane, isForConsumer: isForConsumer, at: now) {
            case .found(let found): return .found(found)
            case .waiting: return .waiting
            case .none: continue
            }
        }
        return .none
    }

    /// The message of the lane whose turn it is, after those that have expired are gone.
    ///
    /// - Parameters:
    ///   - position: what came back below this is passed over.
    ///   - isForConsumer: a consumer waits for it. Then it may be one with no time to wait at all, which is looked at
    ///     here when it can be handed out, and gone if nobody takes it or it comes back.
    func next(
        of lane: Lane, from position: Offset = Offset(0), isForConsumer: Bool = false, at now: Now
    ) -> Next {
        while true {
            let next = first(of: lane, from: position)
            guard lane.nextExpiry != nil, case .found(let found) = next, found.entry.expires <= now.wall else {
                return next
            }
            if isForConsumer, found.origin == .fresh, found.entry.expires <= found.entry.timestamp { return next }
            guard spend(lane.queue, isDrop: lane.queue.arguments.deadLetterExchange == nil) else { return .waiting }
            discard(found, .expired, at: now)
            if lane.queue.isDurable { commitSoon(at: now) }
        }
    }

    /// The first message of the lane: those that came back first, for they are the older ones.
    private func first(of lane: Lane, from position: Offset) -> Next {
        if lane.reading != nil { return .waiting }
        while let release = lane.cursor.release(atOrAfter: position) {
            switch lane.log.place(atOrAfter: release.offset) {
            case .cached(let index):
                let chunk = lane.log.window[index]
                if let entry = chunk.segment.entry(at: release.offset) {
                    return .found(Found(lane: lane, chunk: chunk, entry: entry, origin: .released))
                }
                dropReleased(release.offset, of: lane)
            case .stored:
                read(from: release.offset, below: release.offset.next, for: lane)
                return .waiting
            case .end: dropReleased(release.offset, of: lane)
            }
        }
        while true {
            switch lane.log.place(atOrAfter: lane.cursor.fresh) {
            case .end: return .none
            case .stored(let below):
                read(from: lane.cursor.fresh, below: below, for: lane)
                return .waiting
            case .cached(let index):
                let chunk = enter(index, of: lane)
                guard let entry = freshEntry(of: lane, in: chunk) else { continue }
                guard entry.offset < lane.log.readableEnd else { return .none }
                return .found(Found(lane: lane, chunk: chunk, entry: entry))
            }
        }
    }

    private func enter(_ index: Int, of lane: Lane) -> Log.Chunk {
        let fresh = lane.cursor.fresh
        let chunk = lane.log.window[index]
        guard fresh <= chunk.base || !lane.cursor.hasEntered(fresh) else { return chunk }
        if !lane.log.isDurable { lane.log.seal(index) }
        let known = lane.cursor.doomed.count
        lane.cursor.enter(
            base: chunk.base, last: chunk.last, segment: chunk.segment, settled: chunk.settled, released: chunk.released
        )
        for release in lane.cursor.doomed.dropFirst(known) {
            lane.doomedBytes += chunk.segment.entry(at: release.offset)?.byteCount ?? 0
        }
        if lane.cursor.doomed.count > known { dispatchLater(lane.queue) }
        // Entering a chunk of which nothing is left makes it removable; someone has to write that down.
        if lane.cursor.hasFinishedChunks { touch(lane) }
        return chunk
    }

    /// The first record of the chunk at or above `fresh` that is not settled; the cursor moves on past the chunk if
    /// there is none.
    private func freshEntry(of lane: Lane, in chunk: Log.Chunk) -> RecordSegment.Entry? {
        var index = chunk.segment.index(atOrAfter: lane.cursor.fresh)
        while index < chunk.segment.entries.count {
            let entry = chunk.segment.entries[index]
            if !lane.cursor.isTaken(entry.offset) { return entry }
            index += 1
        }
        lane.cursor.skip(to: chunk.last.next)
        return nil
    }

    /// Damage took it.
    func dropReleased(_ offset: Offset, of lane: Lane) {
        lane.cursor.dropReleased(offset)
        lane.log.messages -= 1
        touch(lane)
    }

    func hand(_ found: Found, of queue: Queue, to consumer: Consumer, at now: Now) {
        guard let channel = consumer.channel else { return }
        let (lane, entry) = (found.lane, found.entry)
        let redelivered = lane.cursor.redelivered(of: found, at: entry.offset)
        lane.cursor.take(found)
        lane.log.didHandOut(entry.offset)
        let bytes = entry.byteCount
        var tag = DeliveryTag(0)
        consumer.credit -= 1
        if consumer.isAutoAck {
            if consumer.prefetch != nil { consumer.credit += 1 }
            statistics.acknowledged += 1
            queue.counts.acknowledged += 1
            tag = channel.numberUnleased()
            settleDelivered(entry.offset, bytes: bytes, of: lane, to: channel, at: now)
        } else {
            lane.pace.didHandOut(entry.offset, at: now.monotonic)
            consumer.unacknowledged += 1
            lane.leasedBytes += bytes
            tag = channel.lease(
                Channel.Lease(
                    consumer: consumer, offset: entry.offset, bytes: bytes, priority: lane.priority,
                    began: now.wall, isAlone: found.origin == .suspect))
            if let timeout = consumer.timeout(of: queue) { watch(channel, forMilliseconds: timeout, at: now) }
        }
        queue.counts.delivered += 1
        if redelivered != nil {
            statistics.redelivered += 1
            queue.counts.redelivered += 1
        }
        deliver(
            Delivery(tag: tag, redelivered: redelivered, entry: entry, data: found.chunk.segment.data), to: consumer,
            channel)
    }

    /// The message counts as acknowledged as soon as it is sent.
    private func settleDelivered(_ offset: Offset, bytes: Int, of lane: Lane, to channel: Channel, at now: Now) {
        guard settle(offset, bytes: bytes, of: lane, by: channel) else { return }
        if lane.queue.isDurable { didChange(channel) }
        commitSoon(at: now)
    }

    func deliver(_ delivery: Delivery, to consumer: Consumer, _ channel: Channel) {
        statistics.delivered += 1
        channel.lastServed = consumer.tag
        effects.append(.deliver(channel.id, consumer.tag, delivery))
        charge(channel, delivery.entry.byteCount)
    }

    /// So much is on its way to the channel's socket.
    func charge(_ channel: Channel, _ bytes: Int) {
        let connection = channel.connection
        connection.window -= bytes + Self.deliveryOverheadBytes
        if connection.window <= 0, !connection.isWindowFull {
            connection.isWindowFull = true
            // By the connection, which lives for as long as the window does.
            effects.append(.windowFull(channel.id.connection))
        }
    }

    /// About what a delivery takes on the wire besides its message.
    private static let deliveryOverheadBytes = 64

    // MARK: Over the limit

    /// The oldest messages go, those of the lowest priority first, until the queue holds no more than it may.
    private func dropHeads(of queue: Queue, at now: Now) {
        guard queue.arguments.overflow ?? .dropHead == .dropHead else { return }
        for lane in queue.lanes.reversed() {
            while queue.isOverLimit, lane.ready > 0, case .found(let found) = oldest(of: lane, at: now) {
                guard spend(queue, isDrop: queue.arguments.deadLetterExchange == nil) else { return }
                discard(found, .maxLength, at: now)
                if queue.isDurable { commitSoon(at: now) }
            }
            // Those of the lowest priority may have to be read first, or are on their way to the disk.
            if !queue.isOverLimit || lane.ready > 0 { return }
        }
    }

    private func oldest(of lane: Lane, at now: Now) -> Next {
        // Only the one that counts is looked at: each may have to be read, and drive the other out of the cache.
        guard let suspect = lane.cursor.suspects.first, suspect.offset < lane.cursor.head else {
            return next(of: lane, at: now)
        }
        return nextSuspect(of: lane, at: now)
    }

    // MARK: One message at a time

    func get(
        _ name: String, isAutoAck: Bool, _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now
    ) {
        switch host.router.destination(named: name) {
        case .queue(let queue):
            if let error = lockError(queue, channel) { return refuse(channel, id, error) }
            if channel.info.isStrict, queue.kind == .quorum, queue.arguments.isSingleActiveConsumer == true {
                return refuse(
                    channel, id,
                    .inUse(
                        "queue '\(name)' is of type quorum and has a single active consumer, so there is no basic.get: "
                            + "consume from it"))
            }
            guard isAutoAck || !channel.isFull else {
                return refuse(
                    channel, id,
                    .limit(
                        what: "unacknowledged messages on a \(channel.kind)", limit: channel.leasesMax,
                        setting: "unacked-max"))
            }
            used(queue, at: now)
            guard !channel.isSuspended else { return respond(channel, id, .empty) }
            // Who asks for one message gets those that are to be alone as well, behind the others.
            switch nextOfAll(of: queue, at: now) {
            case .found(let found): hand(found, of: queue, answering: id, isAutoAck: isAutoAck, to: channel, at: now)
            case .waiting:
                channel.stall = .get
                queue.getters.append((channel, id, isAutoAck))
            case .none: respond(channel, id, .empty)
            }
        case .topic, .partition:
            if channel.info.isStrict { return refuse(channel, id, .notOfStreams("basic.get", name, in: host.name)) }
            refuse(channel, id, .mismatch("'\(name)' is a topic; read it with consume, or look at it with peek"))
        case nil: refuse(channel, id, .notFound(.queue, name: name))
        }
    }

    private func hand(
        _ found: Found, of queue: Queue, answering id: RequestID, isAutoAck: Bool, to channel: Channel, at now: Now
    ) {
        let (lane, entry) = (found.lane, found.entry)
        let redelivered = lane.cursor.redelivered(of: found, at: entry.offset)
        lane.cursor.take(found)
        lane.log.didHandOut(entry.offset)
        let tag: DeliveryTag
        if isAutoAck {
            tag = channel.numberUnleased()
        } else {
            lane.leasedBytes += entry.byteCount
            let consume = Consume(name: queue.name, consumer: ConsumerTag(0), flow: .credit(0))
            let getter = Consumer(consume, source: .queue(queue), channel: channel)
            getter.isCancelled = true
            getter.channel = nil
            getter.unacknowledged = 1
            tag = channel.lease(
                Channel.Lease(
                    consumer: getter, offset: entry.offset, bytes: entry.byteCount, priority: lane.priority,
                    began: now.wall))
            if let timeout = getter.timeout(of: queue) { watch(channel, forMilliseconds: timeout, at: now) }
        }
        queue.counts.delivered += 1
        if redelivered != nil {
            statistics.redelivered += 1
            queue.counts.redelivered += 1
        }
        statistics.delivered += 1
        let data = found.chunk.segment.data
        // What was asked before is answered: it was waited for. What the channel's consumers took meanwhile without
        // having to settle it is nothing to wait for, or deliveries of higher numbers would overtake this one.
        assert(channel.held.isEmpty, "a get overtakes answers")
        effects.append(
            .reply(
                channel.id, id,
                .message(
                    Delivery(tag: tag, redelivered: redelivered, entry: entry, data: data),
                    of: QueueState(kind: queue.kind, ready: queue.ready))))
        charge(channel, entry.byteCount)
        if isAutoAck {
            statistics.acknowledged += 1
            queue.counts.acknowledged += 1
            settleDelivered(entry.offset, bytes: entry.byteCount, of: lane, to: channel, at: now)
        }
    }

    /// The read that getters waited for is there, perhaps.
    private func serveGetters(of queue: Queue, at now: Now) {
        guard !queue.lanes.contains(where: { $0.reading != nil }) else { return }
        let getters = queue.getters
        queue.getters = []
        for getter in getters where channels[getter.channel.id] === getter.channel {
            getter.channel.stall = nil
            get(queue.name, isAutoAck: getter.isAutoAck, getter.request, for: getter.channel, in: queue.host, at: now)
            if getter.channel.stall == nil { resume(getter.channel, at: now) }
        }
    }

    func failGetters(of queue: Queue, because error: BrokerError, at now: Now) {
        let getters = queue.getters
        queue.getters = []
        for getter in getters where channels[getter.channel.id] === getter.channel {
            getter.channel.stall = nil
            refuse(getter.channel, getter.request, error)
            resume(getter.channel, at: now)
        }
    }
}

extension SharedCursor {
    func redelivered(of found: Broker.Found, at offset: Offset) -> Int? {
        switch found.origin {
        case .fresh: redelivered(offset)
        case .released: released.first?.deliveries
        case .suspect: suspects.first?.deliveries
        }
    }

    /// The message that was found is handed out, or goes elsewhere.
    mutating func take(_ found: Broker.Found) {
        switch found.origin {
        case .fresh: take(found.entry.offset)
        case .released: _ = takeReleased(found.entry.offset)
        case .suspect: _ = takeSuspect(found.entry.offset)
        }
    }
}

extension RecordSegment.Entry {
    /// What it counts against limits and budgets, as ``Message/byteCount``.
    package var byteCount: Int { key.range.count + value.range.count + headers.range.count }
}
