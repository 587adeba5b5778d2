internal import ColaCore
internal import NIOCore

// Groups, and where they stand. Source: Kafka protocol guide; KIP-62, KIP-345, KIP-394, KIP-709
extension KafkaSession {
    // MARK: Coordinator

    /// It is always here.
    mutating func findCoordinator(_ request: FindCoordinatorRequest, _ header: RequestHeader) {
        let address = address
        // 0: of groups; 1: of transactions; 2: of share groups.
        let problem: String? =
            (0...1).contains(request.keyType)
            ? nil : "this server coordinates groups and transactions, not what has type \(request.keyType)"
        let error: ErrorCode = problem == nil ? .noError : .invalidRequest
        guard header.version >= 4 else {
            return answer(
                header,
                FindCoordinatorResponse(
                    errorCode: error, errorMessage: problem, nodeID: problem == nil ? Self.nodeID : -1,
                    host: problem == nil ? address.host : "", port: problem == nil ? Int32(address.port) : -1))
        }
        let coordinators = request.coordinatorKeys.map { key in
            FindCoordinatorResponse.Coordinator(
                key: key, nodeID: problem == nil ? Self.nodeID : -1, host: problem == nil ? address.host : "",
                port: problem == nil ? Int32(address.port) : -1, errorCode: error, errorMessage: problem)
        }
        answer(header, FindCoordinatorResponse(coordinators: coordinators))
    }

    // MARK: Members

    mutating func join(_ request: JoinGroupRequest, _ header: RequestHeader) {
        guard !request.groupID.isEmpty else {
            return answer(
                header,
                JoinGroupResponse(errorCode: .invalidGroupID, generationID: -1, memberID: request.memberID))
        }
        let join = GroupCoordinator.Join(
            memberID: request.memberID, newMemberID: "", instanceID: request.groupInstanceID,
            protocolType: request.protocolType,
            protocols: request.protocols.map { GroupProtocol(name: $0.name, metadata: $0.metadata) },
            sessionTimeout: Int64(request.sessionTimeoutMs),
            rebalanceTimeout: Int64(header.version >= 1 ? request.rebalanceTimeoutMs : request.sessionTimeoutMs),
            clientID: header.clientID ?? "", clientHost: peer.host, requiresKnownMember: header.version >= 4,
            supportsSkippingAssignment: header.version >= 9)
        ask(.group(.join(group: request.groupID, join)), header, for: .join(request))
    }

    func joined(
        _ answer: GroupCoordinator.JoinAnswer, of request: JoinGroupRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        switch answer {
        case .joined(let joined):
            return Self.writing(
                JoinGroupResponse(
                    generationID: joined.generation, protocolType: joined.protocolType,
                    protocolName: joined.protocolName, leader: joined.leader, skipAssignment: joined.skipsAssignment,
                    memberID: joined.memberID,
                    members: joined.members.map {
                        .init(memberID: $0.id, groupInstanceID: $0.instanceID, metadata: $0.metadata)
                    }), header)
        case .refused(let error, let memberID):
            // Before version 7 there must be a name, though there is no protocol.
            return Self.writing(
                JoinGroupResponse(
                    errorCode: error.code, generationID: -1, protocolName: header.version >= 7 ? nil : "", leader: "",
                    memberID: memberID), header)
        }
    }

    mutating func sync(_ request: SyncGroupRequest, _ header: RequestHeader) {
        let sync = GroupCoordinator.Sync(
            GroupCoordinator.Identity(
                memberID: request.memberID, instanceID: request.groupInstanceID, generation: request.generationID),
            protocolType: request.protocolType, protocolName: request.protocolName,
            assignments: request.assignments.map { .init(memberID: $0.memberID, bytes: $0.assignment) })
        ask(.group(.sync(group: request.groupID, sync)), header, for: .sync)
    }

    func synced(_ answer: GroupCoordinator.SyncAnswer, _ header: RequestHeader) -> (inout ByteBuffer) -> Void {
        switch answer {
        case .synced(let synced):
            Self.writing(
                SyncGroupResponse(
                    protocolType: synced.protocolType, protocolName: synced.protocolName,
                    assignment: synced.assignment), header)
        case .refused(let error): Self.writing(SyncGroupResponse(errorCode: error.code), header)
        }
    }

    mutating func heartbeat(_ request: HeartbeatRequest, _ header: RequestHeader) {
        let identity = GroupCoordinator.Identity(
            memberID: request.memberID, instanceID: request.groupInstanceID, generation: request.generationID)
        ask(.group(.heartbeat(group: request.groupID, identity)), header, for: .heartbeat)
    }

    mutating func leave(_ request: LeaveGroupRequest, _ header: RequestHeader) {
        let leaving =
            header.version >= 3
            ? request.members.map {
                GroupCoordinator.Leaving(memberID: $0.memberID, instanceID: $0.groupInstanceID)
            } : [GroupCoordinator.Leaving(memberID: request.memberID)]
        ask(.group(.leave(group: request.groupID, leaving)), header, for: .leave(request))
    }

    func left(
        _ result: Result<[GroupCoordinator.Left], GroupError>, of request: LeaveGroupRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        switch result {
        case .failure(let error): return Self.writing(LeaveGroupResponse(errorCode: error.code), header)
        case .success(let left):
            guard header.version >= 3 else {
                return Self.writing(LeaveGroupResponse(errorCode: left.first?.error?.code ?? .noError), header)
            }
            let members = left.map {
                LeaveGroupResponse.MemberResponse(
                    memberID: $0.member.memberID, groupInstanceID: $0.member.instanceID,
                    errorCode: $0.error?.code ?? .noError)
            }
            return Self.writing(LeaveGroupResponse(members: members), header)
        }
    }

    // MARK: Offsets

    mutating func commit(_ request: OffsetCommitRequest, _ header: RequestHeader) {
        let identity = GroupCoordinator.Identity(
            memberID: request.memberID, instanceID: request.groupInstanceID,
            generation: request.generationIDOrMemberEpoch)
        let positions = request.topics.flatMap { topic in
            topic.partitions.map {
                GroupPosition(
                    place: TopicPartition(topic: topic.name, partition: Int($0.partitionIndex)),
                    next: Offset($0.committedOffset), leaderEpoch: $0.committedLeaderEpoch,
                    metadata: $0.committedMetadata ?? "")
            }
        }
        ask(.topic(.commitOffsets(group: request.groupID, identity, positions)), header, for: .commit(request))
    }

    func committed(
        _ results: [Result<Void, TopicRefusal>], of request: OffsetCommitRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        var rest = results[...]
        let topics = request.topics.map { topic in
            OffsetCommitResponse.OffsetCommitResponseTopic(
                name: topic.name,
                partitions: topic.partitions.map { partition in
                    var code = ErrorCode.noError
                    if case .failure(let refusal)? = rest.popFirst() {
                        if case .tooLarge = refusal { code = .offsetMetadataTooLarge } else { code = refusal.code }
                    }
                    return .init(partitionIndex: partition.partitionIndex, errorCode: code)
                })
        }
        return Self.writing(OffsetCommitResponse(topics: topics), header)
    }

    mutating func offsets(_ request: OffsetFetchRequest, _ header: RequestHeader) {
        let groups =
            header.version >= 8
            ? request.groups.map { group in
                GroupPlaces(group: group.groupID, places: group.topics.map(Self.places))
            }
            : [
                GroupPlaces(
                    group: request.groupID,
                    places: request.topics.map { topics in
                        topics.flatMap { topic in
                            topic.partitionIndexes.map { TopicPartition(topic: topic.name, partition: Int($0)) }
                        }
                    })
            ]
        ask(
            .topic(.committedOffsets(groups, mustBeStable: request.requireStable)), header, for: .offsets(request))
    }

    private static func places(_ topics: [OffsetFetchRequest.OffsetFetchRequestTopics]) -> [TopicPartition] {
        topics.flatMap { topic in
            topic.partitionIndexes.map { TopicPartition(topic: topic.name, partition: Int($0)) }
        }
    }

    func found(
        _ positions: [[GroupPosition]], of request: OffsetFetchRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        guard header.version >= 8 else {
            let topics = Self.byTopic(positions.first ?? []).map { topic, positions in
                OffsetFetchResponse.OffsetFetchResponseTopic(
                    name: topic,
                    partitions: positions.map {
                        .init(
                            partitionIndex: Int32(clamping: $0.place.partition),
                            committedOffset: $0.next?.rawValue ?? -1, committedLeaderEpoch: $0.leaderEpoch,
                            metadata: $0.metadata, errorCode: $0.isUndecided ? .unstableOffsetCommit : .noError)
                    })
            }
            return Self.writing(OffsetFetchResponse(topics: topics), header)
        }
        let groups = zip(request.groups, positions).map { group, positions in
            OffsetFetchResponse.OffsetFetchResponseGroup(
                groupID: group.groupID,
                topics: Self.byTopic(positions).map { topic, positions in
                    .init(
                        name: topic,
                        partitions: positions.map {
                            .init(
                                partitionIndex: Int32(clamping: $0.place.partition),
                                committedOffset: $0.next?.rawValue ?? -1, committedLeaderEpoch: $0.leaderEpoch,
                                metadata: $0.metadata, errorCode: $0.isUndecided ? .unstableOffsetCommit : .noError)
                        })
                })
        }
        return Self.writing(OffsetFetchResponse(groups: groups), header)
    }

    /// Neighbours of one topic together.
    private static func byTopic(_ positions: [GroupPosition]) -> [(String, [GroupPosition])] {
        var topics: [(String, [GroupPosition])] = []
        for position in positions {
            if topics.last?.0 == position.place.topic {
                topics[topics.count - 1].1.append(position)
            } else {
                topics.append((position.place.topic, [position]))
            }
        }
        return topics
    }

    // MARK: Looking

    mutating func describe(_ request: DescribeGroupsRequest, _ header: RequestHeader) {
        ask(.group(.describe(request.groups)), header, for: .describeGroups(request))
    }

    func described(
        _ groups: [GroupCoordinator.Description?], of request: DescribeGroupsRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        let described = zip(request.groups, groups).map { name, group in
            guard let group else {
                return DescribeGroupsResponse.DescribedGroup(groupID: name, groupState: "Dead")
            }
            return DescribeGroupsResponse.DescribedGroup(
                groupID: name, groupState: group.state.rawValue, protocolType: group.protocolType,
                protocolData: group.protocolName,
                members: group.members.map {
                    .init(
                        memberID: $0.id, groupInstanceID: $0.instanceID, clientID: $0.clientID,
                        clientHost: "/\($0.clientHost)", memberMetadata: $0.metadata, memberAssignment: $0.assignment)
                })
        }
        return Self.writing(DescribeGroupsResponse(groups: described), header)
    }

    mutating func list(_ request: ListGroupsRequest, _ header: RequestHeader) {
        ask(.group(.list), header, for: .listGroups(request))
    }

    func listed(
        _ groups: [ListedGroup], of request: ListGroupsRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        let states = Set(request.statesFilter.map { $0.lowercased() })
        let types = Set(request.typesFilter.map { $0.lowercased() })
        let isClassicWanted = types.isEmpty || types.contains("classic")
        let wanted = groups.filter {
            isClassicWanted && (states.isEmpty || states.contains($0.state.rawValue.lowercased()))
        }
        let listed = wanted.map {
            ListGroupsResponse.ListedGroup(
                groupID: $0.name, protocolType: $0.protocolType, groupState: $0.state.rawValue, groupType: "classic")
        }
        return Self.writing(ListGroupsResponse(groups: listed), header)
    }

    mutating func delete(_ request: DeleteGroupsRequest, _ header: RequestHeader) {
        ask(.group(.delete(request.groupsNames)), header, for: .deleteGroups(request))
    }

    func deleted(
        _ results: [GroupError?], of request: DeleteGroupsRequest, _ header: RequestHeader
    ) -> (inout ByteBuffer) -> Void {
        let deleted = zip(request.groupsNames, results).map {
            DeleteGroupsResponse.DeletableGroupResult(groupID: $0, errorCode: $1?.code ?? .noError)
        }
        return Self.writing(DeleteGroupsResponse(results: deleted), header)
    }
}
