internal import DequeModule
internal import OrderedCollections

// What comes back from the store.
extension Broker {
    func read(from: Offset, below: Offset, for lane: Lane) {
        guard lane.reading == nil else { return }
        let request = ReadRequest(log: lane.log.id, from: from, below: below, bytesMax: limits.readBytesMax)
        lane.reading = request
        effects.append(.read(request))
    }

    func loaded(_ result: ReadResult, at now: Now) {
        // Whoever comes to damage first, it is put aside.
        for chunk in result.chunks where !chunk.damage.isEmpty { note(chunk, of: result.request.log) }
        switch owners[result.request.log] {
        case .lane(let lane):
            peeked(result, at: now)
            loaded(result, for: lane)
        case .partition(let partition):
            let decided = decided(result, of: partition)
            peeked(decided, at: now)
            loaded(decided, for: partition)
            compact(result, of: partition, at: now)
        case nil: peeked(result, at: now)  // deleted meanwhile
        }
    }

    /// What readers may see of it: without what was aborted, and nothing above the first transaction that is open.
    private func decided(_ result: ReadResult, of partition: Partition) -> ReadResult {
        let end = partition.stableEnd
        guard result.chunks.contains(where: { !$0.transactional.isEmpty || $0.last >= end }) else { return result }
        var result = result
        result.chunks = result.chunks.compactMap { chunk in
            guard chunk.base < end else { return nil }
            var chunk = chunk
            let aborted = partition.aborted(in: chunk)
            chunk.last = min(chunk.last, end.advanced(by: -1))
            let entries = chunk.segment.entries.filter { entry in
                entry.offset < end && !aborted.contains { $0.contains(entry.offset) }
            }
            if entries.count != chunk.segment.entries.count {
                chunk.segment = RecordSegment(data: chunk.segment.data, entries: entries)
            }
            return chunk
        }
        return result
    }

    private func loaded(_ result: ReadResult, for lane: Lane) {
        guard lane.reading == result.request else { return }
        lane.reading = nil
        for chunk in result.chunks { insert(chunk, into: lane.log) }
        if result.request.from == lane.cursor.fresh, let next = nextOffset(after: result) {
            lane.cursor.skip(to: next)
        }
        let from = result.request.from
        if case .stored = lane.log.place(atOrAfter: from) {
            // What came back, and now the store has no more, damage took.
            if lane.cursor.release(atOrAfter: from)?.offset == from { dropReleased(from, of: lane) }
            if lane.cursor.suspect(atOrAfter: from)?.offset == from { dropSuspect(from, of: lane) }
        }
        if let release = lane.cursor.doomed.first, result.request.from == release.offset,
            case .stored = lane.log.place(atOrAfter: release.offset)
        {
            loseDoomed(of: lane)
        }
        dispatchLater(lane.queue)
    }

    private func loaded(_ result: ReadResult, for partition: Partition) {
        // What compaction alone has asked for would only drive out of the cache what others need.
        let isForReaders = partition.compactor?.reading != result.request
        if isForReaders {
            for chunk in result.chunks { insert(chunk, into: partition.log) }
        }
        for reader in partition.topic.readers {
            for index in reader.positions.indices where reader.positions[index].reading == result.request {
                reader.positions[index].reading = nil
                if reader.positions[index].cursor.next == result.request.from, let next = nextOffset(after: result) {
                    reader.positions[index].cursor.skip(to: next)
                }
                pendingReaders.append(reader)
            }
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
        case .lane(let lane) where lane.reading == request:
            lane.reading = nil
            let queue = lane.queue
            for consumer in queue.consumers { end(consumer, because: .storage(reason), at: now) }
            failGetters(of: queue, because: .storage(reason), at: now)
            failRedrives(of: queue, because: .storage(reason), at: now)
        case .partition(let partition):
            for reader in partition.topic.readers where reader.positions.contains(where: { $0.reading == request }) {
                end(reader, because: .storage(reason), at: now)
            }
            failCompaction(request, of: partition, at: now)
        default: break
        }
    }

    // MARK: Damage

    private func note(_ chunk: StoredChunk, of log: LogID) {
        switch owners[log] {
        case .lane(let lane): note(chunk, of: lane)
        case .partition(let partition): note(chunk, of: partition)
        case nil: break
        }
    }

    private func note(_ chunk: StoredChunk, of lane: Lane) {
        guard let quarantine = quarantine(chunk, of: lane.log) else { return }
        lane.log.messages -= lane.cursor.lose(
            base: chunk.base, last: chunk.last, segment: chunk.segment, settled: chunk.settled)
        for consumer in lane.queue.consumers { tell(consumer, quarantine, in: lane.queue.name) }
        lane.quarantined.append(quarantine)
        touch(lane)
        isCommitWanted = true
    }

    private func note(_ chunk: StoredChunk, of partition: Partition) {
        guard let quarantine = quarantine(chunk, of: partition.log) else { return }
        partition.log.messages = max(0, partition.log.messages - (chunk.count - quarantine.readable))
        for reader in partition.topic.readers { tell(reader, quarantine, in: partition.topic.name) }
        partition.quarantined.append(quarantine)
        touch(partition)
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
}
