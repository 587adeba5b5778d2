internal import DequeModule
internal import OrderedCollections

// What topics there are, and where groups stand in them.
extension Broker {
    func outline(_ names: [String]?, partitionsIfNew: Int?, _ id: RequestID, for channel: Channel) {
        guard let host = channel.host, !host.isDeleted else {
            return refuse(channel, id, .notFound(.virtualHost, name: channel.info.host))
        }
        // These answers can be large, too.
        guard !channel.connection.isWindowFull else {
            channel.stall = .window
            channel.deferred.prepend((id, .topic(.topics(names, partitionsIfNew: partitionsIfNew))))
            return
        }
        // A topic that the channel itself has declared is there when that is durable.
        relyOnDefinitions(channel)
        if let names {
            let outlines = names.map { name in
                if let partitionsIfNew, host.router.destination(named: name) == nil {
                    let creation = TopicCreation(name: name, partitions: partitionsIfNew)
                    do throws(TopicRefusal) {
                        return try create(creation, isTrial: false, in: host, for: channel)
                    } catch {
                        guard case .broker(let error) = error else { return outline(name, in: host, for: channel) }
                        return TopicOutline(name: name, refusal: error)
                    }
                }
                return outline(name, in: host, for: channel)
            }
            return answer(outlines, id, for: channel)
        }
        var outlines: [TopicOutline] = []
        for destination in host.router.destinations.values {
            guard case .topic(let topic) = destination, mayKnow(topic.name, channel) else { continue }
            outlines.append(topic.outline)
        }
        outlines.sort { $0.name < $1.name }
        answer(outlines, id, for: channel)
    }

    private func answer(_ outlines: [TopicOutline], _ id: RequestID, for channel: Channel) {
        respond(channel, id, .topic(.topics(outlines)))
        charge(channel, outlines.reduce(0) { $0 + Self.outlineBytes + $1.partitions * Self.partitionBytes })
    }

    /// About what a client of Kafka is told of a topic, and of each of its partitions.
    private static let outlineBytes = 64
    private static let partitionBytes = 32

    private func outline(_ name: String, in host: VirtualHost, for channel: Channel) -> TopicOutline {
        guard mayKnow(name, channel) else {
            let error = accessError(.permission(.read, .queue(name)), channel)
            return TopicOutline(name: name, refusal: error ?? .notFound(.topic, name: name))
        }
        switch host.router.destinations[name] {
        case .topic(let topic)?: return topic.outline
        case .queue?:
            let sentence =
                "'\(name)' is a queue, whose messages go as they are done; only topics can be read by offsets"
            return TopicOutline(name: name, refusal: .mismatch(sentence))
        case .partition?, nil:
            return TopicOutline(name: name, refusal: nameError(name) ?? .notFound(.topic, name: name))
        }
    }

    // MARK: Making and deleting

    func createTopics(_ creations: [TopicCreation], isTrial: Bool, _ id: RequestID, for channel: Channel) {
        guard let host = channel.host, !host.isDeleted else {
            return refuse(channel, id, .notFound(.virtualHost, name: channel.info.host))
        }
        let results = creations.map { creation in
            Result { () throws(TopicRefusal) in try create(creation, isTrial: isTrial, in: host, for: channel) }
        }
        respond(channel, id, .topic(.created(results)))
    }

    private func create(
        _ creation: TopicCreation, isTrial: Bool, in host: VirtualHost, for channel: Channel
    ) throws(TopicRefusal) -> TopicOutline {
        if let error = accessError(.permission(.configure, .queue(creation.name)), channel) { throw .broker(error) }
        switch host.router.destination(named: creation.name) {
        case .topic: throw .exists("there is a topic '\(creation.name)' already")
        case .queue: throw .exists("'\(creation.name)' is a queue; choose another name")
        case .partition(let partition): throw .exists("\(partition.sentence); choose another name")
        case nil: break
        }
        if let error = errorOfNewName(creation.name, in: host)
            ?? errorOfNewTopic(creation.name, partitions: creation.partitions, creation.arguments, in: host)
        {
            throw .broker(error)
        }
        guard !isTrial else {
            return TopicOutline(
                name: creation.name, partitions: creation.partitions, arguments: creation.arguments)
        }
        let topic = makeTopic(
            creation.name, partitions: creation.partitions, creation.arguments, in: host)
        didChange(channel)
        return topic.outline
    }

    func deleteTopics(_ names: [String], _ id: RequestID, for channel: Channel, at now: Now) {
        guard let host = channel.host, !host.isDeleted else {
            return refuse(channel, id, .notFound(.virtualHost, name: channel.info.host))
        }
        let results = names.map { name in
            Result { () throws(TopicRefusal) in
                if let error = accessError(.permission(.configure, .queue(name)), channel) { throw .broker(error) }
                guard case .topic(let topic)? = host.router.destinations[name] else {
                    throw .broker(.notFound(.topic, name: name))
                }
                delete(topic, at: now)
                didChange(channel)
            }
        }
        respond(channel, id, .topic(.deleted(results)))
    }

    /// Whether the channel's user may do anything with it.
    private func mayKnow(_ name: String, _ channel: Channel) -> Bool {
        Need.Operation.allCases.contains { accessError(.permission($0, .queue(name)), channel) == nil }
    }

    // MARK: Groups

    func commitOffsets(
        _ group: String, by identity: GroupCoordinator.Identity, _ positions: [GroupPosition], _ id: RequestID,
        for channel: Channel, at now: Now
    ) {
        guard let host = channel.host, !host.isDeleted else {
            return refuse(channel, id, .notFound(.virtualHost, name: channel.info.host))
        }
        do throws(GroupError) {
            try checkCommit(identity, of: group, in: host, at: now)
        } catch {
            return respond(channel, id, .topic(.committed(positions.map { _ in .failure(.group(error)) })))
        }
        let results = positions.map { position in
            Result { () throws(TopicRefusal) in try commit(position, of: group, for: channel) }
        }
        respond(channel, id, .topic(.committed(results)))
    }

    private func commit(_ position: GroupPosition, of name: String, for channel: Channel) throws(TopicRefusal) {
        let (partition, offset) = try check(position, of: name, for: channel)
        put(offset, of: name, in: partition)
        didChange(channel)
    }

    /// Whether the group may say that it stands there.
    func check(
        _ position: GroupPosition, of name: String, for channel: Channel
    ) throws(TopicRefusal) -> (Partition, CommittedOffset) {
        let partition = try partition(at: position.place, for: .read, channel)
        if let error = nameError(name) { throw .broker(error) }
        guard position.metadata.utf8.count <= limits.offsetMetadataMax else {
            throw .tooLarge(bytes: position.metadata.utf8.count, limit: limits.offsetMetadataMax)
        }
        guard let next = position.next, next >= Offset(0) else { throw .outOfRange }
        let topic = partition.topic
        guard topic.groups[name] != nil || topic.groups.count < limits.groupsMax else {
            throw .broker(.limit(what: "groups of a topic", limit: limits.groupsMax, setting: ""))
        }
        return (
            partition,
            CommittedOffset(next: next, leaderEpoch: position.leaderEpoch, metadata: position.metadata)
        )
    }

    /// The group reads on there.
    func put(_ offset: CommittedOffset, of group: String, in partition: Partition) {
        let log = partition.log.id
        partition.topic.groups[group, default: ConsumerGroup()].offsets[partition.number] = offset
        // A group that was deleted and comes again in one batch stays.
        changes.groupsRemoved.removeAll { $0.log == log && $0.group == group }
        changes.groupOffsets.append(GroupOffset(group: group, log: log, offset: offset))
        gatheringBytes += 64 + group.utf8.count + offset.metadata.utf8.count
    }

    func committedOffsets(_ groups: [GroupPlaces], mustBeStable: Bool, _ id: RequestID, for channel: Channel) {
        guard let host = channel.host, !host.isDeleted else {
            return refuse(channel, id, .notFound(.virtualHost, name: channel.info.host))
        }
        // What is told must not be forgotten.
        relyOnOffsets(of: channel)
        let positions = groups.map { wanted in
            var found =
                wanted.places.map { offsets(of: wanted.group, at: $0, for: channel) }
                ?? offsets(of: wanted.group, in: host, for: channel)
            let undecided = mustBeStable ? transactions.undecided(of: wanted.group) : []
            for index in found.indices where undecided.contains(found[index].place) { found[index].isUndecided = true }
            return found
        }
        respond(channel, id, .topic(.offsets(positions)))
    }

    private func offsets(of group: String, at places: [TopicPartition], for channel: Channel) -> [GroupPosition] {
        places.map { place in
            do throws(TopicRefusal) {
                let partition = try partition(at: place, for: .read, channel)
                return GroupPosition(place: place, partition.topic.groups[group]?.offsets[place.partition])
            } catch {
                // Of what is not there nothing was committed.
                return GroupPosition(place: place, nil)
            }
        }
    }

    private func offsets(of group: String, in host: VirtualHost, for channel: Channel) -> [GroupPosition] {
        var positions: [GroupPosition] = []
        for topic in host.topics {
            guard let offsets = topic.groups[group]?.offsets,
                accessError(.permission(.read, .queue(topic.name)), channel) == nil
            else { continue }
            for (number, offset) in offsets {
                positions.append(
                    GroupPosition(place: TopicPartition(topic: topic.name, partition: number), offset))
            }
        }
        return positions.sorted { $0.place < $1.place }
    }

    /// An offset that somebody else has committed may not be on the disk yet, and this answer stands for it.
    private func relyOnOffsets(of channel: Channel) {
        if !changes.groupOffsets.isEmpty {
            channel.lastBatch = gathering
        } else if let flight = flights.last {
            channel.lastBatch = max(channel.lastBatch, flight.number)
        }
    }
}

extension Topic {
    var outline: TopicOutline {
        TopicOutline(name: name, partitions: partitions.count, log: definition.partitions[0], arguments: arguments)
    }
}

extension GroupPosition {
    init(place: TopicPartition, _ offset: CommittedOffset?) {
        self.init(
            place: place, next: offset?.next, leaderEpoch: offset?.leaderEpoch ?? -1, metadata: offset?.metadata ?? "")
    }
}
