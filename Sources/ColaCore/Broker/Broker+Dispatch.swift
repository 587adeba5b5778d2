internal import DequeModule
internal import OrderedCollections

// From logs to consumers.
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

    func dispatchPending(at now: Now) {
        while let queue = pendingQueues.popLast() {
            queue.isDispatchPending = false
            dispatch(queue, at: now)
        }
        while let reader = pendingReaders.popLast() {
            if case .topic(let topic) = reader.source { dispatch(reader, of: topic) }
        }
    }

    private func dispatch(_ queue: Queue, at now: Now) {
        guard !queue.isDeleted else { return }
        while queue.reading == nil, !queue.waiting.isEmpty, let consumer = queue.nextConsumer() {
            guard let found = next(of: queue) else {
                consumer.isWaiting = true
                queue.waiting.prepend(consumer)
                return
            }
            hand(found, of: queue, to: consumer, at: now)
            queue.enqueue(consumer)
        }
    }

    /// A message that can be handed out now: where it stands in the log's window.
    struct Found {
        var chunk: Int
        var entry: Int
        var isReleased: Bool
    }

    /// The message whose turn it is: those that came back first, for they are the older ones.
    ///
    /// - Returns: nil if there is none, or it must be read first; a read is then under way.
    func next(of queue: Queue) -> Found? {
        while let release = queue.cursor.released.first {
            switch queue.log.place(atOrAfter: release.offset) {
            case .cached(let chunk):
                let entry = queue.log.window[chunk].segment.index(atOrAfter: release.offset)
                let entries = queue.log.window[chunk].segment.entries
                if entry < entries.count, entries[entry].offset == release.offset {
                    return Found(chunk: chunk, entry: entry, isReleased: true)
                }
                dropReleased(queue)
            case .stored:
                read(from: release.offset, below: release.offset.next, for: queue)
                return nil
            case .end: dropReleased(queue)
            }
        }
        while true {
            switch queue.log.place(atOrAfter: queue.cursor.fresh) {
            case .end: return nil
            case .stored(let below):
                read(from: queue.cursor.fresh, below: below, for: queue)
                return nil
            case .cached(let chunk):
                enter(chunk, of: queue)
                guard let entry = freshEntry(of: queue, in: chunk) else { continue }
                return Found(chunk: chunk, entry: entry, isReleased: false)
            }
        }
    }

    private func enter(_ index: Int, of queue: Queue) {
        let fresh = queue.cursor.fresh
        guard fresh <= queue.log.window[index].base || !queue.cursor.hasEntered(fresh) else { return }
        let chunk = queue.log.window[index]
        queue.cursor.enter(
            base: chunk.base, last: chunk.last, segment: chunk.segment, settled: chunk.settled, released: chunk.released
        )
        touchIfFinished(queue)
    }

    /// The first record of the chunk at or above `fresh` that is not settled; the cursor moves on past the chunk if
    /// there is none.
    private func freshEntry(of queue: Queue, in chunk: Int) -> Int? {
        let fresh = queue.cursor.fresh
        var entry = queue.log.window[chunk].segment.index(atOrAfter: fresh)
        let count = queue.log.window[chunk].segment.entries.count
        while entry < count {
            if !queue.cursor.isSettled(queue.log.window[chunk].segment.entries[entry].offset) { return entry }
            entry += 1
        }
        queue.cursor.skip(to: queue.log.window[chunk].last.next)
        return nil
    }

    /// Entering a chunk of which nothing is left makes it removable; someone has to write that down.
    private func touchIfFinished(_ queue: Queue) {
        if queue.cursor.hasFinishedChunks { touch(queue) }
    }

    private func dropReleased(_ queue: Queue) {
        queue.cursor.dropReleased()
        queue.log.messages -= 1
        touch(queue)
    }

    private func hand(_ found: Found, of queue: Queue, to consumer: Consumer, at now: Now) {
        guard let channel = consumer.channel else { return }
        let entry = queue.log.window[found.chunk].segment.entries[found.entry]
        let redelivered = queue.cursor.redelivered(of: found, at: entry.offset)
        if found.isReleased { _ = queue.cursor.takeReleased() } else { queue.cursor.take(entry.offset) }
        let bytes = entry.byteCount
        var tag = DeliveryTag(0)
        consumer.credit -= 1
        if consumer.isAutoAck {
            if consumer.prefetch != nil { consumer.credit += 1 }
            settle(entry.offset, bytes: bytes, of: queue)
            statistics.acknowledged += 1
            didChange(channel)
            commitSoon(at: now)
        } else {
            consumer.unacknowledged += 1
            queue.leasedBytes += bytes
            tag = channel.lease(Channel.Lease(consumer: consumer, offset: entry.offset, bytes: bytes))
        }
        if redelivered != nil { statistics.redelivered += 1 }
        deliver(entry, of: queue.log, found.chunk, tag, redelivered, to: consumer, channel)
    }

    private func deliver(
        _ entry: RecordSegment.Entry, of log: Log, _ chunk: Int, _ tag: DeliveryTag, _ redelivered: Int?,
        to consumer: Consumer, _ channel: Channel
    ) {
        statistics.delivered += 1
        effects.append(
            .deliver(
                channel.id, consumer.tag,
                Delivery(tag: tag, redelivered: redelivered, entry: entry, data: log.window[chunk].segment.data)))
        charge(channel, entry.byteCount)
    }

    /// So much is on its way to the channel's socket.
    func charge(_ channel: Channel, _ bytes: Int) {
        channel.window -= bytes + Self.deliveryOverheadBytes
        if channel.window <= 0, !channel.isWindowFull {
            channel.isWindowFull = true
            effects.append(.windowFull(channel.id))
        }
    }

    /// About what a delivery takes on the wire besides its message.
    private static let deliveryOverheadBytes = 64

    // MARK: Topics

    private func dispatch(_ reader: Consumer, of topic: Topic) {
        guard !topic.isDeleted else { return }
        let log = topic.log
        while reader.reading == nil, reader.canTake, let channel = reader.channel {
            switch log.place(atOrAfter: reader.cursor.next) {
            case .end: return
            case .stored(let below):
                let request = ReadRequest(
                    log: log.id, from: reader.cursor.next, below: below, bytesMax: limits.readBytesMax)
                reader.reading = request
                effects.append(.read(request))
                return
            case .cached(let chunk):
                let index = log.window[chunk].segment.index(atOrAfter: reader.cursor.next)
                guard index < log.window[chunk].segment.entries.count else {
                    reader.cursor.skip(to: log.window[chunk].last.next)
                    continue
                }
                let entry = log.window[chunk].segment.entries[index]
                reader.cursor.advance(past: entry.offset)
                reader.credit -= 1
                var tag = DeliveryTag(0)
                if reader.isAutoAck {
                    if reader.prefetch != nil { reader.credit += 1 }
                } else {
                    reader.unacknowledged += 1
                    tag = channel.lease(
                        Channel.Lease(consumer: reader, offset: entry.offset, bytes: entry.byteCount))
                }
                deliver(entry, of: log, chunk, tag, nil, to: reader, channel)
            }
        }
    }

    // MARK: One message at a time

    func get(_ name: String, isAutoAck: Bool, _ id: RequestID, for channel: Channel, at now: Now) {
        switch router.destinations[name] {
        case .queue(let queue):
            guard !channel.isFull else {
                return refuse(
                    channel, id,
                    .limit(
                        what: "unacknowledged messages on a connection", limit: channel.leasesMax,
                        setting: "unacked-max"))
            }
            if queue.reading == nil, let found = next(of: queue) {
                hand(found, of: queue, answering: id, isAutoAck: isAutoAck, to: channel, at: now)
            } else if queue.reading != nil {
                channel.stall = .get
                queue.getters.append((channel, id, isAutoAck))
            } else {
                respond(channel, id, .empty)
            }
        case .topic:
            refuse(channel, id, .mismatch("'\(name)' is a topic; read it with consume, or look at it with peek"))
        case nil: refuse(channel, id, .notFound(.queue, name: name))
        }
    }

    private func hand(
        _ found: Found, of queue: Queue, answering id: RequestID, isAutoAck: Bool, to channel: Channel, at now: Now
    ) {
        let entry = queue.log.window[found.chunk].segment.entries[found.entry]
        let data = queue.log.window[found.chunk].segment.data
        let redelivered = queue.cursor.redelivered(of: found, at: entry.offset)
        if found.isReleased { _ = queue.cursor.takeReleased() } else { queue.cursor.take(entry.offset) }
        var tag = DeliveryTag(0)
        if !isAutoAck {
            queue.leasedBytes += entry.byteCount
            let consume = Consume(name: queue.name, consumer: ConsumerTag(0), flow: .credit(0))
            let getter = Consumer(consume, source: .queue(queue), channel: channel)
            getter.isCancelled = true
            getter.channel = nil
            getter.unacknowledged = 1
            tag = channel.lease(Channel.Lease(consumer: getter, offset: entry.offset, bytes: entry.byteCount))
        }
        if redelivered != nil { statistics.redelivered += 1 }
        statistics.delivered += 1
        respond(channel, id, .message(Delivery(tag: tag, redelivered: redelivered, entry: entry, data: data)))
        charge(channel, entry.byteCount)
        if isAutoAck {
            settle(entry.offset, bytes: entry.byteCount, of: queue)
            statistics.acknowledged += 1
            didChange(channel)
            commitSoon(at: now)
        }
    }

    /// The read that getters waited for is there.
    func serveGetters(of queue: Queue, at now: Now) {
        guard queue.reading == nil else { return }
        let getters = queue.getters
        queue.getters = []
        for getter in getters where channels[getter.channel.id] === getter.channel {
            getter.channel.stall = nil
            get(queue.name, isAutoAck: getter.isAutoAck, getter.request, for: getter.channel, at: now)
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
        found.isReleased ? released.first?.deliveries : redelivered(offset)
    }
}

extension RecordSegment.Entry {
    /// What it counts against limits and budgets, as ``Message/byteCount``.
    package var byteCount: Int { key.range.count + value.range.count + headers.range.count }
}
