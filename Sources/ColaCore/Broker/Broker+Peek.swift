internal import DequeModule
internal import OrderedCollections

// Looking without taking.
extension Broker {
    func peek(
        _ name: String, partition: Int, from: Offset, count: Int, _ id: RequestID, for channel: Channel,
        in host: VirtualHost
    ) {
        var logs: [LogID]
        switch host.router.destinations[name] {
        case .queue(let queue):
            guard partition == 0 else {
                return refuse(channel, id, .mismatch("'\(name)' is a queue: it has no partitions"))
            }
            if let error = lockError(queue, channel) { return refuse(channel, id, error) }
            // An offset means something in one log only: with priorities it is that of priority 0.
            logs = from == Offset(0) ? queue.lanes.map(\.log.id) : [queue.base.log.id]
        case .topic(let topic):
            guard topic.partitions.indices.contains(partition) else {
                return refuse(channel, id, .mismatch(topic.partitionSentence(partition)))
            }
            logs = [topic.partitions[partition].log.id]
        case nil: return refuse(channel, id, .notFound(.queueOrTopic, name: name))
        }
        logs.reverse()
        var peek = Channel.Peek(
            request: id, name: name, reading: nil, rest: logs, partition: partition, remaining: count,
            remainingBytes: limits.peekBytesMax, found: [])
        if goOn(&peek, from: from) {
            channel.stall = .peek(peek)
            peeking.append(channel)
        } else {
            respond(channel, id, .peeked(peek.found))
        }
    }

    /// Asks for the beginning of the next log that has something.
    ///
    /// - Returns: false if there is none.
    private func goOn(_ peek: inout Channel.Peek, from: Offset) -> Bool {
        while let id = peek.rest.popLast() {
            guard let owner = owners[id] else { continue }
            let log = owner.log
            var start = from
            switch owner {
            case .lane(let lane): start = max(from, lane.cursor.floor)
            case .partition: start = max(from, log.start)
            }
            guard start < log.committedEnd else { continue }
            let request = ReadRequest(log: id, from: start, below: log.committedEnd, bytesMax: limits.readBytesMax)
            // What is in memory alone the store cannot tell of.
            if !log.isDurable {
                collect(pinned: log, from: start, for: &peek)
                guard log.isSpilled else {
                    peek.endLog()
                    continue
                }
            }
            peek.reading = request
            effects.append(.read(request))
            return true
        }
        return false
    }

    func peeked(_ result: ReadResult, at now: Now) {
        for channel in peeking {
            guard case .peek(var peek) = channel.stall, peek.reading == result.request else { continue }
            for chunk in result.chunks { collect(chunk, from: result.request.from, of: result.request.log, for: &peek) }
            var isFull = peek.remaining <= 0 || peek.remainingBytes <= 0
            let isOver = isFull || result.isComplete || result.chunks.isEmpty
            if isOver {
                peek.endLog()
                isFull = peek.remaining <= 0 || peek.remainingBytes <= 0
            }
            if !isOver, !result.isComplete, let last = result.chunks.last {
                var request = result.request
                request.from = last.last.next
                peek.reading = request
                channel.stall = .peek(peek)
                effects.append(.read(request))
            } else if !isFull, goOn(&peek, from: Offset(0)) {
                channel.stall = .peek(peek)
            } else {
                peeking.removeAll { $0 === channel }
                channel.stall = nil
                respond(channel, peek.request, .peeked(peek.found))
                charge(channel, peek.found.reduce(0) { $0 + $1.entry.byteCount })
                resume(channel, at: now)
            }
        }
    }

    private func collect(_ chunk: StoredChunk, from: Offset, of log: LogID, for peek: inout Channel.Peek) {
        for entry in chunk.segment.entries where entry.offset >= from {
            guard peek.remaining > 0, peek.remainingBytes > 0 else { return }
            var redelivered: Int?
            if case .lane(let lane) = owners[log] {
                guard isAlive(entry.offset, in: chunk, of: lane) else { continue }
                redelivered = lane.cursor.redelivered(entry.offset)
                if redelivered == nil {
                    redelivered = chunk.released.first { $0.offset == entry.offset }?.deliveries
                }
            }
            peek.add(entry, chunk.segment.data, redelivered)
        }
    }

    private func collect(pinned log: Log, from: Offset, for peek: inout Channel.Peek) {
        guard case .lane(let lane) = owners[log.id] else { return }
        var bytes = 0
        for chunk in log.window where chunk.isPinned {
            for entry in chunk.segment.entries where entry.offset >= from {
                guard peek.pinned.count < peek.remaining, bytes < peek.remainingBytes else { return }
                if entry.offset < lane.cursor.fresh, lane.cursor.isSettled(entry.offset) { continue }
                let known = lane.cursor.redelivered(entry.offset)
                let released = chunk.released.first { $0.offset == entry.offset }
                bytes += entry.byteCount
                peek.pinned.append(
                    Delivery(
                        tag: DeliveryTag(0), redelivered: known ?? released?.deliveries, partition: peek.partition,
                        entry: entry, data: chunk.segment.data))
            }
        }
    }

    private func isAlive(_ offset: Offset, in chunk: StoredChunk, of lane: Lane) -> Bool {
        if offset < lane.cursor.fresh { return !lane.cursor.isSettled(offset) }
        return offset >= lane.cursor.floor && !chunk.settled.contains(offset.distance(from: chunk.base))
    }
}

extension Channel.Peek {
    /// Nothing more comes of the log: what of it is in memory alone takes its places among what was read. Of both there
    /// may be more than was asked for, and what was written meanwhile is in both.
    mutating func endLog() {
        defer { begin = found.count }
        guard !pinned.isEmpty else { return }
        let room = found.count + max(0, remaining) - begin
        var kept: [Delivery] = []
        let all = (found[begin...] + pinned).sorted { $0.entry.offset < $1.entry.offset }
        for delivery in all where kept.count < room && kept.last?.entry.offset != delivery.entry.offset {
            kept.append(delivery)
        }
        remainingBytes -= pinned.reduce(0) { $0 + $1.entry.byteCount }
        remaining = room - kept.count
        found.replaceSubrange(begin..., with: kept)
        pinned = []
    }

    mutating func add(_ entry: RecordSegment.Entry, _ data: [UInt8], _ redelivered: Int?) {
        remaining -= 1
        remainingBytes -= entry.byteCount
        found.append(
            Delivery(
                tag: DeliveryTag(0), redelivered: redelivered, partition: partition, entry: entry, data: data))
    }
}
