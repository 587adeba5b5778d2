internal import DequeModule
internal import OrderedCollections

// Batches for those who read them as they are stored.
extension Broker {
    func fetch(_ fetch: Fetch, _ id: RequestID, for channel: Channel, at now: Now) {
        // Who does not take what he was sent gets no more of it.
        guard !channel.connection.isWindowFull else {
            channel.stall = .window
            channel.deferred.prepend((id, .topic(.fetch(fetch))))
            return
        }
        let wait = min(max(0, fetch.waitMilliseconds), limits.fetchMillisecondsMax)
        let fetching = Fetching(
            fetch, id, of: channel, deadline: now.monotonic.advanced(byMilliseconds: wait),
            budget: min(fetch.bytesMax, limits.fetchBytesMax))
        channel.fetches.append(fetching)
        goOn(fetching, at: now)
    }

    /// Looks at one part after the other until the store has to be asked, and answers when all are done.
    private func goOn(_ fetching: Fetching, at now: Now) {
        while fetching.next < fetching.fetch.parts.count {
            let part = fetching.part
            var found = FetchedPart(place: part.place)
            do throws(TopicRefusal) {
                let partition = try partition(at: part.place, for: .read, fetching.channel)
                let log = partition.log
                let end = fetching.fetch.isCommittedOnly ? partition.stableEnd : log.committedEnd
                found.highWatermark = log.committedEnd
                found.lastStable = partition.stableEnd
                found.start = log.start
                guard part.from >= log.start, part.from <= log.committedEnd else { throw .outOfRange }
                guard part.from < end, mayAdd(to: fetching) else {
                    fetching.add(found)
                    continue
                }
                let bytesMax = min(part.bytesMax, max(0, fetching.budget))
                guard let runs = log.tail(from: part.from, bytesMax: bytesMax) else {
                    let request = ReadRequest(
                        log: log.id, from: part.from, below: end,
                        bytesMax: min(bytesMax, limits.readBytesMax))
                    if packedReads[request] == nil { effects.append(.fetch(request)) }
                    packedReads[request, default: []].append(fetching)
                    fetching.isReading = true
                    return
                }
                for run in runs {
                    guard fetching.add(run.data, part.from..<end, to: &found, bytesMax: part.bytesMax) else { break }
                }
                findAborted(in: &found, from: part.from, of: partition, fetching)
            } catch {
                found.refusal = error
            }
            fetching.add(found)
        }
        finish(fetching, at: now)
    }

    /// Adds what a reader has to know to pass over what was aborted.
    private func findAborted(
        in found: inout FetchedPart, from: Offset, of partition: Partition, _ fetching: Fetching
    ) {
        guard fetching.fetch.isCommittedOnly, !found.batches.isEmpty else { return }
        found.aborted = partition.ledger.aborted(in: from..<found.lastStable)
    }

    /// Whether there is room for more than what was found so far.
    private func mayAdd(to fetching: Fetching) -> Bool {
        fetching.budget > 0 || fetching.found.allSatisfy(\.batches.isEmpty)
    }

    /// Answers if there is enough, or something to say at once; otherwise it waits for records.
    private func finish(_ fetching: Fetching, at now: Now) {
        let isEnough =
            fetching.byteCount >= fetching.fetch.bytesMin || fetching.found.contains { $0.refusal != nil }
            || fetching.fetch.parts.isEmpty
        guard !isEnough, fetching.deadline > now.monotonic else { return answer(fetching) }
        fetching.isWaiting = true
        timers.set(fetching.key, at: fetching.deadline)
        for part in fetching.found {
            guard case .topic(let topic)? = fetching.channel.host?.router.destinations[part.place.topic] else {
                continue
            }
            topic.partitions[part.place.partition].waiting.append(fetching)
        }
    }

    private func answer(_ fetching: Fetching) {
        forget(fetching)
        // Fetches of a client are answered whatever else waits for a commit.
        effects.append(.reply(fetching.channel.id, fetching.request, .topic(.fetched(fetching.found))))
        charge(fetching.channel, fetching.byteCount)
    }

    /// Nobody waits for it any more.
    private func forget(_ fetching: Fetching) {
        timers.cancel(fetching.key)
        fetching.isOver = true
        fetching.channel.fetches.removeAll { $0 === fetching }
        stopWaiting(fetching)
    }

    private func stopWaiting(_ fetching: Fetching) {
        guard fetching.isWaiting else { return }
        fetching.isWaiting = false
        for part in fetching.found {
            guard case .topic(let topic)? = fetching.channel.host?.router.destinations[part.place.topic],
                topic.partitions.indices.contains(part.place.partition)
            else { continue }
            topic.partitions[part.place.partition].waiting.removeAll { $0 === fetching }
        }
    }

    // MARK: What wakes it

    /// There is something new in the partition, or it is gone: those who wait for it look again.
    func wakeFetches(of partition: Partition) {
        for fetching in partition.waiting where !fetching.isDue {
            fetching.isDue = true
            dueFetches.append(fetching)
        }
        partition.waiting = []
    }

    func goOnFetching(at now: Now) {
        let due = dueFetches
        dueFetches = []
        for fetching in due {
            fetching.isDue = false
            guard fetching.isWaiting else { continue }
            stopWaiting(fetching)
            lookAgain(fetching, at: now)
        }
    }

    private func lookAgain(_ fetching: Fetching, at now: Now) {
        fetching.reset(budget: min(fetching.fetch.bytesMax, limits.fetchBytesMax))
        goOn(fetching, at: now)
    }

    func fetchTimedOut(_ id: ChannelID, _ request: RequestID) {
        guard let fetching = channels[id]?.fetches.first(where: { $0.request == request }), fetching.isWaiting else {
            return
        }
        answer(fetching)
    }

    /// The channel has ended.
    func forgetFetches(of channel: Channel) {
        for fetching in channel.fetches { forget(fetching) }
    }

    // MARK: What the store says

    func fetched(_ result: PackedRead, at now: Now) {
        let fetchings = packedReads.removeValue(forKey: result.request) ?? []
        for fetching in fetchings { fetching.isReading = false }
        guard case .partition(let partition)? = owners[result.request.log] else {
            for fetching in fetchings where !fetching.isOver { lookAgain(fetching, at: now) }
            return
        }
        for damaged in result.chunks where damaged.isDamaged && !partition.log.damaged.contains(damaged.base) {
            // Read as others read it, it is put aside and told.
            let request = ReadRequest(
                log: partition.log.id, from: damaged.base, below: damaged.last.next, bytesMax: 1)
            effects.append(.read(request))
        }
        for fetching in fetchings where !fetching.isOver {
            add(result, of: partition, to: fetching)
            goOn(fetching, at: now)
        }
    }

    private func add(_ result: PackedRead, of partition: Partition, to fetching: Fetching) {
        let part = fetching.part
        var found = FetchedPart(place: part.place)
        let end = fetching.fetch.isCommittedOnly ? partition.stableEnd : partition.log.committedEnd
        found.highWatermark = partition.log.committedEnd
        found.lastStable = partition.stableEnd
        found.start = partition.log.start
        if partition.log.start > part.from { found.refusal = .outOfRange }
        var isFull = false
        for chunk in result.chunks where found.refusal == nil && !isFull {
            isFull = !fetching.add(chunk.data, part.from..<max(part.from, end), to: &found, bytesMax: part.bytesMax)
        }
        findAborted(in: &found, from: part.from, of: partition, fetching)
        if found.refusal == nil, found.batches.isEmpty, !isFull, let last = result.chunks.last, !result.isComplete {
            // All of it was damaged.
            fetching.skip(to: last.last.next)
            return
        }
        fetching.add(found)
    }

    func fetchFailed(_ request: ReadRequest, reason: String, at now: Now) {
        for fetching in packedReads.removeValue(forKey: request) ?? [] where !fetching.isOver {
            fetching.isReading = false
            var found = FetchedPart(place: fetching.part.place)
            found.refusal = .broker(.storage(reason))
            fetching.add(found)
            goOn(fetching, at: now)
        }
    }
}
