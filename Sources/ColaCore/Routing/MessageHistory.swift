internal import DequeModule

/// The last messages that came to an exchange of the kind `x-recent-history`, for what is bound to it later.
///
/// In memory alone: it begins empty when the server starts, as in RabbitMQ.
struct MessageHistory {
    /// What an exchange may be declared with.
    static let lengthMax = 10_000

    /// The header by which a publisher keeps a message out of it, with the value `true`.
    private static let exemption = Array("x-recent-history-no-store".utf8)

    let length: Int
    /// Each with its one message; the oldest first.
    private(set) var publishes: Deque<Publish> = []
    /// What they count against the budget of all.
    private(set) var bytes = 0

    init(length: Int) { self.length = length }

    /// - Parameter room: how many bytes all of it may come to; below what a message needs, it is not kept.
    mutating func append(_ message: Message, of publish: Publish, room: Int) {
        guard !Self.isExempt(message) else { return }
        var kept = Publish(exchange: publish.exchange, routingKey: publish.routingKey, message: message.copied)
        (kept.priority, kept.timeToLive) = (publish.priority, publish.timeToLive)
        kept.moreKeys = publish.moreKeys
        publishes.append(kept)
        bytes += Self.cost(of: kept)
        while let first = publishes.first, publishes.count > length || bytes > room {
            bytes -= Self.cost(of: first)
            publishes.removeFirst()
        }
    }

    private static func cost(of publish: Publish) -> Int {
        256 + publish.byteCount + publish.moreKeys.reduce(0) { $0 + 16 + $1.utf8.count }
    }

    private static func isExempt(_ message: Message) -> Bool {
        message.headers.list.contains {
            $0.name.elementsEqual(exemption) && $0.value?.elementsEqual("true".utf8) == true
        }
    }
}
