internal import ColaCore
internal import NIOCore

// What a client asks for on a channel.
extension AMQPSession {
    mutating func readMethod(_ frame: Frame, _ bytes: UnsafeRawBufferPointer, of channel: AMQPChannel) {
        let payload = UnsafeRawBufferPointer(rebasing: bytes[frame.payload])
        guard channel.content == nil else {
            return fail(
                ProtocolError(
                    .unexpectedFrame, "a method on channel \(channel.number) where the content of one is to come",
                    in: .basicPublish))
        }
        let id = MethodID(payload)
        if id == .basicPublish { return readPublish(payload, of: channel) }
        if id == .basicAck, payload.count == 13 {
            let tag = UInt64(bigEndian: payload.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
            return settle(tag, isMultiple: payload[12] & 1 != 0, .acknowledge, .basicAck, on: channel)
        }
        do throws(MethodError) {
            perform(try Method.decode(payload), on: channel)
        } catch {
            fail(Self.error(error))
        }
    }

    private mutating func perform(_ method: Method, on channel: AMQPChannel) {
        switch method {
        case .channelOpen: fail(ProtocolError(.channelError, "second 'channel.open' seen", in: method.id))
        case .channelFlow(let active):
            // As RabbitMQ, which clients count on: whoever wants less sets a prefetch.
            guard active else { return fail(ProtocolError(.notImplemented, "active=false", in: method.id)) }
            ask(.barrier, .method(.channelFlowOk(active: true)), method, on: channel)
        case .channelFlowOk, .channelCloseOk: return
        case .channelClose:
            channel.state = .leaving
            ask(.barrier, .close, method, on: channel)
        case .accessRequest: ask(.barrier, .method(.accessRequestOk(ticket: 1)), method, on: channel)
        case .exchangeDeclare, .exchangeDelete, .exchangeBind, .exchangeUnbind: performExchange(method, on: channel)
        case .queueDeclare, .queueBind, .queueUnbind, .queuePurge, .queueDelete: performQueue(method, on: channel)
        case .confirmSelect, .txSelect, .txCommit, .txRollback: performMode(method, on: channel)
        case .basicQos, .basicConsume, .basicCancel, .basicGet, .basicAck, .basicReject, .basicNack, .basicRecover,
            .basicRecoverAsync:
            performBasic(method, on: channel)
        default:
            fail(
                ProtocolError(.commandInvalid, "\(method.id) is not for a server, or not for a channel", in: method.id))
        }
    }

    /// Asks the broker, and notes what its answer leads to.
    mutating func ask(_ request: Request, _ kind: PendingAnswer.Kind, _ method: Method, on channel: AMQPChannel) {
        channel.pending.append(PendingAnswer(kind: kind, method: method.id))
        commands.append(.request(channel.id, .pending, request))
    }

    /// Refuses what the session itself can see is wrong, in its turn; what comes on the channel from now on is dropped.
    mutating func refuse(_ error: ProtocolError, on channel: AMQPChannel) {
        if error.code.endsConnection { return fail(error) }
        channel.state = .failing
        channel.pending.append(
            PendingAnswer(kind: .fail(error), method: error.method ?? MethodID(classID: 0, methodID: 0)))
        commands.append(.request(channel.id, .pending, .barrier))
    }

    // MARK: Exchanges

    private mutating func performExchange(_ method: Method, on channel: AMQPChannel) {
        switch method {
        case .exchangeDeclare: declareExchange(method, on: channel)
        case .exchangeDelete(let name, let ifUnused, let noWait):
            ask(
                .deleteExchange(name: Self.name(name), ifUnused: ifUnused), .method(noWait ? nil : .exchangeDeleteOk),
                method,
                on: channel)
        case .exchangeBind(let destination, let source, let key, let noWait, let arguments):
            let binding = BindingDefinition(
                source: Self.name(source), target: .exchange, destination: Self.name(destination),
                routingKey: key,
                arguments: ArgumentTable(arguments))
            ask(.bind(binding), .method(noWait ? nil : .exchangeBindOk), method, on: channel)
        case .exchangeUnbind(let destination, let source, let key, let noWait, let arguments):
            let binding = BindingDefinition(
                source: Self.name(source), target: .exchange, destination: Self.name(destination),
                routingKey: key,
                arguments: ArgumentTable(arguments))
            ask(.unbind(binding), .method(noWait ? nil : .exchangeUnbindOk), method, on: channel)
        default: break
        }
    }

    private mutating func declareExchange(_ method: Method, on channel: AMQPChannel) {
        guard
            case .exchangeDeclare(
                let name, let type, let passive, let durable, let autoDelete, let isInternal, let noWait,
                let arguments) = method
        else { return }
        var declaration = ExchangeDeclaration(name: Self.name(name), kind: .direct, isPassive: passive)
        if !passive, type == ExchangeDefinition.Kind.superStream.rawValue,
            arguments[SuperStreamArguments.partitions] != nil
        {
            return declareSuperStream(method, on: channel)
        }
        if !passive {
            do throws(ExchangeDeclaration.Refusal) {
                declaration = try ExchangeDeclaration(
                    name: Self.name(name), type: type, arguments: ArgumentTable(arguments))
            } catch {
                switch error {
                case .unknownType(let type):
                    return fail(ProtocolError(.commandInvalid, "unknown exchange type '\(type)'", in: method.id))
                case .badArgument(let sentence):
                    return refuse(ProtocolError(.preconditionFailed, sentence, in: method.id), on: channel)
                }
            }
        }
        declaration.isDurable = durable
        declaration.isAutoDelete = autoDelete
        declaration.isInternal = isInternal
        ask(.declareExchange(declaration), .method(noWait ? nil : .exchangeDeclareOk), method, on: channel)
    }

    /// A topic with several partitions, as a client of AMQP may make one.
    private mutating func declareSuperStream(_ method: Method, on channel: AMQPChannel) {
        guard
            case .exchangeDeclare(
                let given, _, _, let durable, let autoDelete, let isInternal, let noWait, let table) = method
        else { return }
        let name = Self.name(given)
        do throws(Refusal) {
            let read = try SuperStreamArguments(
                table, exchange: name, host: host, isLasting: durable && !autoDelete && !isInternal)
            ask(
                .declareTopic(name: name, partitions: read.partitions, read.arguments),
                .method(noWait ? nil : .exchangeDeclareOk), method, on: channel)
        } catch {
            refuse(ProtocolError(error, in: method.id), on: channel)
        }
    }

    // MARK: Queues

    /// The queue that is meant; where none is named it is the one that was declared last.
    private mutating func queue(_ name: String, _ method: Method, on channel: AMQPChannel) -> String? {
        if !name.isEmpty { return Self.name(name) }
        if let last = channel.lastQueue { return last }
        refuse(ProtocolError(.notFound, "no previously declared queue", in: method.id), on: channel)
        return nil
    }

    private mutating func performQueue(_ method: Method, on channel: AMQPChannel) {
        switch method {
        case .queueDeclare: declare(method, on: channel)
        case .queueBind(let name, let exchange, let key, let noWait, let arguments):
            guard let queue = queue(name, method, on: channel) else { return }
            // Source: AMQP 0-9-1, class queue, method bind, "routing-key"
            let key = name.isEmpty && key.isEmpty ? queue : key
            let binding = BindingDefinition(
                source: Self.name(exchange), destination: queue, routingKey: key, arguments: ArgumentTable(arguments))
            ask(.bind(binding), .method(noWait ? nil : .queueBindOk), method, on: channel)
        case .queueUnbind(let name, let exchange, let key, let arguments):
            guard let queue = queue(name, method, on: channel) else { return }
            let key = name.isEmpty && key.isEmpty ? queue : key
            let binding = BindingDefinition(
                source: Self.name(exchange), destination: queue, routingKey: key, arguments: ArgumentTable(arguments))
            ask(.unbind(binding), .method(.queueUnbindOk), method, on: channel)
        case .queuePurge(let name, let noWait):
            guard let queue = queue(name, method, on: channel) else { return }
            ask(.purge(name: queue), .purge(isSilent: noWait), method, on: channel)
        case .queueDelete(let name, let ifUnused, let ifEmpty, let noWait):
            guard let queue = queue(name, method, on: channel) else { return }
            ask(
                .deleteQueue(name: queue, ifUnused: ifUnused, ifEmpty: ifEmpty),
                .delete(queue: queue, isSilent: noWait),
                method,
                on: channel)
        default: break
        }
    }

    private mutating func declare(_ method: Method, on channel: AMQPChannel) {
        guard
            case .queueDeclare(
                let given, let asks, let durable, let exclusive, let autoDelete, let noWait, let arguments) = method
        else { return }
        // Whoever is to answer may ask whether anybody waits for it still.
        let isOfAnswers = given.hasPrefix(Self.replyTo + ".")
        let isPassive = asks || isOfAnswers
        let isChosen = given.isEmpty && !isPassive
        let name = isChosen ? chooseName() : Self.name(given)
        if name == Self.replyTo {
            return ask(
                .barrier, .method(noWait ? nil : .queueDeclareOk(queue: name, messageCount: 0, consumerCount: 1)),
                method, on: channel)
        }
        var declaration = QueueDeclaration(
            name: name, isDurable: durable, isExclusive: exclusive, isAutoDelete: autoDelete)
        declaration.isPassive = isPassive
        declaration.isOfAnswers = isOfAnswers
        declaration.mayBeReserved = isChosen
        if !isPassive {
            do throws(Refusal) {
                let read = try QueueArguments(arguments, queue: name, host: host)
                if read.kind == .stream {
                    try QueueArguments.checkStream(
                        named: name, in: host, isDurable: durable, isExclusive: exclusive, isAutoDelete: autoDelete)
                    return declareStream(name, read.arguments, noWait, method, on: channel)
                }
                declaration.arguments = read.arguments
            } catch {
                return refuse(ProtocolError(error, in: method.id), on: channel)
            }
        }
        channel.lastQueue = name
        ask(.declareQueue(declaration), .declare(queue: name, isSilent: noWait), method, on: channel)
    }

    /// A name that the broker gives is known here at once, as what comes next may mean that queue already.
    private mutating func chooseName() -> String {
        namesGiven += 1
        return "amq.gen-\(epoch)-\(channel)-\(namesGiven)"
    }

    private mutating func declareStream(
        _ name: String, _ arguments: Arguments, _ noWait: Bool, _ method: Method, on channel: AMQPChannel
    ) {
        channel.lastQueue = name
        ask(
            .declareTopic(name: name, partitions: 1, arguments), .declare(queue: name, isSilent: noWait), method,
            on: channel)
    }

    // MARK: Modes

    private mutating func performMode(_ method: Method, on channel: AMQPChannel) {
        switch (method, channel.mode) {
        case (.confirmSelect, .transactional):
            refuse(
                ProtocolError(.preconditionFailed, "cannot switch from tx to confirm mode", in: method.id), on: channel)
        case (.confirmSelect(let noWait), _):
            channel.mode = .confirming
            ask(.barrier, .method(noWait ? nil : .confirmSelectOk), method, on: channel)
        case (.txSelect, .confirming):
            refuse(
                ProtocolError(.preconditionFailed, "cannot switch from confirm to tx mode", in: method.id), on: channel)
        case (.txSelect, _):
            channel.mode = .transactional
            ask(.barrier, .method(.txSelectOk), method, on: channel)
        case (.txCommit, .transactional):
            let requests = channel.transaction
            dropTransaction(of: channel)
            ask(.transaction(requests), .commit, method, on: channel)
        case (.txRollback, .transactional):
            dropTransaction(of: channel)
            ask(.rollback, .method(.txRollbackOk), method, on: channel)
        default:
            refuse(ProtocolError(.preconditionFailed, "channel is not transactional", in: method.id), on: channel)
        }
    }

    mutating func dropTransaction(of channel: AMQPChannel) {
        transactionBytes -= channel.transactionBytes
        channel.transaction = []
        channel.transactionBytes = 0
    }

    // MARK: Messages

    private mutating func performBasic(_ method: Method, on channel: AMQPChannel) {
        switch method {
        case .basicQos(let size, let count, let global):
            guard size == 0 else {
                return fail(ProtocolError(.notImplemented, "prefetch_size!=0 (\(size))", in: method.id))
            }
            let limit = count == 0 ? nil : Int(count)
            if global {
                ask(.prefetch(limit, .channel), .method(.basicQosOk), method, on: channel)
            } else {
                channel.prefetch = count
                // Celery and SimpleAmqpClient say it again when they have begun to consume, and mean what they consume.
                let request = capabilities.changesPrefetchLater ? Request.prefetch(limit, .eachConsumer) : .barrier
                ask(request, .method(.basicQosOk), method, on: channel)
            }
        case .basicConsume: consume(method, on: channel)
        case .basicCancel(let tag, let noWait): cancel(tag, noWait, method, on: channel)
        case .basicGet(let name, let noAck):
            guard let queue = queue(name, method, on: channel) else { return }
            ask(.get(name: queue, isAutoAck: noAck), .get(queue: queue), method, on: channel)
        case .basicAck(let tag, let multiple):
            settle(tag, isMultiple: multiple, .acknowledge, method.id, on: channel)
        case .basicNack(let tag, let multiple, let requeue):
            settle(tag, isMultiple: multiple, requeue ? .retry : .reject, method.id, on: channel)
        case .basicReject(let tag, let requeue):
            settle(tag, isMultiple: false, requeue ? .retry : .reject, method.id, on: channel)
        case .basicRecover(let requeue), .basicRecoverAsync(let requeue):
            guard requeue else {
                return fail(ProtocolError(.notImplemented, "requeue=false", in: method.id))
            }
            let answer: Method? = if case .basicRecover = method { .basicRecoverOk } else { nil }
            ask(.recover, .method(answer), method, on: channel)
        default: break
        }
    }

    mutating func settle(
        _ tag: UInt64, isMultiple: Bool, _ settlement: Settlement, _ method: MethodID, on channel: AMQPChannel
    ) {
        guard tag < .max else {
            return refuse(ProtocolError(.preconditionFailed, "unknown delivery tag \(tag)", in: method), on: channel)
        }
        // 0 is all that the channel holds. Source: AMQP 0-9-1, class basic, method ack, "delivery-tag"
        let isAll = isMultiple && tag == 0
        guard channel.mode == .transactional else {
            let last = isAll ? DeliveryTag(.max) : DeliveryTag(tag)
            let request = Request.settle(first: isMultiple ? DeliveryTag(0) : last, last: last, settlement)
            return commands.append(.request(channel.id, .silent(settling: method), request))
        }
        // What is handed out before the commit is not among them.
        let last = isAll ? channel.lastDelivery : DeliveryTag(tag)
        if isAll, last == DeliveryTag(0) { return }
        let first = isMultiple ? DeliveryTag(0) : last
        commands.append(
            .request(
                channel.id, .silent(settling: method), .reserve(first: first, last: last, isLastNamed: !isAll)))
        collect(.settle(first: first, last: last, settlement), bytes: 0, on: channel)
    }

    private mutating func consume(_ method: Method, on channel: AMQPChannel) {
        guard case .basicConsume(let name, let given, _, let noAck, let exclusive, let noWait, let table) = method
        else {
            return
        }
        if name == Self.replyTo { return consumeReplies(given, noAck, noWait, method, on: channel) }
        guard let queue = queue(name, method, on: channel),
            let (number, tag) = nameConsumer(given, method, on: channel)
        else { return }
        var consume = Consume(
            name: queue, consumer: number,
            flow: .prefetch(channel.prefetch == 0 ? .max : Int(channel.prefetch)), isAutoAck: noAck)
        consume.isExclusive = exclusive
        do throws(Refusal) {
            let isStream = ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"].contains {
                table[$0] != nil
            }
            let arguments = try ConsumerArguments(table, queue: queue, host: host, isStream: isStream)
            consume.priority = arguments.priority
            consume.timeout = arguments.timeout
            consume.position = arguments.start?.position(at: wall)
            consume.filter = arguments.filter
        } catch {
            return refuse(ProtocolError(error, in: method.id), on: channel)
        }
        channel.consumers[number] = AMQPConsumer(tag: tag, queue: queue)
        ask(
            .consume(consume), .consume(number, noWait ? nil : .basicConsumeOk(consumerTag: tag)), method,
            on: channel)
    }

    /// As long as RabbitMQ's, which some take for the form of a tag.
    private static func givenTag(_ name: String) -> String {
        "amq.ctag-" + String(repeating: "0", count: max(0, 22 - name.utf8.count)) + name
    }

    /// As RabbitMQ: what stands at the end of a line in a file of names is no part of the name.
    private static func name(_ given: String) -> String {
        guard given.utf8.contains(where: { $0 == 13 || $0 == 10 }) else { return given }
        return String(decoding: given.utf8.filter { $0 != 13 && $0 != 10 }, as: UTF8.self)
    }

    /// The number by which the broker knows the consumer, and the name by which the client does.
    mutating func nameConsumer(
        _ given: String, _ method: Method, on channel: AMQPChannel
    ) -> (ConsumerTag, String)? {
        channel.lastConsumer += 1
        let number = ConsumerTag(channel.lastConsumer)
        let tag = given.isEmpty ? Self.givenTag("\(epoch)-\(channel.id)-\(number)") : given
        guard channel.tags[tag] == nil else {
            fail(ProtocolError(.notAllowed, "attempt to reuse consumer tag '\(tag)'", in: method.id))
            return nil
        }
        channel.tags[tag] = number
        return (number, tag)
    }

    private mutating func cancel(_ tag: String, _ noWait: Bool, _ method: Method, on channel: AMQPChannel) {
        let answer: Method? = noWait ? nil : .basicCancelOk(consumerTag: tag)
        guard let number = channel.tags.removeValue(forKey: tag) else {
            return ask(.barrier, .method(answer), method, on: channel)
        }
        if number == channel.replyConsumer {
            channel.replyConsumer = nil
            channel.replyQueue = nil
        }
        // Until that is answered it may be sent what the broker had handed out before.
        ask(.cancel(number), .cancel(number, answer), method, on: channel)
    }

    // MARK: Direct reply-to

    /// The queue that is none. Source: RabbitMQ, "Direct Reply-to"
    static let replyTo = "amq.rabbitmq.reply-to"

    /// Behind the name stands a queue that only this connection has, and that ends with its consumer.
    private mutating func consumeReplies(
        _ given: String, _ noAck: Bool, _ noWait: Bool, _ method: Method, on channel: AMQPChannel
    ) {
        guard noAck else {
            return refuse(
                ProtocolError(.preconditionFailed, "reply consumer cannot acknowledge", in: method.id), on: channel)
        }
        guard channel.replyConsumer == nil else {
            return refuse(
                ProtocolError(.preconditionFailed, "reply consumer already set", in: method.id), on: channel)
        }
        guard let (number, tag) = nameConsumer(given, method, on: channel) else { return }
        // RabbitMQ's end so as well, and there are clients that look.
        let name = "\(Self.replyTo).\(epoch)-\(channel.id)-\(number).\(secret)=="
        channel.replyQueue = name
        channel.replyConsumer = number
        channel.consumers[number] = AMQPConsumer(tag: tag, queue: name)
        var declaration = QueueDeclaration(name: name, isDurable: false, isExclusive: true, isAutoDelete: true)
        declaration.mayBeReserved = true
        declaration.isOfAnswers = true
        ask(.declareQueue(declaration), .method(nil), method, on: channel)
        var consume = Consume(name: name, consumer: number, flow: .prefetch(.max), isAutoAck: true)
        consume.isOfAnswers = true
        ask(
            .consume(consume), .consume(number, noWait ? nil : .basicConsumeOk(consumerTag: tag)), method,
            on: channel)
    }
}

extension RequestID {
    /// A settlement: answered only if it fails, and known by its method then.
    static func silent(settling method: MethodID) -> RequestID { .silent(UInt8(truncatingIfNeeded: method.methodID)) }
}
