public import NIOCore

/// One name and value that travel with a message.
public struct Header: Hashable, Sendable {
    public var name: String
    public var value: String

    /// A header.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A message as a queue or topic holds it.
public struct StoredMessage: Hashable, Sendable {
    /// Its place in its queue or topic. Offsets grow; they are not dense.
    public var offset: Int64
    /// How many deliveries of it ended without an acknowledgement; nil if it was certainly never handed out before.
    public var failedDeliveries: Int?
    /// When the server took it in, milliseconds since 1970, UTC.
    public var timestampMilliseconds: Int64?
    /// Kafka's record key.
    public var key: [UInt8]?
    public var headers: [Header]
    public var body: ByteBuffer

    /// Whether it may have been handed out before.
    public var isRedelivered: Bool { failedDeliveries != nil }
}

/// A message that was handed to this connection and waits to be acknowledged by it.
public struct Delivery: Hashable, Sendable {
    /// What acknowledges it, on the connection that it came on.
    public var number: Int64
    public var message: StoredMessage

    public var body: ByteBuffer { message.body }
}
