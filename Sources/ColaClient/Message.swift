internal import ColaNative
public import NIOCore

/// One name and value that travel with a message.
public struct Header: Hashable, Sendable {
    /// At least one byte. Names that begin with `cola-` are the server's.
    public var name: String
    /// Any bytes.
    public var bytes: [UInt8]

    /// A header whose value is text.
    public init(_ name: String, _ value: String) {
        self.init(name, bytes: Array(value.utf8))
    }

    /// A header.
    public init(_ name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    /// The value as text; each byte that is not UTF-8 stands here as U+FFFD, so ``bytes`` is what to hand on.
    public var value: String {
        get { String(decoding: bytes, as: UTF8.self) }
        set { bytes = Array(newValue.utf8) }
    }
}

/// A message as a queue or topic holds it.
public struct StoredMessage: Hashable, Sendable {
    /// Its place in its queue or partition. Offsets grow; they are not dense.
    public var offset: Int64
    /// Of a topic: which of its partitions it is from, 0 to 999. Of a queue: 0.
    public var partition: Int
    /// How many deliveries of it ended without an acknowledgement; nil if it was certainly never handed out before.
    public var failedDeliveries: Int?
    /// When the server took it in, milliseconds since 1970, UTC.
    public var timestampMilliseconds: Int64?
    /// Kafka's record key.
    public var key: [UInt8]?
    /// In the order they were given; those that the server adds begin with `cola-`.
    public var headers: [Header]
    /// As many bytes as were published.
    public var body: ByteBuffer
    /// Whether it has no value, which is not the same as an empty one: in a compacted topic it takes its key away.
    public var isNull: Bool

    /// Whether it may have been handed out before.
    public var isRedelivered: Bool { failedDeliveries != nil }

    init(_ arrival: ServerLine.Arrival) {
        offset = arrival.offset
        partition = Int(arrival.partition)
        failedDeliveries = arrival.failedDeliveries.map { Int($0) }
        timestampMilliseconds = arrival.timestamp
        key = arrival.key
        headers = arrival.headers.map { Header($0.name, bytes: $0.value) }
        body = arrival.body
        isNull = arrival.isNull
    }
}

// What the server says of a message in headers of its own.
extension StoredMessage {
    /// The first header of that name, or nil.
    public func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// The id that it was published with.
    public var id: String? { header("cola-message-id") }
    /// The queue that an answer is expected in.
    public var replyTo: String? { header("cola-reply-to") }
    /// What an answer is to carry, and by which whoever asked knows it.
    public var correlationID: String? { header("cola-correlation-id") }
    /// 0 if it was published without one.
    public var priority: Int { header("cola-priority").flatMap { Int($0) } ?? 0 }
    /// When it expires, milliseconds since 1970, UTC; nil is never.
    public var expiresMilliseconds: Int64? { header("cola-expires").flatMap { Int64($0) } }
    /// What it was published with; nil if that was the queue itself.
    public var exchange: String? { header("cola-exchange") }
    /// What it was published with; nil if that was the name of the queue.
    public var routingKey: String? { header("cola-routing-key") }
}

/// A message that was handed to this client and waits to be acknowledged by it.
public struct Delivery: Hashable, Sendable {
    /// What acknowledges it. It grows with each delivery of the client, over all consumers and also over connections,
    /// so that the number of one that a lost connection brought means nothing else afterwards. 0: there is nothing to
    /// acknowledge.
    public var number: Int64
    /// What was delivered.
    public var message: StoredMessage

    /// The message's.
    public var body: ByteBuffer { message.body }
}
