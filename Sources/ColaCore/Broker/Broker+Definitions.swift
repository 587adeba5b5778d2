internal import DequeModule
internal import OrderedCollections

// What clients declare: queues, topics, exchanges and bindings.
extension Broker {
    // MARK: Queues

    func declareQueue(
        _ declaration: QueueDeclaration, _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now
    ) {
        if declaration.isPassive { return look(declaration, id, for: channel, in: host, at: now) }
        let name = declaration.name
        switch host.router.destination(named: name) {
        case .queue(let queue):
            // As RabbitMQ: the names of the server are the server's to give, also a second time.
            if channel.info.isStrict, !declaration.mayBeReserved, let error = nameError(name) {
                return refuse(channel, id, error)
            }
            if let error = lockError(queue, channel) { return refuse(channel, id, error) }
            if let difference = queue.difference(from: declaration) {
                let error = BrokerError.inequivalent(difference)
                guard limits.adoptsArguments, difference.argument != nil else { return refuse(channel, id, error) }
            }
            if limits.adoptsArguments {
                if let error = adopt(declaration.arguments, for: .queue(queue), by: channel, at: now) {
                    return refuse(channel, id, error)
                }
            }
            used(queue, at: now)
            relyOnDefinitions(channel)
            respond(channel, id, .declared(messages: queue.ready, consumers: queue.consumers.count))
        case .topic:
            refuse(channel, id, .mismatch("'\(name)' is a topic; choose another name, or delete the topic first"))
        case .partition(let partition):
            refuse(channel, id, .mismatch("\(partition.sentence); choose another name"))
        case nil:
            guard checkNewName(name, orNone: true, mayBeReserved: declaration.mayBeReserved, in: host, id, for: channel)
            else { return }
            if let error = checkArguments(declaration.arguments, isQueue: true) { return refuse(channel, id, error) }
            let queue = makeQueue(declaration, owner: channel, in: host, at: now)
            if declaration.isExclusive { channel.connection.owned.append(queue) }
            if queue.isDurable { didChange(channel) }
            respond(channel, id, name.isEmpty ? .named(queue.name) : .declared(messages: 0, consumers: 0))
        }
    }

    /// Only says what there is.
    private func look(
        _ declaration: QueueDeclaration, _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now
    ) {
        let name = declaration.name
        switch host.router.destination(named: name) {
        case .queue(let queue):
            if !declaration.isOfAnswers, let error = lockError(queue, channel) { return refuse(channel, id, error) }
            used(queue, at: now)
            relyOnDefinitions(channel)
            respond(channel, id, .declared(messages: queue.ready, consumers: queue.consumers.count))
        case .topic(let topic):
            relyOnDefinitions(channel)
            respond(channel, id, .declared(messages: topic.messages, consumers: topic.readers.count))
        case .partition(let partition): look(partition, id, for: channel)
        case nil: refuse(channel, id, .notFound(.queue, name: name))
        }
    }

    /// Makes a queue that is not there, without asking whether it may.
    func makeQueue(_ declaration: QueueDeclaration, owner: Channel?, in host: VirtualHost, at now: Now) -> Queue {
        let name = declaration.name.isEmpty ? chooseName(in: host) : declaration.name
        let definition = QueueDefinition(
            host: host.name, name: name, log: takeLogID(), arguments: declaration.arguments,
            isAutoDelete: declaration.isAutoDelete)
        let isDurable = declaration.isDurable && !declaration.isExclusive
        let queue = Queue(
            definition: definition, host: host, isDurable: isDurable,
            owner: declaration.isExclusive ? owner?.id.connection : nil)
        addLane(0, definition.log, .empty, recoveredBelow: Offset(0), to: queue)
        add(queue)
        if isDurable { change(.put(.queue(definition))) }
        used(queue, at: now)
        return queue
    }

    func deleteQueue(
        _ name: String, ifUnused: Bool, ifEmpty: Bool, _ id: RequestID, for channel: Channel, in host: VirtualHost,
        at now: Now
    ) {
        let queue: Queue
        switch host.router.destination(named: name) {
        case .queue(let found): queue = found
        // A stream is a queue like others to clients of AMQP.
        case .topic where channel.info.isStrict: return deleteTopic(name, id, for: channel, in: host, at: now)
        case .topic:
            return refuse(channel, id, .mismatch("'\(name)' is a topic; delete it with `cola delete topic \(name)`"))
        case .partition(let partition):
            return refuse(
                channel, id,
                .mismatch("\(partition.sentence); `cola delete topic \(partition.topic.name)` deletes all of it"))
        case nil:
            // As RabbitMQ: it is gone, and that is all that was wanted.
            guard !channel.info.isStrict else { return respond(channel, id, .removed(messages: 0)) }
            return refuse(channel, id, .notFound(.queue, name: name))
        }
        if let error = lockError(queue, channel) { return refuse(channel, id, error) }
        if ifUnused, !queue.consumers.isEmpty {
            return refuse(channel, id, .inUse("queue '\(name)' has \(queue.consumers.count) consumers, so it stays"))
        }
        // AMQP counts what waits; what somebody holds is gone with the queue as well.
        let messages = channel.info.isStrict ? queue.ready : queue.messages
        if ifEmpty, messages > 0 {
            return refuse(channel, id, .inUse("queue '\(name)' has \(messages) messages, so it stays"))
        }
        delete(queue, at: now)
        if queue.isDurable { didChange(channel) }
        respond(channel, id, .removed(messages: messages))
    }

    /// Deletes the queue with its messages and bindings; its consumers are told.
    func delete(_ queue: Queue, at now: Now) {
        for consumer in queue.consumers { end(consumer, because: .deleted(.queue, name: queue.name), at: now) }
        guard !queue.isDeleted else { return }  // its last consumer took it along
        queue.isDeleted = true
        timers.cancel(.unused(queue.definition.log))
        timers.cancel(.deduplication(queue.definition.log))
        seenCount -= queue.seen?.window.count ?? 0
        for lane in queue.lanes {
            timers.cancel(.expiry(lane.log.id))
            spillingBytes -= lane.spilled.reduce(0) { $0 + $1.allocatedBytes }
            lane.spilled = []
            // What was to be written of it and now will not be.
            spillingBytes -= lane.spilled.reduce(0) { $0 + $1.byteCount }
            lane.spilled = []
            forget(lane.log)
        }
        channels[queue.owner ?? ChannelID(0)]?.connection.owned.removeAll { $0 === queue }
        removeDestination(queue.name, from: queue.host, isDurable: queue.isDurable)
        // The store may have what there was no room for in memory.
        if queue.isDurable || queue.lanes.contains(where: \.log.isSpilled) {
            change(.remove(.queue(queue.definition)))
        }
        failGetters(of: queue, because: .deleted(.queue, name: queue.name), at: now)
    }

    func purge(_ name: String, _ id: RequestID, for channel: Channel, in host: VirtualHost) {
        switch host.router.destination(named: name) {
        case .queue(let queue):
            if let error = lockError(queue, channel) { return refuse(channel, id, error) }
            let removed = queue.ready
            for lane in queue.lanes { purge(lane) }
            if queue.isDurable { didChange(channel) }
            respond(channel, id, .removed(messages: removed))
        case .topic, .partition:
            if channel.info.isStrict { return refuse(channel, id, .notOfStreams("queue.purge", name, in: host.name)) }
            refuse(channel, id, .mismatch("'\(name)' is a topic, which keeps its messages; delete the topic instead"))
        case nil: refuse(channel, id, .notFound(.queue, name: name))
        }
    }

    private func purge(_ lane: Lane) {
        let range = lane.cursor.purge(to: lane.log.next)
        lane.attempts = lane.attempts.filter { !lane.cursor.isSettled($0.key) }
        lane.log.dropGathering()
        lane.log.messages = lane.cursor.leasedCount + lane.cursor.doomed.count
        lane.log.bytes = lane.leasedBytes + lane.doomedBytes
        if let range {
            if !lane.log.isDurable {
                pinnedBytes -= lane.log.dropPinned(in: range.lowerBound...range.upperBound.advanced(by: -1))
            }
            lane.trim = min(lane.trim?.lowerBound ?? range.lowerBound, range.lowerBound)..<range.upperBound
        }
        touch(lane)
    }

    // MARK: Topics

    func declareTopic(
        _ name: String, partitions: Int?, _ arguments: Arguments, _ id: RequestID, for channel: Channel,
        in host: VirtualHost, at now: Now
    ) {
        switch host.router.destination(named: name) {
        case .topic(let topic):
            if let partitions, partitions != topic.partitions.count {
                return refuse(
                    channel, id,
                    .mismatch("topic '\(name)' has \(topic.partitions.count) partitions, not \(partitions)"))
            }
            if let error = redeclare(topic, named: name, arguments, by: channel, at: now) {
                return refuse(channel, id, error)
            }
            relyOnDefinitions(channel)
            respond(channel, id, .declared(messages: topic.messages, consumers: topic.readers.count))
        case .partition(let partition):
            guard channel.info.isStrict, partitions == 1 else {
                return refuse(channel, id, .mismatch("\(partition.sentence); choose another name"))
            }
            if let error = redeclare(partition.topic, named: name, arguments, by: channel, at: now) {
                return refuse(channel, id, error)
            }
            look(partition, id, for: channel)
        case .queue:
            refuse(channel, id, .mismatch("'\(name)' is a queue; choose another name, or delete the queue first"))
        case nil:
            guard checkNewName(name, orNone: false, in: host, id, for: channel) else { return }
            let count = partitions ?? 1
            if let error = errorOfNewTopic(name, partitions: count, arguments, in: host) {
                return refuse(channel, id, error)
            }
            makeTopic(name, partitions: count, arguments, in: host)
            didChange(channel)
            respond(channel, id, .declared(messages: 0, consumers: 0))
        }
    }

    /// Nil if a topic can be so, whose name may be given.
    func errorOfNewTopic(
        _ name: String, partitions: Int, _ arguments: Arguments, in host: VirtualHost
    ) -> BrokerError? {
        if let error = checkArguments(arguments, isQueue: false) { return error }
        guard (1...limits.partitionsMax).contains(partitions) else {
            return .limit(what: "partitions in a topic", limit: limits.partitionsMax, setting: "")
        }
        return partitions > 1 ? collision(ofSuperStream: name, partitions: partitions, in: host) : nil
    }

    /// Makes a topic that is not there, without asking whether it may.
    @discardableResult
    func makeTopic(_ name: String, partitions: Int, _ arguments: Arguments, in host: VirtualHost) -> Topic {
        let definition = TopicDefinition(
            host: host.name, name: name, partitions: (0..<partitions).map { _ in takeLogID() }, arguments: arguments)
        let topic = Topic(
            definition: definition, host: host,
            logs: definition.partitions.map { Log(id: $0, name: name, state: .empty) })
        add(topic)
        change(.put(.topic(definition)))
        return topic
    }

    /// A topic that is there is declared again: with the same arguments, or ones that it takes.
    ///
    /// - Parameter name: by which it was declared: its own, or that of a partition.
    private func redeclare(
        _ topic: Topic, named name: String, _ arguments: Arguments, by channel: Channel, at now: Now
    ) -> BrokerError? {
        if limits.adoptsArguments { return adopt(arguments, for: .topic(topic), by: channel, at: now) }
        guard let argument = topic.definition.arguments.difference(from: arguments) else { return nil }
        return .inequivalent(
            Inequivalence(
                argument, of: .topic, named: name, in: topic.host.name, received: arguments,
                current: topic.definition.arguments))
    }

    func deleteTopic(_ name: String, _ id: RequestID, for channel: Channel, in host: VirtualHost, at now: Now) {
        switch host.router.destination(named: name) {
        case .topic(let topic):
            let messages = topic.messages
            delete(topic, at: now)
            didChange(channel)
            respond(channel, id, .removed(messages: messages))
        case .queue: refuse(channel, id, .mismatch("'\(name)' is a queue; delete it with `cola delete queue \(name)`"))
        case .partition(let partition):
            refuse(
                channel, id,
                .mismatch("\(partition.sentence); `cola delete topic \(partition.topic.name)` deletes all of it"))
        case nil: refuse(channel, id, .notFound(.topic, name: name))
        }
    }

    func delete(_ topic: Topic, at now: Now) {
        topic.isDeleted = true
        for reader in topic.readers { end(reader, because: .deleted(.topic, name: topic.name), at: now) }
        timers.cancel(.deduplication(topic.definition.partitions[0]))
        seenCount -= topic.seen?.window.count ?? 0
        for partition in topic.partitions {
            wakeFetches(of: partition)
            timers.cancel(.retention(partition.log.id))
            forget(partition.log)
        }
        removeDestination(topic.name, from: topic.host, isDurable: true)
        change(.remove(.topic(topic.definition)))
        compactions.removeAll { $0.topic === topic }
        goOnCompacting(at: now)
    }

    // MARK: Pieces

    /// What the channel asked for is so already; perhaps it is not on the disk yet, and its answer stands for that.
    func relyOnDefinitions(_ channel: Channel) {
        channel.lastBatch = max(channel.lastBatch, lastDefinitionBatch)
    }

    func change(_ change: DefinitionChange) {
        changes.definitions.append(change)
        lastDefinitionBatch = gathering
        isCommitWanted = true
    }

    private func removeDestination(_ name: String, from host: VirtualHost, isDurable: Bool) {
        destinationCount -= 1
        removeBindings(of: name, in: host, isDurable: isDurable)
    }

    /// A deleted log has nothing to write any more, and nothing in memory.
    private func forget(_ log: Log) {
        owners[log.id] = nil
        if log.isTouched {
            touched.removeAll { $0.log === log }
            log.isTouched = false
        }
        tailBytes -= log.tail.reduce(0) { $0 + $1.data.count }
        for chunk in log.window {
            if chunk.isPinned {
                pinnedBytes -= chunk.segment.allocatedBytes
            } else if chunk.isCommitted {
                cacheBytes -= chunk.segment.allocatedBytes
                cachedChunks -= 1
            }
        }
    }

    func takeLogID() -> LogID {
        defer {
            nextLog = LogID(nextLog.rawValue + 1)
            changes.isNextLogChanged = true
        }
        return nextLog
    }

    /// What the name of a queue begins with that the broker chooses.
    static let givenNamePrefix = "cola.gen-"

    /// A name that nobody has: of this life, and counted.
    private func chooseName(in host: VirtualHost) -> String {
        while true {
            namesGiven += 1
            let name = "\(Self.givenNamePrefix)\(epoch)-\(namesGiven)"
            if host.router.destination(named: name) == nil { return name }
        }
    }

    private func checkNewName(
        _ name: String, orNone: Bool, mayBeReserved: Bool = false, in host: VirtualHost, _ id: RequestID,
        for channel: Channel
    ) -> Bool {
        let mayBeAny = mayBeReserved || name.isEmpty && orNone
        guard let error = errorOfNewName(name, mayBeAny: mayBeAny, in: host) else { return true }
        refuse(channel, id, error)
        return false
    }

    /// Nil if one more queue or topic may be there, of that name.
    func errorOfNewName(_ name: String, mayBeAny: Bool = false, in host: VirtualHost) -> BrokerError? {
        if !mayBeAny, let error = nameError(name) { return error }
        guard destinationCount < limits.queuesMax else {
            return .limit(what: "queues and topics", limit: limits.queuesMax, setting: "queues-max")
        }
        return quotaError(forNew: name, in: host)
    }

    func nameError(_ name: String) -> BrokerError? {
        if name.isEmpty { return .badName(name, reason: "a name has at least one byte") }
        if name.utf8.count > 255 { return .badName(name, reason: "a name has at most 255 bytes of UTF-8") }
        if name.utf8.contains(0) { return .badName(name, reason: "a name contains no zero bytes") }
        return name.hasPrefix("amq.") || name.hasPrefix("cola.") ? .reservedName(name) : nil
    }

    /// Nil if the channel may use the queue.
    func lockError(_ queue: Queue, _ channel: Channel) -> BrokerError? {
        guard let owner = queue.owner, owner != channel.id.connection else { return nil }
        return .locked(.queue, name: queue.name)
    }
}

extension Queue {
    /// In which way it differs from what a client declares; nil if it does not.
    func difference(from declaration: QueueDeclaration) -> Inequivalence? {
        let declaresDurable = declaration.isDurable && !declaration.isExclusive
        let properties = [
            ("durable", declaresDurable, isDurable), ("exclusive", declaration.isExclusive, owner != nil),
            ("auto_delete", declaration.isAutoDelete, definition.isAutoDelete),
        ]
        for (property, received, current) in properties where received != current {
            return Inequivalence(property, ofQueue: name, in: host.name, received: received, current: current)
        }
        guard let argument = definition.arguments.difference(from: declaration.arguments) else { return nil }
        return Inequivalence(
            argument, of: .queue, named: name, in: host.name, received: declaration.arguments,
            current: definition.arguments)
    }
}

extension Arguments {
    /// The first argument of those that count in which these differ from `others`; nil if there is none.
    func difference(from others: Arguments) -> Argument? {
        guard self != others else { return nil }
        return Argument.allCases.first { $0.isCompared && $0.declared(in: self) != $0.declared(in: others) }
    }
}

extension Argument {
    /// Its text; of a queue that says nothing of its type, that of the type that it has then.
    fileprivate func declared(in arguments: Arguments) -> String? {
        self == .queueType ? (arguments.queueType ?? .classic).rawValue : text(in: arguments)
    }
}
