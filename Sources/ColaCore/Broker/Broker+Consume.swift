internal import DequeModule
internal import OrderedCollections

// Consumers come and go, take messages and settle them.
extension Broker {
    func begin(_ consume: Consume, _ id: RequestID, for channel: Channel) {
        guard channel.consumer(consume.consumer) == nil else {
            return refuse(channel, id, .consumerInUse(consume.consumer))
        }
        guard channel.consumers.count < limits.consumersPerChannelMax else {
            return refuse(
                channel, id,
                .limit(
                    what: "consumers on a connection", limit: limits.consumersPerChannelMax, setting: "consumers-max"))
        }
        switch router.destinations[consume.name] {
        case .queue(let queue):
            guard consume.position == nil, consume.group == nil else {
                return refuse(
                    channel, id,
                    .mismatch("'\(consume.name)' is a queue: it has no position to read from and no groups"))
            }
            let consumer = Consumer(consume, source: .queue(queue), channel: channel)
            channel.consumers.append(consumer)
            queue.consumers.append(consumer)
            respond(channel, id, .done)
            queue.enqueue(consumer)
            dispatchLater(queue)
        case .topic(let topic):
            switch position(of: consume, in: topic) {
            case .failure(let error): refuse(channel, id, error)
            case .success(let next):
                let cursor = OffsetCursor(next: next)
                let reader = Consumer(consume, source: .topic(topic), channel: channel, cursor: cursor)
                channel.consumers.append(reader)
                topic.readers.append(reader)
                respond(channel, id, .done)
                pendingReaders.append(reader)
            }
        case nil: refuse(channel, id, .notFound(.queueOrTopic, name: consume.name))
        }
    }

    private func position(of consume: Consume, in topic: Topic) -> Result<Offset, BrokerError> {
        if let group = consume.group, let next = topic.groups[group] { return .success(next) }
        switch consume.position ?? (consume.group == nil ? .next : .first) {
        case .first: return .success(topic.log.start)
        // Records of a topic are not removed one by one yet, so the last one stands right below the end.
        case .last: return .success(max(topic.log.start, topic.log.next.advanced(by: -1)))
        case .next: return .success(topic.log.next)
        case .time: return .success(topic.log.next)
        case .offset(let offset):
            guard offset <= topic.log.next else {
                return .failure(.offsetOutOfRange(topic: topic.name, offset: offset, next: topic.log.next))
            }
            return .success(offset)
        }
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

    func cancel(_ tag: ConsumerTag, _ id: RequestID, for channel: Channel) {
        guard let consumer = channel.consumer(tag) else { return refuse(channel, id, .consumerNotFound(tag)) }
        channel.consumers.removeAll { $0 === consumer }
        remove(consumer)
        respond(channel, id, .done)
    }

    /// Takes the consumer out of its queue or topic. What it holds stays with the channel.
    func remove(_ consumer: Consumer) {
        consumer.isCancelled = true
        consumer.channel = nil
        switch consumer.source {
        case .queue(let queue):
            queue.consumers.removeAll { $0 === consumer }
            queue.waiting.removeAll { $0 === consumer }
        case .topic(let topic): topic.readers.removeAll { $0 === consumer }
        }
    }

    /// The broker ends a consumer, and says so.
    func end(_ consumer: Consumer, because error: BrokerError) {
        guard let channel = consumer.channel else { return }
        channel.consumers.removeAll { $0 === consumer }
        remove(consumer)
        effects.append(.consumerFailed(channel.id, consumer.tag, error))
    }

    // MARK: Settling

    /// - Returns: how many leases there were.
    @discardableResult
    func endLeases(
        of channel: Channel, from first: DeliveryTag, through last: DeliveryTag, _ settlement: Settlement, at now: Now
    ) -> Int {
        let wasFull = channel.isFull
        var isChange = false
        let ended = channel.endLeases(first, last) { lease in
            lease.consumer.leaseEnded()
            switch lease.consumer.source {
            case .queue(let queue):
                end(lease, of: queue, settlement)
                // Of a deleted queue nothing is left to write, and for a batch of nothing nobody may wait.
                if !queue.isDeleted { isChange = true }
                queue.enqueue(lease.consumer)
            case .topic: wake(lease.consumer)
            }
        }
        guard ended > 0 else { return 0 }
        if wasFull { wakeConsumers(of: channel) }
        // Reading a topic takes nothing away, so there is nothing to write down.
        if isChange {
            didChange(channel)
            commitSoon(at: now)
        }
        return ended
    }

    private func end(_ lease: Channel.Lease, of queue: Queue, _ settlement: Settlement) {
        guard !queue.isDeleted else { return }
        queue.leasedBytes -= lease.bytes
        switch settlement {
        case .acknowledge:
            statistics.acknowledged += 1
            settle(lease.offset, bytes: lease.bytes, of: queue)
        case .reject: settle(lease.offset, bytes: lease.bytes, of: queue)
        case .release, .releaseLater:
            queue.cursor.release(lease.offset)
            touch(queue)
        }
        dispatchLater(queue)
    }

    func settle(_ offset: Offset, bytes: Int, of queue: Queue) {
        queue.cursor.settle(offset)
        queue.log.messages -= 1
        // Damage may have taken records whose size nobody knows.
        queue.log.bytes = queue.log.messages == 0 ? 0 : queue.log.bytes - bytes
        touch(queue)
    }

    // MARK: Group offsets

    func commitOffset(topic name: String, group: String, next: Offset, _ id: RequestID, for channel: Channel) {
        let topic: Topic
        switch router.destinations[name] {
        case .topic(let found): topic = found
        case .queue: return refuse(channel, id, .mismatch("'\(name)' is a queue: it has no offsets to commit"))
        case nil: return refuse(channel, id, .notFound(.topic, name: name))
        }
        guard next <= topic.log.next else {
            return refuse(channel, id, .offsetOutOfRange(topic: name, offset: next, next: topic.log.next))
        }
        topic.groups[group] = next
        groupChanges.append(GroupOffset(group: group, log: topic.log.id, next: next))
        gatheringBytes += 64 + group.utf8.count
        didChange(channel)
        respond(channel, id, .done)
    }
}
