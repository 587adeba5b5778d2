/// One or more messages for one place. All of them are in the store after a crash, or none.
package struct Publish: Sendable {
    package var exchange: String
    package var routingKey: String
    /// Routing keys beside the first: the message goes to all places that any of them leads to, and keeps the first.
    package var moreKeys: [String] = []
    /// Whether a message that leads nowhere is refused rather than dropped.
    package var isMandatory: Bool
    /// Whether ``delay`` counts only where the exchange is one that delays.
    package var isDelayOfExchange = false
    /// In a queue with priorities, the higher goes first.
    package var priority: UInt8 = 0
    /// How long a message may wait in a queue. Milliseconds; nil: as the queue says.
    package var timeToLive: Int64?
    /// How long it waits before it is put into a queue. Milliseconds.
    package var delay: Int64 = 0
    /// For topics: the partition; nil: the key decides.
    package var partition: Int?
    /// By which a queue or topic with a deduplication window knows the message again.
    package var id: ArraySlice<UInt8>?
    package var message: Message
    /// The messages after the first.
    package var more: [Message]

    package init(
        exchange: String = "", routingKey: String, isMandatory: Bool = true, message: Message, more: [Message] = []
    ) {
        self.exchange = exchange
        self.routingKey = routingKey
        self.isMandatory = isMandatory
        self.message = message
        self.more = more
    }

    /// What one copy of it counts. Bytes.
    package var byteCount: Int {
        let bytes = more.reduce(message.byteCount) { $0 + $1.byteCount }
        guard !moreKeys.isEmpty else { return bytes }
        // Each copy has them all, as headers.
        let name = BrokerHeader.moreKeys.rawValue.utf8.count + 4
        return bytes + (1 + more.count) * moreKeys.reduce(0) { $0 + name + $1.utf8.count }
    }
}
