internal import OrderedCollections

// Transactions of Kafka's producers: what their coordinator decides is done here, in one batch with the decision, so
// that after a crash all of it is there or nothing is.
extension Broker {
    /// Time begins: what an earlier life has left goes on.
    func beginTransactions(at now: Now) {
        transactions = TransactionCoordinator(
            // Unlike those of all other lives of the broker.
            nextProducerID: epoch.rawValue << 32 | 1, restoring: recoveredTransactions, at: now)
        recoveredTransactions = []
        changeTransactions(at: now) { _ in }
        forgetTransactionalIDs(at: now)
    }

    func perform(_ request: TransactionRequest, _ id: RequestID, for channel: Channel, at now: Now) {
        guard let host = channel.host, !host.isDeleted else {
            return refuse(channel, id, .notFound(.virtualHost, name: channel.info.host))
        }
        let reply: TopicReply =
            switch request {
            case .begin(let name, let timeout, let expected):
                .producer(begin(name, timeout: timeout, expected, at: now))
            case .addPartitions(let places, let name, let producer):
                .added(add(places, to: name, of: producer, for: channel, at: now))
            case .addGroup(let group, let name, let producer):
                .added([add(group: group, to: name, of: producer, at: now)])
            case .end(let name, let producer, let isCommit):
                .ended(
                    changingTransactions(at: now) { coordinator throws(TransactionError) in
                        try coordinator.end(name, of: producer, isCommit: isCommit, at: now)
                    })
            case .commitOffsets(let group, let identity, let positions, let name, let producer):
                .committed(
                    commit(positions, of: group, by: identity, in: name, producer, host, for: channel, at: now))
            }
        didChange(channel)
        respond(channel, id, .topic(reply))
    }

    // MARK: Requests

    private func begin(
        _ name: String, timeout: Int64, _ expected: ProducerIdentity?, at now: Now
    ) -> Result<ProducerIdentity, TransactionError> {
        func attempt() -> Result<ProducerIdentity, TransactionError> {
            changingTransactions(at: now) { coordinator throws(TransactionError) in
                try coordinator.initialize(name, timeout: timeout, expected: expected, at: now)
            }
        }
        let result = attempt()
        // What another producer had begun is aborted by now.
        if case .failure(.concurrentTransactions) = result { return attempt() }
        return result
    }

    private func add(
        _ places: [TopicPartition], to name: String, of producer: ProducerIdentity, for channel: Channel, at now: Now
    ) -> [Result<Void, TopicRefusal>] {
        var results = places.map { place in
            Result { () throws(TopicRefusal) in _ = try partition(at: place, for: .write, channel) }
        }
        // All of them or none.
        guard results.allSatisfy({ if case .success = $0 { true } else { false } }) else {
            for index in results.indices {
                if case .success = results[index] { results[index] = .failure(.notAttempted) }
            }
            return results
        }
        let result = changingTransactions(at: now) { coordinator throws(TransactionError) in
            try coordinator.add(places, to: name, of: producer, at: now)
        }
        return places.map { _ in result.mapError { .transaction($0) } }
    }

    private func add(
        group: String, to name: String, of producer: ProducerIdentity, at now: Now
    ) -> Result<Void, TopicRefusal> {
        if let error = nameError(group) { return .failure(.broker(error)) }
        return changingTransactions(at: now) { coordinator throws(TransactionError) in
            try coordinator.add(group: group, to: name, of: producer, at: now)
        }.mapError { .transaction($0) }
    }

    private func commit(
        _ positions: [GroupPosition], of group: String, by identity: GroupCoordinator.Identity, in name: String,
        _ producer: ProducerIdentity, _ host: VirtualHost, for channel: Channel, at now: Now
    ) -> [Result<Void, TopicRefusal>] {
        do throws(GroupError) {
            // A producer that is no member of the group says so.
            if identity.generation >= 0 || !identity.memberID.isEmpty {
                try checkCommit(identity, of: group, in: host, at: now)
            }
        } catch {
            return positions.map { _ in .failure(.group(error)) }
        }
        var offsets: [TransactionOffset] = []
        let results = positions.map { position in
            Result { () throws(TopicRefusal) in
                let (_, offset) = try check(position, of: group, for: channel)
                offsets.append(TransactionOffset(group: group, place: position.place, offset: offset))
            }
        }
        let result = changingTransactions(at: now) { coordinator throws(TransactionError) in
            try coordinator.add(offsets, of: group, to: name, of: producer, at: now)
        }
        if case .failure(let error) = result { return positions.map { _ in .failure(.transaction(error)) } }
        return results
    }

    // MARK: Decisions

    private func changingTransactions<Value>(
        at now: Now, _ body: (inout TransactionCoordinator) throws(TransactionError) -> Value
    ) -> Result<Value, TransactionError> {
        var result: Result<Value, TransactionError>?
        changeTransactions(at: now) { coordinator in
            result = Result { () throws(TransactionError) in try body(&coordinator) }
        }
        return result ?? .failure(.concurrentTransactions)
    }

    /// Does something to the coordinator, and what follows from it.
    func changeTransactions(at now: Now, _ body: (inout TransactionCoordinator) -> Void) {
        transactions.tick(at: now)
        body(&transactions)
        let endings = transactions.takeEndings()
        for ending in endings { write(ending, at: now) }
        let changed = transactions.takeChanges()
        for transaction in changed.transactions {
            // One that was forgotten and comes again in one batch stays.
            changes.transactionsForgotten.removeAll { $0 == transaction.transactionalID }
            changes.transactions.removeAll { $0.transactionalID == transaction.transactionalID }
        }
        changes.transactions.removeAll { changed.forgotten.contains($0.transactionalID) }
        changes.transactions += changed.transactions
        changes.transactionsForgotten += changed.forgotten
        for transaction in changed.transactions {
            gatheringBytes +=
                256 + 64 * (transaction.partitions.count + transaction.groups.count + transaction.offsets.count)
        }
        if !changed.isEmpty {
            commitSoon(at: now)
            watchTransactionalIDs(at: now)
        }
        if let deadline = transactions.nextDeadline {
            timers.set(.transactions, at: deadline)
        } else {
            timers.cancel(.transactions)
        }
    }

    /// Markers into all partitions, and the offsets of groups where they count.
    private func write(_ ending: TransactionEnding, at now: Now) {
        for place in ending.partitions { writeMarker(of: ending, at: place, at: now) }
        if ending.isCommit {
            for offset in ending.offsets {
                guard let partition = partition(at: offset.place) else { continue }
                put(offset.offset, of: offset.group, in: partition)
            }
        }
        transactions.complete(ending.transactionalID, at: now)
    }

    private func writeMarker(of ending: TransactionEnding, at place: TopicPartition, at now: Now) {
        // Its topic may be gone, and a newer producer of the same id may have been there.
        guard let partition = partition(at: place) else { return }
        let marker = RecordBatch.marker(
            of: ending.producer, isCommit: ending.isCommit, at: partition.log.next, time: now.wall)
        do throws(ProducerLedger.Refusal) {
            try partition.ledger.endTransaction(
                of: ending.producer.id, epoch: ending.producer.epoch, isCommit: ending.isCommit, marker: marker.base,
                at: now.wall)
        } catch {
            return
        }
        touch(partition)
        partition.log.append(marker)
        gatheringBytes += marker.data.count
    }

    /// Clients of Kafka are in the default virtual host.
    private func partition(at place: TopicPartition) -> Partition? {
        guard let host = hosts[VirtualHostDefinition.defaultName],
            case .topic(let topic)? = host.router.destinations[place.topic],
            topic.partitions.indices.contains(place.partition)
        else { return nil }
        return topic.partitions[place.partition]
    }

    // MARK: What is not used any more

    func forgetTransactionalIDs(at now: Now) {
        changeTransactions(at: now) { $0.expire(at: now) }
        watchTransactionalIDs(at: now)
    }

    /// Once an hour they are looked through, if there are any.
    private func watchTransactionalIDs(at now: Now) {
        guard !transactions.isEmpty, timers.deadline(of: .transactionalIDs) == nil else { return }
        timers.set(.transactionalIDs, at: now.monotonic.advanced(byMilliseconds: 3_600_000))
    }
}
