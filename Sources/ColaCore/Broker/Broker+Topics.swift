internal import DequeModule
internal import OrderedCollections

// From topics to readers, and where groups of them stand.
extension Broker {
    func begin(_ consume: Consume, of topic: Topic, _ id: RequestID, for channel: Channel) {
        if channel.info.isStrict {
            if let error = streamError(consume, of: topic, for: channel) { return refuse(channel, id, error) }
        } else if consume.priority != 0 || consume.isExclusive {
            return refuse(
                channel, id, .mismatch("'\(topic.name)' is a topic: all of its readers get everything, in no order"))
        }
        let reader = Consumer(consume, source: .topic(topic), channel: channel)
        if let strategy = consume.strategy {
            guard let group = consume.group, consume.partitions == nil else {
                return refuse(
                    channel, id, .badArgument("join needs a group, and no partitions: the broker assigns them"))
            }
            guard checkGroup(group, of: topic, id, for: channel) else { return }
            join(reader, group, strategy, of: topic, id, for: channel)
            return
        }
        // Named twice it is read once.
        let numbers = consume.partitions.map { Array(OrderedSet($0)) } ?? Array(topic.partitions.indices)
        for number in numbers {
            guard topic.partitions.indices.contains(number) else {
                return refuse(channel, id, .mismatch(topic.partitionSentence(number)))
            }
            // Clients of RabbitMQ may wait for a record that is still to come.
            if case .offset(let offset) = reader.start, !channel.info.isStrict,
                committed(reader.group, topic, number) == nil,
                offset > topic.partitions[number].log.next
            {
                let next = topic.partitions[number].log.next
                return refuse(channel, id, .offsetOutOfRange(topic: topic.name, offset: offset, next: next))
            }
        }
        channel.consumers.append(reader)
        topic.readers.append(reader)
        for number in numbers { addPosition(topic.partitions[number], to: reader) }
        respond(channel, id, channel.info.isStrict ? .consuming(from: .stream) : .done)
        pendingReaders.append(reader)
    }

    /// A reader of one partition alone, by its name.
    func begin(_ consume: Consume, of partition: Partition, _ id: RequestID, for channel: Channel) {
        guard consume.partitions == nil, consume.strategy == nil else {
            return refuse(
                channel, id,
                .mismatch("\(partition.sentence) and has none of its own; consume '\(partition.topic.name)'"))
        }
        var consume = consume
        consume.partitions = [partition.number]
        begin(consume, of: partition.topic, id, for: channel)
    }

    private func committed(_ group: String?, _ topic: Topic, _ partition: Int) -> Offset? {
        group.flatMap { topic.groups[$0]?.offsets[partition]?.next }
    }

    /// The reader reads the partition from now on: where its group has committed, or where it said.
    @discardableResult
    private func addPosition(_ partition: Partition, to reader: Consumer) -> Offset {
        var position = Consumer.Position(partition, next: partition.log.start)
        if let next = committed(reader.group, partition.topic, partition.number) {
            position.cursor = OffsetCursor(next: max(next, partition.log.start))
        } else {
            move(&position, to: reader.start, mayWait: reader.channel?.info.isStrict == true)
        }
        reader.positions.append(position)
        return position.cursor.next
    }

    /// - Parameter mayWait: beyond the end it waits for that record, as a reader of a stream does at RabbitMQ.
    private func move(_ position: inout Consumer.Position, to place: Consume.Position, mayWait: Bool = false) {
        let log = position.partition.log
        position.reading = nil
        position.seeking = nil
        position.youngest = nil
        switch place {
        case .first: position.cursor = OffsetCursor(next: log.start)
        // The last one that is there may stand lower, where compaction took some: then it is none.
        case .last: position.cursor = OffsetCursor(next: max(log.start, log.next.advanced(by: -1)))
        case .next: position.cursor = OffsetCursor(next: log.next)
        case .offset(let offset):
            position.cursor = OffsetCursor(next: max(mayWait ? offset : min(offset, log.next), log.start))
        case .time(let time):
            position.cursor = OffsetCursor(next: log.committedEnd)
            position.seeking = time
            position.youngest = time
            effects.append(.ask(.time(log.id, time)))
        }
    }

    func seek(
        _ tag: ConsumerTag, partition: Int?, to place: Consume.Position, _ id: RequestID, for channel: Channel
    ) {
        guard let reader = channel.consumer(tag) else { return refuse(channel, id, .consumerNotFound(tag)) }
        guard case .topic(let topic) = reader.source else {
            return refuse(channel, id, .mismatch("consumer \(tag) is of a queue, which has no position to seek to"))
        }
        if let partition, !reader.positions.contains(where: { $0.partition.number == partition }) {
            return refuse(channel, id, .mismatch("consumer \(tag) does not read partition \(partition)"))
        }
        if case .offset(let offset) = place {
            for position in reader.positions where partition ?? position.partition.number == position.partition.number {
                let next = position.partition.log.next
                guard offset <= next else {
                    return refuse(channel, id, .offsetOutOfRange(topic: topic.name, offset: offset, next: next))
                }
            }
        }
        for index in reader.positions.indices
        where partition ?? reader.positions[index].partition.number == reader.positions[index].partition.number {
            move(&reader.positions[index], to: place)
        }
        respond(channel, id, .done)
        pendingReaders.append(reader)
    }

    func timeFound(_ log: LogID, _ time: Timestamp, _ base: Offset?) {
        guard case .partition(let partition) = owners[log] else { return }
        for reader in partition.topic.readers {
            for index in reader.positions.indices
            where reader.positions[index].partition === partition && reader.positions[index].seeking == time {
                reader.positions[index].seeking = nil
                guard let base else { continue }
                reader.positions[index].cursor = OffsetCursor(next: max(base, partition.log.start))
                // What it was told it would begin at was a guess.
                if reader.isMember, let group = reader.group.flatMap({ partition.topic.groups[$0] }) {
                    tell(reader, group)
                }
            }
            pendingReaders.append(reader)
        }
    }

    // MARK: Delivery

    func dispatch(_ reader: Consumer, of topic: Topic) {
        guard !topic.isDeleted else { return }
        // Each partition in its turn, as long as one of them has something.
        var idle = 0
        while idle < reader.positions.count, reader.canTake, let channel = reader.channel {
            if reader.turn >= reader.positions.count { reader.turn = 0 }
            let index = reader.turn
            if reader.positions.count > 1 { reader.turn += 1 }
            if deliverNext(of: reader, at: index, to: channel) { idle = 0 } else { idle += 1 }
        }
    }

    /// - Returns: whether a record was delivered.
    private func deliverNext(of reader: Consumer, at index: Int, to channel: Channel) -> Bool {
        guard reader.positions[index].reading == nil, reader.positions[index].seeking == nil else { return false }
        let partition = reader.positions[index].partition
        let log = partition.log
        let end = partition.stableEnd
        while true {
            // Retention may have passed it.
            reader.positions[index].cursor.skip(to: log.start)
            let next = reader.positions[index].cursor.next
            guard next < end else { return false }
            switch log.place(atOrAfter: next) {
            case .end: return false
            case .stored(let below):
                let request = ReadRequest(
                    log: log.id, from: next, below: min(below, end), bytesMax: limits.readBytesMax)
                reader.positions[index].reading = request
                effects.append(.read(request))
                return false
            case .cached(let chunk):
                let entryIndex = log.window[chunk].segment.index(atOrAfter: next)
                guard entryIndex < log.window[chunk].segment.entries.count else {
                    reader.positions[index].cursor.skip(to: log.window[chunk].last.next)
                    continue
                }
                let entry = log.window[chunk].segment.entries[entryIndex]
                guard entry.offset < end else { return false }
                let takesAll = reader.filter == nil && reader.positions[index].youngest == nil
                guard takesAll || wants(entry, of: log.window[chunk].segment, reader, at: index) else {
                    guard skim(past: entry.offset, by: reader, at: index) else { return false }
                    continue
                }
                reader.positions[index].cursor.advance(past: entry.offset)
                reader.credit -= 1
                let tag: DeliveryTag
                if reader.isAutoAck {
                    tag = channel.numberUnleased()
                    if reader.prefetch != nil { reader.credit += 1 }
                } else {
                    reader.unacknowledged += 1
                    tag = channel.lease(
                        Channel.Lease(
                            consumer: reader, offset: entry.offset, bytes: entry.byteCount, priority: 0,
                            began: lastTime?.steady.wall ?? Timestamp(0)))
                }
                deliver(
                    Delivery(
                        tag: tag, redelivered: nil, partition: reader.positions[index].partition.number, entry: entry,
                        data: log.window[chunk].segment.data), to: reader, channel)
                return true
            }
        }
    }

    /// Whether the record is one that the reader is to be sent.
    private func wants(
        _ entry: RecordSegment.Entry, of segment: RecordSegment, _ reader: Consumer, at index: Int
    ) -> Bool {
        if let youngest = reader.positions[index].youngest {
            guard entry.timestamp >= youngest else { return false }
            reader.positions[index].youngest = nil
        }
        guard let filter = reader.filter else { return true }
        return segment.data.withUnsafeBytes {
            filter.matches(UnsafeRawBufferPointer(rebasing: $0[entry.headers.range]))
        }
    }

    /// Passes over a record that the reader does not want.
    ///
    /// - Returns: false if that was enough for one turn; the reader stands where it stood, and has another.
    private func skim(past offset: Offset, by reader: Consumer, at index: Int) -> Bool {
        guard skimBudget > 0 else {
            if !reader.isSkimming { skimming.append(reader) }
            reader.isSkimming = true
            return false
        }
        skimBudget -= 1
        reader.positions[index].cursor.advance(past: offset)
        return true
    }

    /// One reader in a turn, so that each comes to its turn however much another passes over.
    func goOnSkimming() {
        guard let reader = skimming.popFirst() else { return }
        reader.isSkimming = false
        pendingReaders.append(reader)
    }

    // MARK: Groups

    private func checkGroup(_ name: String, of topic: Topic, _ id: RequestID, for channel: Channel) -> Bool {
        if let error = nameError(name) {
            refuse(channel, id, error)
            return false
        }
        guard topic.groups[name] != nil || topic.groups.count < limits.groupsMax else {
            refuse(channel, id, .limit(what: "groups of a topic", limit: limits.groupsMax, setting: ""))
            return false
        }
        return true
    }

    private func join(
        _ reader: Consumer, _ name: String, _ strategy: PartitionAssignor, of topic: Topic, _ id: RequestID,
        for channel: Channel
    ) {
        var group = topic.groups[name] ?? ConsumerGroup()
        if group.membership.isEmpty, group.membership.group != name { group.membership = GroupMembership(group: name) }
        let moves: [GroupMembership.Change]
        do {
            moves = try group.membership.join(
                reader.member, topics: [topic.name], strategy: strategy,
                partitionCounts: [topic.name: topic.partitions.count])
        } catch {
            return refuse(channel, id, .mismatch(error.description))
        }
        topic.groups[name] = group
        channel.consumers.append(reader)
        topic.readers.append(reader)
        respond(channel, id, .done)
        rebalance(moves, group, of: topic)
    }

    func leave(_ reader: Consumer, of topic: Topic) {
        guard let name = reader.group, var group = topic.groups[name] else { return }
        let moves = group.membership.leave(reader.member, partitionCounts: [topic.name: topic.partitions.count])
        topic.groups[name] = group.isEmpty ? nil : group
        // Of a topic that goes nobody gets anything any more.
        guard !topic.isDeleted else { return }
        rebalance(moves, group, of: topic)
    }

    /// Takes all that is revoked before it gives what is assigned: no partition has two readers of one group. Each
    /// member is told, for each has to know the new generation.
    private func rebalance(_ moves: [GroupMembership.Change], _ group: ConsumerGroup, of topic: Topic) {
        var changed: [(reader: Consumer, move: GroupMembership.Change)] = []
        for move in moves {
            if let reader = topic.readers.first(where: { $0.isMember && $0.member == move.member }) {
                changed.append((reader, move))
            }
        }
        for (reader, move) in changed {
            let revoked = move.revoked.map(\.partition)
            reader.positions.removeAll { revoked.contains($0.partition.number) }
        }
        for (reader, move) in changed {
            for found in move.assigned { addPosition(topic.partitions[found.partition], to: reader) }
            reader.positions.sort { $0.partition.number < $1.partition.number }
            pendingReaders.append(reader)
        }
        for reader in topic.readers where reader.isMember && reader.group == group.membership.group {
            tell(reader, group)
        }
    }

    private func tell(_ reader: Consumer, _ group: ConsumerGroup) {
        guard let channel = reader.channel else { return }
        let positions = reader.positions.map {
            Assignment.Position(partition: $0.partition.number, next: $0.cursor.next)
        }
        effects.append(
            .assigned(
                channel.id, reader.tag,
                Assignment(generation: Int(group.membership.generation), partitions: positions)))
    }

    func commitOffset(
        _ name: String, _ number: Int, _ group: String, _ next: Offset, _ id: RequestID, for channel: Channel,
        in host: VirtualHost
    ) {
        let topic: Topic
        switch host.router.destination(named: name) {
        case .topic(let found): topic = found
        case .partition(let found):
            return refuse(
                channel, id,
                .mismatch("\(found.sentence); commit for '\(found.topic.name)' with partition=\(found.number)"))
        case .queue: return refuse(channel, id, .mismatch("'\(name)' is a queue: it has no offsets to commit"))
        case nil: return refuse(channel, id, .notFound(.topic, name: name))
        }
        guard topic.partitions.indices.contains(number) else {
            return refuse(channel, id, .mismatch(topic.partitionSentence(number)))
        }
        guard checkGroup(group, of: topic, id, for: channel) else { return }
        let log = topic.partitions[number].log
        guard next <= log.next else {
            return refuse(channel, id, .offsetOutOfRange(topic: topic.name, offset: next, next: log.next))
        }
        put(CommittedOffset(next: next), of: group, in: topic.partitions[number])
        didChange(channel)
        respond(channel, id, .done)
    }

    func deleteGroup(_ name: String, of topicName: String, _ id: RequestID, for channel: Channel, in host: VirtualHost)
    {
        guard case .topic(let topic) = host.router.destinations[topicName] else {
            return refuse(channel, id, .notFound(.topic, name: topicName))
        }
        guard let group = topic.groups[name] else { return refuse(channel, id, .notFound(.group, name: name)) }
        guard group.membership.isEmpty else {
            return refuse(
                channel, id, .inUse("group '\(name)' has \(group.membership.members.count) members, so it stays"))
        }
        topic.groups[name] = nil
        for (number, offset) in group.offsets {
            changes.groupsRemoved.append(GroupOffset(group: name, log: topic.partitions[number].log.id, offset: offset))
        }
        didChange(channel)
        respond(channel, id, .done)
    }
}

extension Topic {
    func partitionSentence(_ number: Int) -> String {
        "topic '\(name)' has the partitions 0 to \(partitions.count - 1), so not \(number)"
    }
}
