package import NIOCore

/// What a client asks, and how it is written: verb, words, tag, then options in the order of the specification.
///
/// Publishing in a loop has its own, faster way: ``PublishTemplate``.
///
/// Source: `protocol/native.md` section 3
package enum ClientRequest: Equatable, Sendable {
    package enum Acknowledgement: String, Sendable { case ack, nack, reject }

    /// How many messages may be on their way to a consumer.
    package enum Flow: Equatable, Sendable {
        /// So many handed out and not acknowledged.
        case prefetch(Int)
        /// So many now, more with `credit`.
        case credit(Int)
    }

    case hello(Hello)
    case ping
    case beat
    case quit
    case declareQueue(String)
    case declareTopic(String)
    /// `type` is `direct` or `fanout`.
    case declareExchange(String, type: String)
    /// Several messages in one request and one transaction.
    case publishBatch(routingKey: String, exchange: String?, isMandatory: Bool, bodies: [ByteBuffer])
    /// `kind` is `queue`, `topic` or `exchange`.
    case delete(kind: String, name: String)
    case bind(exchange: String, to: String, key: String?)
    case unbind(exchange: String, from: String, key: String?)
    case purge(String)
    case consume(Consume)
    case credit(consumer: Int64, count: Int)
    case cancel(consumer: Int64)
    case acknowledge(Acknowledgement, ClosedRange<Int64>)
    /// `ack` is `auto` or `manual`; nil leaves it to the server, which takes `auto`.
    case get(String, ack: String?)
    case peek(String, from: Int64?, count: Int?)
    case commit(topic: String, group: String, offset: Int64)
    /// `what` is `queues`, `topics`, `exchanges`, `bindings`, `consumers` or `connections`.
    case list(String)
    case stat

    package struct Hello: Equatable, Sendable {
        package var user: String?
        package var password: String?
        package var client: String?
        /// Seconds; 0 is none.
        package var heartbeat = 0
        package var need: [String] = []

        package init() {}
    }

    package struct Consume: Equatable, Sendable {
        package var name: String
        package var consumer: Int64
        package var flow: Flow?
        /// `manual` or `auto`; nil leaves it to the server, which takes `manual`.
        package var ack: String?
        /// For a topic: `first`, `last`, `next` or an offset.
        package var from: String?
        package var group: String?

        package init(name: String, consumer: Int64) {
            self.name = name
            self.consumer = consumer
        }
    }

    /// Appends the line of the request with its LF, and the bodies of a batch.
    package func write(to buffer: inout ByteBuffer, tag: Int64? = nil) {
        writeVerbAndWords(to: &buffer)
        if let tag {
            buffer.writeStaticString(" t=")
            Decimal.write(tag, to: &buffer)
        }
        writeOptions(to: &buffer)
        buffer.writeInteger(UInt8(ascii: "\n"))
        guard case .publishBatch(_, _, _, let bodies) = self else { return }
        for body in bodies {
            Decimal.write(body.readableBytes, to: &buffer)
            buffer.writeInteger(UInt8(ascii: "\n"))
            buffer.writeImmutableBuffer(body)
            buffer.writeInteger(UInt8(ascii: "\n"))
        }
    }

    private func writeVerbAndWords(to buffer: inout ByteBuffer) {
        switch self {
        case .hello: buffer.writeStaticString("hello 1")
        case .ping: buffer.writeStaticString("ping")
        case .beat: buffer.writeStaticString("beat")
        case .quit: buffer.writeStaticString("quit")
        case .declareQueue(let name): words("declare queue", name, to: &buffer)
        case .declareTopic(let name): words("declare topic", name, to: &buffer)
        case .declareExchange(let name, _): words("declare exchange", name, to: &buffer)
        case .publishBatch(let routingKey, _, _, let bodies):
            words("pubs", routingKey, "\(bodies.count)", to: &buffer)
        case .delete(let kind, let name): words("delete", kind, name, to: &buffer)
        case .bind(let exchange, let name, _): words("bind", exchange, name, to: &buffer)
        case .unbind(let exchange, let name, _): words("unbind", exchange, name, to: &buffer)
        case .purge(let name): words("purge", name, to: &buffer)
        case .consume(let consume): words("consume", consume.name, to: &buffer)
        case .credit(let consumer, let count): buffer.writeString("credit \(consumer) \(count)")
        case .cancel(let consumer): buffer.writeString("cancel \(consumer)")
        case .acknowledge(let what, let deliveries): Self.writeAcknowledgement(what, deliveries, to: &buffer)
        case .get(let name, _): words("get", name, to: &buffer)
        case .peek(let name, _, _): words("peek", name, to: &buffer)
        case .commit(let topic, let group, let offset): words("commit", topic, group, "\(offset)", to: &buffer)
        case .list(let what): words("list", what, to: &buffer)
        case .stat: buffer.writeStaticString("stat")
        }
    }

    private func writeOptions(to buffer: inout ByteBuffer) {
        switch self {
        case .hello(let hello):
            option("user", hello.user, to: &buffer)
            option("password", hello.password, to: &buffer)
            option("client", hello.client, to: &buffer)
            if hello.heartbeat > 0 { option("heartbeat", "\(hello.heartbeat)", to: &buffer) }
            if !hello.need.isEmpty { option("need", hello.need.joined(separator: ","), to: &buffer) }
        case .declareExchange(_, let type): option("type", type, to: &buffer)
        case .bind(_, _, let key), .unbind(_, _, let key): option("key", key, to: &buffer)
        case .publishBatch(_, let exchange, let isMandatory, _):
            option("x", exchange, to: &buffer)
            if !isMandatory { option("mandatory", "no", to: &buffer) }
        case .consume(let consume):
            option("c", "\(consume.consumer)", to: &buffer)
            option("from", consume.from, to: &buffer)
            option("group", consume.group, to: &buffer)
            switch consume.flow {
            case .prefetch(let count): option("prefetch", "\(count)", to: &buffer)
            case .credit(let count): option("credit", "\(count)", to: &buffer)
            case nil: break
            }
            option("ack", consume.ack, to: &buffer)
        case .get(_, let ack): option("ack", ack, to: &buffer)
        case .peek(_, let from, let count):
            option("from", from.map { "\($0)" }, to: &buffer)
            option("count", count.map { "\($0)" }, to: &buffer)
        default: break
        }
    }

    /// `ack 7` or `ack 7-12`, without its LF.
    package static func writeAcknowledgement(
        _ what: Acknowledgement, _ deliveries: ClosedRange<Int64>, to buffer: inout ByteBuffer
    ) {
        switch what {
        case .ack: buffer.writeStaticString("ack ")
        case .nack: buffer.writeStaticString("nack ")
        case .reject: buffer.writeStaticString("reject ")
        }
        Decimal.write(deliveries.lowerBound, to: &buffer)
        if deliveries.lowerBound < deliveries.upperBound {
            buffer.writeInteger(UInt8(ascii: "-"))
            Decimal.write(deliveries.upperBound, to: &buffer)
        }
    }

    private func words(_ verb: StaticString, _ words: String..., to buffer: inout ByteBuffer) {
        buffer.writeStaticString(verb)
        for word in words {
            buffer.writeInteger(UInt8(ascii: " "))
            Escape.write(word, to: &buffer, as: .word)
        }
    }

    private func option(_ name: StaticString, _ value: String?, to buffer: inout ByteBuffer) {
        guard let value else { return }
        buffer.writeInteger(UInt8(ascii: " "))
        buffer.writeStaticString(name)
        buffer.writeInteger(UInt8(ascii: "="))
        Escape.write(value, to: &buffer, as: .optionValue)
    }
}
