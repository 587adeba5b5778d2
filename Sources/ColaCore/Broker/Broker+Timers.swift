internal import DequeModule
internal import OrderedCollections

// What happens because time has passed.
extension Broker {
    /// Sets a timer for a wall-clock time, on the monotonic clock: what is done when it goes off looks again.
    func arm(_ key: TimerKey, for time: Timestamp, at now: Now) {
        let (delay, overflow) = time.rawValue.subtractingReportingOverflow(now.wall.rawValue)
        timers.set(key, at: now.monotonic.advanced(byMilliseconds: overflow ? .max : max(0, delay)))
    }

    /// At most as many as a turn may do; the rest is due at once again.
    func fireTimers(at now: Now) {
        for _ in 0..<limits.sweepMax {
            guard let key = timers.popDue(at: now.monotonic) else { return }
            switch key {
            case .expiry(let log): if case .lane(let lane) = owners[log] { dispatchLater(lane.queue) }
            case .unused(let log): if case .lane(let lane) = owners[log] { deleteIfUnused(lane.queue, at: now) }
            case .leases(let id): lookThrough(id, at: now)
            case .schedule:
                releaseDue(at: now)
                // The rest is due again at once, which is for the next turn.
                if sweepBudget <= 0 { return }
            case .retention(let log):
                if case .partition(let partition) = owners[log] { watchRetention(of: partition, at: now) }
            case .deduplication(let log):
                forgetSeen(of: log, at: now)
                if sweepBudget <= 0 { return }
            case .group(let host, let name): coordinatorIsDue(name, in: host, at: now)
            case .transactions: changeTransactions(at: now) { $0.tick(at: now) }
            case .transactionalIDs: forgetTransactionalIDs(at: now)
            case .fetch(let id, let request): fetchTimedOut(id, request)
            case .redrive(let id): for redrive in redrives where redrive.channel.id == id { redrive.isResting = false }
            }
        }
    }

    // MARK: Expiry of messages

    /// Drops what has expired at the lane's head, and sets the timer for what is there then.
    ///
    /// Messages expire at the head: one that lives shorter than one before it goes when its turn comes, and is never
    /// handed out.
    func watchExpiry(of lane: Lane, at now: Now) {
        watchHead(of: lane, at: now)
        watchSuspect(of: lane, at: now)
        guard let expires = [lane.watched?.expires, lane.watchedSuspect?.expires].compactMap({ $0 }).min() else {
            timers.cancel(.expiry(lane.log.id))
            return
        }
        arm(expires, of: lane, at: now)
    }

    private func watchHead(of lane: Lane, at now: Now) {
        // It may be on the disk alone, and is not read again only to see that it still waits.
        if let watched = lane.watched, watched.head == lane.cursor.head, watched.expires > now.wall { return }
        lane.watched = nil
        switch next(of: lane, at: now) {
        case .waiting: break
        case .none:
            // What is under way to the disk will be looked at when it is there, and what is handed out may come back.
            if lane.log.messages == 0 { lane.nextExpiry = nil }
        case .found(let found): lane.watched = (lane.cursor.head, found.entry.expires)
        }
    }

    private func watchSuspect(of lane: Lane, at now: Now) {
        if let watched = lane.watchedSuspect, watched.head == lane.cursor.suspects.first?.offset,
            watched.expires > now.wall
        {
            return
        }
        lane.watchedSuspect = nil
        if case .found(let found) = nextSuspect(of: lane, at: now) {
            lane.watchedSuspect = (found.entry.offset, found.entry.expires)
        }
    }

    /// Sets the timer for when the lane's head expires, if it does.
    private func arm(_ expires: Timestamp, of lane: Lane, at now: Now) {
        guard expires != RecordSegment.Entry.never else {
            timers.cancel(.expiry(lane.log.id))
            return
        }
        lane.nextExpiry = expires
        arm(.expiry(lane.log.id), for: expires, at: now)
    }

    // MARK: Queues that nobody uses

    /// Somebody uses the queue: its time begins anew.
    func used(_ queue: Queue, at now: Now) {
        guard !queue.isDeleted else { return }
        let key = TimerKey.unused(queue.definition.log)
        guard let expires = queue.arguments.expires, queue.consumers.isEmpty else {
            timers.cancel(key)
            return
        }
        timers.set(key, at: now.monotonic.advanced(byMilliseconds: expires))
    }

    private func deleteIfUnused(_ queue: Queue, at now: Now) {
        guard queue.consumers.isEmpty, queue.arguments.expires != nil, !queue.isDeleted else { return }
        delete(queue, at: now)
        if queue.isDurable { commitSoon(at: now) }
    }

    // MARK: Deduplication windows

    func armDeduplication(of log: LogID, at now: Now) {
        let next: Timestamp? =
            switch owners[log] {
            case .lane(let lane): lane.queue.seen?.window.nextExpiry
            case .partition(let partition): partition.topic.seen?.window.nextExpiry
            case nil: nil
            }
        let key = TimerKey.deduplication(log)
        guard let next else {
            timers.cancel(key)
            return
        }
        // One by one they would be a commit each.
        arm(key, for: next.later(byMilliseconds: 1_000), at: now)
    }

    private func forgetSeen(of log: LogID, at now: Now) {
        changeSeen(log) { seen in
            for id in seen.window.expire(at: now.wall, max: max(1, sweepBudget)) {
                seenCount -= 1
                sweepBudget -= 1
                changes.forgotten.append(DedupEntry(log: log, id: id, expires: now.wall))
            }
        }
        if !changes.forgotten.isEmpty { commitSoon(at: now) }
        armDeduplication(of: log, at: now)
    }
}
