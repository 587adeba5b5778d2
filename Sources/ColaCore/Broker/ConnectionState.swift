/// What the channels of one connection share. A connection of a protocol without channels is its own only one.
final class ConnectionState {
    /// Its channels, but for the one that stands for the connection itself.
    var channels: [Channel] = []
    /// How many messages were handed out to those of them that have ended, which they had to settle.
    var handedOutBefore: UInt64 = 0
    /// Queues that end with it.
    var owned: [Queue] = []
    /// The last batch with a message that it published and that must become durable.
    var lastPublish = BatchNumber(0)
    /// Publishes that gather and are not settled.
    var ticketCount = 0
    /// Whether it has published.
    var isPublisher = false
    /// What may still be sent before the socket has to take something. Bytes.
    var window: Int
    var isWindowFull = false

    init(window: Int) { self.window = window }
}
