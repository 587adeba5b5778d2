internal import ColaCore
internal import NIOCore

// Which request is done where.
extension KafkaSession {
    /// What clients are told of. All that ``ApiKey`` can read and is not here is refused as if nobody knew it.
    static let served: [ApiKey] = [
        .produce, .fetch, .listOffsets, .metadata, .offsetCommit, .offsetFetch, .findCoordinator, .joinGroup,
        .heartbeat, .leaveGroup, .syncGroup, .describeGroups, .listGroups, .saslHandshake, .apiVersions,
        .createTopics, .deleteTopics, .initProducerID, .offsetForLeaderEpoch, .describeConfigs, .saslAuthenticate,
        .deleteGroups, .describeCluster, .addPartitionsToTxn, .addOffsetsToTxn, .endTxn, .txnOffsetCommit,
    ]

    mutating func take(_ header: RequestHeader, _ key: ApiKey, _ reader: inout KafkaReader) throws(Malformed) {
        switch key {
        case .produce: produce(try body(&reader, header), header)
        case .fetch: fetch(try body(&reader, header), header)
        case .listOffsets: listOffsets(try body(&reader, header), header)
        case .offsetForLeaderEpoch: lookUpEpochs(try body(&reader, header), header)
        case .metadata: describe(try body(&reader, header) as MetadataRequest, header)
        case .describeCluster: describe(try body(&reader, header) as DescribeClusterRequest, header)
        case .createTopics: createTopics(try body(&reader, header), header)
        case .deleteTopics: deleteTopics(try body(&reader, header), header)
        case .describeConfigs: describe(try body(&reader, header) as DescribeConfigsRequest, header)
        case .initProducerID: nameProducer(try body(&reader, header), header)
        case .addPartitionsToTxn: add(try body(&reader, header) as AddPartitionsToTxnRequest, header)
        case .addOffsetsToTxn: add(try body(&reader, header) as AddOffsetsToTxnRequest, header)
        case .endTxn: endTransaction(try body(&reader, header), header)
        case .txnOffsetCommit: commit(try body(&reader, header) as TxnOffsetCommitRequest, header)
        case .findCoordinator: findCoordinator(try body(&reader, header), header)
        case .joinGroup: join(try body(&reader, header), header)
        case .syncGroup: sync(try body(&reader, header), header)
        case .heartbeat: heartbeat(try body(&reader, header), header)
        case .leaveGroup: leave(try body(&reader, header), header)
        case .offsetCommit: commit(try body(&reader, header) as OffsetCommitRequest, header)
        case .offsetFetch: offsets(try body(&reader, header), header)
        case .describeGroups: describe(try body(&reader, header) as DescribeGroupsRequest, header)
        case .listGroups: list(try body(&reader, header), header)
        case .deleteGroups: delete(try body(&reader, header), header)
        case .apiVersions: answerVersions(try body(&reader, header), header)
        case .saslHandshake: beginLogin(try body(&reader, header), header)
        case .saslAuthenticate: logIn(try body(&reader, header), header)
        default: end()
        }
    }

    /// What the request asks. As Kafka's broker does, what is left behind it is passed over: librdkafka leaves some
    /// bytes there when it asks for all topics.
    private func body<Message: KafkaRequest>(
        _ reader: inout KafkaReader, _ header: RequestHeader
    ) throws(Malformed) -> Message {
        try Message(from: &reader, version: header.version)
    }

    /// What the broker's answer is to the client.
    mutating func response(to request: PendingRequest, _ reply: Reply) -> (inout ByteBuffer) -> Void {
        let header = request.header
        switch (request.wanted, reply) {
        case (.produce(let produce), .topic(.produced(let results))): return produced(results, of: produce, header)
        case (.fetch(let fetch), .topic(.fetched(let parts))): return fetched(parts, of: fetch, header)
        case (.listOffsets(let list), .topic(.located(let results))): return located(results, of: list, header)
        case (.leaderEpoch(let request), .topic(.located(let results))): return epochs(results, of: request, header)
        case (.metadata(let metadata), .topic(.topics(let topics))): return described(topics, of: metadata, header)
        case (.createTopics(let create, let refused), .topic(.created(let results))):
            return created(results, refused, of: create, header)
        case (.deleteTopics(let delete), .topic(.deleted(let results))): return deleted(results, of: delete, header)
        case (.configs(let configs), .topic(.topics(let topics))): return configured(topics, of: configs, header)
        case (.producer, .topic(.producer(let result))): return named(result, header)
        case (.addPartitions(let request), .topic(.added(let results))): return added(results, to: request, header)
        case (.addOffsets, .topic(.added(let results))): return addedGroup(results, header)
        case (.endTransaction, .topic(.ended(let result))): return ended(result, header)
        case (.commitInTransaction(let request), .topic(.committed(let results))):
            return committed(results, of: request, header)
        case (.join(let join), .group(.join(let answer))): return joined(answer, of: join, header)
        case (.sync, .group(.sync(let answer))): return synced(answer, header)
        case (.heartbeat, .group(.heartbeat(let error))):
            return Self.writing(HeartbeatResponse(errorCode: error?.code ?? .noError), header)
        case (.leave(let leave), .group(.left(let result))): return left(result, of: leave, header)
        case (.commit(let commit), .topic(.committed(let results))): return committed(results, of: commit, header)
        case (.offsets(let offsets), .topic(.offsets(let positions))): return found(positions, of: offsets, header)
        case (.describeGroups(let describe), .group(.described(let groups))):
            return described(groups, of: describe, header)
        case (.listGroups(let list), .group(.listed(let groups))): return listed(groups, of: list, header)
        case (.deleteGroups(let delete), .group(.deleted(let results))): return deleted(results, of: delete, header)
        default:
            // The broker refused the request as a whole: its virtual host has gone.
            end()
            return { _ in }
        }
    }
}

extension ApiKey {
    /// Whether it may be asked for by somebody who has not said who he is.
    var isBeforeLogin: Bool { self == .apiVersions || self == .saslHandshake || self == .saslAuthenticate }
}
