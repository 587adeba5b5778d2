package import ColaCore
internal import DequeModule
internal import NIOCore

// From effects to frames.
extension AMQPSession {
    /// Writes one effect that names this session's connection or one of its channels; the owner calls `flush` behind
    /// the last of a series.
    package mutating func handle(_ effect: Effect) {
        guard !isClosed else { return }
        switch effect {
        case .deliver(let id, let consumer, let delivery): deliver(delivery, to: consumer, of: id)
        case .reply(let id, let request, let reply):
            if id.isConnection {
                if request == .opening { answerOpen(reply) }
            } else if let channel = channels[id.number], channel.id == id {
                answer(request, reply, of: channel)
            }
        case .consumerFailed(let id, let consumer, let error):
            guard let channel = channels[id.number], channel.id == id, channel.state != .closing else { return }
            consumerFailed(consumer, error, of: channel)
        case .blocked(let sentence):
            blocked = sentence
            tellBlocked()
            if sentence == nil { goOn() }
        case .dismiss(_, let dismissal): close(code: dismissal.code, sentence: dismissal.description)
        case .assigned, .ask, .windowFull, .read, .fetch, .damaged, .backUp, .cancelBackup, .workers, .hashPassword:
            break
        }
    }

    /// Nothing more follows for now: what waited to be merged is written.
    package mutating func flush() {
        while let channel = unflushed.popLast() { writeAcks(of: channel) }
    }

    /// Why publishers are held back is for those who publish.
    mutating func tellBlocked() {
        guard isOpened, case .open = state, capabilities.knowsBlocked else { return }
        if let blocked, hasPublished, !knowsBlocked {
            knowsBlocked = true
            write(.connectionBlocked(reason: blocked))
        } else if blocked == nil, knowsBlocked {
            knowsBlocked = false
            write(.connectionUnblocked)
        }
    }

    // MARK: Answers

    private mutating func answer(_ id: RequestID, _ reply: Reply, of channel: AMQPChannel) {
        guard channel.state != .closing else { return }
        switch id {
        case .pending: answerFirst(reply, of: channel)
        case .farewell: takeFarewell(of: channel)
        case .unconfirmed: answerPublish(nil, reply, of: channel)
        default:
            if id.rawValue <= channel.lastPublish {
                answerPublish(id.rawValue, reply, of: channel)
            } else {
                answerSilent(id, reply, of: channel)
            }
        }
    }

    private mutating func answerPublish(_ number: UInt64?, _ reply: Reply, of channel: AMQPChannel) {
        switch reply {
        case .returned(let publish):
            guard let number else { return giveBack(publish, to: channel) }
            // As RabbitMQ: the confirm behind a return is that of the message that came back, and of no other.
            writeAcks(of: channel)
            giveBack(publish, to: channel)
            output.writeConfirm(channel: channel.number, deliveryTag: number, multiple: false)
        case .refused(let error) where error.endsStrictChannel: end(channel, Self.error(error, .basicPublish, host))
        case .refused, .refusedBySession:
            guard let number else { return }
            writeAcks(of: channel)
            output.writeConfirm(channel: channel.number, deliveryTag: number, multiple: false, isAck: false)
        default:
            if let number { confirm(number, of: channel) }
        }
    }

    /// Of an acknowledgement that failed, or a part of a transaction.
    private mutating func answerSilent(_ id: RequestID, _ reply: Reply, of channel: AMQPChannel) {
        switch reply {
        case .returned(let publish): giveBack(publish, to: channel)
        case .refused(let error) where error.endsStrictChannel:
            end(channel, Self.error(error, id.settlingMethod ?? .basicAck, host))
        default: return
        }
    }

    private mutating func answerFirst(_ reply: Reply, of channel: AMQPChannel) {
        guard let answer = channel.pending.popFirst() else { return }
        switch (answer.kind, reply) {
        case (.fail(let error), _): end(channel, error)
        case (.close, _):
            writeAcks(of: channel)
            write(.channelCloseOk, channel: channel.number)
            commands.append(.detach(channel.id))
            forget(channel)
            takeFarewell(of: channel)
        case (.commit, .refused(let error)):
            // It is a publish of it that was wrong.
            end(channel, Self.error(error, .basicPublish, host))
        case (_, .refused(let error)): end(channel, Self.error(error, answer.method, host))
        case (.consume(let number, let method), .consuming(let kind)):
            channel.consumers[number]?.kind = kind
            if let method { write(method, channel: channel.number) }
        case (.cancel(let number, let method), _):
            channel.consumers[number] = nil
            if let method { write(method, channel: channel.number) }
        case (.method(let method), _):
            if let method { write(method, channel: channel.number) }
        case (.declare(let queue, let isSilent), .declared(let messages, let consumers)):
            guard !isSilent else { return }
            write(
                .queueDeclareOk(
                    queue: queue, messageCount: UInt32(clamping: messages), consumerCount: UInt32(clamping: consumers)),
                channel: channel.number)
        case (.purge(false), .removed(let messages)):
            write(.queuePurgeOk(messageCount: UInt32(clamping: messages)), channel: channel.number)
        case (.delete(_, let isSilent), .removed(let messages)):
            if !isSilent { write(.queueDeleteOk(messageCount: UInt32(clamping: messages)), channel: channel.number) }
            writeCancels(to: channel)
        case (.commit, _): write(.txCommitOk, channel: channel.number)
        case (.get, .empty): write(.basicGetEmpty, channel: channel.number)
        case (.get(let queue), .message(let delivery, let state)):
            writeGetOk(delivery, of: queue, state, channel)
        default: break
        }
    }

    /// The channel ends with an error, or the connection does.
    mutating func end(_ channel: AMQPChannel, _ error: ProtocolError) {
        if error.code.endsConnection { return fail(error) }
        writeAcks(of: channel)
        let method = error.method ?? MethodID(classID: 0, methodID: 0)
        write(
            .channelClose(
                replyCode: error.code.rawValue, replyText: error.text, classID: method.classID,
                methodID: method.methodID), channel: channel.number)
        commands.append(.detach(channel.id))
        let isLeft = channel.isLeftByPeer || channel.state == .leaving
        bodyBytes -= channel.bodyBytes
        dropTransaction(of: channel)
        channel.drop()
        if isLeft {
            write(.channelCloseOk, channel: channel.number)
            forget(channel)
        }
        takeFarewell(of: channel)
    }

    /// All that the channel had to say before the connection ends is said.
    private mutating func takeFarewell(of channel: AMQPChannel) {
        guard channel.owesFarewell else { return }
        channel.owesFarewell = false
        farewells -= 1
        if farewells == 0 { finishLeaving() }
    }

    // MARK: Confirms

    private mutating func confirm(_ number: UInt64, of channel: AMQPChannel) {
        guard let acks = channel.unwrittenAcks else {
            channel.unwrittenAcks = number...number
            return unflushed.append(channel)
        }
        channel.unwrittenAcks = acks.lowerBound...number
    }

    private mutating func writeAcks(of channel: AMQPChannel) {
        guard let acks = channel.unwrittenAcks else { return }
        channel.unwrittenAcks = nil
        guard channel.state != .closing else { return }
        output.writeConfirm(channel: channel.number, deliveryTag: acks.upperBound, multiple: acks.count > 1)
    }

    private mutating func giveBack(_ publish: Publish, to channel: AMQPChannel) {
        write(
            .basicReturn(
                replyCode: ReplyCode.noRoute.rawValue, replyText: ReplyCode.noRoute.name, exchange: publish.exchange,
                routingKey: publish.routingKey), channel: channel.number)
        output.writeContent(
            channel: channel.number, properties: publish.message.amqpProperties, body: publish.message.value ?? [],
            frameMax: Int(frameMax))
    }

    // MARK: Messages

    private mutating func deliver(_ delivery: Delivery, to number: ConsumerTag, of id: ChannelID) {
        let channel: AMQPChannel
        if let lastChannel, lastChannel.id == id {
            channel = lastChannel
        } else if let found = channels[id.number], found.id == id {
            channel = found
        } else {
            return
        }
        guard channel.state != .closing, let consumer = channel.consumers[number] else { return }
        channel.lastDelivery = delivery.tag
        let content = DeliveryContent(delivery, from: consumer.kind.source)
        let frameMax = Int(frameMax)
        consumer.tag.withUnsafeBytes { tag in
            content.with(delivery, queue: consumer.queue) { exchange, key, properties, body in
                output.writeRawDeliver(
                    channel: channel.number, consumerTag: tag, deliveryTag: delivery.tag.rawValue,
                    redelivered: delivery.redelivered != nil, exchange: exchange, routingKey: key,
                    properties: properties, body: body, frameMax: frameMax)
            }
        }
    }

    private mutating func writeGetOk(
        _ delivery: Delivery, of queue: String, _ state: QueueState, _ channel: AMQPChannel
    ) {
        channel.lastDelivery = delivery.tag
        let content = DeliveryContent(delivery, from: state.kind.source)
        let frameMax = Int(frameMax)
        content.with(delivery, queue: Array(queue.utf8)) { exchange, key, properties, body in
            output.writeMethod(
                .basicGetOk(
                    deliveryTag: delivery.tag.rawValue, redelivered: delivery.redelivered != nil,
                    exchange: String(decoding: exchange, as: UTF8.self),
                    routingKey: String(decoding: key, as: UTF8.self),
                    messageCount: UInt32(clamping: state.ready)), channel: channel.number)
            output.writeRawContent(channel: channel.number, properties: properties, body: body, frameMax: frameMax)
        }
    }

    private mutating func consumerFailed(_ number: ConsumerTag, _ error: BrokerError, of channel: AMQPChannel) {
        switch error {
        // Of messages that are damaged the consumer goes on with the others.
        case .damaged: return
        case .heldTooLong(_, _, let milliseconds):
            let refusal = Refusal.deliveryTimedOut(channel: channel.number, milliseconds: milliseconds)
            return end(channel, ProtocolError(refusal, in: MethodID(classID: 0, methodID: 0)))
        default: break
        }
        guard let consumer = channel.consumers.removeValue(forKey: number) else { return }
        let tag = String(decoding: consumer.tag, as: UTF8.self)
        channel.tags[tag] = nil
        guard capabilities.knowsConsumerCancel, channel.isReading else { return }
        channel.cancelledLater.append(tag)
        // As RabbitMQ: who deletes a queue hears of its own consumers behind the answer to that.
        if !channel.isDeleting(consumer.queue) { writeCancels(to: channel) }
    }

    private mutating func writeCancels(to channel: AMQPChannel) {
        for tag in channel.cancelledLater {
            write(.basicCancel(consumerTag: tag, noWait: true), channel: channel.number)
        }
        channel.cancelledLater = []
    }
}

extension QueueKind {
    fileprivate var source: DeliveryContent.Source {
        switch self {
        case .classic: .classic
        case .quorum: .quorum
        case .stream: .stream
        }
    }
}

extension DeliveryContent {
    /// Hands `body` the exchange, the routing key, the properties and the body of the message, where they stand.
    fileprivate func with(
        _ delivery: Delivery, queue: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer, UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) {
        delivery.data.withUnsafeBytes { data in
            queue.withUnsafeBytes { queue in
                withProperties(in: delivery.data) { properties in
                    let exchange = exchange.map { UnsafeRawBufferPointer(rebasing: data[$0]) }
                    let key = routingKey.map { UnsafeRawBufferPointer(rebasing: data[$0]) } ?? queue
                    let value = UnsafeRawBufferPointer(rebasing: data[delivery.entry.value.range])
                    body(exchange ?? UnsafeRawBufferPointer(start: nil, count: 0), key, properties, value)
                }
            }
        }
    }
}

extension Message {
    /// Flags and list, as they came.
    fileprivate var amqpProperties: ArraySlice<UInt8> {
        let fields = headers.encoded.withUnsafeBytes { RecordHeaders.decode($0) } ?? []
        let found = fields.first { $0.name.elementsEqual(BrokerHeader.amqp.rawValue.utf8) }
        return found?.value ?? Content.persistent[...]
    }
}

extension RequestID {
    /// The method of a settlement that failed.
    fileprivate var settlingMethod: MethodID? {
        silentKind.map { MethodID(classID: MethodID.basicAck.classID, methodID: UInt16($0)) }
    }
}
