internal import DequeModule
internal import OrderedCollections

// Messages that leave a queue without having been consumed: dead letters, parked ones, delayed ones.
//
// A move settles here and inserts there, in one batch: the message is never lost and never in both places.
extension Broker {
    /// Whether more may be moved.
    var canSweep: Bool { hasRoomToGather && alarms.isEmpty }

    var hasRoomToGather: Bool { gatheringBytes <= limits.sweepBytesMax }

    /// Takes one message from the budget of this turn; if there is none left, the queue goes on in a later one.
    ///
    /// - Parameter isDrop: the message goes nowhere, so that the disk needs no room for it.
    func spend(_ queue: Queue, isDrop: Bool = false) -> Bool {
        guard canSpend(queue, isDrop: isDrop) else { return false }
        sweepBudget -= 1
        return true
    }

    /// The same before it is known whether there is anything to do.
    private func canSpend(_ queue: Queue, isDrop: Bool) -> Bool {
        if sweepBudget > 0, canSweep || isDrop && hasRoomToGather { return true }
        if isDrop { hasDropsLeft = true }
        // What is in the way is committed now, though nobody waits for it.
        if !hasRoomToGather { isCommitWanted = true }
        if !queue.isSweeping {
            queue.isSweeping = true
            sweeping.append(queue)
        }
        return false
    }

    /// A new turn for those that could not finish in the one before.
    func sweep(at now: Now) {
        let queues = sweeping
        sweeping = []
        hasDropsLeft = false
        for queue in queues {
            queue.isSweeping = false
            dispatchLater(queue)
        }
        let running = redrives
        for redrive in running { go(on: redrive, at: now) }
    }

    /// A record as a message again, without what was true only where it was.
    func message(of entry: RecordSegment.Entry, in data: [UInt8]) -> Message {
        var message = Message(
            key: entry.key.isNull ? nil : data[entry.key.range],
            value: entry.value.isNull ? nil : data[entry.value.range]
        )
        guard entry.headerCount > 0 else { return message }
        let headers = data.withUnsafeBytes {
            RecordHeaders.decode(UnsafeRawBufferPointer(rebasing: $0[entry.headers.range]))
        }
        for header in headers ?? [] {
            switch BrokerHeader(header.name) {
            case .expires, .deliveries: continue
            default: message.headers.append(name: header.name, value: header.value)
            }
        }
        return message
    }

    // MARK: Dead letters

    /// The message whose turn it is goes where dead letters go; its place is settled.
    func discard(_ found: Found, _ reason: DeathReason, at now: Now) {
        let (lane, entry) = (found.lane, found.entry)
        lane.cursor.take(found)
        let failures = lane.cursor.failures(entry.offset)
        let attempts = lane.attempts[entry.offset] ?? []
        settle(entry.offset, bytes: entry.byteCount, of: lane)
        count(reason, of: lane.queue)
        guard lane.queue.arguments.deadLetterExchange != nil else { return }
        let origin = Origin(epoch: epoch, log: lane.log.id, offset: entry.offset, failures: failures)
        var dead = message(of: entry, in: found.chunk.segment.data)
        dead.headers.add(attempts)
        deadLetter(dead, from: lane.queue, reason, origin: origin, at: now)
    }

    private func count(_ reason: DeathReason, of queue: Queue) {
        switch reason {
        case .expired: queue.counts.expired += 1
        case .maxLength: queue.counts.dropped += 1
        case .rejected: queue.counts.rejected += 1
        case .deliveryLimit: break
        }
    }

    /// Puts a message that died in `queue` where its dead letters go. Where that leads nowhere, or in a circle without
    /// anybody's doing, it is parked.
    func deadLetter(_ dead: Message, from queue: Queue, _ reason: DeathReason, origin: Origin?, at now: Now) {
        guard let exchange = queue.arguments.deadLetterExchange else {
            if reason == .deliveryLimit { park(dead, of: queue, reason, origin: origin, at: now) }
            return
        }
        var history = DeathHistory(dead.headers)
        let given = queue.arguments.deadLetterRoutingKey
        let key = given ?? dead.headers.text(.routingKey) ?? queue.name
        history.add(reason, in: queue.name, from: dead.headers, at: now.wall)
        var letter = dead
        if given != nil { _ = letter.headers.take(.moreKeys) }
        let moreKeys = letter.headers.texts(.moreKeys)
        letter.headers = history.headers(of: letter.headers, origin: origin, exchange: exchange, routingKey: key)
        // The default exchange looks at names alone.
        let headers = exchange.isEmpty ? letter.headers : history.routingHeaders(letter.headers)
        let route =
            queue.host.router.route(exchange: exchange, key: key, moreKeys: moreKeys, headers: headers) ?? []
        keep(Publish(exchange: exchange, routingKey: key, message: letter), in: queue.host.router.lastHistories)
        let targets = route.filter { !history.isCycle(through: $0.name) }
        guard !targets.isEmpty else { return park(dead, of: queue, reason, origin: origin, at: now) }
        queue.counts.deadLettered += 1
        for target in targets {
            if case .topic(let topic) = target { letter = topic.keyed(letter, exchange: exchange, routingKey: key) }
            insert(letter, into: target, at: now)
        }
    }

    /// Puts a message that was in a queue before into another one; no client waits for it, so no limit refuses it.
    func insert(_ message: Message, into destination: Router.Destination, deliveries: Int = 0, at now: Now) {
        switch destination {
        case .queue(let queue):
            let priority = message.headers.text(.priority).flatMap { UInt8($0) } ?? 0
            let expires = queue.arguments.messageTimeToLive.map { now.wall.later(byMilliseconds: $0) }
            put(message, into: lane(of: priority, in: queue), expires: expires, deliveries: deliveries, at: now)
            queue.counts.published += 1
            if queue.isOverLimit { dispatchLater(queue) }
            if queue.isDurable { commitSoon(at: now) }
        case .topic, .partition:
            deliver(Publish(routingKey: destination.name, message: message), to: destination, at: now)
            commitSoon(at: now)
        }
    }

    // MARK: Parked messages

    /// Where messages of a queue wait for a person.
    static func parkingName(of queue: String) -> String { "cola.parked." + queue }

    private func park(_ dead: Message, of queue: Queue, _ reason: DeathReason, origin: Origin?, at now: Now) {
        // What has no room or no time left where messages are parked would come to the same end for ever.
        if queue.isParking, reason == .expired || reason == .maxLength { return }
        var history = DeathHistory(dead.headers)
        history.add(reason, in: queue.name, from: dead.headers, at: now.wall)
        var letter = dead
        letter.headers = history.headers(of: dead.headers, origin: origin, exchange: nil, routingKey: nil)
        queue.counts.parked += 1
        // What dies where messages are parked stays there.
        insert(letter, into: .queue(queue.isParking ? queue : parking(of: queue, at: now)), at: now)
    }

    private func parking(of queue: Queue, at now: Now) -> Queue {
        let name = Self.parkingName(of: queue.name)
        if case .queue(let found) = queue.host.router.destinations[name] { return found }
        return makeQueue(QueueDeclaration(name: name, isDurable: queue.isDurable), owner: nil, in: queue.host, at: now)
    }

    // MARK: Fates

    /// Moves messages whose fate was decided, in the order of the decisions.
    ///
    /// - Returns: false if the rest has to wait: for a read, or for another turn.
    func moveDoomed(of lane: Lane, at now: Now) -> Bool {
        while let release = lane.cursor.doomed.first {
            // What cannot be moved now need not be read now: it could have left the cache again by then.
            guard canSpend(lane.queue, isDrop: false) else { return false }
            switch lane.log.place(atOrAfter: release.offset) {
            case .stored:
                read(from: release.offset, below: release.offset.next, for: lane)
                return false
            case .end: loseDoomed(of: lane)
            case .cached(let index):
                let chunk = lane.log.window[index]
                guard let entry = chunk.segment.entry(at: release.offset) else {
                    loseDoomed(of: lane)
                    continue
                }
                sweepBudget -= 1
                lane.cursor.settleDoomed()
                lane.log.messages -= 1
                lane.log.bytes = lane.log.messages == 0 ? 0 : lane.log.bytes - entry.byteCount
                lane.doomedBytes = lane.cursor.doomed.isEmpty ? 0 : lane.doomedBytes - entry.byteCount
                touch(lane)
                let origin = Origin(
                    epoch: epoch, log: lane.log.id, offset: release.offset, failures: release.deliveries)
                var message = message(of: entry, in: chunk.segment.data)
                if let attempts = lane.attempts.removeValue(forKey: release.offset) { message.headers.add(attempts) }
                move(message, expires: entry.expires, of: lane, release, origin, at: now)
            }
        }
        return true
    }

    private func move(
        _ message: Message, expires: Timestamp, of lane: Lane, _ release: Release, _ origin: Origin, at now: Now
    ) {
        let queue = lane.queue
        switch release.fate {
        case .rejected, nil:
            count(.rejected, of: queue)
            deadLetter(message, from: queue, .rejected, origin: origin, at: now)
        case .deliveryLimit: deadLetter(message, from: queue, .deliveryLimit, origin: origin, at: now)
        case .buried:
            count(.rejected, of: queue)
            if queue.arguments.deadLetterExchange == nil {
                park(message, of: queue, .rejected, origin: origin, at: now)
            } else {
                deadLetter(message, from: queue, .rejected, origin: origin, at: now)
            }
        case .delayed(let due):
            var message = message
            message.headers.setOrigin(origin)
            message.headers.set(.deliveries, "\(release.deliveries)")
            // It expires when it would have; if that is before it is due, when it is due.
            let (left, overflow) = expires.rawValue.subtractingReportingOverflow(due.rawValue)
            let timeToLive = expires == RecordSegment.Entry.never || overflow ? nil : max(0, left)
            enterSchedule(
                message, .queue(queue.definition.log), due: due, priority: lane.priority, timeToLive: timeToLive,
                at: now)
        }
        if queue.isDurable { commitSoon(at: now) }
    }

    /// Damage took it before it could be moved.
    func loseDoomed(of lane: Lane) {
        if let lost = lane.cursor.doomed.first { lane.attempts[lost.offset] = nil }
        lane.cursor.settleDoomed()
        lane.log.messages -= 1
        // How many bytes it had nobody knows any more.
        if lane.log.messages == 0 { lane.log.bytes = 0 }
        if lane.cursor.doomed.isEmpty { lane.doomedBytes = 0 }
        touch(lane)
    }
}
