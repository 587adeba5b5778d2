internal import DequeModule
internal import OrderedCollections

// Batches: what leaves for the disk, and what happens when it is there.
extension Broker {
    /// Ends the gathering batch and hands it out, or nil if nothing gathered.
    ///
    /// The caller gives it to the store at once; the next one begins to gather.
    package func cut() -> Batch? {
        isCommitWanted = false
        lazyCommit = nil
        gatheringBytes = 0
        guard !touched.isEmpty || !definitionChanges.isEmpty || !groupChanges.isEmpty || isNextLogChanged else {
            return nil
        }
        var batch = Batch(number: gathering, definitions: definitionChanges, groupOffsets: groupChanges)
        if isNextLogChanged { batch.nextLog = nextLog }
        var flight = Flight(number: gathering, ends: [])
        batch.logs.reserveCapacity(touched.count)
        for destination in touched {
            destination.log.isTouched = false
            switch destination {
            case .queue(let queue): batch.logs.append(cut(queue))
            case .topic(let topic): batch.logs.append(cut(topic))
            }
            flight.ends.append((destination, destination.log.next))
        }
        flights.append(flight)
        touched.removeAll(keepingCapacity: true)
        definitionChanges = []
        groupChanges = []
        isNextLogChanged = false
        gathering = gathering.next
        return batch
    }

    private func cut(_ queue: Queue) -> LogChange {
        let segment = queue.log.cut()
        let changes = queue.cursor.cut()
        queue.storedHandedOut = queue.cursor.handedOut
        var change = LogChange(log: queue.log.id, state: queue.state)
        change.appended = segment
        change.settled = changes.settled
        change.removed = changes.removed
        change.released = changes.released
        change.releasesRemoved = changes.releasesRemoved
        change.trim = queue.trim
        change.quarantined = queue.quarantined
        queue.trim = nil
        queue.quarantined = []
        for run in changes.removed { evict(run.lowerBound, from: queue.log) }
        return change
    }

    private func cut(_ topic: Topic) -> LogChange {
        let segment = topic.log.cut()
        var change = LogChange(log: topic.log.id, state: topic.state)
        change.appended = segment
        change.quarantined = topic.quarantined
        topic.quarantined = []
        return change
    }

    func committed(_ number: BatchNumber, at now: Now) {
        while let flight = flights.first, flight.number <= number {
            flights.removeFirst()
            statistics.commits += 1
            for (destination, end) in flight.ends { publishCommitted(destination, through: end) }
        }
        durable = max(durable, number)
        while let first = held.first, first.batch <= number {
            held.removeFirst()
            first.channel.heldCount -= 1
            effects.append(.reply(first.channel.id, first.request, first.reply))
        }
        guard !stalled.isEmpty else { return }
        let waiting = stalled
        stalled = []
        for channel in waiting {
            guard case .commit(let batch) = channel.stall else { continue }
            if batch <= durable { resume(channel, at: now) } else { stalled.append(channel) }
        }
    }

    private func publishCommitted(_ destination: Router.Destination, through end: Offset) {
        let log = destination.log
        guard owners[log.id] != nil else { return }
        for chunk in log.commit(through: end) { didCache(log.id, chunk.base, bytes: chunk.bytes) }
        switch destination {
        case .queue(let queue): dispatchLater(queue)
        case .topic(let topic): pendingReaders.append(contentsOf: topic.readers)
        }
    }

    /// Prepares for a stop in order: everyone is gone, what they held goes back, and what was handed out is written
    /// down.
    ///
    /// The caller cuts once more and closes the store.
    package func stop(at now: Now) {
        for id in channels.keys.sorted() { detach(id, at: now) }
        for destination in router.destinations.values {
            if case .queue(let queue) = destination, queue.cursor.handedOut != queue.storedHandedOut { touch(queue) }
        }
        pendingQueues = []
        pendingReaders = []
        effects = []
    }
}
