internal import ColaCore

extension MemoryStore.Contents {
    /// Does what a batch says, all of it. The same steps in the same order as the SQLite store's.
    mutating func commit(_ encoded: EncodedBatch) {
        for (change, chunks) in zip(encoded.batch.logs, encoded.chunks) { commit(change, chunks) }
        for change in encoded.batch.definitions {
            switch change {
            case .put(let definition): put(definition)
            case .remove(let definition): remove(definition)
            }
        }
        for offset in encoded.batch.groupOffsets {
            groupOffsets[.init(log: offset.log, group: offset.group)] = offset.offset
        }
        for offset in encoded.batch.groupsRemoved { groupOffsets[.init(log: offset.log, group: offset.group)] = nil }
        for message in encoded.scheduled {
            schedule.insert(message, at: schedule.partitioningIndex { $0.key > message.key })
        }
        for key in encoded.batch.unscheduled {
            let index = schedule.partitioningIndex { $0.key >= key }
            if index < schedule.count, schedule[index].key == key { schedule.remove(at: index) }
        }
        for entry in encoded.batch.seen { seen[.init(log: entry.log, id: entry.id)] = entry.expires }
        for entry in encoded.batch.forgotten {
            let key = MemoryStore.DedupKey(log: entry.log, id: entry.id)
            // Not one that has been seen again since.
            if let expires = seen[key], expires <= entry.expires { seen[key] = nil }
        }
        for transaction in encoded.batch.transactions { transactions[transaction.transactionalID] = transaction }
        for name in encoded.batch.transactionsForgotten { transactions[name] = nil }
        if let nextLog = encoded.batch.nextLog { self.nextLog = nextLog }
        if let nextSchedule = encoded.batch.nextSchedule { self.nextSchedule = nextSchedule }
    }

    private mutating func commit(_ change: LogChange, _ chunks: [EncodedChunk]) {
        var log = logs.removeValue(forKey: change.log) ?? MemoryStore.Log()
        if change.isTransient { transient.insert(change.log) }
        // Before anything is removed: the copy is made of what stands there now.
        for found in change.quarantined {
            if let chunk = log.quarantine(found) { keep(change.log, chunk.base, found.reason, chunk.data) }
        }
        log.state = change.state
        for chunk in chunks { log.insert(chunk) }
        for entry in change.rewritten { log.rewrite(entry) }
        for entry in change.settled { log.settle(entry) }
        for run in change.removed { log.remove(run) }
        for release in change.released { log.released[release.offset] = release }
        for offset in change.releasesRemoved { log.released[offset] = nil }
        for producer in change.producers { producers[change.log, default: [:]][producer.producerID] = producer }
        for id in change.producersForgotten { producers[change.log]?[id] = nil }
        aborted[change.log, default: []] += change.aborted
        if let below = change.abortedBelow { aborted[change.log]?.removeAll { $0.last < below } }
        if let range = change.trim { log.trim(range) }
        logs[change.log] = log
    }

    private mutating func put(_ definition: Definition) {
        remove(definition, keeping: definition.logs)
        switch definition {
        case .virtualHost(let host): virtualHosts[host.name] = host
        case .queue(let queue): queues[queue.key] = queue
        case .topic(let topic): topics[topic.key] = topic
        case .exchange(let exchange): exchanges[.init(host: exchange.host, name: exchange.name)] = exchange
        case .binding(let binding): bindings.insert(binding)
        case .policy(let policy): policies[.init(host: policy.host, name: policy.name)] = policy
        case .user(let user): users[user.name] = user
        case .permission(let permission):
            permissions[.init(host: permission.host, name: permission.user)] = permission
        case .topicPermission(let permission):
            topicPermissions[.init(host: permission.host, name: permission.user), default: [:]][permission.exchange] =
                permission
        }
        for log in definition.logs where logs[log] == nil { logs[log] = MemoryStore.Log() }
    }

    private mutating func remove(_ definition: Definition, keeping kept: [LogID] = []) {
        // One that was never stored may have logs that were: what there was no room for in memory.
        var ended = definition.logs
        switch definition {
        case .virtualHost(let host):
            if host.name != VirtualHostDefinition.defaultName { virtualHosts[host.name] = nil }
        case .queue(let queue): ended += queues.removeValue(forKey: queue.key)?.logs ?? []
        case .topic(let topic): ended += topics.removeValue(forKey: topic.key)?.partitions ?? []
        case .exchange(let exchange): exchanges[.init(host: exchange.host, name: exchange.name)] = nil
        case .binding(let binding): bindings.remove(binding)
        case .policy(let policy): policies[.init(host: policy.host, name: policy.name)] = nil
        case .user(let user): users[user.name] = nil
        case .permission(let permission): permissions[.init(host: permission.host, name: permission.user)] = nil
        case .topicPermission(let permission):
            topicPermissions[.init(host: permission.host, name: permission.user)]?[permission.exchange] = nil
        }
        for log in ended where !kept.contains(log) { forget(log) }
    }

    private mutating func forget(_ log: LogID) {
        guard logs.removeValue(forKey: log) != nil else { return }
        transient.remove(log)
        groupOffsets = groupOffsets.filter { $0.key.log != log }
        seen = seen.filter { $0.key.log != log }
        producers[log] = nil
        aborted[log] = nil
    }

    /// Removes what was not to outlive the process before.
    mutating func dropTransient() {
        let defined = Set(queues.values.flatMap(\.logs) + topics.values.flatMap(\.partitions))
        for log in transient.sorted() {
            guard defined.contains(log), let found = logs[log] else {
                forget(log)
                continue
            }
            logs[log] = MemoryStore.Log(state: .emptied(found.state))
        }
        transient = []
    }

    mutating func keep(_ log: LogID, _ base: Offset, _ reason: String, _ data: [UInt8]) {
        guard !quarantined.contains(where: { $0.log == log && $0.base == base }) else { return }
        quarantined.append(MemoryStore.Kept(log: log, base: base, reason: reason, data: data))
    }

    func recovery() -> Recovery {
        var recovery = Recovery(
            epoch: epoch, wasStoppedCleanly: cleanEpoch.rawValue == epoch.rawValue - 1,
            queues: queues.values.sorted { $0.log < $1.log }.map { queue in
                (queue, queue.logs.map { logs[$0]?.state ?? .empty })
            },
            topics: topics.values.sorted { $0.partitions[0] < $1.partitions[0] }.map { topic in
                (topic, topic.partitions.map { logs[$0]?.state ?? .empty })
            },
            exchanges: exchanges.sorted { $0.key < $1.key }.map(\.value),
            bindings: bindings.sorted { $0.sortKey.lexicographicallyPrecedes($1.sortKey) },
            groupOffsets: groupOffsets.filter { logs[$0.key.log] != nil }
                .map { GroupOffset(group: $0.key.group, log: $0.key.log, offset: $0.value) }
                .sorted { ($0.log, $0.group) < ($1.log, $1.group) },
            nextLog: nextLog)
        recovery.virtualHosts = virtualHosts.values.sorted { $0.name < $1.name }
        recovery.users = users.values.sorted { $0.name < $1.name }
        recovery.permissions = permissions.sorted { $0.key < $1.key }.map(\.value)
        recovery.topicPermissions = topicPermissions.sorted { $0.key < $1.key }.flatMap { element in
            element.value.values.sorted { $0.exchange < $1.exchange }
        }
        recovery.policies = policies.sorted { $0.key < $1.key }.map(\.value)
        recovery.seen = seen.map { DedupEntry(log: $0.key.log, id: $0.key.id, expires: $0.value) }.sorted {
            ($0.expires, $0.log) == ($1.expires, $1.log)
                ? $0.id.lexicographicallyPrecedes($1.id) : ($0.expires, $0.log) < ($1.expires, $1.log)
        }
        recovery.producers = producers.sorted { $0.key < $1.key }.flatMap { log, states in
            states.values.sorted { ($0.lastSeen, $0.producerID) < ($1.lastSeen, $1.producerID) }.map { (log, $0) }
        }
        recovery.aborted = aborted.sorted { $0.key < $1.key }.flatMap { log, transactions in
            transactions.sorted { $0.last < $1.last }.map { (log, $0) }
        }
        recovery.transactions = transactions.values.sorted {
            ($0.updated, $0.transactionalID) < ($1.updated, $1.transactionalID)
        }
        recovery.nextSchedule = nextSchedule
        recovery.scheduledCount = schedule.count
        return recovery
    }
}

extension QueueDefinition {
    fileprivate var key: MemoryStore.HostName { .init(host: host, name: name) }
}

extension TopicDefinition {
    fileprivate var key: MemoryStore.HostName { .init(host: host, name: name) }
}

extension BindingDefinition {
    fileprivate var sortKey: [String] { [host, source, target.rawValue, destination, routingKey, arguments.text] }
}

extension Definition {
    /// The logs that belong to it.
    var logs: [LogID] {
        switch self {
        case .queue(let queue): queue.logs
        case .topic(let topic): topic.partitions
        case .virtualHost, .exchange, .binding, .policy, .user, .permission, .topicPermission: []
        }
    }
}

extension LogState {
    /// Of a log that lost all it had; its offsets go on.
    static func emptied(_ state: LogState) -> LogState {
        LogState(
            start: state.next, next: state.next, ready: 0, bytes: 0, floor: state.next, handedOut: state.next)
    }
}
