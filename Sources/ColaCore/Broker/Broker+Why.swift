internal import OrderedCollections

// Why messages wait, and who holds them.
extension Broker {
    func why(
        _ name: String, _ offset: Offset?, priority: UInt8, in host: VirtualHost, at now: Now
    ) -> Result<Description, BrokerError> {
        switch host.router.destination(named: name) {
        case .queue(let queue):
            guard let offset else { return .success(why(queue, at: now)) }
            return .success(why(offset, priority: queue.known(priority), of: queue))
        case .topic:
            return .failure(
                .mismatch("'\(name)' is a topic: nothing waits in it; `cola consumers` and `cola groups` have lags"))
        case .partition(let partition):
            return .failure(
                .mismatch("\(partition.sentence): nothing waits in it; `cola consumers` and `cola groups` have lags"))
        case nil: return .failure(.notFound(.queue, name: name))
        }
    }

    private func why(_ queue: Queue, at now: Now) -> Description {
        var row = Description()
        row.add("queue", queue.name)
        row.add("ready", queue.ready)
        row.add("unacknowledged", queue.leased)
        row.add("because", reason(of: queue))
        row.add("consumers", .list(queue.consumers.map { .fields(why($0, of: queue)) }))
        row.add("holders", .list(holders(of: queue).map { .fields($0) }))
        return row
    }

    /// One sentence: what the next message of the queue waits for.
    private func reason(of queue: Queue) -> String {
        if queue.messages == 0 { return "the queue is empty" }
        if queue.ready == 0 {
            return queue.leased == 0
                ? "every message is about to be moved elsewhere" : "every message is with a consumer"
        }
        if queue.isReading { return "messages are being read from the disk" }
        if queue.lanes.allSatisfy({ $0.log.committedEnd <= $0.cursor.head && $0.cursor.suspects.isEmpty }) {
            return "what is there is on its way to the disk"
        }
        if queue.consumers.isEmpty { return "nobody consumes from the queue" }
        if let active = queue.active, !active.canTake {
            return "only one consumer is active, \(active.member), and \(reason(of: active))"
        }
        if !queue.consumers.contains(where: \.canTake) { return "no consumer can take a message" }
        return "they are about to be handed out"
    }

    private func reason(of consumer: Consumer) -> String {
        guard let channel = consumer.channel else { return "it is gone" }
        if consumer.isWarden { return "it takes, one at a time, messages whose holders died" }
        if consumer.credit <= 0 {
            return consumer.prefetch.map { "it holds as many as its prefetch of \($0) allows" }
                ?? "it has no credit left"
        }
        if channel.connection.isWindowFull { return "its connection does not read what it was sent" }
        if channel.isFull { return "its connection holds its limit of \(channel.leasesMax) messages" }
        if channel.isFed { return "its channel holds its prefetch of \(channel.prefetch ?? 0) messages" }
        return "it can take a message"
    }

    private func why(_ consumer: Consumer, of queue: Queue) -> Description {
        var row = Description()
        row.add("consumer", consumer.member)
        row.add("unacknowledged", consumer.unacknowledged)
        if queue.arguments.isSingleActiveConsumer == true, !consumer.isActive {
            row.add("because", "it stands by: another one is the single active consumer")
        } else {
            row.add("because", reason(of: consumer))
        }
        return row
    }

    /// Connections with messages of the queue, and how many.
    private func holders(of queue: Queue) -> [Description] {
        channels(of: queue.host).compactMap { channel in
            let count = channel.leases(of: queue).count
            guard count > 0 else { return nil }
            var row = Description()
            row.add("connection", Int(clamping: channel.id.connection.rawValue))
            row.add("client", channel.info.client)
            row.add("peer", channel.info.peer)
            row.add("messages", count)
            return row
        }
    }

    // MARK: One message

    private func why(_ offset: Offset, priority: UInt8, of queue: Queue) -> Description {
        var row = Description()
        row.add("queue", queue.name)
        row.add("offset", Int(offset.rawValue))
        if priority > 0 { row.add("priority", Int(priority)) }
        guard let lane = queue.lane(priority), offset < lane.log.next else {
            let next = queue.lane(priority)?.log.next ?? Offset(0)
            let kind = priority > 0 ? "message of priority \(priority)" : "message"
            row.add("state", "unknown")
            row.add("because", "the queue has no \(kind) with that offset yet; its next one is \(next)")
            return row
        }
        if let release = lane.cursor.released.first(where: { $0.offset == offset }) {
            row.add("state", "ready")
            row.add("deliveries", release.deliveries)
            row.add("because", "it came back \(release.deliveries) times; \(reason(of: queue))")
        } else if let suspect = lane.cursor.suspects.first(where: { $0.offset == offset }) {
            row.add("state", "ready")
            row.add("deliveries", suspect.deliveries)
            row.add("because", "its holder died: it waits for a consumer that holds nothing else")
        } else if let release = lane.cursor.doomed.first(where: { $0.offset == offset }) {
            row.add("state", "moving")
            row.add("deliveries", release.deliveries)
            row.add("because", "it is about to go where dead or delayed messages go")
        } else if offset >= lane.cursor.fresh {
            row.add("state", offset >= lane.log.committedEnd ? "committing" : "ready")
            row.add("before", offset.distance(from: lane.cursor.fresh) + lane.cursor.released.count)
            row.add("because", reason(of: queue))
        } else if lane.cursor.isSettled(offset) {
            row.add("state", "settled")
            row.add("because", "it was acknowledged, rejected, expired, dropped or moved")
        } else {
            row.add("state", "unacknowledged")
            row.add("deliveries", lane.cursor.failures(offset))
            addHolder(of: offset, priority: priority, in: queue, to: &row)
        }
        return row
    }

    private func addHolder(of offset: Offset, priority: UInt8, in queue: Queue, to row: inout Description) {
        for channel in channels(of: queue.host) {
            let held = channel.leases(of: queue)
            guard let found = held.first(where: { $0.lease.offset == offset && $0.lease.priority == priority }) else {
                continue
            }
            row.add("connection", Int(clamping: channel.id.connection.rawValue))
            row.add("client", channel.info.client)
            row.add("peer", channel.info.peer)
            row.add("consumer", Int(clamping: found.lease.consumer.tag.rawValue))
            row.add("delivery", Int(clamping: found.tag.rawValue))
            row.add("because", "a consumer has it and has not settled it")
            return
        }
        row.add("because", "it is being handed out")
    }
}
