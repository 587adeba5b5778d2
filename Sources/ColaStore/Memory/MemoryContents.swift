internal import ColaCore

extension MemoryStore.Contents {
    /// Does what a batch says, all of it. The same steps in the same order as the SQLite store's.
    mutating func commit(_ encoded: EncodedBatch) {
        for (change, chunk) in zip(encoded.batch.logs, encoded.chunks) { commit(change, chunk) }
        for change in encoded.batch.definitions {
            switch change {
            case .put(let definition): put(definition)
            case .remove(let definition): remove(definition)
            }
        }
        for offset in encoded.batch.groupOffsets {
            groupOffsets.removeAll { $0.group == offset.group && $0.log == offset.log }
            groupOffsets.append(offset)
        }
        if let nextLog = encoded.batch.nextLog { self.nextLog = nextLog }
    }

    private mutating func commit(_ change: LogChange, _ chunk: EncodedChunk?) {
        var log = logs.removeValue(forKey: change.log) ?? MemoryStore.Log()
        for found in change.quarantined {
            if let index = log.index(of: found.base),
                !quarantined.contains(where: { $0.log == change.log && $0.base == found.base })
            {
                quarantined.append(
                    MemoryStore.Kept(
                        log: change.log, base: found.base, reason: found.reason, data: log.chunks[index].data))
                log.chunks[index].count = found.readable
            }
        }
        if let chunk { log.chunks.insert(chunk, at: log.chunks.partitioningIndex { $0.base > chunk.base }) }
        for entry in change.settled { log.settled[entry.base] = entry.settled.isEmpty ? nil : entry.settled }
        for run in change.removed {
            if let index = log.index(of: run.lowerBound) { log.chunks.remove(at: index) }
            log.settled[run.lowerBound] = nil
        }
        for release in change.released { log.released[release.offset] = release.deliveries }
        for offset in change.releasesRemoved { log.released[offset] = nil }
        log.state = change.state
        if let range = change.trim { log.trim(range) }
        logs[change.log] = log
    }

    private mutating func put(_ definition: Definition) {
        remove(definition, keeping: definition.logs)
        switch definition {
        case .queue(let queue): queues[queue.name] = queue
        case .topic(let topic): topics[topic.name] = topic
        case .exchange(let exchange): exchanges.append(exchange)
        case .binding(let binding): bindings.append(binding)
        case .virtualHost, .policy: break
        }
        for log in definition.logs where logs[log] == nil { logs[log] = MemoryStore.Log() }
    }

    private mutating func remove(_ definition: Definition, keeping kept: [LogID] = []) {
        var ended: [LogID] = []
        switch definition {
        case .queue(let queue):
            ended = queues.removeValue(forKey: queue.name).map { [$0.log] } ?? []
        case .topic(let topic):
            ended = topics.removeValue(forKey: topic.name)?.partitions ?? []
        case .exchange(let exchange): exchanges.removeAll { $0.name == exchange.name }
        case .binding(let binding): bindings.removeAll { $0 == binding }
        case .virtualHost, .policy: break
        }
        for log in ended where !kept.contains(log) {
            logs[log] = nil
            groupOffsets.removeAll { $0.log == log }
        }
    }

    func recovery() -> Recovery {
        Recovery(
            epoch: epoch, wasStoppedCleanly: cleanEpoch.rawValue == epoch.rawValue - 1,
            queues: queues.values.sorted { $0.log < $1.log }.map { ($0, [logs[$0.log]?.state ?? .empty]) },
            topics: topics.values.sorted { $0.partitions[0] < $1.partitions[0] }.map { topic in
                (topic, topic.partitions.map { logs[$0]?.state ?? .empty })
            },
            exchanges: exchanges.sorted { $0.name < $1.name },
            bindings: bindings.sorted {
                ($0.source, $0.destination, $0.routingKey) < ($1.source, $1.destination, $1.routingKey)
            },
            groupOffsets: groupOffsets.filter { logs[$0.log] != nil }.sorted {
                ($0.log, $0.group) < ($1.log, $1.group)
            }, nextLog: nextLog)
    }

    func read(_ request: ReadRequest) -> ReadResult {
        guard let log = logs[request.log] else { return ReadResult(request: request, chunks: [], isComplete: true) }
        let from = max(request.from, log.state.start, log.state.floor)
        var result = ReadResult(request: request, chunks: [], isComplete: true)
        var bytes = 0
        for chunk in log.chunks[log.chunks.partitioningIndex { $0.last >= from }...] {
            if chunk.base >= request.below { break }
            if !result.chunks.isEmpty, bytes >= request.bytesMax {
                result.isComplete = false
                break
            }
            bytes += chunk.data.count
            let released = log.released.filter { $0.key >= chunk.base && $0.key <= chunk.last }
            result.chunks.append(
                StoredChunk(
                    base: chunk.base, last: chunk.last, count: chunk.count, data: chunk.data,
                    settled: log.settled[chunk.base] ?? SettledSet(),
                    released: released.map { Release(offset: $0.key, deliveries: $0.value) }.sorted {
                        $0.offset < $1.offset
                    }))
        }
        return result
    }
}

extension MemoryStore.Log {
    mutating func trim(_ range: Range<Offset>) {
        for chunk in chunks where range.contains(chunk.base) { settled[chunk.base] = nil }
        chunks.removeAll { range.contains($0.base) }
        released = released.filter { !range.contains($0.key) }
    }
}

extension Definition {
    /// The logs that belong to it.
    var logs: [LogID] {
        switch self {
        case .queue(let queue): [queue.log]
        case .topic(let topic): topic.partitions
        case .virtualHost, .exchange, .binding, .policy: []
        }
    }
}
