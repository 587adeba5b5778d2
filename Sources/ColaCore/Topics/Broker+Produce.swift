internal import OrderedCollections

// Batches of producers, which are stored as they came.
extension Broker {
    /// Appends each of the batches, or says why not. What the first ones of a request did stands whatever becomes of
    /// the others.
    func produce(
        _ batches: [ProducedBatch], _ transactionalID: String?, _ id: RequestID, from channel: Channel, at now: Now
    ) {
        channel.connection.isPublisher = true
        var results: [Result<ProducedPlace, TopicRefusal>] = []
        results.reserveCapacity(batches.count)
        for batch in batches {
            results.append(
                Result { () throws(TopicRefusal) in try produce(batch, transactionalID, from: channel, at: now) })
        }
        respond(channel, id, .topic(.produced(results)))
    }

    private func produce(
        _ batch: ProducedBatch, _ transactionalID: String?, from channel: Channel, at now: Now
    ) throws(TopicRefusal) -> ProducedPlace {
        let partition = try partition(at: batch.place, for: .write, channel)
        guard batch.data.count <= limits.batchBytesMax else {
            throw .tooLarge(bytes: batch.data.count, limit: limits.batchBytesMax)
        }
        guard gatheringBytes + batch.data.count <= limits.gatheringBytesMost else {
            throw .broker(.overloaded(waiting: gatheringBytes))
        }
        var header: RecordBatch.Header
        do throws(RecordBatch.ProducedBatchError) {
            header = try RecordBatch.validateProduced(batch.data, inflating: inflater)
        } catch {
            throw .batch(error)
        }
        if partition.isCompacted { try checkKeys(of: batch.data) }
        let log = partition.log
        let numbered = ProducerLedger.Batch(header)
        let isPart = try isPart(batch.place, of: transactionalID, numbered, in: partition)
        switch partition.ledger.check(numbered, isVerified: isPart) {
        case .accepted: break
        case .duplicate(let base, _):
            // It may be on its way to the disk, and this answer stands for it.
            didChange(channel)
            isCommitWanted = true
            return ProducedPlace(base: base, start: log.start)
        case .refused(let refusal): throw .producer(refusal)
        }
        var data = batch.data
        header.assignOffsets(base: log.next, leaderEpoch: 0, in: &data)
        let isFirst = log.messages == 0
        let run = PackedRun(
            base: header.baseOffset, last: header.lastOffset, data: data, count: Int(header.recordCount),
            minTimestamp: header.baseTimestamp, maxTimestamp: header.maxTimestamp)
        touch(partition)
        log.append(run)
        partition.ledger.append(numbered, baseOffset: run.base, timestamp: run.maxTimestamp, at: now.wall)
        if header.hasProducer { forgetProducers(of: partition, at: now) }
        gatheringBytes += data.count
        partition.dirtyBytes += data.count
        partition.topic.published += run.count
        statistics.published += run.count
        didChange(channel)
        channel.connection.lastPublish = gathering
        if isFirst || partition.isOverSize { watchRetention(of: partition, at: now) }
        return ProducedPlace(base: run.base, start: log.start)
    }

    /// Whether the partition was made part of the producer's transaction, if its first batch is to be written there.
    private func isPart(
        _ place: TopicPartition, of transactionalID: String?, _ batch: ProducerLedger.Batch, in partition: Partition
    ) throws(TopicRefusal) -> Bool {
        guard batch.isTransactional else { return false }
        guard partition.ledger.state(of: batch.producerID)?.transactionStart == nil else { return true }
        guard let transactionalID else { return false }
        let producer = ProducerIdentity(id: batch.producerID, epoch: batch.epoch)
        do throws(TransactionError) {
            return try transactions.contains(place, in: transactionalID, of: producer)
        } catch {
            // What a fenced producer is told here. Source: KIP-588
            throw error == .producerFenced ? .producer(.invalidProducerEpoch) : .transaction(error)
        }
    }

    /// A record without a key would never go.
    private func checkKeys(of data: [UInt8]) throws(TopicRefusal) {
        let segment = RecordBatch.decode(data, inflating: inflater).segment
        guard let record = segment.entries.firstIndex(where: \.key.isNull) else { return }
        let sentence = "record \(record) has no key, and the topic is compacted by keys"
        throw .batch(RecordBatch.ProducedBatchError(.invalidRecord, record: record, sentence))
    }

    /// Now and then: it looks at all of them.
    private func forgetProducers(of partition: Partition, at now: Now) {
        guard partition.forgotProducers.later(byMilliseconds: limits.producersLookMilliseconds) <= now.wall else {
            return
        }
        partition.forgotProducers = now.wall
        partition.ledger.expire(at: now.wall)
    }

    /// The partition, if it is there and the channel may do that with it.
    func partition(
        at place: TopicPartition, for operation: Need.Operation, _ channel: Channel
    ) throws(TopicRefusal) -> Partition {
        guard let host = channel.host, !host.isDeleted else {
            throw .broker(.notFound(.virtualHost, name: channel.info.host))
        }
        if let error = accessError(.permission(operation, .queue(place.topic)), channel) { throw .broker(error) }
        guard case .topic(let topic)? = host.router.destinations[place.topic],
            topic.partitions.indices.contains(place.partition)
        else { throw .broker(.notFound(.topic, name: place.topic)) }
        return topic.partitions[place.partition]
    }
}

extension ProducerLedger.Batch {
    /// What the header of a batch says of its producer.
    init(_ header: RecordBatch.Header) {
        self.init(
            producerID: header.producerID, epoch: header.producerEpoch, baseSequence: header.baseSequence,
            recordCount: Int(header.recordCount), isTransactional: header.attributes.contains(.transactional),
            isControl: header.attributes.contains(.control))
    }
}
