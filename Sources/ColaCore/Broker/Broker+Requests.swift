internal import DequeModule
internal import OrderedCollections

// Channels and their requests: who is there, and in which order they are answered.
extension Broker {
    func attach(_ id: ChannelID, _ info: ChannelInfo) {
        if let channel = channels[id] {
            channel.info = info
        } else {
            channels[id] = Channel(
                id: id, info: info, leasesMax: limits.unackedPerChannelMax, window: limits.windowBytes)
        }
    }

    func detach(_ id: ChannelID, at now: Now) {
        guard let channel = channels.removeValue(forKey: id) else { return }
        for consumer in channel.consumers { remove(consumer) }
        channel.consumers = []
        channel.deferred = []
        channel.stall = nil
        peeking.removeAll { $0 === channel }
        stalled.removeAll { $0 === channel }
        endLeases(of: channel, from: DeliveryTag(0), through: DeliveryTag(.max), .release, at: now)
    }

    /// About what a row of a listing takes on the wire.
    private static let rowBytes = 128

    func windowOpened(_ id: ChannelID, at now: Now) {
        guard let channel = channels[id], channel.isWindowFull else { return }
        channel.isWindowFull = false
        channel.window = limits.windowBytes
        wakeConsumers(of: channel)
        if case .window = channel.stall { resume(channel, at: now) }
    }

    /// Takes a request in its turn: one that came before may still wait.
    func take(_ request: Request, _ id: RequestID, from channel: Channel, at now: Now) {
        if channel.stall != nil || !channel.deferred.isEmpty {
            channel.deferred.append((id, request))
        } else {
            perform(request, id, for: channel, at: now)
        }
    }

    /// What the channel waited for is there.
    func resume(_ channel: Channel, at now: Now) {
        channel.stall = nil
        while channel.stall == nil, let next = channel.deferred.popFirst() {
            perform(next.request, next.id, for: channel, at: now)
        }
    }

    func perform(_ request: Request, _ id: RequestID, for channel: Channel, at now: Now) {
        switch request {
        case .publish(let publish): self.publish(publish, id, from: channel, at: now)
        case .settle(let first, let last, let settlement):
            if settlement != .acknowledge, let name = channel.topicOfFirstLease(from: first, through: last) {
                let sentence =
                    "delivery \(first) is of topic '\(name)', which keeps its messages: acknowledge it; "
                    + "to read it again, consume from its offset"
                return refuse(channel, id, .mismatch(sentence))
            }
            let ended = endLeases(of: channel, from: first, through: last, settlement, at: now)
            if ended == 0 {
                refuse(channel, id, .unknownDelivery(first: first, last: last))
            } else {
                respond(channel, id, .done)
            }
        case .grant(let tag, let count): grant(tag, count, id, for: channel)
        case .consume(let consume): begin(consume, id, for: channel)
        case .cancel(let tag): cancel(tag, id, for: channel)
        case .declareQueue(let queue): declareQueue(queue.name, id, for: channel)
        case .declareTopic(let name, _, _): declareTopic(name, id, for: channel)
        case .declareExchange(let name, let kind, _): declareExchange(name, kind, id, for: channel)
        case .deleteQueue(let name, _, _): deleteQueue(name, id, for: channel, at: now)
        case .deleteTopic(let name): deleteTopic(name, id, for: channel)
        case .deleteExchange(let name, _): deleteExchange(name, id, for: channel)
        case .bind(let binding): bind(binding, id, for: channel)
        case .unbind(let binding): unbind(binding, id, for: channel)
        case .purge(let name): purge(name, id, for: channel)
        case .commitOffset(let topic, _, let group, let next):
            commitOffset(topic: topic, group: group, next: next, id, for: channel)
        case .barrier: respond(channel, id, .done)
        case .refuse(let refusal): respond(channel, id, .refusedBySession(refusal))
        case .declareVirtualHost, .deleteVirtualHost, .deleteGroup, .alter, .setPolicy, .clearPolicy, .redrive, .seek,
            .describe, .why:
            refuse(channel, id, .mismatch("not yet"))
        case .get, .peek, .list, .statistics: look(request, id, for: channel, at: now)
        }
    }

    /// Requests that read wait until what the channel itself wrote can be read.
    private func look(_ request: Request, _ id: RequestID, for channel: Channel, at now: Now) {
        guard channel.lastBatch <= durable, channel.heldCount == 0 else {
            if channel.lastBatch == gathering { isCommitWanted = true }
            // Answers that are held go first, and the last of all that are held stands behind this channel's.
            let batch = channel.heldCount == 0 ? channel.lastBatch : max(channel.lastBatch, held.last?.batch ?? durable)
            channel.stall = .commit(batch)
            channel.deferred.prepend((id, request))
            stalled.append(channel)
            return
        }
        // These answers can be large: a client that does not read them gets no more of them.
        guard !channel.isWindowFull else {
            channel.stall = .window
            channel.deferred.prepend((id, request))
            return
        }
        switch request {
        case .get(let name, let isAutoAck): get(name, isAutoAck: isAutoAck, id, for: channel, at: now)
        case .peek(let name, _, let from, let count): peek(name, from: from, count: count, id, for: channel)
        case .list(let listing):
            let rows = rows(listing)
            respond(channel, id, .rows(rows))
            charge(channel, rows.count * Self.rowBytes)
        case .statistics: respond(channel, id, .description(statisticsRow(at: now)))
        default: preconditionFailure("\(request) does not read")
        }
    }
}
