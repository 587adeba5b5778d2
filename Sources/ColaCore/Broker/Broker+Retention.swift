internal import DequeModule
internal import OrderedCollections

// Old records of topics go: whole chunks, from the oldest on, by moving the log's start.
extension Broker {
    /// Lets go of what retention says, as far as it is known, and sets the timer for what is next.
    func watchRetention(of partition: Partition, at now: Now) {
        let arguments = partition.topic.arguments
        let key = TimerKey.retention(partition.log.id)
        guard arguments.cleanup != .compact, arguments.retentionMilliseconds != nil || arguments.retentionBytes != nil
        else {
            partition.outline = []
            timers.cancel(key)
            return
        }
        // While its chunks are rewritten nothing that is known of them holds.
        guard partition.compactor == nil else {
            timers.cancel(key)
            return
        }
        guard canSweep else {
            timers.set(key, at: now.monotonic.advanced(byMilliseconds: 1_000))
            return
        }
        while let oldest = partition.outline.first {
            let isOld = arguments.retentionMilliseconds.map {
                oldest.maxTimestamp.later(byMilliseconds: $0) <= now.wall
            }
            let isTooMuch = arguments.retentionBytes.map { partition.log.bytes - oldest.bytes >= $0 }
            guard isOld == true || isTooMuch == true else { break }
            drop(oldest, of: partition, at: now)
        }
        if partition.outline.isEmpty, !partition.isAsking, partition.log.start < partition.log.committedEnd {
            partition.isAsking = true
            effects.append(
                .ask(.outline(partition.log.id, from: partition.log.start, countMax: limits.outlineMax)))
        }
        guard let age = arguments.retentionMilliseconds, let oldest = partition.outline.first else {
            timers.cancel(key)
            return
        }
        arm(key, for: oldest.maxTimestamp.later(byMilliseconds: age), at: now)
    }

    private func drop(_ chunk: ChunkOutline, of partition: Partition, at now: Now) {
        partition.outline.removeFirst()
        let log = partition.log
        guard chunk.last >= log.start else { return }
        let first = min(log.start, chunk.base)
        log.start = chunk.last.next
        log.messages = max(0, log.messages - chunk.count)
        log.bytes = log.messages == 0 ? 0 : max(0, log.bytes - chunk.bytes)
        partition.topic.trimmed += chunk.count
        partition.trim = min(partition.trim?.lowerBound ?? first, first)..<log.start
        while let oldest = log.window.first, oldest.isCommitted, oldest.last < log.start {
            evict(oldest.base, from: log)
        }
        touch(partition)
        commitSoon(at: now)
    }

    func outlined(_ log: LogID, _ chunks: [ChunkOutline], at now: Now) {
        guard case .partition(let partition) = owners[log] else { return }
        partition.isAsking = false
        if partition.isOutlineStale {
            partition.isOutlineStale = false
            return watchRetention(of: partition, at: now)
        }
        guard partition.outline.isEmpty, partition.compactor == nil else { return }
        partition.outline = Deque(chunks.filter { $0.last >= partition.log.start })
        // The store has none, though the offsets say that there may be: it is asked again when there is one.
        guard !partition.outline.isEmpty else {
            timers.cancel(.retention(log))
            return
        }
        watchRetention(of: partition, at: now)
    }

    // MARK: Answers of the store

    func answered(_ query: Query, _ result: QueryResult, at now: Now) {
        switch (query, result) {
        case (.outline(let log, _, _), .outline(let chunks, _)): outlined(log, chunks, at: now)
        case (.time(let log, let time), .outline(let chunks, _)): timeFound(log, time, chunks.first?.base)
        case (.record, .record(let record)), (.youngest, .record(let record)): found(record, for: query)
        case (.schedule, .schedule(let messages, let isComplete)):
            scheduleLoaded(messages, isComplete: isComplete, at: now)
        default: preconditionFailure("the answer to \(query) is of another kind")
        }
    }

    func queryFailed(_ query: Query, reason: String, at now: Now) {
        switch query {
        case .outline(let log, _, _):
            guard case .partition(let partition) = owners[log] else { return }
            partition.isAsking = false
            partition.isOutlineStale = false
            timers.set(.retention(log), at: now.monotonic.advanced(byMilliseconds: 1_000))
        case .time(let log, let time):
            guard case .partition(let partition) = owners[log] else { return }
            for reader in partition.topic.readers
            where reader.positions.contains(where: { $0.partition === partition && $0.seeking == time }) {
                end(reader, because: .storage(reason), at: now)
            }
        case .record, .youngest: searchFailed(query, reason: reason)
        case .schedule:
            schedule.loaded([], isComplete: false)
            timers.set(.schedule, at: now.monotonic.advanced(byMilliseconds: 1_000))
        }
    }
}

extension Partition {
    var isOverSize: Bool { topic.arguments.retentionBytes.map { log.bytes > $0 } ?? false }
}
