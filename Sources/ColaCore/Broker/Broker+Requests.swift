internal import DequeModule
internal import OrderedCollections

// Channels and their requests: who is there, and in which order they are answered.
extension Broker {
    func attach(_ id: ChannelID, _ info: ChannelInfo) {
        let channel: Channel
        if let known = channels[id] {
            channel = known
            channel.info = info
            channel.rights = nil
        } else {
            let connection = channels[id.connection]?.connection ?? ConnectionState(window: limits.windowBytes)
            channel = Channel(
                id: id, info: info, connection: connection, leasesMax: limits.unackedPerChannelMax)
            channels[id] = channel
            if !id.isConnection {
                connection.channels.append(channel)
                channel.isSuspended = channels[id.connection]?.isSuspended ?? false
            }
        }
        channel.host = hosts[info.host]
    }

    func detach(_ id: ChannelID, isLost: Bool = false, at now: Now) {
        hold(id, at: now)
        guard let channel = channels.removeValue(forKey: id) else { return }
        let connection = channel.connection
        if id.isConnection {
            for part in connection.channels { detach(part.id, isLost: isLost, at: now) }
        } else {
            connection.channels.removeAll { $0 === channel }
            connection.handedOutBefore += channel.handedOut
        }
        forgetFetches(of: channel)
        forgetGroupWaits(of: channel, at: now)
        endLeases(
            of: channel, from: DeliveryTag(0), through: DeliveryTag(.max), .release,
            because: isLost ? .connectionLost : .cancelled, at: now)
        guard id.isConnection else { return }
        for queue in connection.owned where !queue.isDeleted { delete(queue, at: now) }
        connection.owned = []
    }

    /// About what a row of a listing takes on the wire.
    private static let rowBytes = 128

    func windowOpened(_ id: ChannelID, at now: Now) {
        guard let channel = channels[id], channel.connection.isWindowFull else { return }
        channel.connection.isWindowFull = false
        channel.connection.window = limits.windowBytes
        for channel in [channel] + channel.connection.channels {
            wakeConsumers(of: channel)
            if case .window = channel.stall { resume(channel, at: now) }
        }
    }

    /// Takes a request in its turn: one that came before may still wait.
    func take(_ request: consuming Request, _ id: RequestID, from channel: Channel, at now: Now) {
        guard !channel.hasFailed else { return }
        if channel.stall != nil || !channel.deferred.isEmpty {
            channel.deferred.append((id, request))
        } else {
            perform(request, id, for: channel, at: now)
        }
    }

    /// A strict channel was refused something: what it asked for since is not done, and it is handed nothing more.
    func fail(_ channel: Channel) {
        channel.hasFailed = true
        channel.isSuspended = true
        channel.deferred = []
    }

    /// What the channel waited for is there.
    func resume(_ channel: Channel, at now: Now) {
        channel.stall = nil
        while channel.stall == nil, let next = channel.deferred.popFirst() {
            perform(next.request, next.id, for: channel, at: now)
        }
    }

    /// Messages pass through here with no copy of what they refer to: the request is handed on, not shared.
    func perform(_ request: consuming Request, _ id: RequestID, for channel: Channel, at now: Now) {
        switch consume request {
        case .publish(let publish):
            guard let host = host(of: channel, answering: id) else { return }
            if let error = accessError(of: publish, channel) { return refuse(channel, id, error) }
            self.publish(publish, id, from: channel, in: host, at: now)
        case .settle(let first, let last, let settlement):
            guard host(of: channel, answering: id) != nil else { return }
            settle(first: first, last: last, settlement, id, for: channel, at: now)
        case let request:
            if let error = accessError(request, channel) { return refuse(channel, id, error) }
            performSeldom(request, id, for: channel, at: now)
        }
    }

    private func host(of channel: Channel, answering id: RequestID) -> VirtualHost? {
        if let host = channel.host, !host.isDeleted { return host }
        refuse(channel, id, .notFound(.virtualHost, name: channel.info.host))
        return nil
    }

    private func performSeldom(_ request: Request, _ id: RequestID, for channel: Channel, at now: Now) {
        switch request {
        case .barrier: return respond(channel, id, .done)
        case .refuse(let refusal): return respond(channel, id, .refusedBySession(refusal))
        case .declareVirtualHost(let name, let change):
            return declareVirtualHost(name, change, id, for: channel)
        case .deleteVirtualHost(let name): return deleteVirtualHost(name, id, for: channel, at: now)
        case .setUser(let change): return setUser(change, id, for: channel, at: now)
        case .deleteUser(let name): return deleteUser(name, id, for: channel)
        case .setPermission(let permission): return setPermission(permission, id, for: channel)
        case .clearPermission(let user, let host): return clearPermission(user: user, host: host, id, for: channel)
        case .setTopicPermission(let permission): return setTopicPermission(permission, id, for: channel)
        case .clearTopicPermission(let user, let host, let exchange):
            return clearTopicPermission(user: user, host: host, exchange: exchange, id, for: channel)
        case .get, .peek, .list, .describe, .why, .statistics, .backUp, .workers:
            return look(request, id, for: channel, at: now)
        case .topic(let request): return perform(request, id, for: channel, at: now)
        case .group(let request): return coordinate(request, id, for: channel, at: now)
        default: break
        }
        guard let host = host(of: channel, answering: id) else { return }
        switch request {
        case .grant(let tag, let count): grant(tag, count, id, for: channel)
        case .consume(let consume):
            // What it gets comes behind the answer.
            if channel.info.isStrict, stallForCommit(request, id, channel) { return }
            begin(consume, id, for: channel, in: host, at: now)
        case .cancel(let tag): cancel(tag, id, for: channel, at: now)
        case .prefetch(let count, let scope): setPrefetch(count, scope, id, for: channel)
        case .recover:
            // What comes again comes behind the answer: all that came before it was given back. If the server dies, it
            // comes again all the same, so there is nothing to wait for but what was asked before.
            if stallForCommit(request, id, channel) { return }
            respond(channel, id, .done)
            endLeases(
                of: channel, from: DeliveryTag(0), through: DeliveryTag(.max), .release, because: .returned,
                sparesReserved: true, at: now)
        case .reserve(let first, let last, let isLastNamed):
            reserve(first: first, last: last, isLastNamed: isLastNamed, id, for: channel)
        case .rollback:
            channel.endReservations()
            respond(channel, id, .done)
        case .transaction(let requests): perform(requests, id, for: channel, in: host, at: now)
        case .enter: enter(id, for: channel, in: host)
        case .seek(let tag, let partition, let position):
            seek(tag, partition: partition, to: position, id, for: channel)
        case .declareQueue(let declaration): declareQueue(declaration, id, for: channel, in: host, at: now)
        case .declareTopic(let name, let partitions, let arguments):
            declareTopic(name, partitions: partitions, arguments, id, for: channel, in: host, at: now)
        case .declareExchange(let declaration): declareExchange(declaration, id, for: channel, in: host)
        case .deleteQueue(let name, let ifUnused, let ifEmpty):
            deleteQueue(name, ifUnused: ifUnused, ifEmpty: ifEmpty, id, for: channel, in: host, at: now)
        case .deleteTopic(let name): deleteTopic(name, id, for: channel, in: host, at: now)
        case .deleteExchange(let name, let ifUnused):
            deleteExchange(name, ifUnused: ifUnused, id, for: channel, in: host)
        case .deleteGroup(let topic, let group): deleteGroup(group, of: topic, id, for: channel, in: host)
        case .alter(let name, let set, let clear): alter(name, set, clear, id, for: channel, in: host, at: now)
        case .setPolicy(var policy):
            policy.host = host.name
            setPolicy(policy, id, for: channel, in: host, at: now)
        case .clearPolicy(let name): clearPolicy(name, id, for: channel, in: host, at: now)
        case .bind(var binding):
            binding.host = host.name
            bind(binding, id, for: channel, in: host, at: now)
        case .unbind(var binding):
            binding.host = host.name
            unbind(binding, id, for: channel, in: host)
        case .purge(let name): purge(name, id, for: channel, in: host)
        case .redrive(let name, let target, let count, let filter, let rate):
            redrive(name, to: target, count, filter, rate: rate, id, for: channel, in: host, at: now)
        case .commitOffset(let topic, let partition, let group, let next):
            commitOffset(topic, partition, group, next, id, for: channel, in: host)
        case .publish, .settle, .barrier, .refuse, .declareVirtualHost, .deleteVirtualHost, .get, .peek, .list,
            .describe, .why, .statistics, .backUp, .workers, .setUser, .deleteUser, .setPermission, .clearPermission,
            .setTopicPermission, .clearTopicPermission, .topic,
            .group:
            break
        }
    }

    private func perform(_ request: TopicRequest, _ id: RequestID, for channel: Channel, at now: Now) {
        switch request {
        case .produce(let batches, let transactionalID):
            produce(batches, transactionalID, id, from: channel, at: now)
        case .fetch(let fetch): self.fetch(fetch, id, for: channel, at: now)
        case .locate(let places): locate(places, id, for: channel)
        case .topics(let names, let partitions): outline(names, partitionsIfNew: partitions, id, for: channel)
        case .create(let creations, let isTrial): createTopics(creations, isTrial: isTrial, id, for: channel)
        case .delete(let names): deleteTopics(names, id, for: channel, at: now)
        case .newProducer:
            respond(channel, id, .topic(.producer(.success(transactions.newProducer()))))
        case .transaction(let request): perform(request, id, for: channel, at: now)
        case .commitOffsets(let group, let identity, let positions):
            commitOffsets(group, by: identity, positions, id, for: channel, at: now)
        case .committedOffsets(let groups, let mustBeStable):
            committedOffsets(groups, mustBeStable: mustBeStable, id, for: channel)
        }
    }

    /// Whether the request has to wait until all that the channel did is durable and answered.
    private func stallForCommit(_ request: Request, _ id: RequestID, _ channel: Channel) -> Bool {
        if channel.lastBatch <= durable, channel.held.isEmpty { return false }
        // Answers that are held go first.
        let batch = max(channel.lastBatch, channel.held.last?.batch ?? durable)
        if batch == gathering { isCommitWanted = true }
        channel.stall = .commit(batch)
        channel.deferred.prepend((id, request))
        stalled.append(channel)
        return true
    }

    /// Requests that read wait until what the channel itself wrote can be read.
    private func look(_ request: Request, _ id: RequestID, for channel: Channel, at now: Now) {
        if stallForCommit(request, id, channel) { return }
        // These answers can be large: a client that does not read them gets no more of them.
        guard !channel.connection.isWindowFull else {
            channel.stall = .window
            channel.deferred.prepend((id, request))
            return
        }
        if case .statistics = request {
            return respond(channel, id, .description(statisticsRow(at: now)))
        }
        if case .backUp(let order) = request { return backUp(order, id, for: channel) }
        if case .workers(let workers) = request { return ask(workers, id, for: channel) }
        guard let host = channel.host, !host.isDeleted else {
            return refuse(channel, id, .notFound(.virtualHost, name: channel.info.host))
        }
        switch request {
        case .get(let name, let isAutoAck): get(name, isAutoAck: isAutoAck, id, for: channel, in: host, at: now)
        case .peek(let name, let partition, let priority, let from, let count):
            peek(
                name, partition: partition, priority: priority, from: from, count: count, id, for: channel, in: host)
        case .list(let listing):
            let rows = rows(listing, in: host, at: now)
            respond(channel, id, .rows(rows))
            charge(channel, rows.count * Self.rowBytes)
        case .describe(let subject):
            switch description(of: subject, in: host, at: now) {
            case .success(let description): respond(channel, id, .description(description))
            case .failure(let error): refuse(channel, id, error)
            }
        case .why(let name, let offset, let priority):
            switch why(name, offset, priority: priority, in: host, at: now) {
            case .success(let description): respond(channel, id, .description(description))
            case .failure(let error): refuse(channel, id, error)
            }
        default: preconditionFailure("\(request) does not read")
        }
    }

    func change(_ alarm: Alarm, _ reason: String?, at now: Now) {
        let before = alarms.values.first
        if let reason { alarms[alarm] = reason } else { alarms[alarm] = nil }
        if alarms.values.first != before { effects.append(.blocked(alarms.values.first)) }
        guard alarms.isEmpty else { return }
        // What waited for that goes on.
        armSchedule(at: now)
        goOnCompacting(at: now)
    }
}
