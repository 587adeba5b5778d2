internal import ColaCore
internal import NIOCore

// `basic.publish`, its content header and its body. Source: AMQP 0-9-1, section 2.3.5.2
extension AMQPSession {
    /// The one method that comes a million times a second: it is read in place.
    mutating func readPublish(_ payload: UnsafeRawBufferPointer, of channel: AMQPChannel) {
        let arguments: PublishArguments
        do throws(MethodError) {
            arguments = try PublishArguments.decode(payload)
        } catch {
            return fail(Self.error(error))
        }
        // Two short strings, one behind the other, the first with its length before it.
        let raw = payload[arguments.exchange.lowerBound - 1..<arguments.routingKey.upperBound]
        if raw.count != lastTarget.raw.count || !lastTarget.raw.withUnsafeBytes({ $0.elementsEqual(raw) }) {
            lastTarget = PublishTarget(
                raw: Array(raw), exchange: String(decoding: payload[arguments.exchange], as: UTF8.self),
                routingKey: String(decoding: payload[arguments.routingKey], as: UTF8.self))
        }
        guard !arguments.immediate else {
            return fail(ProtocolError(.notImplemented, "immediate=true", in: .basicPublish))
        }
        channel.content = IncomingContent(target: lastTarget, isMandatory: arguments.mandatory)
    }

    mutating func readContentHeader(
        _ frame: Frame, _ bytes: UnsafeRawBufferPointer, of channel: AMQPChannel, _ burst: [UInt8]
    ) {
        guard let content = channel.content, !content.hasHeader else {
            return fail(
                ProtocolError(.unexpectedFrame, "a content header on channel \(channel.number) that belongs to nothing")
            )
        }
        let header: ContentHeader
        do throws(Malformed) {
            header = try ContentHeader.decode(UnsafeRawBufferPointer(rebasing: bytes[frame.payload]))
        } catch {
            return fail(ProtocolError(.syntaxError, error.reason, in: .basicPublish))
        }
        guard header.classID == MethodID.basicPublish.classID else {
            return fail(
                ProtocolError(
                    .unexpectedFrame,
                    "a content header of class \(header.classID), not \(MethodID.basicPublish.classID)",
                    in: .basicPublish))
        }
        guard header.bodySize <= UInt64(configuration.bodyBytesMax) else {
            channel.content = nil
            return refuse(
                ProtocolError(
                    .preconditionFailed,
                    "message size \(header.bodySize) is larger than configured max size \(configuration.bodyBytesMax) "
                        + "(setting amqp-body-max)", in: .basicPublish), on: channel)
        }
        let start = frame.payload.lowerBound + header.properties.lowerBound
        channel.content?.properties = burst[start..<frame.payload.upperBound]
        channel.content?.bodySize = Int(header.bodySize)
        if header.bodySize == 0 { return finish([], of: channel) }
        // A burst must not be kept for so few bytes, unless it has the body as well, right behind them.
        let next = frame.payload.upperBound + 1
        let isBodyNext =
            bytes.count - next >= Int(header.bodySize) + Frame.overhead && bytes[next] == Frame.Kind.body.rawValue
            && UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: next + 1, as: UInt16.self)) == frame.channel
        guard !isBodyNext else { return }
        channel.content?.properties = Array(burst[start..<frame.payload.upperBound])[...]
    }

    /// More than this is made room for when it comes.
    private static let reservedBytesMax = 1_024 * 1_024

    mutating func readBody(
        _ frame: Frame, _ bytes: UnsafeRawBufferPointer, of channel: AMQPChannel, _ burst: [UInt8]
    ) {
        guard let missing = channel.missingBytes else {
            return fail(
                ProtocolError(.unexpectedFrame, "a body on channel \(channel.number) without a content header"))
        }
        guard frame.payload.count <= missing else {
            return fail(
                ProtocolError(
                    .unexpectedFrame, "\(frame.payload.count) more bytes of a body of which \(missing) are missing"))
        }
        if channel.bodyBytes == 0, frame.payload.count == missing {
            return finish(burst[frame.payload], of: channel)
        }
        append(UnsafeRawBufferPointer(rebasing: bytes[frame.payload]), to: channel)
        if channel.missingBytes == 0 { finishContent(of: channel) }
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer, to channel: AMQPChannel) {
        // The rest of a body may come for a channel that has failed meanwhile. Nothing here may hold the body while it
        // grows, or each part that comes would copy all of it.
        guard let missing = channel.missingBytes else { return }
        guard bodyBytes + bytes.count <= 2 * configuration.bodyBytesMax else {
            return fail(
                ProtocolError(
                    .resourceError,
                    "the unfinished bodies of all channels together are over \(2 * configuration.bodyBytesMax) bytes"))
        }
        if channel.bodyBytes == 0 { channel.content?.body.reserveCapacity(min(missing, Self.reservedBytesMax)) }
        channel.content?.body.append(contentsOf: bytes)
        bodyBytes += bytes.count
    }

    /// All of a body that came in several parts is there.
    mutating func finishContent(of channel: AMQPChannel) {
        guard let body = channel.content?.body else { return }
        bodyBytes -= body.count
        finish(body[...], of: channel)
    }

    private mutating func finish(_ body: ArraySlice<UInt8>, of channel: AMQPChannel) {
        guard let content = channel.content, let properties = content.properties else { return }
        channel.content = nil
        var publish: Publish
        do throws(ProtocolError) {
            publish = try self.publish(body, properties, content, on: channel)
        } catch {
            return refuse(error, on: channel)
        }
        hasPublished = true
        if blocked != nil, !knowsBlocked { tellBlocked() }
        switch channel.mode {
        case .plain: commands.append(.request(channel.id, .unconfirmed, .publish(publish)))
        case .confirming:
            channel.lastPublish += 1
            commands.append(.request(channel.id, RequestID(channel.lastPublish), .publish(publish)))
        case .transactional:
            // It waits for long, and must not keep all that came with it.
            publish.message = publish.message.copied
            publish.id = publish.id.map { Array($0)[...] }
            collect(.publish(publish), bytes: publish.byteCount, on: channel)
        }
    }

    /// Puts it to what waits for `tx.commit`.
    mutating func collect(_ request: Request, bytes: Int, on channel: AMQPChannel) {
        channel.transactionBytes += bytes + 64
        transactionBytes += bytes + 64
        guard transactionBytes <= Self.transactionBytesMax else {
            let limit = Self.transactionBytesMax
            return refuse(
                ProtocolError(
                    .preconditionFailed,
                    "the transactions of a connection hold at most \(limit) bytes; commit earlier"),
                on: channel)
        }
        channel.transaction.append((.silent, request))
    }

    private static let transactionBytesMax = 64 * 1_024 * 1_024

    private func publish(
        _ body: ArraySlice<UInt8>, _ properties: ArraySlice<UInt8>, _ incoming: IncomingContent,
        on channel: AMQPChannel
    ) throws(ProtocolError) -> Publish {
        let properties = try replacingReplyTo(of: properties, on: channel)
        let user = identity.flatMap { $0.mayImpersonate ? nil : $0.user }
        let read = properties.withUnsafeBytes { bytes in
            Result { () throws(ContentError) in try Content(properties: bytes, body: body, user: user) }
        }
        let content: Content
        do throws(ContentError) {
            content = try read.get()
        } catch {
            switch error {
            case .malformed(let malformed): throw ProtocolError(.syntaxError, malformed.reason, in: .basicPublish)
            case .refused(let refusal): throw ProtocolError(refusal, in: .basicPublish)
            }
        }
        var publish = Publish(
            exchange: incoming.target.exchange, routingKey: incoming.target.routingKey,
            isMandatory: incoming.isMandatory, message: content.message)
        publish.priority = content.priority
        publish.timeToLive = content.timeToLive
        publish.id = content.id
        publish.moreKeys = content.moreKeys
        if let delay = content.delay, delay > 0 {
            publish.delay = min(delay, Argument.millisecondsMax)
            publish.isDelayOfExchange = true
        }
        return publish
    }

    /// Who asks for answers at `amq.rabbitmq.reply-to` is told by the name of the queue that stands behind it.
    ///
    /// Source: RabbitMQ, "Direct Reply-to"
    private func replacingReplyTo(
        of properties: ArraySlice<UInt8>, on channel: AMQPChannel
    ) throws(ProtocolError) -> ArraySlice<UInt8> {
        guard properties.count > 2 + Self.replyTo.utf8.count, properties[properties.startIndex] & 0x02 != 0 else {
            return properties
        }
        let asked = properties.withUnsafeBytes { bytes -> BasicProperties? in
            guard let range = (try? PropertyScanner(bytes))?.replyTo, bytes[range].elementsEqual(Self.replyTo.utf8)
            else { return nil }
            return try? BasicProperties.decode(bytes)
        }
        guard var asked else { return properties }
        guard let queue = channel.replyQueue else {
            throw ProtocolError(.preconditionFailed, "fast reply consumer does not exist", in: .basicPublish)
        }
        asked.replyTo = queue
        var buffer = ByteBuffer()
        asked.write(to: &buffer)
        return Array(buffer.readableBytesView)[...]
    }
}
