internal import OrderedCollections

// What a start finds.
extension Broker {
    func recover(_ recovery: Recovery) {
        let name = VirtualHostDefinition.defaultName
        hosts[name] = VirtualHost(name: name)
        for definition in recovery.virtualHosts { hosts[definition.name] = VirtualHost(definition) }
        recoverUsers(recovery)
        for definition in recovery.policies {
            // A pattern that was accepted once is accepted again; one of a later version is passed over.
            try? hosts[definition.host]?.set(definition)
        }
        for (definition, states) in recovery.queues {
            let host = recoveredHost(definition.host)
            let queue = Queue(definition: definition, host: host, isDurable: true)
            for (index, state) in zip(definition.logs.indices, states) {
                let handedOut = recovery.wasStoppedCleanly ? state.handedOut : state.next
                let priority = index == 0 ? 0 : definition.higher[index - 1].priority
                addLane(priority, definition.logs[index], state, recoveredBelow: handedOut, to: queue)
            }
            add(queue)
        }
        for (definition, states) in recovery.topics {
            let logs = zip(definition.partitions, states).map { Log(id: $0, name: definition.name, state: $1) }
            add(Topic(definition: definition, host: recoveredHost(definition.host), logs: logs))
        }
        for definition in recovery.exchanges { recoveredHost(definition.host).router.add(definition) }
        for host in hosts.values where !host.policies.isEmpty {
            for exchange in host.router.exchanges.values { refreshArguments(of: exchange, in: host) }
        }
        for binding in recovery.bindings { _ = recoveredHost(binding.host).router.add(binding) }
        for offset in recovery.groupOffsets {
            guard case .partition(let partition) = owners[offset.log] else { continue }
            partition.topic.groups[offset.group, default: ConsumerGroup()].offsets[partition.number] = offset.offset
        }
        var producers: OrderedDictionary<LogID, [ProducerState]> = [:]
        for (log, state) in recovery.producers { producers[log, default: []].append(state) }
        var aborted: OrderedDictionary<LogID, [AbortedTransaction]> = [:]
        for (log, transaction) in recovery.aborted { aborted[log, default: []].append(transaction) }
        for (log, states) in producers {
            guard case .partition(let partition) = owners[log] else { continue }
            partition.ledger = ProducerLedger(
                restoring: states, aborted: aborted[log] ?? [], start: partition.log.start)
        }
        for (log, transactions) in aborted where producers[log] == nil {
            guard case .partition(let partition) = owners[log] else { continue }
            partition.ledger = ProducerLedger(restoring: [], aborted: transactions, start: partition.log.start)
        }
        recoveredTransactions = recovery.transactions
        for entry in recovery.seen {
            remember(entry.id[...], at: Timestamp(.min), until: entry.expires, by: entry.log)
        }
    }

    /// Definitions of a host that is not defined itself are not lost.
    private func recoveredHost(_ name: String) -> VirtualHost {
        if let host = hosts[name] { return host }
        let host = VirtualHost(name: name)
        hosts[name] = host
        return host
    }

    /// The first command has come: time begins.
    func begin(at now: Now) {
        began = now.monotonic
        for owner in owners.values.sorted(by: { $0.log.id < $1.log.id }) {
            switch owner {
            case .lane(let lane):
                if let expiry = lane.nextExpiry { arm(.expiry(lane.log.id), for: expiry, at: now) }
                if lane === lane.queue.base {
                    used(lane.queue, at: now)
                    if lane.queue.isOverLimit { dispatchLater(lane.queue) }
                }
            case .partition(let partition): watchRetention(of: partition, at: now)
            }
            armDeduplication(of: owner.log.id, at: now)
        }
        armSchedule(at: now)
        beginTransactions(at: now)
    }

    // MARK: Adding

    @discardableResult
    func addLane(
        _ priority: UInt8, _ id: LogID, _ state: LogState, recoveredBelow: Offset, to queue: Queue
    ) -> Lane {
        let log = Log(id: id, name: queue.name, isDurable: queue.isDurable, state: state)
        let cursor = SharedCursor(floor: state.floor, recoveredBelow: recoveredBelow)
        let lane = Lane(priority: priority, log: log, cursor: cursor, state: state, of: queue)
        queue.add(lane)
        owners[id] = .lane(lane)
        return lane
    }

    /// The queue, with its first lane, is there from now on.
    func add(_ queue: Queue) {
        queue.host.router.add(.queue(queue), named: queue.name)
        destinationCount += 1
        refreshArguments(of: queue)
    }

    func add(_ topic: Topic) {
        for partition in topic.partitions { owners[partition.log.id] = .partition(partition) }
        topic.host.router.add(.topic(topic), named: topic.name)
        destinationCount += 1
        refreshArguments(of: topic)
    }

    /// Its own arguments, and what the policy that counts for it adds.
    func refreshArguments(of queue: Queue) {
        let own = queue.definition.arguments
        let policy = queue.host.policy(for: queue.name, .queue(own.queueType ?? .classic))
        queue.arguments = own.merged(with: policy?.arguments.filter(\.isOfQueues) ?? Arguments()).completed()
        queue.policy = policy?.name
        queue.consumersChanged()
        if queue.arguments.deduplicationWindow == nil, let seen = queue.seen, seen.window.isEmpty { queue.seen = nil }
    }

    func refreshArguments(of topic: Topic) {
        let policy = topic.host.policy(for: topic.name, .topic)
        var arguments = policy?.arguments ?? Arguments()
        if arguments.retentionBytes == nil, let most = arguments.maxLengthBytes {
            arguments.retentionBytes = max(1, most)
        }
        topic.arguments = topic.definition.arguments.merged(with: arguments.filter(\.isOfTopics))
        topic.policy = policy?.name
    }

    func refreshArguments(of exchange: Exchange, in host: VirtualHost) {
        let policy = host.policy(for: exchange.definition.name, .exchange)
        exchange.policy = policy?.name
        host.router.setAlternate(policy?.arguments.alternateExchange, byPolicyOf: exchange)
    }
}
