internal import ColaCore
internal import NIOCore

// Records in and out. Source: Kafka protocol guide, "Produce", "Fetch", "ListOffsets", "OffsetForLeaderEpoch"
extension KafkaSession {
    // MARK: Produce

    mutating func produce(_ request: ProduceRequest, _ header: RequestHeader) {
        guard request.acks >= -1, request.acks <= 1 else {
            let responses = request.topicData.map { topic in
                ProduceResponse.TopicProduceResponse(
                    name: topic.name,
                    partitionResponses: topic.partitionData.map {
                        .init(index: $0.index, errorCode: .invalidRequiredAcks, baseOffset: -1)
                    })
            }
            return answer(header, ProduceResponse(responses: responses))
        }
        var batches: [ProducedBatch] = []
        // What was sent is the broker's now; to answer only the names are needed.
        var places = request
        for (index, topic) in request.topicData.enumerated() {
            for (number, partition) in topic.partitionData.enumerated() {
                places.topicData[index].partitionData[number].records = nil
                let place = TopicPartition(topic: topic.name, partition: Int(partition.index))
                batches.append(ProducedBatch(place: place, data: partition.records?.bytes ?? []))
            }
        }
        ask(
            .topic(.produce(batches, transactionalID: request.transactionalID)), header, for: .produce(places))
    }

    mutating func produced(
        _ results: [Result<ProducedPlace, TopicRefusal>], of request: ProduceRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        guard request.acks != 0 else {
            // The client hears of nothing but the end of its connection.
            if results.contains(where: { if case .failure = $0 { true } else { false } }) { end() }
            return { _ in }
        }
        var rest = results[...]
        let responses = request.topicData.map { topic in
            ProduceResponse.TopicProduceResponse(
                name: topic.name,
                partitionResponses: topic.partitionData.map { partition in
                    var response = ProduceResponse.PartitionProduceResponse(index: partition.index, baseOffset: -1)
                    switch rest.popFirst() {
                    case .success(let place)?:
                        response.baseOffset = place.base.rawValue
                        response.logStartOffset = place.start.rawValue
                    case .failure(let refusal)?:
                        response.errorCode = refusal.code
                        response.errorMessage = refusal.sentence
                    case nil: response.errorCode = .unknownServerError
                    }
                    return response
                })
        }
        return Self.writing(ProduceResponse(responses: responses), header)
    }

    // MARK: Fetch

    mutating func fetch(_ request: FetchRequest, _ header: RequestHeader) {
        // Sessions are declined: each request says all that it wants. Source: KIP-227
        guard request.sessionID == 0 else {
            return answer(header, FetchResponse(errorCode: .fetchSessionIDNotFound))
        }
        var parts: [Fetch.Part] = []
        for topic in request.topics {
            for partition in topic.partitions {
                parts.append(
                    Fetch.Part(
                        place: TopicPartition(topic: topic.topic, partition: Int(partition.partition)),
                        from: Offset(partition.fetchOffset), bytesMax: max(0, Int(partition.partitionMaxBytes))))
            }
        }
        let fetch = Fetch(
            parts: parts, bytesMin: Int(request.minBytes), bytesMax: max(0, Int(request.maxBytes)),
            waitMilliseconds: Int64(request.maxWaitMs), isCommittedOnly: request.isolationLevel == 1)
        isFetching = true
        ask(.topic(.fetch(fetch)), header, for: .fetch(request))
    }

    func fetched(
        _ parts: [FetchedPart], of request: FetchRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        var rest = parts[...]
        let responses = request.topics.map { topic in
            FetchResponse.FetchableTopicResponse(
                topic: topic.topic,
                partitions: topic.partitions.map { partition in
                    guard let part = rest.popFirst() else {
                        return .init(partitionIndex: partition.partition, errorCode: .unknownServerError)
                    }
                    var data = FetchResponse.PartitionData(
                        partitionIndex: partition.partition, highWatermark: part.highWatermark.rawValue,
                        lastStableOffset: part.lastStable.rawValue, logStartOffset: part.start.rawValue,
                        abortedTransactions: request.isolationLevel == 1
                            ? part.aborted.map { .init(producerID: $0.producerID, firstOffset: $0.first.rawValue) }
                            : nil,
                        records: WireRecords(pieces: part.batches))
                    if let refusal = part.refusal {
                        data.errorCode = refusal.code
                        data.highWatermark = -1
                        data.lastStableOffset = -1
                        data.logStartOffset = -1
                    }
                    return data
                })
        }
        return Self.writing(FetchResponse(responses: responses), header)
    }

    // MARK: Offsets

    /// Places that have no time. Source: KIP-79, KIP-734
    private enum Marker {
        static let latest: Int64 = -1
        static let earliest: Int64 = -2
        static let latestTime: Int64 = -3
    }

    mutating func listOffsets(_ request: ListOffsetsRequest, _ header: RequestHeader) {
        var places: [LogPlace] = []
        for topic in request.topics {
            for partition in topic.partitions {
                let target: LogPlace.Target =
                    switch partition.timestamp {
                    case Marker.latest: request.isolationLevel == 1 ? .stableEnd : .end
                    case Marker.earliest: .start
                    case Marker.latestTime: .youngest
                    default: .time(Timestamp(partition.timestamp))
                    }
                places.append(
                    LogPlace(
                        place: TopicPartition(topic: topic.name, partition: Int(partition.partitionIndex)),
                        target: target))
            }
        }
        ask(.topic(.locate(places)), header, for: .listOffsets(request))
    }

    func located(
        _ results: [Result<LocatedRecord, TopicRefusal>], of request: ListOffsetsRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        var rest = results[...]
        let topics = request.topics.map { topic in
            ListOffsetsResponse.ListOffsetsTopicResponse(
                name: topic.name,
                partitions: topic.partitions.map { partition in
                    var response = ListOffsetsResponse.ListOffsetsPartitionResponse(
                        partitionIndex: partition.partitionIndex, timestamp: -1, offset: -1, leaderEpoch: -1)
                    switch rest.popFirst() {
                    case .success(let record)?:
                        response.offset = record.offset?.rawValue ?? -1
                        response.timestamp = record.timestamp?.rawValue ?? -1
                        response.leaderEpoch = record.offset == nil ? -1 : 0
                    case .failure(let refusal)?: response.errorCode = refusal.code
                    case nil: response.errorCode = .unknownServerError
                    }
                    return response
                })
        }
        return Self.writing(ListOffsetsResponse(topics: topics), header)
    }

    /// There is one leader, and it never changes: all there is is of its only epoch.
    mutating func lookUpEpochs(_ request: OffsetForLeaderEpochRequest, _ header: RequestHeader) {
        var places: [LogPlace] = []
        for topic in request.topics {
            for partition in topic.partitions {
                places.append(
                    LogPlace(
                        place: TopicPartition(topic: topic.topic, partition: Int(partition.partition)), target: .end))
            }
        }
        ask(.topic(.locate(places)), header, for: .leaderEpoch(request))
    }

    func epochs(
        _ results: [Result<LocatedRecord, TopicRefusal>], of request: OffsetForLeaderEpochRequest,
        _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        var rest = results[...]
        let topics = request.topics.map { topic in
            OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult(
                topic: topic.topic,
                partitions: topic.partitions.map { partition in
                    var response = OffsetForLeaderEpochResponse.EpochEndOffset(
                        partition: partition.partition, leaderEpoch: -1, endOffset: -1)
                    switch rest.popFirst() {
                    case .success(let record)? where partition.leaderEpoch == 0:
                        response.leaderEpoch = 0
                        response.endOffset = record.offset?.rawValue ?? -1
                    case .success?: break
                    case .failure(let refusal)?: response.errorCode = refusal.code
                    case nil: response.errorCode = .unknownServerError
                    }
                    return response
                })
        }
        return Self.writing(OffsetForLeaderEpochResponse(topics: topics), header)
    }

}

extension WireRecords {
    /// All of it, in one piece.
    var bytes: [UInt8] {
        if pieces.count == 1, let piece = pieces.first { return Array(piece) }
        return pieces.flatMap { $0 }
    }
}
