internal import DequeModule
internal import OrderedCollections

// Looking without taking.
extension Broker {
    /// - Parameter priority: of a queue, the first to look into, and the one in which `from` is an offset; nil: the
    ///   highest if all is looked through, else 0.
    func peek(
        _ name: String, partition: Int, priority: UInt8?, from: Offset, count: Int, _ id: RequestID,
        for channel: Channel, in host: VirtualHost
    ) {
        var logs: [LogID]
        var start: (log: LogID, offset: Offset)?
        switch host.router.destination(named: name) {
        case .queue(let queue):
            guard partition == 0 else {
                return refuse(channel, id, .mismatch("'\(name)' is a queue: it has no partitions"))
            }
            if let error = lockError(queue, channel) { return refuse(channel, id, error) }
            // An offset means something in one log only.
            let first = priority.map { queue.known($0) } ?? (from == Offset(0) ? .max : 0)
            let lanes = queue.lanes.filter { $0.priority <= first }
            logs = lanes.map(\.log.id)
            if let lane = lanes.first, lane.priority == first { start = (lane.log.id, from) }
        case .topic(let topic):
            guard topic.partitions.indices.contains(partition) else {
                return refuse(channel, id, .mismatch(topic.partitionSentence(partition)))
            }
            guard priority == nil else {
                return refuse(channel, id, .mismatch("'\(name)' is a topic: its records have no priorities"))
            }
            let log = topic.partitions[partition].log.id
            (logs, start) = ([log], (log, from))
        case .partition(let found):
            return refuse(
                channel, id,
                .mismatch("\(found.sentence); look at '\(found.topic.name)' with partition=\(found.number)"))
        case nil: return refuse(channel, id, .notFound(.queueOrTopic, name: name))
        }
        logs.reverse()
        var peek = Channel.Peek(
            request: id, name: name, start: start, rest: logs, partition: partition, remaining: count,
            remainingBytes: limits.peekBytesMax)
        if goOn(&peek) {
            channel.stall = .peek(peek)
            peeking.append(channel)
        } else {
            respond(channel, id, .peeked(peek.found, next: position(behind: peek)))
        }
    }

    /// Asks for the beginning of the next log that has something.
    ///
    /// - Returns: false if there is none.
    private func goOn(_ peek: inout Channel.Peek) -> Bool {
        while !peek.isFull, let id = peek.rest.popLast() {
            guard let owner = owners[id] else { continue }
            let log = owner.log
            let from = peek.start.flatMap { $0.log == id ? $0.offset : nil } ?? Offset(0)
            let start = max(from, owner.start)
            let end = owner.stableEnd
            guard start < end else { continue }
            peek.log = id
            let request = ReadRequest(log: id, from: start, below: end, bytesMax: limits.readBytesMax)
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
            for chunk in result.chunks {
                let from = result.request.from
                if chunk.damage.contains(where: { $0.offsets.map { $0.upperBound >= from } ?? true }) {
                    // As a consumer is told; no consumer has the number 0.
                    let error = BrokerError.damaged(name: peek.name, base: chunk.base)
                    effects.append(.consumerFailed(channel.id, ConsumerTag(0), error))
                }
                collect(chunk, from: from, of: result.request.log, for: &peek)
            }
            let isOver = peek.isFull || result.isComplete || result.chunks.isEmpty
            if isOver { peek.endLog() }
            if !isOver, !result.isComplete, let last = result.chunks.last {
                var request = result.request
                request.from = last.last.next
                peek.reading = request
                channel.stall = .peek(peek)
                effects.append(.read(request))
            } else if goOn(&peek) {
                channel.stall = .peek(peek)
            } else {
                peeking.removeAll { $0 === channel }
                channel.stall = nil
                respond(channel, peek.request, .peeked(peek.found, next: position(behind: peek)))
                charge(channel, peek.found.reduce(0) { $0 + $1.entry.byteCount })
                resume(channel, at: now)
            }
        }
    }

    /// Where the next look begins, if this one stopped before the end; nothing need be there any more.
    private func position(behind peek: Channel.Peek) -> PeekPosition? {
        guard peek.isFull, let last = peek.last, let owner = owners[last.log] else { return nil }
        let isLeft =
            last.offset.next < owner.stableEnd
            || peek.rest.contains { owners[$0].map { $0.start < $0.stableEnd } ?? false }
        guard isLeft else { return nil }
        return PeekPosition(priority: owner.priority, offset: last.offset.next)
    }

    private func collect(_ chunk: StoredChunk, from: Offset, of log: LogID, for peek: inout Channel.Peek) {
        for entry in chunk.segment.entries where entry.offset >= from {
            guard !peek.isFull else { return }
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

extension Broker.Owner {
    /// The first offset that may be there.
    fileprivate var start: Offset {
        switch self {
        case .lane(let lane): lane.cursor.floor
        case .partition: log.start
        }
    }

    fileprivate var priority: UInt8 {
        switch self {
        case .lane(let lane): lane.priority
        case .partition: 0
        }
    }
}

extension Channel.Peek {
    /// Nothing more comes of the log: what of it is in memory alone takes its places among what was read. Of both there
    /// may be more than was asked for, and what was written meanwhile is in both.
    mutating func endLog() {
        defer {
            if found.count > begin, let log, let delivery = found.last { last = (log, delivery.entry.offset) }
            begin = found.count
        }
        guard !pinned.isEmpty else { return }
        let all = (found[begin...] + pinned).sorted { $0.entry.offset < $1.entry.offset }
        remaining += found.count - begin
        remainingBytes += found[begin...].reduce(0) { $0 + $1.entry.byteCount }
        found.removeSubrange(begin...)
        for delivery in all where found.count == begin || found.last?.entry.offset != delivery.entry.offset {
            guard !isFull else { break }
            add(delivery)
        }
        pinned = []
    }

    /// Whether it is over: as many as were asked for, or as many bytes as may be.
    var isFull: Bool { remaining <= 0 || remainingBytes <= 0 }

    mutating func add(_ entry: RecordSegment.Entry, _ data: [UInt8], _ redelivered: Int?) {
        add(
            Delivery(
                tag: DeliveryTag(0), redelivered: redelivered, partition: partition, entry: entry, data: data))
    }

    private mutating func add(_ delivery: Delivery) {
        remaining -= 1
        remainingBytes -= delivery.entry.byteCount
        found.append(delivery)
    }
}
