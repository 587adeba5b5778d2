internal import DequeModule
internal import OrderedCollections

// Back from where dead and parked messages are collected.
extension Broker {
    func redrive(
        _ name: String, to target: String?, _ count: Int?, _ filter: DeathFilter, rate: Int?, _ id: RequestID,
        for channel: Channel, in host: VirtualHost, at now: Now
    ) {
        let queue: Queue
        switch host.router.destination(named: name) {
        case .queue(let found): queue = found
        case .topic, .partition:
            return refuse(channel, id, .mismatch("'\(name)' is a topic or a part of one, which keeps its messages"))
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
            queue: queue, target: target, filter: filter, count: count ?? .max, rate: rate, channel: channel,
            request: id)
        redrives.append(redrive)
        channel.stall = .redrive
        go(on: redrive, at: now)
    }

    /// Moves what can be moved in this turn; answers when all is done.
    func go(on redrive: Redrive, at now: Now) {
        if redrive.isResting, redrive.due > now.monotonic, !redrive.queue.isDeleted { return }
        while redrive.remaining > 0, !redrive.queue.isDeleted, let walk = redrive.walks.first {
            // The other half of the turn is for queues whose consumers wait.
            guard sweepBudget > limits.sweepMax / 2, canSweep else {
                if !hasRoomToGather { isCommitWanted = true }
                return
            }
            switch next(walk, at: now) {
            case .found(let found) where found.entry.offset < walk.end:
                guard look(at: found, for: redrive, at: now) else { return }
                redrive.walks[0].position = found.entry.offset.next
            case .waiting: return
            case .found, .none: redrive.walks.removeFirst()
            }
        }
        redrives.removeAll { $0 === redrive }
        timers.cancel(.redrive(redrive.channel.id))
        guard channels[redrive.channel.id] === redrive.channel else { return }
        // Where nothing is stored there is no commit to wait for.
        redrive.channel.lastBatch = max(redrive.channel.lastBatch, redrive.lastBatch)
        respond(redrive.channel, redrive.request, .removed(messages: redrive.moved))
        resume(redrive.channel, at: now)
    }

    private func next(_ walk: Redrive.Walk, at now: Now) -> Next {
        walk.isOfSuspects
            ? nextSuspect(of: walk.lane, from: walk.position, at: now)
            : next(of: walk.lane, from: walk.position, at: now)
    }

    func failRedrives(of queue: Queue, because error: BrokerError, at now: Now) {
        for redrive in redrives where redrive.queue === queue {
            redrives.removeAll { $0 === redrive }
            timers.cancel(.redrive(redrive.channel.id))
            guard channels[redrive.channel.id] === redrive.channel else { continue }
            redrive.channel.stall = nil
            refuse(redrive.channel, redrive.request, error)
            resume(redrive.channel, at: now)
        }
    }

    // MARK: Its rate

    /// A redrive that was held up makes good for at most so much. Nanoseconds.
    private static let redriveCredit: Int64 = 100_000_000
    /// It wakes up no more often than this. Nanoseconds.
    private static let redriveRest: Int64 = 5_000_000

    /// Waits for the time of the next move.
    private func rest(_ redrive: Redrive, at now: Now) {
        redrive.isResting = true
        let earliest = now.monotonic.advanced(byNanoseconds: Self.redriveRest)
        timers.set(.redrive(redrive.channel.id), at: max(redrive.due, earliest))
    }

    private func didMove(_ redrive: Redrive, at now: Now) {
        redrive.remaining -= 1
        redrive.moved += 1
        redrive.isResting = false
        guard let pause = redrive.pause else { return }
        let start = redrive.moved == 1 ? 0 : Self.redriveCredit
        redrive.due = max(redrive.due, now.monotonic.advanced(byNanoseconds: -start)).advanced(byNanoseconds: pause)
    }

    // MARK: One message

    /// So many bytes that a text is searched in count as one message more. Bytes.
    private static let searchedBytes = 65_536

    /// Moves it, or leaves it where it is.
    ///
    /// - Returns: false if its time is still to come.
    private func look(at found: Found, for redrive: Redrive, at now: Now) -> Bool {
        let (lane, entry, filter) = (found.lane, found.entry, redrive.filter)
        sweepBudget -= 1
        if filter.text != nil { sweepBudget -= entry.value.range.count / Self.searchedBytes }
        let message = message(of: entry, in: found.chunk.segment.data)
        // Without a name the queue that it died in is meant; it may be gone, or the message may never have died.
        let name = redrive.target ?? DeathHistory(message.headers).lastQueue
        guard filter.includes(message, taken: entry.timestamp, at: now.wall), let name, name != redrive.queue.name,
            let target = lane.queue.host.router.destinations[name]
        else {
            passOver(found)
            return true
        }
        guard redrive.due <= now.monotonic else {
            rest(redrive, at: now)
            return false
        }
        lane.cursor.take(found)
        settle(entry.offset, bytes: entry.byteCount, of: lane)
        if redrive.queue.isDurable || isStored(target) { redrive.lastBatch = gathering }
        didMove(redrive, at: now)
        insert(message, into: target, at: now)
        return true
    }

    /// It stays. What was never handed out has its place among what came back from then on: the walk goes on behind it.
    private func passOver(_ found: Found) {
        guard case .fresh = found.origin else { return }
        let (lane, offset) = (found.lane, found.entry.offset)
        lane.cursor.take(found)
        lane.log.didHandOut(offset)
        lane.cursor.release(offset, failed: false)
        touch(lane)
    }
}
