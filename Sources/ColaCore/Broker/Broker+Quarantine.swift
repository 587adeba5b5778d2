internal import DequeModule

// Messages whose holder died. Any of those that it held may be the reason, so each is handed out again alone; its
// neighbours keep their counts, and only one that was alone when it happened again has a failed attempt more.
extension Broker {
    /// A worker could not do what it held.
    func fail(
        _ lease: Channel.Lease, of lane: Lane, _ attempt: Attempt, _ consequence: Consequence, by channel: Channel,
        at now: Now
    ) {
        if consequence == .giveBack {
            lane.cursor.release(lease.offset, failed: false)
            return touch(lane)
        }
        var attempt = attempt
        if attempt.ended == Timestamp(0) { attempt.ended = now.wall }
        if attempt.began == Timestamp(0) { attempt.began = lease.began }
        if attempt.worker.isEmpty {
            attempt.worker = channel.info.author
            attempt.process = channel.info.processID.map { Int32(clamping: $0) } ?? 0
        }
        note(attempt, at: lease.offset, of: lane)
        let failures = lane.cursor.failures(lease.offset) + 1
        let isOver = lane.queue.isOverDeliveryLimit(failures)
        switch consequence {
        case .giveBack: break
        case .bury: doom(lease, of: lane, .buried)
        case .retry(var delay, let attemptsMax, let isDefault):
            let rule = isDefault ? lane.queue.arguments.retry : nil
            if isOver || failures >= rule?.attempts ?? attemptsMax {
                doom(lease, of: lane, .deliveryLimit)
            } else {
                delay = rule?.delay(after: failures, random: chance(lease, of: lane, failures)) ?? delay
                // A move in any case: it takes the story of its attempts along, out of memory.
                doom(lease, of: lane, .delayed(until: now.wall.later(byMilliseconds: max(1, delay))))
            }
        case .suspect(let attemptsMax, let isDefault):
            let isGuilty = lease.isAlone || channel.leaseCount == 1
            let rule = isDefault ? lane.queue.arguments.retry : nil
            if isGuilty, isOver || failures >= rule?.attempts ?? attemptsMax {
                doom(lease, of: lane, .deliveryLimit)
            } else {
                lane.cursor.suspect(lease.offset, failed: isGuilty)
                touch(lane)
            }
        }
    }

    func note(_ attempt: Attempt, at offset: Offset, of lane: Lane) {
        lane.attempts[offset, default: []].append(attempt)
        if let count = lane.attempts[offset]?.count, count > Attempt.most { lane.attempts[offset]?.removeFirst() }
    }

    /// Hands out what has to be alone. One consumer is kept free for it as long as there is any: with more to do than
    /// all of them can, none would ever be without a message by itself.
    func dispatchSuspects(of queue: Queue, at now: Now) {
        while queue.hasSuspects {
            guard let warden = queue.warden ?? appointWarden(of: queue) else { return }
            guard warden.unacknowledged == 0, warden.hasRoom else { return }
            guard case .found(let found) = nextSuspect(of: queue, at: now) else { return }
            hand(found, of: queue, to: warden, at: now)
        }
        if let warden = queue.warden, warden.unacknowledged == 0 {
            dismissWarden(of: queue)
            queue.enqueue(warden)
        }
    }

    /// The consumer that holds the least.
    private func appointWarden(of queue: Queue) -> Consumer? {
        guard queue.arguments.isSingleActiveConsumer != true else {
            queue.warden = queue.active
            queue.warden?.isWarden = true
            return queue.warden
        }
        let warden = queue.consumers.lazy.filter { $0.channel?.isSuspended != true }
            .min { $0.unacknowledged < $1.unacknowledged }
        warden?.isWarden = true
        queue.warden = warden
        return warden
    }

    func dismissWarden(of queue: Queue) {
        queue.warden?.isWarden = false
        queue.warden = nil
    }

    /// The message whose turn it is, for one to whom it is all the same whether it is alone.
    func nextOfAll(of queue: Queue, at now: Now) -> Next {
        let next = next(of: queue, at: now)
        guard case .none = next, queue.hasSuspects else { return next }
        return nextSuspect(of: queue, at: now)
    }

    /// The suspect whose turn it is: of the highest priority that has one.
    func nextSuspect(of queue: Queue, at now: Now) -> Next {
        for lane in queue.lanes {
            switch nextSuspect(of: lane, at: now) {
            case .found(let found): return .found(found)
            case .waiting: return .waiting
            case .none: continue
            }
        }
        return .none
    }

    /// The first suspect of the lane, after those that have expired are gone.
    ///
    /// - Parameter position: those below are passed over.
    func nextSuspect(of lane: Lane, from position: Offset = Offset(0), at now: Now) -> Next {
        while true {
            let next = firstSuspect(of: lane, from: position)
            guard lane.nextExpiry != nil, case .found(let found) = next, found.entry.expires <= now.wall else {
                return next
            }
            guard spend(lane.queue, isDrop: lane.queue.arguments.deadLetterExchange == nil) else { return .waiting }
            discard(found, .expired, at: now)
            if lane.queue.isDurable { commitSoon(at: now) }
        }
    }

    private func firstSuspect(of lane: Lane, from position: Offset) -> Next {
        while let suspect = lane.cursor.suspect(atOrAfter: position) {
            if lane.reading != nil { return .waiting }
            switch lane.log.place(atOrAfter: suspect.offset) {
            case .cached(let index):
                let chunk = lane.log.window[index]
                if let entry = chunk.segment.entry(at: suspect.offset) {
                    return .found(Found(lane: lane, chunk: chunk, entry: entry, origin: .suspect))
                }
                dropSuspect(suspect.offset, of: lane)
            case .stored:
                read(from: suspect.offset, below: suspect.offset.next, for: lane)
                return .waiting
            case .end: dropSuspect(suspect.offset, of: lane)
            }
        }
        return .none
    }

    /// Damage took the suspect.
    func dropSuspect(_ offset: Offset, of lane: Lane) {
        lane.cursor.dropSuspect(offset)
        lane.log.messages -= 1
        touch(lane)
    }
}

extension RecordHeaders {
    /// Adds attempts behind those that are there; the first ones go if they are too many.
    mutating func add(_ attempts: [Attempt]) {
        guard !attempts.isEmpty else { return }
        var all = list.filter { BrokerHeader($0.name) == .attempt }.compactMap { $0.value.map(Array.init) }
        all += attempts.map { Array($0.text.utf8) }
        var headers = RecordHeaders()
        for header in list where BrokerHeader(header.name) != .attempt {
            headers.append(name: header.name, value: header.value)
        }
        for value in all.suffix(Attempt.most) { headers.append(name: BrokerHeader.attempt.rawValue.utf8, value: value) }
        self = headers
    }
}
