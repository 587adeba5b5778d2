internal import ColaCore
internal import NIOCore

// Producers that number their batches, and their transactions. Source: Kafka protocol guide; KIP-98, KIP-360, KIP-447
extension KafkaSession {
    // MARK: Producers

    /// An id for an idempotent producer, or for the one of a transactional id.
    mutating func nameProducer(_ request: InitProducerIdRequest, _ header: RequestHeader) {
        guard let transactionalID = request.transactionalID else {
            return ask(.topic(.newProducer), header, for: .producer)
        }
        let isFirst = request.producerID == -1 && request.producerEpoch == -1
        let expected = isFirst ? nil : ProducerIdentity(id: request.producerID, epoch: request.producerEpoch)
        let begin = TransactionRequest.begin(
            id: transactionalID, timeoutMilliseconds: Int64(request.transactionTimeoutMs), expected: expected)
        ask(.topic(.transaction(begin)), header, for: .producer)
    }

    func named(
        _ result: Result<ProducerIdentity, TransactionError>, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        switch result {
        case .success(let producer):
            Self.writing(InitProducerIdResponse(producerID: producer.id, producerEpoch: producer.epoch), header)
        case .failure(let error):
            Self.writing(
                InitProducerIdResponse(
                    errorCode: Self.code(of: error, header, fencedFrom: 4), producerID: -1, producerEpoch: -1), header)
        }
    }

    /// Before a version of its own, one that is fenced hears that its epoch is invalid. Source: KIP-588
    private static func code(of error: TransactionError, _ header: RequestHeader, fencedFrom version: Int16)
        -> ErrorCode
    {
        error == .producerFenced && header.version < version ? .invalidProducerEpoch : error.code
    }

    private static func code(of refusal: TopicRefusal, _ header: RequestHeader, fencedFrom version: Int16) -> ErrorCode
    {
        if case .transaction(let error) = refusal { return code(of: error, header, fencedFrom: version) }
        return refusal.code
    }

    // MARK: What a transaction is made of

    mutating func add(_ request: AddPartitionsToTxnRequest, _ header: RequestHeader) {
        let places = request.v3AndBelowTopics.flatMap { topic in
            topic.partitions.map { TopicPartition(topic: topic.name, partition: Int($0)) }
        }
        let producer = ProducerIdentity(
            id: request.v3AndBelowProducerID, epoch: request.v3AndBelowProducerEpoch)
        let add = TransactionRequest.addPartitions(places, id: request.v3AndBelowTransactionalID, producer)
        ask(.topic(.transaction(add)), header, for: .addPartitions(request))
    }

    func added(
        _ results: [Result<Void, TopicRefusal>], to request: AddPartitionsToTxnRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        var rest = results[...]
        let topics = request.v3AndBelowTopics.map { topic in
            AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult(
                name: topic.name,
                resultsByPartition: topic.partitions.map { partition in
                    .init(partitionIndex: partition, partitionErrorCode: Self.code(of: rest.popFirst(), header))
                })
        }
        return Self.writing(AddPartitionsToTxnResponse(resultsByTopicV3AndBelow: topics), header)
    }

    private static func code(of result: Result<Void, TopicRefusal>?, _ header: RequestHeader) -> ErrorCode {
        switch result {
        case .success?: .noError
        case .failure(let refusal)?: code(of: refusal, header, fencedFrom: 2)
        case nil: .unknownServerError
        }
    }

    mutating func add(_ request: AddOffsetsToTxnRequest, _ header: RequestHeader) {
        let producer = ProducerIdentity(id: request.producerID, epoch: request.producerEpoch)
        let add = TransactionRequest.addGroup(request.groupID, id: request.transactionalID, producer)
        ask(.topic(.transaction(add)), header, for: .addOffsets)
    }

    func addedGroup(
        _ results: [Result<Void, TopicRefusal>], _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        Self.writing(AddOffsetsToTxnResponse(errorCode: Self.code(of: results.first, header)), header)
    }

    mutating func commit(_ request: TxnOffsetCommitRequest, _ header: RequestHeader) {
        let identity = GroupCoordinator.Identity(
            memberID: request.memberID, instanceID: request.groupInstanceID, generation: request.generationID)
        let positions = request.topics.flatMap { topic in
            topic.partitions.map {
                GroupPosition(
                    place: TopicPartition(topic: topic.name, partition: Int($0.partitionIndex)),
                    next: Offset($0.committedOffset), leaderEpoch: $0.committedLeaderEpoch,
                    metadata: $0.committedMetadata ?? "")
            }
        }
        let commit = TransactionRequest.commitOffsets(
            group: request.groupID, identity, positions, id: request.transactionalID,
            ProducerIdentity(id: request.producerID, epoch: request.producerEpoch))
        ask(.topic(.transaction(commit)), header, for: .commitInTransaction(request))
    }

    func committed(
        _ results: [Result<Void, TopicRefusal>], of request: TxnOffsetCommitRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        var rest = results[...]
        let topics = request.topics.map { topic in
            TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic(
                name: topic.name,
                partitions: topic.partitions.map { partition in
                    var code = ErrorCode.noError
                    if case .failure(let refusal)? = rest.popFirst() {
                        if case .tooLarge = refusal { code = .offsetMetadataTooLarge } else { code = refusal.code }
                    }
                    return .init(partitionIndex: partition.partitionIndex, errorCode: code)
                })
        }
        return Self.writing(TxnOffsetCommitResponse(topics: topics), header)
    }

    // MARK: The end

    mutating func endTransaction(_ request: EndTxnRequest, _ header: RequestHeader) {
        let producer = ProducerIdentity(id: request.producerID, epoch: request.producerEpoch)
        let end = TransactionRequest.end(id: request.transactionalID, producer, isCommit: request.committed)
        ask(.topic(.transaction(end)), header, for: .endTransaction)
    }

    func ended(_ result: Result<Void, TransactionError>, _ header: RequestHeader) -> (inout ByteBuffer) -> Void {
        switch result {
        case .success: Self.writing(EndTxnResponse(errorCode: .noError), header)
        case .failure(let error):
            Self.writing(EndTxnResponse(errorCode: Self.code(of: error, header, fencedFrom: 2)), header)
        }
    }
}
