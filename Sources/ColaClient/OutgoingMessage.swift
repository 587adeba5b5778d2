internal import ColaNative
public import NIOCore

/// A message to publish, with all that the protocol can say of it.
///
/// ```swift
/// var message = OutgoingMessage("hello")
/// message.priority = 5
/// try await client.publish(message, to: .queue("orders"))
/// ```
public struct OutgoingMessage: Hashable, Sendable {
    /// At most ``ServerInformation/bodyBytesMax`` bytes.
    public var body: ByteBuffer
    /// Kafka's record key: records of a topic with the same key are in the same partition.
    public var key: [UInt8]?
    /// Names that begin with `cola-` are the server's.
    public var headers: [Header]
    /// 1 to 255 bytes, by which a queue or topic with a deduplication window knows it again.
    public var id: String?
    /// In a queue with `max-priority` the higher goes first.
    public var priority: UInt8?
    /// It expires when it has waited in its queue for so long, 0 or more milliseconds; nil is never.
    public var timeToLiveMilliseconds: Int64?
    /// It is put into its queues when so much time has passed, 0 or more milliseconds; until then it is on the disk.
    public var delayMilliseconds: Int64?
    /// The queue that an answer is expected in, 1 to 255 bytes.
    public var replyTo: String?
    /// What the answer is to carry as its own, 1 to 255 bytes.
    public var correlationID: String?
    /// Of a topic, 0 to 999; nil lets the key decide. Not together with a delay.
    public var partition: Int?
    /// Whether a message that leads nowhere is refused (``ColaError/Code/unroutable``) and not dropped.
    public var isMandatory: Bool
    /// Whether it has no value; the body is then empty.
    public var isNull: Bool

    /// A message of these bytes, and nothing else said of it.
    public init(_ body: ByteBuffer, key: [UInt8]? = nil, headers: [Header] = []) {
        self.body = body
        self.key = key
        self.headers = headers
        isMandatory = true
        isNull = false
    }

    /// A message of the UTF-8 of the text.
    public init(_ text: String, key: [UInt8]? = nil, headers: [Header] = []) {
        self.init(ByteBuffer(string: text), key: key, headers: headers)
    }

    /// Everything but the body, written out.
    func template(to destination: Destination) -> PublishTemplate {
        PublishTemplate(
            routingKey: destination.routingKey, exchange: destination.exchange, key: key,
            headers: headers.map { ($0.name, $0.bytes) }, isMandatory: isMandatory, properties: properties)
    }

    /// What can be said of a batch as well.
    var properties: PublishProperties {
        var properties = PublishProperties()
        properties.priority = priority
        properties.timeToLive = timeToLiveMilliseconds
        properties.delay = delayMilliseconds
        properties.id = id
        properties.replyTo = replyTo
        properties.correlationID = correlationID
        properties.partition = partition
        properties.isNull = isNull
        return properties
    }

    /// What would end the connection, or could not be written, is refused before it is sent.
    func check(bodyBytesMax: Int?) throws {
        if let limit = bodyBytesMax, body.readableBytes > limit {
            throw ColaError(
                code: .tooLarge,
                message: "the body has \(body.readableBytes) bytes, and the server takes \(limit) (body-max); "
                    + "publish it in parts, or keep it elsewhere and publish where",
                isRetryable: false)
        }
        let durations = [("time to live", timeToLiveMilliseconds), ("delay", delayMilliseconds)]
        for case (let what, let milliseconds?) in durations where milliseconds < 0 {
            throw Self.wrong("a message's \(what) is 0 or more milliseconds, not \(milliseconds)")
        }
        if let partition, partition < 0 { throw Self.wrong("a partition is 0 to 999, not \(partition)") }
        if isNull, body.readableBytes > 0 {
            throw Self.wrong("a message without a value has no body, and this one has \(body.readableBytes) bytes")
        }
        let bytes = headers.reduce(key?.count ?? 0) { $0 + $1.name.utf8.count + $1.bytes.count }
        guard bytes < 65_000 else {
            throw ColaError(
                code: .tooLarge,
                message:
                    "key and headers have \(bytes) bytes, and a line of the protocol 65536; put them into the body",
                isRetryable: false)
        }
    }

    private static func wrong(_ message: String) -> ColaError {
        ColaError(code: .syntax, message: message, isRetryable: false)
    }
}

/// What became of a message that was published.
public enum PublishOutcome: Sendable {
    /// It is on the server's disk, in every queue and topic it leads to.
    case stored
    /// All places that it leads to had taken its id before; nothing was stored again.
    case duplicate
}
