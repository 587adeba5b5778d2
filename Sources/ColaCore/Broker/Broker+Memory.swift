internal import DequeModule
internal import OrderedCollections

// What stays in memory: the cache of what is stored, and the records that are in memory alone.
extension Broker {
    func insert(_ chunk: StoredChunk, into log: Log) {
        let cached = Log.Chunk(
            base: chunk.base, last: chunk.last, segment: chunk.segment, settled: chunk.settled,
            released: chunk.released, isCommitted: true)
        for part in log.insert(cached) { didCache(log.id, part.base, bytes: part.bytes) }
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

    /// Nothing of the chunk is needed any more.
    func drop(_ base: Offset, from log: Log) {
        guard let bytes = log.drop(base: base) else { return }
        cacheBytes -= bytes
        cachedChunks -= 1
    }

    func trimMemory() {
        if cacheBytes > limits.cacheBytesMax || cacheOrder.count > 2 * cachedChunks + 1_024 { trimCache() }
        if cacheBytes + tailBytes > limits.cacheBytesMax { trimTails() }
        if pinnedBytes - spillingBytes > limits.pinnedBytesMax { spill() }
    }

    /// Keeps the cache within its budget: what came first goes first.
    private func trimCache() {
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

    /// Tails have at least half of the cache's budget: what else is in it is read as often.
    private func trimTails() {
        while tailBytes > max(limits.cacheBytesMax - cacheBytes, limits.cacheBytesMax / 2), let oldest = tails.first {
            if let owner = owners[oldest], !owner.log.tail.isEmpty {
                // It is on its way to the disk: so are those behind it.
                guard let bytes = owner.log.dropOldestOfTail() else { return }
                tailBytes -= bytes
            }
            tails.removeFirst()
        }
    }

    // MARK: In memory alone

    func didPin(_ bytes: Int, of lane: Lane) {
        pinnedBytes += bytes
        dispatchLater(lane.queue)
        guard !lane.isPinning else { return }
        lane.isPinning = true
        pinnedLanes.append(lane)
    }

    /// Writes the youngest records of queues that do not outlive the process, until what is left fits: each queue in
    /// its turn gives half of what is too much, for the next one may have more.
    private func spill() {
        for _ in 0..<pinnedLanes.count {
            let excess = pinnedBytes - spillingBytes - limits.pinnedBytesMax
            guard excess > 0, gatheringBytes <= limits.gatheringBytesMax, let lane = pinnedLanes.popFirst() else {
                return
            }
            guard owners[lane.log.id] != nil else { continue }
            let segments = lane.log.spill(bytes: max(excess / 2, 1 << 20))
            if segments.isEmpty {
                lane.isPinning = false
                continue
            }
            lane.spilled += segments
            for segment in segments {
                spillingBytes += segment.allocatedBytes
                gatheringBytes += segment.byteCount
            }
            touch(lane)
            isCommitWanted = true
            pinnedLanes.append(lane)
        }
    }

    /// The store has them.
    func didSpill(_ lane: Lane, _ base: Offset, bytes: Int) {
        spillingBytes -= bytes
        guard owners[lane.log.id] != nil, let size = lane.log.unpin(base: base) else { return }
        pinnedBytes -= size
    }
}
