internal import DequeModule
internal import OrderedCollections

// What comes back from the store, and what of it stays in memory.
extension Broker {
    func read(from: Offset, below: Offset, for queue: Queue) {
        let request = ReadRequest(log: queue.log.id, from: from, below: below, bytesMax: limits.readBytesMax)
        queue.reading = request
        effects.append(.read(request))
    }

    func loaded(_ result: ReadResult, at now: Now) {
        peeked(result, at: now)
        switch owners[result.request.log] {
        case .queue(let queue): loaded(result, for: queue, at: now)
        case .topic(let topic): loaded(result, for: topic)
        case nil: break  // deleted meanwhile
        }
    }

    private func loaded(_ result: ReadResult, for queue: Queue, at now: Now) {
        guard queue.reading == result.request else { return }
        queue.reading = nil
        for chunk in result.chunks {
            note(chunk, of: queue)
            insert(chunk, into: queue.log)
        }
        if result.request.from == queue.cursor.fresh, let next = nextOffset(after: result) {
            queue.cursor.skip(to: next)
        }
        if let release = queue.cursor.released.first, result.request.from == release.offset,
            case .stored = queue.log.place(atOrAfter: release.offset)
        {
            // It came back, and now the store has it no more: damage took it.
            queue.cursor.dropReleased()
            queue.log.messages -= 1
            touch(queue)
        }
        serveGetters(of: queue, at: now)
        dispatchLater(queue)
    }

    private func loaded(_ result: ReadResult, for topic: Topic) {
        for chunk in result.chunks {
            note(chunk, of: topic)
            insert(chunk, into: topic.log)
        }
        for reader in topic.readers where reader.reading == result.request {
            reader.reading = nil
            if reader.cursor.next == result.request.from, let next = nextOffset(after: result) {
                reader.cursor.skip(to: next)
            }
            pendingReaders.append(reader)
        }
    }

    /// Where to go on if the store has nothing at the offset that was asked for.
    private func nextOffset(after result: ReadResult) -> Offset? {
        if let first = result.chunks.first { return first.base > result.request.from ? first.base : nil }
        return result.isComplete ? result.request.below : nil
    }

    func loadFailed(_ request: ReadRequest, reason: String, at now: Now) {
        for channel in peeking {
            if case .peek(let peek) = channel.stall, peek.reading == request {
                peeking.removeAll { $0 === channel }
                channel.stall = nil
                refuse(channel, peek.request, .storage(reason))
                resume(channel, at: now)
            }
        }
        switch owners[request.log] {
        case .queue(let queue) where queue.reading == request:
            queue.reading = nil
            for consumer in queue.consumers { end(consumer, because: .storage(reason)) }
            failGetters(of: queue, because: .storage(reason), at: now)
        case .topic(let topic):
            for reader in topic.readers where reader.reading == request { end(reader, because: .storage(reason)) }
        default: break
        }
    }

    // MARK: Damage

    private func note(_ chunk: StoredChunk, of queue: Queue) {
        guard let quarantine = quarantine(chunk, of: queue.log) else { return }
        queue.log.messages -= queue.cursor.lose(
            base: chunk.base, last: chunk.last, segment: chunk.segment, settled: chunk.settled)
        for consumer in queue.consumers { tell(consumer, quarantine, in: queue.name) }
        queue.quarantined.append(quarantine)
        touch(queue)
        isCommitWanted = true
    }

    private func note(_ chunk: StoredChunk, of topic: Topic) {
        guard let quarantine = quarantine(chunk, of: topic.log) else { return }
        topic.log.messages = max(0, topic.log.messages - (chunk.count - quarantine.readable))
        for reader in topic.readers { tell(reader, quarantine, in: topic.name) }
        topic.quarantined.append(quarantine)
        touch(topic)
        isCommitWanted = true
    }

    private func tell(_ consumer: Consumer, _ quarantine: Quarantine, in name: String) {
        guard let channel = consumer.channel else { return }
        let error = BrokerError.damaged(name: name, base: quarantine.base)
        effects.append(.consumerFailed(channel.id, consumer.tag, error))
    }

    private func quarantine(_ chunk: StoredChunk, of log: Log) -> Quarantine? {
        let readable = chunk.segment.entries.count
        // It may be read again before the store has put it aside.
        guard !chunk.damage.isEmpty, chunk.count > readable, log.damaged.insert(chunk.base).inserted else { return nil }
        statistics.quarantined += chunk.damage.count
        let reason = chunk.damage.map(\.description).joined(separator: "; ")
        effects.append(.damaged(log.id, name: log.name, "chunk at offset \(chunk.base): \(reason)"))
        return Quarantine(base: chunk.base, readable: readable, reason: reason)
    }

    // MARK: The cache

    private func insert(_ chunk: StoredChunk, into log: Log) {
        let cached = Log.Chunk(
            base: chunk.base, last: chunk.last, segment: chunk.segment, settled: chunk.settled,
            released: chunk.released, isCommitted: true)
        guard log.insert(cached) else { return }
        didCache(log.id, chunk.base, bytes: chunk.segment.allocatedBytes)
    }

    func didCache(_ log: LogID, _ base: Offset, bytes: Int) {
        cacheBytes += bytes
        cachedChunks += 1
        cacheOrder.append((log, base))
    }

    func evict(_ base: Offset, from log: Log) {
        guard let bytes = log.evict(base: base) else { return }
        cacheBytes -= bytes
        cachedChunks -= 1
    }

    /// Keeps the cache within its budget: what came first goes first.
    func trimCache() {
        while cacheBytes > limits.cacheBytesMax, let oldest = cacheOrder.popFirst() {
            if let owner = owners[oldest.log] { evict(oldest.base, from: owner.log) }
        }
        // Chunks that were settled have left the cache but not this list.
        if cacheOrder.count > 2 * cachedChunks + 1_024 {
            cacheOrder = cacheOrder.filter { place in
                guard let log = owners[place.log]?.log else { return false }
                let index = log.windowIndex(endingAtOrAfter: place.base)
                return index < log.window.count && log.window[index].base == place.base
            }
        }
    }

    // MARK: Looking without taking

    func peek(_ name: String, from: Offset, count: Int, _ id: RequestID, for channel: Channel) {
        guard let destination = router.destinations[name] else {
            return refuse(channel, id, .notFound(.queueOrTopic, name: name))
        }
        let log = destination.log
        let start: Offset
        switch destination {
        case .queue(let queue): start = max(from, queue.cursor.floor)
        case .topic: start = max(from, log.start)
        }
        guard start < log.committedEnd else { return respond(channel, id, .peeked([])) }
        let request = ReadRequest(log: log.id, from: start, below: log.committedEnd, bytesMax: limits.readBytesMax)
        channel.stall = .peek(
            Channel.Peek(
                request: id, name: name, reading: request, remaining: count, remainingBytes: limits.peekBytesMax,
                found: []))
        peeking.append(channel)
        effects.append(.read(request))
    }

    private func peeked(_ result: ReadResult, at now: Now) {
        for channel in peeking {
            guard case .peek(var peek) = channel.stall, peek.reading == result.request else { continue }
            collect(result, for: &peek)
            let last = result.chunks.last
            if peek.remaining > 0, peek.remainingBytes > 0, !result.isComplete, let last {
                peek.reading.from = last.last.next
                channel.stall = .peek(peek)
                effects.append(.read(peek.reading))
            } else {
                peeking.removeAll { $0 === channel }
                channel.stall = nil
                respond(channel, peek.request, .peeked(peek.found))
                charge(channel, peek.found.reduce(0) { $0 + $1.entry.byteCount })
                resume(channel, at: now)
            }
        }
    }

    private func collect(_ result: ReadResult, for peek: inout Channel.Peek) {
        let owner = owners[result.request.log]
        for chunk in result.chunks {
            for entry in chunk.segment.entries where entry.offset >= peek.reading.from {
                guard peek.remaining > 0, peek.remainingBytes > 0 else { return }
                var redelivered: Int?
                if case .queue(let queue) = owner {
                    guard isAlive(entry.offset, in: chunk, of: queue) else { continue }
                    redelivered = queue.cursor.redelivered(entry.offset)
                }
                peek.remaining -= 1
                peek.remainingBytes -= entry.byteCount
                peek.found.append(
                    Delivery(tag: DeliveryTag(0), redelivered: redelivered, entry: entry, data: chunk.segment.data))
            }
        }
    }

    private func isAlive(_ offset: Offset, in chunk: StoredChunk, of queue: Queue) -> Bool {
        if offset < queue.cursor.fresh { return !queue.cursor.isSettled(offset) }
        return offset >= queue.cursor.floor && !chunk.settled.contains(offset.distance(from: chunk.base))
    }
}
