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
        cutTickets()
        var batch = Batch(
            number: gathering, definitions: changes.definitions, groupOffsets: changes.groupOffsets)
        batch.groupsRemoved = changes.groupsRemoved
        batch.scheduled = changes.scheduled
        batch.unscheduled = changes.unscheduled
        batch.seen = changes.seen
        batch.forgotten = changes.forgotten
        batch.transactions = changes.transactions
        batch.transactionsForgotten = changes.transactionsForgotten
        var flight = Flight(number: gathering, ends: [])
        batch.logs.reserveCapacity(touched.count)
        for owner in touched {
            owner.log.isTouched = false
            switch owner {
            case .lane(let lane):
                guard let change = cut(lane, &flight) else { continue }
                batch.logs.append(change)
            case .partition(let partition): batch.logs.append(cut(partition))
            }
            flight.ends.append((owner, owner.log.next))
        }
        touched.removeAll(keepingCapacity: true)
        guard !batch.logs.isEmpty || !changes.isEmpty || isGatheringAwaited else { return nil }
        if changes.isNextLogChanged { batch.nextLog = nextLog }
        if changes.isNextScheduleChanged { batch.nextSchedule = nextSchedule }
        changes = GatheringChanges()
        flights.append(flight)
        gathering = gathering.next
        return batch
    }

    /// Whether an answer stands behind the gathering batch. Where all that happened was in memory alone, it is one of
    /// nothing; whoever waits for it must not wait for ever.
    private var isGatheringAwaited: Bool {
        if holders.contains(where: { $0.held.last?.batch == gathering }) { return true }
        return stalled.contains { if case .commit(gathering) = $0.stall { true } else { false } }
    }

    /// - Returns: nil if the store need not know: all of it is in memory alone.
    private func cut(_ lane: Lane, _ flight: inout Flight) -> LogChange? {
        let unwritten = lane.log.isDurable ? lane.log.cutEnd : Offset(.max)
        let changes = lane.cursor.cut(unwritten: unwritten)
        let appended = lane.log.cut { $0 >= lane.cursor.fresh || !lane.cursor.isSettled($0) }
        if lane.log.isDurable {
            lane.cursor.didWrite(appended?.segment, released: appended?.released ?? [], from: unwritten)
        }
        guard lane.isChanged || appended != nil else { return nil }
        lane.isChanged = false
        lane.storedHandedOut = lane.cursor.handedOut
        defer {
            lane.trim = nil
            lane.quarantined = []
            lane.spilled = []
        }
        if !lane.log.isDurable {
            for run in changes.removed { pinnedBytes -= lane.log.dropPinned(in: run) }
            guard lane.log.isSpilled else { return nil }
        }
        var change = LogChange(log: lane.log.id, state: lane.state)
        change.isTransient = !lane.log.isDurable
        if let segment = appended?.segment { change.appended = [.records(segment)] }
        change.released = appended?.released ?? []
        change.spilled = lane.spilled
        for segment in lane.spilled {
            if let base = segment.entries.first?.offset {
                flight.spilled.append(Flight.Spilled(lane: lane, base: base, bytes: segment.allocatedBytes))
            }
        }
        change.settled = changes.settled
        change.removed = changes.removed
        change.released += changes.released
        change.releasesRemoved = changes.releasesRemoved
        change.trim = lane.trim
        change.quarantined = lane.quarantined
        for run in changes.removed { drop(run.lowerBound, from: lane.log) }
        return change
    }

    private func cut(_ partition: Partition) -> LogChange {
        var change = LogChange(log: partition.log.id, state: partition.state)
        change.appended = partition.log.cutRuns()
        for case .packed(let run) in change.appended {
            tails.append(partition.log.id)
            tailBytes += run.data.count
        }
        partition.ledger.logStarts(at: partition.log.start)
        let producers = partition.ledger.takeChanges()
        change.producers = producers.producers
        change.producersForgotten = producers.forgotten
        change.aborted = producers.aborted
        change.abortedBelow = producers.start
        change.quarantined = partition.quarantined
        change.trim = partition.trim
        change.rewritten = partition.rewritten
        partition.rewritten = []
        partition.quarantined = []
        partition.trim = nil
        return change
    }

    func committed(_ number: BatchNumber, at now: Now) {
        while let flight = flights.first, flight.number <= number {
            flights.removeFirst()
            statistics.commits += 1
            for (owner, end) in flight.ends { publishCommitted(owner, through: end, at: now) }
            for spilled in flight.spilled { didSpill(spilled.lane, spilled.base, bytes: spilled.bytes) }
        }
        durable = max(durable, number)
        for channel in holders { releaseHeld(of: channel) }
        holders.removeAll { channel in
            channel.isHolder = !channel.held.isEmpty
            return channel.held.isEmpty
        }
        dismissDue()
        if schedule.storedCount > 0, timers.deadline(of: .schedule) == nil { armSchedule(at: now) }
        goOnCompacting(at: now)
        guard !stalled.isEmpty else { return }
        let waiting = stalled
        stalled = []
        for channel in waiting {
            guard case .commit(let batch) = channel.stall else { continue }
            if batch <= durable { resume(channel, at: now) } else { stalled.append(channel) }
        }
    }

    private func publishCommitted(_ owner: Owner, through end: Offset, at now: Now) {
        let log = owner.log
        guard owners[log.id] != nil else { return }
        for chunk in log.commit(through: end) { didCache(log.id, chunk.base, bytes: chunk.bytes) }
        switch owner {
        case .lane(let lane): dispatchLater(lane.queue)
        case .partition(let partition):
            partition.ledger.committed(through: log.committedEnd)
            pendingReaders.append(contentsOf: partition.topic.readers)
            wakeFetches(of: partition)
            considerCompaction(of: partition, at: now)
            if partition.outline.isEmpty { watchRetention(of: partition, at: now) }
        }
    }

    /// Prepares for a stop in order: everyone is gone, what they held goes back, and what was handed out is written
    /// down.
    ///
    /// The caller cuts once more and closes the store.
    package func stop(at now: Now) {
        let now = steady(now)
        for id in channels.keys.sorted() { detach(id, at: now) }
        for host in hosts.values {
            for destination in host.router.destinations.values {
                guard case .queue(let queue) = destination else { continue }
                for lane in queue.lanes where lane.cursor.handedOut != lane.storedHandedOut { touch(lane) }
            }
        }
        pendingQueues = []
        pendingChannels = []
        pendingReaders = []
        sweeping = []
        effects = []
    }
}
