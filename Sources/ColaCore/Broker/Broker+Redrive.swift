internal import DequeModule
internal import OrderedCollections

// Back from where dead and parked messages are collected.
extension Broker {
    func redrive(
        _ name: String, to target: String?, _ count: Int?, _ id: RequestID, for channel: Channel, in host: VirtualHost,
        at now: Now
    ) {
        let queue: Queue
        switch host.router.destinations[name] {
        case .queue(let found): queue = found
        case .topic: return refuse(channel, id, .mismatch("'\(name)' is a topic, which keeps its messages"))
        case nil: return refuse(channel, id, .notFound(.queue, name: name))
        }
        if let error = lockError(queue, channel) { return refuse(channel, id, error) }
        if let target {
            guard target != name else {
                return refuse(channel, id, .mismatch("the messages of '\(name)' are there already"))
            }
            guard host.router.destinations[target] != nil else {
                return refuse(channel, id, .notFound(.queueOrTopic, name: target))
            }
        }
        let redrive = Redrive(
            queue: queue, target: target, count: min(count ?? .max, queue.ready), channel: channel, request: id)
        redrives.append(redrive)
        channel.stall = .redrive
        go(on: redrive, at: now)
    }

    /// Moves what can be moved in this turn; answers when all is done.
    func go(on redrive: Redrive, at now: Now) {
        let queue = redrive.queue
        while redrive.remaining > 0, !queue.isDeleted {
            // The other half of the turn is for queues whose consumers wait.
            guard sweepBudget > limits.sweepMax / 2, canSweep else {
                if !hasRoomToGather { isCommitWanted = true }
                return
            }
            switch nextOfAll(of: queue, at: now) {
            case .found(let found):
                sweepBudget -= 1
                redrive.remaining -= 1
                move(found, for: redrive, at: now)
            case .waiting: return
            case .none: redrive.remaining = 0
            }
        }
        redrives.removeAll { $0 === redrive }
        guard channels[redrive.channel.id] === redrive.channel else { return }
        // Where nothing is stored there is no commit to wait for.
        redrive.channel.lastBatch = max(redrive.channel.lastBatch, redrive.lastBatch)
        respond(redrive.channel, redrive.request, .removed(messages: redrive.moved))
        resume(redrive.channel, at: now)
    }

    func failRedrives(of queue: Queue, because error: BrokerError, at now: Now) {
        for redrive in redrives where redrive.queue === queue {
            redrives.removeAll { $0 === redrive }
            guard channels[redrive.channel.id] === redrive.channel else { continue }
            redrive.channel.stall = nil
            refuse(redrive.channel, redrive.request, error)
            resume(redrive.channel, at: now)
        }
    }

    private func move(_ found: Found, for redrive: Redrive, at now: Now) {
        let (lane, entry) = (found.lane, found.entry)
        lane.cursor.take(found)
        settle(entry.offset, bytes: entry.byteCount, of: lane)
        let message = message(of: entry, in: found.chunk.segment.data)
        if redrive.queue.isDurable { redrive.lastBatch = gathering }
        let name = redrive.target ?? DeathHistory(message.headers).lastQueue
        guard let name, name != redrive.queue.name, let target = lane.queue.host.router.destinations[name] else {
            // The queue that it died in is gone, or it never died: it stays, behind the others.
            return insert(message, into: .queue(redrive.queue), at: now)
        }
        redrive.moved += 1
        if isStored(target) { redrive.lastBatch = gathering }
        insert(message, into: target, at: now)
    }
}
