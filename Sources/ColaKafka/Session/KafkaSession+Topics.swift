internal import ColaCore
internal import NIOCore

// What there is: the broker, topics and what is said of them. Source: Kafka protocol guide, "Metadata", "CreateTopics",
// "DeleteTopics", "DescribeConfigs", "DescribeCluster"
extension KafkaSession {
    /// Nobody asked which operations are allowed, or nobody is told.
    static let noOperations = Int32.min

    // MARK: The broker

    mutating func describe(_ request: DescribeClusterRequest, _ header: RequestHeader) {
        let address = address
        answer(
            header,
            DescribeClusterResponse(
                endpointType: 1, clusterID: configuration.clusterID, controllerID: Self.nodeID,
                brokers: [.init(brokerID: Self.nodeID, host: address.host, port: Int32(address.port))],
                clusterAuthorizedOperations: Self.noOperations))
    }

    // MARK: Topics

    mutating func describe(_ request: MetadataRequest, _ header: RequestHeader) {
        // In version 0 no name is all of them, and later none of them.
        var names = request.topics?.map { $0.name ?? "" }
        if header.version == 0, names?.isEmpty == true { names = nil }
        let mayMake = configuration.makesTopics && request.allowAutoTopicCreation
        let isEach = names?.allSatisfy { Self.isTopicName($0) } ?? true
        // Of a name that Kafka does not know nothing is made.
        ask(
            .topic(.topics(names, partitionsIfNew: mayMake && isEach ? configuration.partitions : nil)), header,
            for: .metadata(request))
    }

    func described(
        _ topics: [TopicOutline], of request: MetadataRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        let address = address
        let described = topics.map { topic -> MetadataResponse.MetadataResponseTopic in
            var described = MetadataResponse.MetadataResponseTopic(
                name: topic.name, topicAuthorizedOperations: Self.noOperations)
            if let refusal = topic.refusal {
                described.errorCode = Self.isTopicName(topic.name) ? refusal.code : .invalidTopicException
                return described
            }
            described.topicID = topic.id
            described.partitions = (0..<Int32(clamping: topic.partitions)).map {
                .init(
                    partitionIndex: $0, leaderID: Self.nodeID, leaderEpoch: 0, replicaNodes: [Self.nodeID],
                    isrNodes: [Self.nodeID])
            }
            return described
        }
        return Self.writing(
            MetadataResponse(
                brokers: [.init(nodeID: Self.nodeID, host: address.host, port: Int32(address.port))],
                clusterID: configuration.clusterID, controllerID: Self.nodeID, topics: described,
                clusterAuthorizedOperations: Self.noOperations), header)
    }

    /// Source: Kafka, `Topic.validate`
    static func isTopicName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 249 && name != "." && name != ".."
            && name.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    // MARK: Making and deleting

    mutating func createTopics(_ request: CreateTopicsRequest, _ header: RequestHeader) {
        var creations: [TopicCreation] = []
        var refused: [Int: CreateTopicsResponse.CreatableTopicResult] = [:]
        var names: [String: Int] = [:]
        for topic in request.topics { names[topic.name, default: 0] += 1 }
        for (index, topic) in request.topics.enumerated() {
            do throws(Refused) {
                guard names[topic.name] == 1 else {
                    throw Refused(.invalidRequest, "topic '\(topic.name)' is in the request more than once")
                }
                creations.append(try creation(topic))
            } catch {
                refused[index] = .init(
                    name: topic.name, errorCode: error.code, errorMessage: error.sentence, numPartitions: -1,
                    replicationFactor: -1)
            }
        }
        ask(
            .topic(.create(creations, isTrial: request.validateOnly)), header,
            for: .createTopics(request, refused: refused))
    }

    /// Why something that was asked for cannot be.
    private struct Refused: Error {
        let code: ErrorCode
        let sentence: String

        init(_ code: ErrorCode, _ sentence: String) {
            self.code = code
            self.sentence = sentence
        }
    }

    private func creation(_ topic: CreateTopicsRequest.CreatableTopic) throws(Refused) -> TopicCreation {
        guard Self.isTopicName(topic.name) else {
            throw Refused(
                .invalidTopicException,
                "'\(topic.name)' cannot be a topic: a name has 1 to 249 letters, digits, '.', '_' and '-', and is not "
                    + "'.' or '..'")
        }
        var partitions = Int(topic.numPartitions)
        if !topic.assignments.isEmpty {
            // Who says where each partition is to be can only mean this broker.
            let numbers = topic.assignments.map(\.partitionIndex).sorted()
            guard numbers == (0..<Int32(numbers.count)).map({ $0 }),
                topic.assignments.allSatisfy({ $0.brokerIDs == [Self.nodeID] })
            else {
                throw Refused(
                    .invalidReplicaAssignment, "there is one broker, \(Self.nodeID), so each partition is there alone")
            }
            partitions = numbers.count
        } else {
            if partitions == -1 { partitions = configuration.partitions }
            guard partitions > 0 else {
                throw Refused(.invalidPartitions, "a topic has at least one partition, not \(topic.numPartitions)")
            }
            guard topic.replicationFactor == 1 || topic.replicationFactor == -1 else {
                throw Refused(
                    .invalidReplicationFactor,
                    "there is one broker, so the replication factor is 1, not \(topic.replicationFactor)")
            }
        }
        var arguments = Arguments()
        for config in topic.configs {
            do throws(Argument.Refusal) {
                try TopicConfig.read(config.name, config.value, into: &arguments)
            } catch {
                throw Refused(.invalidConfig, error.sentence)
            }
        }
        return TopicCreation(name: topic.name, partitions: partitions, arguments: arguments)
    }

    func created(
        _ results: [Result<TopicOutline, TopicRefusal>], _ refused: [Int: CreateTopicsResponse.CreatableTopicResult],
        of request: CreateTopicsRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        var rest = results[...]
        let topics = request.topics.enumerated().map { index, topic in
            if let refused = refused[index] { return refused }
            var result = CreateTopicsResponse.CreatableTopicResult(
                name: topic.name, numPartitions: -1, replicationFactor: -1)
            switch rest.popFirst() {
            case .success(let outline)?:
                result.topicID = request.validateOnly ? .zero : outline.id
                result.numPartitions = Int32(clamping: outline.partitions)
                result.replicationFactor = 1
                result.configs = TopicConfig.all.map { config in
                    let value = config.value(in: outline.arguments)
                    return .init(
                        name: config.name, value: value.text, readOnly: config.argument == nil,
                        configSource: value.isOwn ? TopicConfig.Source.topic : TopicConfig.Source.standard)
                }
            case .failure(let refusal)?:
                result.errorCode = refusal.code
                result.errorMessage = refusal.sentence
            case nil: result.errorCode = .unknownServerError
            }
            return result
        }
        return Self.writing(CreateTopicsResponse(topics: topics), header)
    }

    mutating func deleteTopics(_ request: DeleteTopicsRequest, _ header: RequestHeader) {
        ask(.topic(.delete(request.names(header.version))), header, for: .deleteTopics(request))
    }

    func deleted(
        _ results: [Result<Void, TopicRefusal>], of request: DeleteTopicsRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        let responses = zip(request.names(header.version), results).map { name, result in
            var response = DeleteTopicsResponse.DeletableTopicResult(name: name)
            if case .failure(let refusal) = result {
                response.errorCode = refusal.code
                response.errorMessage = refusal.sentence
            }
            return response
        }
        return Self.writing(DeleteTopicsResponse(responses: responses), header)
    }

    // MARK: Configs

    /// Source: `ConfigResource.Type`
    private enum ResourceType {
        static let topic: Int8 = 2
        static let broker: Int8 = 4
    }

    mutating func describe(_ request: DescribeConfigsRequest, _ header: RequestHeader) {
        let names = request.resources.filter { $0.resourceType == ResourceType.topic }.map(\.resourceName)
        ask(.topic(.topics(names, partitionsIfNew: nil)), header, for: .configs(request))
    }

    func configured(
        _ topics: [TopicOutline], of request: DescribeConfigsRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        var rest = topics[...]
        let results = request.resources.map { resource in
            var result = DescribeConfigsResponse.DescribeConfigsResult(
                resourceType: resource.resourceType, resourceName: resource.resourceName)
            switch resource.resourceType {
            case ResourceType.topic:
                guard let topic = rest.popFirst(), topic.refusal == nil else {
                    result.errorCode = .unknownTopicOrPartition
                    result.errorMessage = "there is no topic '\(resource.resourceName)'"
                    return result
                }
                result.configs = configs(of: topic, for: resource, request)
            case ResourceType.broker: result.configs = brokerConfigs(for: resource)
            default:
                result.errorCode = .invalidRequest
                result.errorMessage = "there are configs of topics (2) and of the broker (4) alone"
            }
            return result
        }
        return Self.writing(DescribeConfigsResponse(results: results), header)
    }

    private func configs(
        of topic: TopicOutline, for resource: DescribeConfigsRequest.DescribeConfigsResource,
        _ request: DescribeConfigsRequest
    ) -> [DescribeConfigsResponse.DescribeConfigsResourceResult] {
        TopicConfig.all.filter { resource.configurationKeys?.contains($0.name) ?? true }.map { config in
            let value = config.value(in: topic.arguments)
            let source = value.isOwn ? TopicConfig.Source.topic : TopicConfig.Source.standard
            var described = DescribeConfigsResponse.DescribeConfigsResourceResult(
                name: config.name, value: value.text, readOnly: config.argument == nil, configSource: source,
                configType: config.kind.rawValue)
            if request.includeSynonyms {
                described.synonyms = [.init(name: config.name, value: value.text, source: source)]
            }
            return described
        }
    }

    private func brokerConfigs(
        for resource: DescribeConfigsRequest.DescribeConfigsResource
    ) -> [DescribeConfigsResponse.DescribeConfigsResourceResult] {
        let address = address
        let configs: [(name: String, value: String, kind: TopicConfig.Kind)] = [
            ("advertised.listeners", "PLAINTEXT://\(address.host):\(address.port)", .string),
            ("auto.create.topics.enable", configuration.makesTopics ? "true" : "false", .string),
            ("broker.id", "\(Self.nodeID)", .int),
            ("default.replication.factor", "1", .int),
            ("message.max.bytes", "\(configuration.batchBytesMax)", .int),
            ("num.partitions", "\(configuration.partitions)", .int),
        ]
        return configs.filter { resource.configurationKeys?.contains($0.name) ?? true }.map {
            .init(
                name: $0.name, value: $0.value, readOnly: true, configSource: TopicConfig.Source.standard,
                configType: $0.kind.rawValue)
        }
    }
}

extension DeleteTopicsRequest {
    fileprivate func names(_ version: Int16) -> [String] {
        version >= 6 ? topics.map { $0.name ?? "" } : topicNames
    }
}

extension TopicOutline {
    /// Made of the number of its first log, which no other topic ever had.
    var id: Uuid { Uuid(high: 0x636F_6C61_746F_7063, low: UInt64(bitPattern: log.rawValue)) }
}
