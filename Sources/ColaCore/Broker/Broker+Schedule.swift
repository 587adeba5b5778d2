internal import DequeModule
internal import OrderedCollections

// Messages that wait for their time, outside of any log.
extension Broker {
    func scheduleLater(_ publish: Publish, from channel: Channel, in host: VirtualHost, at now: Now) {
        let target = ScheduledMessage.Target.exchange(
            host: host.name, name: publish.exchange, routingKey: publish.routingKey)
        let due = now.wall.later(byMilliseconds: publish.delay)
        for var message in publish.all {
            for key in publish.moreKeys { message.headers.set(.moreKeys, key) }
            enterSchedule(
                message, target, due: due, priority: publish.priority, timeToLive: publish.timeToLive, at: now)
        }
        statistics.published += 1 + publish.more.count
        didChange(channel)
    }

    func enterSchedule(
        _ message: Message, _ target: ScheduledMessage.Target, due: Timestamp, priority: UInt8, timeToLive: Int64?,
        at now: Now
    ) {
        let key = ScheduleKey(due: due, id: nextSchedule)
        nextSchedule = ScheduleID(nextSchedule.rawValue + 1)
        changes.isNextScheduleChanged = true
        let scheduled = ScheduledMessage(
            key: key, target: target, priority: priority, timeToLive: timeToLive, message: message.copied)
        changes.scheduled.append(scheduled)
        lastScheduleBatch = gathering
        let bytes = 128 + message.byteCount
        gatheringBytes += bytes
        schedule.insert(key, bytes: bytes, item: scheduled)
        commitSoon(at: now)
        armSchedule(at: now)
    }

    /// Everything that is due, as far as this turn's budget goes; some of it is left to queues and redrives.
    func releaseDue(at now: Now) {
        while sweepBudget > limits.sweepMax * 3 / 4, canSweep, let (key, scheduled) = schedule.popDue(at: now.wall) {
            sweepBudget -= 1
            changes.unscheduled.append(key)
            lastScheduleBatch = gathering
            commitSoon(at: now)
            release(scheduled, at: now)
        }
        armSchedule(at: now)
    }

    private func release(_ scheduled: ScheduledMessage, at now: Now) {
        switch scheduled.target {
        case .queue(let log):
            guard case .lane(let lane) = owners[log] else { return statistics.undeliverable += 1 }
            let queue = lane.queue
            let message = scheduled.message
            let failures = message.headers.text(.deliveries).flatMap { Int($0) } ?? 0
            let timeToLive = [scheduled.timeToLive, queue.arguments.messageTimeToLive].compactMap { $0 }.min()
            let expires = timeToLive.map { now.wall.later(byMilliseconds: $0) }
            put(
                message, into: self.lane(of: scheduled.priority, in: queue), expires: expires, deliveries: failures,
                at: now)
            if queue.isOverLimit { dispatchLater(queue) }
        case .exchange(let host, let name, let key):
            var publish = Publish(exchange: name, routingKey: key, message: scheduled.message)
            publish.moreKeys = publish.message.headers.take(.moreKeys)
            publish.priority = scheduled.priority
            publish.timeToLive = scheduled.timeToLive
            guard let router = hosts[host]?.router,
                let route = router.route(
                    exchange: name, key: key, moreKeys: publish.moreKeys, headers: publish.message.headers)
            else { return statistics.undeliverable += 1 }
            if route.isEmpty { statistics.undeliverable += 1 }
            keep(publish, in: router.lastHistories)
            for destination in route { deliver(publish, to: destination, at: now) }
        }
    }

    /// Sets the timer for the next one, and asks for more of what is stored when memory runs low.
    func armSchedule(at now: Now) {
        if schedule.needsLoading != nil {
            // The store must know of all that came and went before it is asked.
            if lastScheduleBatch > durable {
                if lastScheduleBatch == gathering { commitSoon(at: now) }
            } else if let reading = schedule.startLoading() {
                let after = reading.after == ScheduleKey.first ? nil : reading.after
                effects.append(.ask(.schedule(after: after, countMax: reading.count, bytesMax: reading.bytes)))
            }
        }
        isScheduleDue = false
        // Until the store can be asked there is nothing to wake up for.
        guard let due = schedule.nextDue, schedule.count > 0 || schedule.needsLoading == nil else {
            return _ = timers.cancel(.schedule)
        }
        // What is due and was not done waits for a turn with room, not for a time.
        if due <= now.wall {
            isScheduleDue = true
            timers.cancel(.schedule)
        } else {
            arm(.schedule, for: due, at: now)
        }
    }

    func scheduleLoaded(_ messages: [ScheduledMessage], isComplete: Bool, at now: Now) {
        schedule.loaded(
            messages.map { Schedule.Entry(key: $0.key, bytes: 128 + $0.message.byteCount, item: $0) },
            isComplete: isComplete)
        armSchedule(at: now)
    }
}

extension Message {
    /// The message alone: a slice would keep all of the burst that it came in.
    package var copied: Message {
        Message(key: key.map { Array($0)[...] }, value: value.map { Array($0)[...] }, headers: headers)
    }
}
