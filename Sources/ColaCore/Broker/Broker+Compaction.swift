internal import DequeModule

// Superseded records of topics go: of each key the last one stays.
extension Broker {
    /// Where topics say nothing: a day, as in Kafka. Milliseconds.
    private static let deleteRetention: Int64 = 86_400_000

    /// Something of the partition became durable: a pass is worth its while when more than half of it is new.
    func considerCompaction(of partition: Partition, at now: Now) {
        guard partition.isCompacted, !partition.isCompactionDue,
            partition.dirtyBytes >= limits.compactionBytesMin, partition.dirtyBytes > partition.log.bytes / 2,
            // A pass goes to the end of what is durable, and all of that has to be decided.
            partition.stableEnd == partition.log.committedEnd
        else { return }
        partition.isCompactionDue = true
        compactions.append(partition)
        goOnCompacting(at: now)
    }

    /// The next step of the pass that is under way, or the first one of the next.
    ///
    /// One pass at a time, for each takes memory; and none while there is much to commit.
    func goOnCompacting(at now: Now) {
        while let partition = compactions.first {
            guard partition.isCompacted, !partition.topic.isDeleted else {
                endCompaction(of: partition, at: now)
                continue
            }
            var pass = partition.compactor ?? beginCompaction(of: partition, at: now)
            let isFinished = pass.isFinished(durable: durable)
            partition.compactor = pass
            if isFinished {
                partition.cleanEnd = pass.end
                partition.dirtyBytes = max(0, partition.dirtyBytes - pass.cleanedBytes)
                endCompaction(of: partition, at: now)
                continue
            }
            if case .settling = pass.phase { return }
            guard pass.reading == nil, canSweep else { return }
            // One chunk: what is to be done with it is the work of one turn.
            let from = max(pass.next, partition.log.start)
            let request = ReadRequest(log: partition.log.id, from: from, below: pass.end, bytesMax: 1)
            partition.compactor?.reading = request
            effects.append(.read(request))
            return
        }
    }

    private func beginCompaction(of partition: Partition, at now: Now) -> Compactor {
        let log = partition.log
        let age = partition.topic.arguments.deleteRetention ?? Self.deleteRetention
        // What is known of its chunks will not be true any more.
        partition.outline = []
        partition.isOutlineStale = partition.isAsking
        return Compactor(
            from: max(partition.cleanEnd, log.start), below: partition.stableEnd, newBytes: partition.dirtyBytes,
            tombstonesUntil: now.wall.later(byMilliseconds: -age), keysMax: limits.compactionKeysMax,
            bytesMax: limits.compactionBytesMax)
    }

    /// It is done, or not wanted any more.
    private func endCompaction(of partition: Partition, at now: Now) {
        compactions.removeAll { $0 === partition }
        partition.isCompactionDue = false
        partition.compactor = nil
        if !partition.topic.isDeleted { watchRetention(of: partition, at: now) }
    }

    /// A chunk that a pass asked for.
    func compact(_ result: ReadResult, of partition: Partition, at now: Now) {
        guard var pass = partition.compactor, pass.reading == result.request else { return }
        pass.reading = nil
        let log = partition.log
        let aborted = result.chunks.first.map { partition.aborted(in: $0) } ?? []
        switch pass.phase {
        case .mapping: pass.map(result.chunks.first, aborted: aborted)
        case .rewriting:
            if let found = pass.rewrite(
                result.chunks.first, aborted: aborted, from: log.start, isLast: { $0.next >= log.next })
            {
                pass.didRewrite(in: gathering)
                rewrite(found.change, of: partition)
                log.messages = max(0, log.messages - found.dropped)
                log.bytes = log.messages == 0 ? 0 : max(0, log.bytes - found.droppedBytes)
                partition.topic.compacted += found.dropped
                commitSoon(at: now)
            }
        case .settling: break
        }
        partition.compactor = pass
        goOnCompacting(at: now)
    }

    private func rewrite(_ change: ChunkRewrite, of partition: Partition) {
        touch(partition)
        partition.rewritten.append(change)
        // All that was read stays in memory with what is left of it, until the batch has been written.
        gatheringBytes += change.segment.byteCount
        cacheBytes += partition.log.rewrite(change)
    }

    func failCompaction(_ request: ReadRequest, of partition: Partition, at now: Now) {
        guard partition.compactor?.reading == request else { return }
        endCompaction(of: partition, at: now)
        goOnCompacting(at: now)
    }
}
