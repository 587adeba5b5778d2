internal import DequeModule
internal import OrderedCollections

// From producers to logs.
extension Broker {
    func publish(
        _ publish: Publish, _ id: RequestID, from channel: Channel, in host: VirtualHost, at now: Now
    ) {
        channel.connection.isPublisher = true
        guard
            let route = host.router.route(
                exchange: publish.exchange, key: publish.routingKey, moreKeys: publish.moreKeys,
                headers: publish.message.headers)
        else {
            return refuse(channel, id, .notFound(.exchange, name: publish.exchange))
        }
        if let error = internalError(publish, in: host) { return refuse(channel, id, error) }
        // Where it leads is asked when it is due; a publisher does not wait so long to hear that it leads nowhere.
        let isRoutedLater =
            publish.delay > 0 && host.router.exchanges[publish.exchange]?.definition.isDelayed == true
        guard !route.isEmpty || !publish.isMandatory || isRoutedLater else {
            if channel.info.isStrict { return respond(channel, id, .returned(publish)) }
            return refuse(channel, id, .unroutable(exchange: publish.exchange, routingKey: publish.routingKey))
        }
        let bytes = publish.byteCount.multipliedReportingOverflow(by: isRoutedLater ? 1 : route.count)
        // How large one message may be is the protocol's to say.
        let bytesMax =
            publish.more.isEmpty ? max(limits.transactionBytesMax, publish.byteCount) : limits.transactionBytesMax
        guard !bytes.overflow, bytes.partialValue <= bytesMax else {
            let size = bytes.overflow ? Int.max : bytes.partialValue
            return refuse(channel, id, .transactionTooLarge(bytes: size, limit: limits.transactionBytesMax))
        }
        guard gatheringBytes + bytes.partialValue <= limits.gatheringBytesMost else {
            return refuse(channel, id, .overloaded(waiting: gatheringBytes))
        }
        if publish.delay > 0, isRoutedLater || !publish.isDelayOfExchange {
            return delay(publish, along: route, isRoutedLater: isRoutedLater, id, from: channel, in: host, at: now)
        }
        if let error = obstacle(to: publish, on: route) { return refuse(channel, id, error) }
        if !host.router.lastHistories.isEmpty { keep(publish, in: host.router.lastHistories) }
        if let queue = earlyQueue(for: publish, along: route, id) {
            return publishEarly(publish, to: queue, id, from: channel, at: now)
        }
        // As RabbitMQ: its publisher hears of a queue that was full, though the message is a dead letter already.
        let rejection = channel.info.isStrict ? rejection(of: publish, on: route) : nil
        guard publish.isPlain else {
            return publishWithRules(publish, along: route, id, rejection, from: channel, at: now)
        }
        var isDurable = false
        for destination in route {
            switch destination {
            case .queue(let queue):
                if append(publish, to: queue, at: now) { isDurable = true }
            case .topic, .partition:
                deliver(publish, to: destination, at: now)
                isDurable = true
            }
        }
        statistics.published += 1 + publish.more.count
        if isDurable { didPublish(channel) }
        if let rejection { refuse(channel, id, rejection) } else { respond(channel, id, .done) }
    }

    /// Nil if publishers may publish to the exchange that was routed from last.
    @inline(__always)
    func internalError(_ publish: Publish, in host: VirtualHost) -> BrokerError? {
        guard host.router.isLastInternal else { return nil }
        return .forbidden(
            "cannot publish to internal exchange '\(publish.exchange)' in vhost '\(host.name)': only exchanges and "
                + "dead letters lead to it; publish to one that leads to it")
    }

    /// The channel's messages must become durable.
    private func didPublish(_ channel: Channel) {
        didChange(channel)
        channel.connection.lastPublish = gathering
    }

    /// What a queue on the way says that makes a dead letter of the message, as it is full.
    private func rejection(of publish: Publish, on route: [Router.Destination]) -> BrokerError? {
        for case .queue(let queue) in route where queue.arguments.overflow == .deadLetterPublish {
            if let error = queue.error(ifFullFor: publish) { return error }
        }
        return nil
    }

    /// Why the message cannot be where it leads to: then it is nowhere.
    func obstacle(to publish: Publish, on route: [Router.Destination]) -> BrokerError? {
        for destination in route {
            switch destination {
            case .queue(let queue):
                if queue.refusesWhenFull, let error = queue.error(ifFullFor: publish) { return error }
            case .topic(let topic):
                guard let partition = publish.partition, partition >= topic.partitions.count else { continue }
                return .mismatch(
                    "topic '\(topic.name)' has the partitions 0 to \(topic.partitions.count - 1), so not \(partition)")
            case .partition(let partition):
                guard let asked = publish.partition, asked != partition.number else { continue }
                return .mismatch("\(partition.sentence), so a message to it is not for partition \(asked)")
            }
        }
        return nil
    }

    // MARK: Plain messages

    /// - Returns: whether the message is stored.
    @inline(__always)
    private func append(_ publish: Publish, to queue: Queue, at now: Now) -> Bool {
        guard publish.isToName, queue.hasPlainArguments else {
            append(publish.all, of: publish, to: queue, at: now)
            return queue.isDurable
        }
        let lane = queue.base
        touch(lane)
        append(publish.message, to: lane, at: now)
        for message in publish.more { append(message, to: lane, at: now) }
        queue.counts.published += 1 + publish.more.count
        return queue.isDurable
    }

    @inline(__always)
    func append(
        _ message: Message, to lane: Lane, isEarly: Bool = false, at now: Now,
        expires: Timestamp = RecordSegment.Entry.never, deliveries: Int = 0
    ) {
        let grown = lane.log.append(
            message, at: now.wall, expires: expires, deliveries: deliveries, isEarly: isEarly)
        if lane.log.isDurable {
            gatheringBytes += grown
        } else {
            didPin(grown, of: lane)
        }
    }

    func append(_ publish: Publish, to topic: Topic, at now: Now) {
        append(publish.message, of: publish, to: topic, at: now)
        for message in publish.more { append(message, of: publish, to: topic, at: now) }
        topic.published += 1 + publish.more.count
    }

    private func append(_ message: Message, of publish: Publish, to topic: Topic, at now: Now) {
        let message = topic.keyed(message, exchange: publish.exchange, routingKey: publish.routingKey)
        guard let partition = topic.partition(of: message, asked: publish.partition) else { return }
        touch(partition)
        let isFirst = partition.log.messages == 0
        let before = partition.log.bytes
        gatheringBytes += partition.log.append(publish.addressed(message), at: now.wall)
        partition.dirtyBytes += partition.log.bytes - before
        if isFirst || partition.isOverSize { watchRetention(of: partition, at: now) }
    }

    /// Puts the messages there, without asking whether there is room.
    func deliver(_ publish: Publish, to destination: Router.Destination, at now: Now) {
        switch destination {
        case .queue(let queue): append(publish.all, of: publish, to: queue, at: now)
        case .topic(let topic): append(publish, to: topic, at: now)
        case .partition(let partition):
            var publish = publish
            publish.partition = partition.number
            append(publish, to: partition.topic, at: now)
        }
    }

    // MARK: Messages with rules

    /// A message that may be known already: it is put only where it is new.
    private func publishWithRules(
        _ publish: Publish, along route: [Router.Destination], _ id: RequestID, _ rejection: BrokerError?,
        from channel: Channel, at now: Now
    ) {
        var isDurable = false
        var isDuplicate = !route.isEmpty
        for destination in route {
            guard isNew(publish, for: destination, channel: channel, at: now) else { continue }
            isDuplicate = false
            switch destination {
            case .queue(let queue):
                append(publish.all, of: publish, to: queue, at: now)
                if queue.isDurable { isDurable = true }
            case .topic, .partition:
                deliver(publish, to: destination, at: now)
                isDurable = true
            }
        }
        if !isDuplicate { statistics.published += 1 + publish.more.count }
        if isDurable { didPublish(channel) }
        if let rejection, !isDuplicate { return refuse(channel, id, rejection) }
        respond(channel, id, isDuplicate ? .duplicate : .done)
    }

    /// Appends to the lane of the message's priority, with what the queue's rules and the way here add to it.
    func append(
        _ messages: [Message], of publish: Publish, to queue: Queue, isEarly: Bool = false, at now: Now
    ) {
        if queue.arguments.overflow == .deadLetterPublish,
            queue.exceeds(messages: messages.count, bytes: publish.byteCount)
        {
            for message in messages {
                deadLetter(publish.labelled(message), from: queue, .maxLength, origin: nil, at: now)
            }
            queue.counts.dropped += messages.count
            return
        }
        let lane = lane(of: publish.priority, in: queue)
        let timeToLive = [publish.timeToLive, queue.arguments.messageTimeToLive].compactMap { $0 }.min()
        let expires = timeToLive.map { now.wall.later(byMilliseconds: $0) }
        touch(lane)
        for message in messages {
            put(publish.labelled(message), into: lane, expires: expires, isEarly: isEarly, at: now)
        }
        queue.counts.published += messages.count
        if queue.isOverLimit { dispatchLater(queue) }
    }

    /// The last step of everything that ends in a queue.
    func put(
        _ message: Message, into lane: Lane, expires: Timestamp?, deliveries: Int = 0, isEarly: Bool = false,
        at now: Now
    ) {
        touch(lane)
        guard let expires else {
            return append(message, to: lane, isEarly: isEarly, at: now, deliveries: deliveries)
        }
        var message = message
        message.headers.set(.expires, "\(expires)")
        append(message, to: lane, isEarly: isEarly, at: now, expires: expires, deliveries: deliveries)
        if let known = lane.nextExpiry, known <= expires { return }
        lane.nextExpiry = expires
        arm(.expiry(lane.log.id), for: expires, at: now)
    }

    /// The lane of that priority, or of the highest that the queue has; made when it is first needed.
    func lane(of priority: UInt8, in queue: Queue) -> Lane {
        let priority = queue.known(priority)
        if let lane = queue.lane(priority) { return lane }
        let log = takeLogID()
        queue.definition.higher.append(QueueDefinition.PriorityLog(priority: priority, log: log))
        queue.definition.higher.sort { $0.priority < $1.priority }
        if queue.isDurable { change(.put(.queue(queue.definition))) }
        return addLane(priority, log, .empty, recoveredBelow: Offset(0), to: queue)
    }

    // MARK: Later

    /// Puts the message into the schedule, unless all places that it leads to know it already.
    ///
    /// - Parameter isRoutedLater: it is, even if it leads nowhere now.
    private func delay(
        _ publish: Publish, along route: [Router.Destination], isRoutedLater: Bool, _ id: RequestID,
        from channel: Channel, in host: VirtualHost, at now: Now
    ) {
        guard publish.partition == nil else {
            return refuse(
                channel, id,
                .badArgument("a message with a delay goes to the partition of its key: leave out partition or delay"))
        }
        guard !route.isEmpty || isRoutedLater else { return respond(channel, id, .done) }
        var isKnown = !route.isEmpty
        for destination in route where isNew(publish, for: destination, channel: channel, at: now) { isKnown = false }
        guard !isKnown else { return respond(channel, id, .duplicate) }
        scheduleLater(publish, from: channel, in: host, at: now)
        channel.connection.lastPublish = gathering
        respond(channel, id, .done)
    }

    // MARK: Known messages

    /// Whether the message has not been taken before; if so, it is known from now on.
    private func isNew(
        _ publish: Publish, for destination: Router.Destination, channel: Channel, at now: Now
    ) -> Bool {
        guard let id = publish.id else { return true }
        let log: LogID
        let window: Int64?
        switch destination {
        case .queue(let queue): (log, window) = (queue.definition.log, queue.arguments.deduplicationWindow)
        case .topic(let topic): (log, window) = (topic.definition.partitions[0], topic.arguments.deduplicationWindow)
        case .partition(let partition):
            (log, window) = (partition.topic.definition.partitions[0], partition.topic.arguments.deduplicationWindow)
        }
        guard let window else { return true }
        if remember(id, at: now.wall, until: now.wall.later(byMilliseconds: window), by: log) {
            changeSeen(log) { $0.lastBatch = gathering }
            if isStored(destination) {
                changes.seen.append(
                    DedupEntry(log: log, id: Array(id), expires: now.wall.later(byMilliseconds: window)))
                gatheringBytes += 64 + id.count
            }
            armDeduplication(of: log, at: now)
            return true
        }
        // What it is a duplicate of may not be on the disk yet.
        changeSeen(log) { channel.lastBatch = max(channel.lastBatch, min($0.lastBatch, gathering)) }
        if case .queue(let queue) = destination { queue.counts.duplicates += 1 }
        return false
    }

    func isStored(_ destination: Router.Destination) -> Bool {
        if case .queue(let queue) = destination { return queue.isDurable }
        return true
    }

    /// - Returns: false if it was known.
    @discardableResult
    func remember(_ id: ArraySlice<UInt8>, at now: Timestamp, until expires: Timestamp, by log: LogID) -> Bool {
        var isNew = false
        changeSeen(log) { seen in
            let before = seen.window.count
            isNew = seen.window.insert(id: id, at: now, expires: expires)
            seenCount += seen.window.count - before
            if seenCount > limits.seenMax, let end = seen.window.nextExpiry, let oldest = seen.window.forgetOldest() {
                seenCount -= 1
                changes.forgotten.append(DedupEntry(log: log, id: oldest, expires: end))
            }
        }
        return isNew
    }

    func changeSeen(_ log: LogID, _ body: (inout SeenIDs) -> Void) {
        switch owners[log] {
        case .lane(let lane):
            if lane.queue.seen == nil { lane.queue.seen = SeenIDs() }
            body(&lane.queue.seen!)
        case .partition(let partition):
            if partition.topic.seen == nil { partition.topic.seen = SeenIDs() }
            body(&partition.topic.seen!)
        case nil: break
        }
    }
}

extension Queue {
    /// Why there is no room for the message; nil if there is.
    fileprivate func error(ifFullFor publish: Publish) -> BrokerError? {
        guard exceeds(messages: 1 + publish.more.count, bytes: publish.byteCount) else { return nil }
        if let limit = arguments.maxLength, ready + 1 + publish.more.count > limit {
            return .queueFull(name: name, limit: limit, unit: "messages")
        }
        return .queueFull(name: name, limit: arguments.maxLengthBytes ?? 0, unit: "bytes")
    }
}

extension Publish {
    /// Whether there is nothing about it but its place and its bytes.
    var isPlain: Bool { id == nil && priority == 0 && timeToLive == nil }

    var all: [Message] { [message] + more }

    /// Whether the name of the place it ends up in is all there is to say about where it was published to.
    var isToName: Bool { exchange.isEmpty && moreKeys.isEmpty }

    /// The message with where it was published to, if that is not the name of the place it ends up in.
    func addressed(_ message: Message) -> Message {
        guard !isToName else { return message }
        var message = message
        if !exchange.isEmpty { message.headers.set(.exchange, exchange) }
        message.headers.set(.routingKey, routingKey)
        for key in moreKeys { message.headers.set(.moreKeys, key) }
        return message
    }

    /// The same with its priority, which is the message's own: it counts again wherever the message is moved to.
    func labelled(_ message: Message) -> Message {
        var message = addressed(message)
        if priority > 0 { message.headers.set(.priority, "\(priority)") }
        return message
    }
}

extension Timestamp {
    /// - Returns: the far future where that is beyond the range.
    func later(byMilliseconds milliseconds: Int64) -> Timestamp {
        let (sum, overflow) = rawValue.addingReportingOverflow(milliseconds)
        return Timestamp(overflow ? .max - 1 : sum)
    }
}

extension RecordHeaders {
    mutating func set(_ header: BrokerHeader, _ value: String) {
        append(name: header.rawValue.utf8, value: value.utf8)
    }
}
