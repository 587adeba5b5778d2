internal import ColaAMQP
internal import ColaCore
internal import ColaNative
internal import ColaServer
internal import NIOCore

// What clients that speak AMQP do on a channel.
extension AMQPClientChannel {
    private var queues: [Place] { world.places.filter { $0.kind == .queue } }

    // MARK: Publishing

    func publishOne() {
        guard world.mayPublish, let route = world.pick(Route.all) else { return }
        // One that takes several frames.
        publish(route, size: world.isOne(in: 60) ? world.draw(4_000...5_000) : world.drawSize())
    }

    func publishMany() {
        for _ in 0..<world.draw(2...5) { publishOne() }
    }

    func publish(_ route: Route, size: Int) {
        guard isOpen else { return }
        var terms = world.drawTerms(on: route)
        // There is no delay without an exchange for it, and of a transaction nobody could say what became of an id.
        terms.delay = 0
        if mode == .transactional { terms.id = nil }
        let (publish, bodies) = world.ledger.publish(
            [size], to: route.places, over: lane, life: link.life, with: terms, at: world.time,
            state: mode == .transactional ? .held : .sent)
        world.tally.published += 1
        world.tally.overAMQP += 1
        if mode == .transactional { transaction.publishes.append(publish) } else { didPublish(publish) }
        send(bodies[0], terms, exchange: route.exchange ?? "", key: route.key, isMandatory: true)
        world.note("\(name) publishes \(publish) to \(route.key)")
    }

    /// A message that leads nowhere comes back, if it is mandatory.
    func publishNowhere() {
        guard mode == .confirming else { return }
        let isMandatory = world.isOne(in: 2)
        let (publish, bodies) = world.ledger.publish(
            [0], to: [], over: lane, life: link.life, with: Terms(), at: world.time)
        didPublish(publish, returns: isMandatory ? bodies[0] : nil)
        send(bodies[0], Terms(), exchange: "", key: "nowhere", isMandatory: isMandatory)
    }

    private func send(_ body: ByteBuffer, _ terms: Terms, exchange: String, key: String, isMandatory: Bool) {
        var properties = BasicProperties()
        properties.deliveryMode = 2
        if terms.priority > 0 { properties.priority = UInt8(terms.priority) }
        properties.expiration = terms.timeToLive.map { "\($0)" }
        properties.messageID = terms.id
        var header = ByteBuffer()
        properties.write(to: &header)
        var bytes = ByteBuffer()
        bytes.writeMethod(
            .basicPublish(exchange: exchange, routingKey: key, mandatory: isMandatory, immediate: false),
            channel: number)
        // A body may be cut into frames anywhere.
        let most = min(session.frameMax, world.isOne(in: 3) ? world.draw(9...100) : .max)
        bytes.writeContent(
            channel: number, properties: header.readableBytesView, body: body.readableBytesView, frameMax: most)
        session.send(bytes)
    }

    // MARK: Consuming

    func setPrefetch() {
        prefetch = world.draw(1...6)
        ask("qos", .basicQos(prefetchSize: 0, prefetchCount: UInt16(prefetch), global: false), [.basicQosOk])
    }

    private var hasFewConsumers: Bool { consumers.filter { !$0.hasEnded && !$0.isCancelling }.count < 3 }

    func consumeOne() {
        guard hasFewConsumers, let place = world.pick(queues) else { return }
        if prefetch == 0, prefetchOfAll == 0 { setPrefetch() }
        consume(place, isAutoAck: place.isLoose && world.isOne(in: 2))
    }

    func consume(
        _ place: Place, isAutoAck: Bool = false, reader: TopicReader? = nil, arguments: FieldTable = FieldTable()
    ) {
        let number = Int64(consumers.count + 1)
        let consumer = Consumer(
            tag: "\(lane)/\(number)", number: number, place: place, isAutoAck: isAutoAck, prefetch: prefetch,
            reader: reader)
        consumers.append(consumer)
        ask(
            "consume \(place.name)",
            .basicConsume(
                queue: place.name, consumerTag: consumer.tag, noLocal: false, noAck: isAutoAck, exclusive: false,
                noWait: false, arguments: arguments), [.basicConsumeOk])
    }

    func readTopic() {
        // As RabbitMQ has it: a stream is acknowledged, with a prefetch, and that not of the whole channel.
        guard isOpen, mode != .transactional, prefetchOfAll == 0, hasFewConsumers,
            let place = world.pick(world.places.filter { $0.kind == .topic })
        else { return }
        if prefetch == 0 { setPrefetch() }
        let topic = world.ledger.topics[place.number]
        let (from, starts): (FieldValue, [Int64]?)
        switch world.draw(0...2) {
        case 0: (from, starts) = (.string("first"), [0])
        case 1: (from, starts) = (.string("next"), nil)
        default:
            guard let offset = topic.knownOffset({ world.pick($0) }) else { return }
            (from, starts) = (.int64(offset), [offset])
        }
        let reader = TopicReader(name: "\(name)'s reader", topic: topic, starts: starts, ledger: world.ledger)
        consume(place, reader: reader, arguments: ["x-stream-offset": from])
    }

    func cancelOne() {
        let indices = consumers.indices.filter { !consumers[$0].hasEnded && !consumers[$0].isCancelling }
        guard isOpen, let index = world.pick(indices) else { return }
        consumers[index].isCancelling = true
        ask("cancel", .basicCancel(consumerTag: consumers[index].tag, noWait: false), [.basicCancelOk]) {
            [unowned self] _, _ in consumers[index].hasEnded = true
        }
    }

    func getOne() {
        // Who holds all that it may hold is not given more; a client of AMQP is told so in no other way than this.
        guard
            held.count + transaction.settlements.count + pendingCount < world.plan.options.limits.unackedPerChannelMax,
            !consumers.contains(where: { !$0.hasEnded && !$0.isAutoAck }) || !isTight,
            let place = world.pick(queues.filter { !$0.isSingleActive })
        else { return }
        get(place, isAutoAck: place.isLoose && world.isOne(in: 2))
    }

    private var isTight: Bool { world.plan.options.limits.unackedPerChannelMax < 1_000 }

    func get(_ place: Place, isAutoAck: Bool = false) {
        ask("get \(place.name)", .basicGet(queue: place.name, noAck: isAutoAck), [.basicGetOk, .basicGetEmpty]) {
            [unowned self] method, content in
            guard case .basicGetOk(let delivery, let isRedelivered, _, _, _) = method, let content else { return }
            take(content, delivery, isRedelivered, of: place, isAutoAck: isAutoAck, 0)
        }
    }

    // MARK: Settling

    func settleSome() {
        guard !held.isEmpty, !isRecovering else { return }
        let settlement: Reception.Settlement =
            switch world.draw(0...9) {
            case 0...2: .nack
            case 3: .reject
            default: .ack
            }
        settle(world.draw(0...held.count - 1), isMultiple: world.isOne(in: 4), settlement)
    }

    /// Settles what it holds at this index, and all before it if several are meant.
    func settle(_ index: Int, isMultiple: Bool, _ settlement: Reception.Settlement) {
        guard isOpen else { return }
        let range = (isMultiple ? 0 : index)...index
        let settled = held[range]
        held.removeSubrange(range)
        let last = settled[range.upperBound].delivery
        if mode == .transactional {
            transaction.settlements += settled.map { ($0.delivery, $0.reception, settlement) }
        } else {
            for (_, reception) in settled {
                reception.settle(settlement, at: world.time)
                didSettle(reception)
            }
        }
        let name = "\(settlement) \(isMultiple ? "through " : "")\(last)"
        switch settlement {
        case .ack: tell(name, .basicAck(deliveryTag: last, multiple: isMultiple))
        case .nack where !isMultiple && world.isOne(in: 2): tell(name, .basicReject(deliveryTag: last, requeue: true))
        case .nack: tell(name, .basicNack(deliveryTag: last, multiple: isMultiple, requeue: true))
        case .reject: tell(name, .basicNack(deliveryTag: last, multiple: isMultiple, requeue: false))
        }
    }

    /// All that it holds comes back, from what has come until the answer, but for what a transaction settles.
    func recover() {
        guard isOpen, !isRecovering else { return }
        isRecovering = true
        ask("recover", .basicRecover(requeue: true), [.basicRecoverOk]) { [unowned self] _, _ in
            held = []
            isRecovering = false
        }
    }

    // MARK: Transactions

    func commit() {
        guard mode == .transactional, isOpen, !isMistaken, !transaction.isEmpty else { return }
        let number = world.ledger.commit(
            transaction.publishes, transaction.settlements.map { ($0.reception, $0.settlement) }, over: lane,
            at: world.time)
        for settlement in transaction.settlements { didSettle(settlement.reception) }
        let places = transaction.publishes.flatMap { world.ledger.publishes[$0].places }
        transaction = Draft()
        committing.append(number)
        // Another one may be in the place that is left.
        if places.contains(where: { world.places[$0].mayRefuse }) { mayFail([.preconditionFailed]) }
        world.tally.transactions += 1
        ask("commit \(number)", .txCommit, [.txCommitOk]) { [unowned self] _, _ in
            committing.removeFirst()
            world.ledger.answerCommit(number, isDone: true, at: world.time)
        }
    }

    /// What was published is forgotten, and what was settled is held again.
    func rollBack() {
        guard mode == .transactional, isOpen, !isRecovering, !transaction.isEmpty else { return }
        for publish in transaction.publishes { world.ledger.answer(publish, .refused, at: world.time) }
        held += transaction.settlements.map { ($0.delivery, $0.reception) }
        held.sort { $0.delivery < $1.delivery }
        transaction = Draft()
        ask("roll back", .txRollback, [.txRollbackOk])
    }

    // MARK: Mistakes

    /// Does what is wrong, on purpose: the channel ends with an error, and nothing else does.
    func makeMistake() {
        guard isOpen, !isMistaken else { return }
        switch world.draw(0...4) {
        case 0:
            expect([.notFound])
            tell(
                "for a queue that is not there",
                .queueDeclare(
                    queue: "nobody", passive: true, durable: false, exclusive: false, autoDelete: false, noWait: false,
                    arguments: FieldTable()))
        case 1 where mode != .transactional:
            expect([.preconditionFailed])
            tell("to settle what is not there", .basicAck(deliveryTag: 1_000_000, multiple: world.isOne(in: 2)))
        case 2:
            expect([.preconditionFailed])
            tell(
                "for a queue that is another",
                .queueDeclare(
                    queue: "dead", passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false,
                    arguments: ["x-max-priority": .int32(9)]))
        case 3 where mode != .transactional:
            expect([.notFound])
            send(ByteBuffer(string: "lost"), Terms(), exchange: "nowhere", key: "", isMandatory: false)
        default:
            expect([.notFound])
            tell("a message of a queue that is not there", .basicGet(queue: "nobody", noAck: false))
        }
    }

    // MARK: Looking

    func look() {
        guard world.isOne(in: 2), let place = world.pick(queues) else { return setPrefetch() }
        ask(
            "look at \(place.name)",
            .queueDeclare(
                queue: place.name, passive: true, durable: false, exclusive: false, autoDelete: false, noWait: false,
                arguments: FieldTable()), [.queueDeclareOk])
    }

    func purgeOne() {
        guard isOpen,
            let place = world.pick(queues.filter { $0.isLoose || $0.number <= Place.plainLast && world.isOne(in: 8) })
        else { return }
        world.ledger.purge(place.number, begins: true)
        purging.append(place.number)
        ask("purge \(place.name)", .queuePurge(queue: place.name, noWait: false), [.queuePurgeOk]) {
            [unowned self] _, _ in
            purging.removeFirst()
            world.ledger.purge(place.number, begins: false)
        }
    }
}
