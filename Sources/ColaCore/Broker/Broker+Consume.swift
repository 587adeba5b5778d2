internal import DequeModule
internal import OrderedCollections

// Consumers come and go, take messages and settle them.
extension Broker {
    func begin(_ consume: Consume, _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now) {
        guard channel.consumer(consume.consumer) == nil else {
            return refuse(channel, id, .consumerInUse(consume.consumer))
        }
        guard channel.consumers.count < limits.consumersPerChannelMax else {
            return refuse(
                channel, id,
                .limit(
                    what: "consumers on a \(channel.kind)", limit: limits.consumersPerChannelMax,
                    setting: "consumers-max"))
        }
        switch host.router.destination(named: consume.name) {
        case .queue(let queue): begin(consume, of: queue, id, for: channel, at: now)
        case .topic(let topic): begin(consume, of: topic, id, for: channel)
        case .partition(let partition): begin(consume, of: partition, id, for: channel)
        case nil: refuse(channel, id, .notFound(.queueOrTopic, name: consume.name))
        }
    }

    private func begin(_ consume: Consume, of queue: Queue, _ id: RequestID, for channel: Channel, at now: Now) {
        if channel.info.isStrict, consume.position != nil {
            return refuse(channel, id, streamArgument("x-stream-offset", of: queue))
        }
        if channel.info.isStrict, consume.filter != nil {
            return refuse(channel, id, streamArgument("x-stream-filter", of: queue))
        }
        guard consume.position == nil, consume.group == nil, consume.partitions == nil, consume.strategy == nil else {
            return refuse(
                channel, id,
                .mismatch("'\(consume.name)' is a queue: it has no partitions, no position to read from and no groups"))
        }
        if let error = lockError(queue, channel) { return refuse(channel, id, error) }
        var consume = consume
        if queue.arguments.isSingleActiveConsumer == true, consume.isExclusive {
            guard queue.kind == .quorum else {
                return refuse(
                    channel, id,
                    .inUse("consume from queue '\(queue.name)' without exclusive: it has a single active consumer"))
            }
            // As RabbitMQ: whoever is not the active one stands by.
            consume.isExclusive = false
        }
        if queue.consumers.contains(where: \.isExclusive) {
            return refuse(channel, id, .inUse("queue '\(queue.name)' has a consumer that is exclusive"))
        }
        if consume.isExclusive, !queue.consumers.isEmpty {
            return refuse(
                channel, id,
                .inUse("queue '\(queue.name)' has \(queue.consumers.count) consumers, so none can be exclusive"))
        }
        let consumer = Consumer(consume, source: .queue(queue), channel: channel)
        channel.consumers.append(consumer)
        queue.consumers.append(consumer)
        queue.hadConsumers = true
        queue.consumersChanged()
        used(queue, at: now)
        respond(channel, id, channel.info.isStrict ? .consuming(from: queue.kind) : .done)
        queue.enqueue(consumer)
        dispatchLater(queue)
    }

    func grant(_ tag: ConsumerTag, _ count: Int, _ id: RequestID, for channel: Channel) {
        guard let consumer = channel.consumer(tag) else { return refuse(channel, id, .consumerNotFound(tag)) }
        guard consumer.prefetch == nil else {
            return refuse(
                channel, id,
                .mismatch("consumer \(tag) was begun with prefetch; credit is given back by its acknowledgements"))
        }
        consumer.grant(count)
        wake(consumer)
        respond(channel, id, .done)
    }

    func setPrefetch(_ count: Int?, _ scope: PrefetchScope, _ id: RequestID, for channel: Channel) {
        switch scope {
        case .channel: channel.prefetch = count
        case .eachConsumer: for consumer in channel.consumers { consumer.setPrefetch(count ?? channel.leasesMax) }
        }
        wakeConsumers(of: channel)
        respond(channel, id, .done)
    }

    func cancel(_ tag: ConsumerTag, _ id: RequestID, for channel: Channel, at now: Now) {
        guard let consumer = channel.consumer(tag) else {
            // It may have ended by itself, and the client has not heard of it yet.
            if channel.info.isStrict { return respond(channel, id, .done) }
            return refuse(channel, id, .consumerNotFound(tag))
        }
        channel.consumers.removeAll { $0 === consumer }
        remove(consumer, at: now)
        respond(channel, id, .done)
    }

    /// Takes a consumer out of its queue or topic; what it holds stays with its channel.
    func remove(_ consumer: Consumer, at now: Now) {
        consumer.isCancelled = true
        consumer.isActive = false
        consumer.channel = nil
        switch consumer.source {
        case .queue(let queue):
            queue.consumers.removeAll { $0 === consumer }
            if consumer.isWaiting { queue.waiting.removeAll { $0 === consumer } }
            consumer.isWaiting = false
            if queue.warden === consumer {
                dismissWarden(of: queue)
                dispatchLater(queue)
            }
            queue.consumersChanged()
            used(queue, at: now)
            guard !queue.isDeleted else { return }
            if queue.consumers.isEmpty, queue.definition.isAutoDelete, queue.hadConsumers {
                delete(queue, at: now)
            } else if queue.isChoosy {
                for consumer in queue.consumers { queue.enqueue(consumer) }
                dispatchLater(queue)
            }
        case .topic(let topic):
            topic.readers.removeAll { $0 === consumer }
            if consumer.isMember { leave(consumer, of: topic) }
        }
    }

    /// The broker ends a consumer and says so.
    func end(_ consumer: Consumer, because error: BrokerError, at now: Now) {
        guard let channel = consumer.channel else { return }
        channel.consumers.removeAll { $0 === consumer }
        remove(consumer, at: now)
        effects.append(.consumerFailed(channel.id, consumer.tag, error))
    }

    // MARK: Settling

    func settle(
        first: DeliveryTag, last: DeliveryTag, _ settlement: Settlement, _ id: RequestID, for channel: Channel,
        at now: Now
    ) {
        if channel.info.isStrict, namesLast(first, last), !channel.holds(last) {
            return refuse(channel, id, .unknownDelivery(first: last, last: last))
        }
        if !channel.info.isStrict, settlement != .acknowledge,
            let name = channel.topicOfLeases(from: first, through: last)
        {
            let sentence =
                "one of them is of topic '\(name)', which keeps its messages: acknowledge it; to "
                + "read it again, seek to its offset"
            return refuse(channel, id, .mismatch(sentence))
        }
        let ended = endLeases(
            of: channel, from: first, through: last, settlement, because: settlement.end, at: now)
        if ended == 0, !channel.info.isStrict {
            refuse(channel, id, .unknownDelivery(first: first, last: last))
        } else {
            respond(channel, id, .done)
        }
    }

    /// As RabbitMQ: what is settled must be held, and so must the last of several that are counted from 0, unless all
    /// are meant.
    private func namesLast(_ first: DeliveryTag, _ last: DeliveryTag) -> Bool {
        last != DeliveryTag(.max) && (first == last || first == DeliveryTag(0))
    }

    /// - Returns: how many leases have ended.
    @discardableResult
    func endLeases(
        of channel: Channel, from first: DeliveryTag, through last: DeliveryTag, _ settlement: Settlement,
        because end: Attempt.End, sparesReserved: Bool = false, at now: Now
    ) -> Int {
        let wasFed = channel.isFed
        var isChange = false
        let ended = channel.endLeases(first, last, sparesReserved: sparesReserved) { lease in
            lease.consumer.leaseEnded()
            switch lease.consumer.source {
            case .queue(let queue):
                // Of a deleted queue nothing is left to write, and for a batch of nothing nobody may wait.
                if !queue.isDeleted, let lane = queue.lane(lease.priority) {
                    let isWritten = settle(lease, of: lane, settlement, because: end, by: channel, at: now)
                    if isWritten, queue.isDurable { isChange = true }
                }
                queue.enqueue(lease.consumer)
            case .topic: wake(lease.consumer)
            }
        }
        guard ended > 0 else { return 0 }
        if wasFed { serveInTurn(channel) }
        // Reading a topic takes nothing away, so there is nothing to write down.
        if isChange { didChange(channel) }
        if isChange || pinnedBytes > 0 { commitSoon(at: now) }
        return ended
    }

    /// - Returns: whether there is anything to write down.
    private func settle(
        _ lease: Channel.Lease, of lane: Lane, _ settlement: Settlement, because end: Attempt.End, by channel: Channel,
        at now: Now
    ) -> Bool {
        lane.leasedBytes -= lease.bytes
        let queue = lane.queue
        defer { dispatchLater(queue) }
        lane.pace.didEnd(lease.offset, isSettled: settlement == .acknowledge, at: now.monotonic)
        if case .acknowledge = settlement {
            statistics.acknowledged += 1
            queue.counts.acknowledged += 1
            return settle(lease.offset, bytes: lease.bytes, of: lane, by: channel)
        }
        queue.counts.ends[end, default: 0] += 1
        switch settlement {
        case .acknowledge: break
        case .reject:
            if queue.arguments.deadLetterExchange == nil {
                queue.counts.rejected += 1
                return settle(lease.offset, bytes: lease.bytes, of: lane, by: channel)
            } else {
                noteIfTold(lease, of: lane, end, by: channel, at: now)
                doom(lease, of: lane, .rejected)
            }
        case .release: giveBack(lease, of: lane, .atOnce, because: end, by: channel, at: now)
        case .releaseLater(let milliseconds):
            giveBack(lease, of: lane, .later(milliseconds: milliseconds), because: end, by: channel, at: now)
        case .retry:
            let failures = lane.cursor.failures(lease.offset) + 1
            let delay = queue.arguments.retry?.delay(after: failures, random: chance(lease, of: lane, failures)) ?? 0
            let when = delay > 0 ? Return.later(milliseconds: delay) : .atOnce
            giveBack(lease, of: lane, when, because: end, by: channel, at: now)
        case .failed(let attempt, let consequence):
            fail(lease, of: lane, attempt, consequence, by: channel, at: now)
        }
        return true
    }

    func doom(_ lease: Channel.Lease, of lane: Lane, _ fate: Fate) {
        lane.cursor.doom(lease.offset, fate)
        lane.doomedBytes += lease.bytes
        touch(lane)
    }

    /// A consumer of the channel needs the message no more.
    ///
    /// - Returns: whether there is anything to write down.
    func settle(_ offset: Offset, bytes: Int, of lane: Lane, by channel: Channel) -> Bool {
        guard lane.log.isDurable, offset >= lane.log.cutEnd else {
            settle(offset, bytes: bytes, of: lane)
            return true
        }
        settleQuietly(offset, bytes: bytes, of: lane)
        elide(offset, bytes: bytes, of: lane, by: channel)
        return false
    }

    func settle(_ offset: Offset, bytes: Int, of lane: Lane) {
        settleQuietly(offset, bytes: bytes, of: lane)
        touch(lane)
    }

    private func settleQuietly(_ offset: Offset, bytes: Int, of lane: Lane) {
        lane.cursor.settle(offset)
        if !lane.attempts.isEmpty { lane.attempts[offset] = nil }
        lane.log.messages -= 1
        // Damage may have taken records whose size nobody knows.
        lane.log.bytes = lane.log.messages == 0 ? 0 : lane.log.bytes - bytes
    }
}
