internal import DequeModule
internal import OrderedCollections

// What clients declare: queues, topics, exchanges and bindings.
extension Broker {
    @discardableResult
    func addQueue(_ definition: QueueDefinition, state: LogState, recoveredBelow: Offset) -> Queue {
        let log = Log(id: definition.log, name: definition.name, state: state)
        let cursor = SharedCursor(floor: state.floor, recoveredBelow: recoveredBelow)
        let queue = Queue(definition: definition, log: log, cursor: cursor, storedHandedOut: state.handedOut)
        owners[definition.log] = .queue(queue)
        router.add(.queue(queue), named: definition.name)
        return queue
    }

    @discardableResult
    func addTopic(_ definition: TopicDefinition, states: [LogState]) -> Topic {
        let logs = zip(definition.partitions, states).map { Log(id: $0, name: definition.name, state: $1) }
        let topic = Topic(definition: definition, partitions: logs)
        for log in logs { owners[log.id] = .topic(topic) }
        router.add(.topic(topic), named: definition.name)
        return topic
    }

    func declareQueue(_ name: String, _ id: RequestID, for channel: Channel) {
        switch router.destinations[name] {
        case .queue(let queue):
            relyOnDefinitions(channel)
            respond(channel, id, .declared(messages: queue.ready))
        case .topic:
            refuse(channel, id, .mismatch("'\(name)' is a topic; choose another name, or delete the topic first"))
        case nil:
            guard checkNewName(name, id, for: channel) else { return }
            let definition = QueueDefinition(name: name, log: takeLogID())
            addQueue(definition, state: .empty, recoveredBelow: Offset(0))
            change(.put(.queue(definition)), by: channel)
            respond(channel, id, .declared(messages: 0))
        }
    }

    func declareTopic(_ name: String, _ id: RequestID, for channel: Channel) {
        switch router.destinations[name] {
        case .topic(let topic):
            relyOnDefinitions(channel)
            respond(channel, id, .declared(messages: topic.log.messages))
        case .queue:
            refuse(channel, id, .mismatch("'\(name)' is a queue; choose another name, or delete the queue first"))
        case nil:
            guard checkNewName(name, id, for: channel) else { return }
            let definition = TopicDefinition(name: name, partitions: [takeLogID()])
            addTopic(definition, states: [.empty])
            change(.put(.topic(definition)), by: channel)
            respond(channel, id, .declared(messages: 0))
        }
    }

    func declareExchange(_ name: String, _ kind: ExchangeDefinition.Kind, _ id: RequestID, for channel: Channel) {
        if let exchange = router.exchanges[name] {
            let found = exchange.definition.kind
            guard found == kind else {
                refuse(channel, id, .mismatch("exchange '\(name)' is of type \(found.rawValue), not \(kind.rawValue)"))
                return
            }
            relyOnDefinitions(channel)
        } else {
            if let error = nameError(name) { return refuse(channel, id, error) }
            guard router.exchanges.count < limits.exchangesMax else {
                return refuse(channel, id, .limit(what: "exchanges", limit: limits.exchangesMax, setting: ""))
            }
            let definition = ExchangeDefinition(name: name, kind: kind)
            router.add(definition)
            change(.put(.exchange(definition)), by: channel)
        }
        respond(channel, id, .done)
    }

    func deleteQueue(_ name: String, _ id: RequestID, for channel: Channel, at now: Now) {
        let queue: Queue
        switch router.destinations[name] {
        case .queue(let found): queue = found
        case .topic: return refuse(channel, id, .mismatch("'\(name)' is a topic; delete it with delete topic"))
        case nil: return refuse(channel, id, .notFound(.queue, name: name))
        }
        for consumer in queue.consumers { end(consumer, because: .deleted(.queue, name: name)) }
        queue.isDeleted = true
        forget(queue.log)
        removeDestination(name, change: .remove(.queue(queue.definition)), by: channel)
        respond(channel, id, .removed(messages: queue.log.messages))
        failGetters(of: queue, because: .deleted(.queue, name: name), at: now)
    }

    func deleteTopic(_ name: String, _ id: RequestID, for channel: Channel) {
        let topic: Topic
        switch router.destinations[name] {
        case .topic(let found): topic = found
        case .queue: return refuse(channel, id, .mismatch("'\(name)' is a queue; delete it with delete queue"))
        case nil: return refuse(channel, id, .notFound(.topic, name: name))
        }
        for reader in topic.readers { end(reader, because: .deleted(.topic, name: name)) }
        topic.isDeleted = true
        for log in topic.partitions { forget(log) }
        removeDestination(name, change: .remove(.topic(topic.definition)), by: channel)
        respond(channel, id, .removed(messages: topic.log.messages))
    }

    func deleteExchange(_ name: String, _ id: RequestID, for channel: Channel) {
        guard let exchange = router.exchanges[name] else {
            return refuse(channel, id, .notFound(.exchange, name: name))
        }
        guard !Router.predeclared.contains(exchange.definition) else {
            return refuse(channel, id, .reservedName(name))
        }
        for binding in router.removeExchange(name) { change(.remove(.binding(binding)), by: channel) }
        change(.remove(.exchange(exchange.definition)), by: channel)
        respond(channel, id, .done)
    }

    func bind(_ binding: BindingDefinition, _ id: RequestID, for channel: Channel) {
        guard router.exchanges[binding.source] != nil else {
            return refuse(channel, id, .notFound(.exchange, name: binding.source))
        }
        guard router.destinations[binding.destination] != nil else {
            return refuse(channel, id, .notFound(.queueOrTopic, name: binding.destination))
        }
        guard router.bindingCount < limits.bindingsMax else {
            return refuse(channel, id, .limit(what: "bindings", limit: limits.bindingsMax, setting: ""))
        }
        if router.add(binding) {
            change(.put(.binding(binding)), by: channel)
        } else {
            relyOnDefinitions(channel)
        }
        respond(channel, id, .done)
    }

    func unbind(_ binding: BindingDefinition, _ id: RequestID, for channel: Channel) {
        guard router.exchanges[binding.source] != nil else {
            return refuse(channel, id, .notFound(.exchange, name: binding.source))
        }
        if router.remove(binding) {
            change(.remove(.binding(binding)), by: channel)
        } else {
            relyOnDefinitions(channel)
        }
        respond(channel, id, .done)
    }

    func purge(_ name: String, _ id: RequestID, for channel: Channel) {
        switch router.destinations[name] {
        case .queue(let queue):
            let removed = queue.ready
            let range = queue.cursor.purge(to: queue.log.next)
            queue.log.dropGathering()
            queue.log.messages = queue.cursor.leasedCount
            queue.log.bytes = queue.leasedBytes
            if let range {
                queue.trim = min(queue.trim?.lowerBound ?? range.lowerBound, range.lowerBound)..<range.upperBound
            }
            touch(queue)
            didChange(channel)
            respond(channel, id, .removed(messages: removed))
        case .topic:
            refuse(channel, id, .mismatch("'\(name)' is a topic, which keeps its messages; delete the topic instead"))
        case nil: refuse(channel, id, .notFound(.queue, name: name))
        }
    }

    // MARK: Pieces

    /// What the channel asked for is so already; perhaps it is not on the disk yet, and its answer stands for that.
    private func relyOnDefinitions(_ channel: Channel) {
        channel.lastBatch = max(channel.lastBatch, lastDefinitionBatch)
    }

    func change(_ change: DefinitionChange, by channel: Channel) {
        definitionChanges.append(change)
        lastDefinitionBatch = gathering
        didChange(channel)
        isCommitWanted = true
    }

    private func removeDestination(_ name: String, change: DefinitionChange, by channel: Channel) {
        for binding in router.removeDestination(name) { self.change(.remove(.binding(binding)), by: channel) }
        self.change(change, by: channel)
    }

    /// A deleted log has nothing to write any more, and nothing in memory.
    private func forget(_ log: Log) {
        owners[log.id] = nil
        if log.isTouched {
            touched.removeAll { $0.log === log }
            log.isTouched = false
        }
        for chunk in log.window where chunk.isCommitted {
            cacheBytes -= chunk.segment.allocatedBytes
            cachedChunks -= 1
        }
    }

    private func takeLogID() -> LogID {
        defer {
            nextLog = LogID(nextLog.rawValue + 1)
            isNextLogChanged = true
        }
        return nextLog
    }

    private func checkNewName(_ name: String, _ id: RequestID, for channel: Channel) -> Bool {
        if let error = nameError(name) {
            refuse(channel, id, error)
            return false
        }
        guard router.destinations.count < limits.queuesMax else {
            refuse(channel, id, .limit(what: "queues and topics", limit: limits.queuesMax, setting: "queues-max"))
            return false
        }
        return true
    }

    private func nameError(_ name: String) -> BrokerError? {
        if name.isEmpty { return .badName(name, reason: "a name has at least one byte") }
        if name.utf8.count > 255 { return .badName(name, reason: "a name has at most 255 bytes of UTF-8") }
        if name.utf8.contains(0) { return .badName(name, reason: "a name contains no zero bytes") }
        return name.hasPrefix("amq.") || name.hasPrefix("cola.") ? .reservedName(name) : nil
    }
}
