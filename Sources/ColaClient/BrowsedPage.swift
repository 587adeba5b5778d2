internal import ColaNative

/// A place between two messages of a queue or partition, from which ``Client/browse(_:from:count:partition:)`` goes on.
public struct BrowsePosition: Hashable, Sendable {
    /// The first offset that is looked at, 0 or more.
    public var offset: Int64
    /// Of a queue with priorities: the one that the offset is of, 0 to 255. The lower ones follow it, each from its
    /// beginning. Nil: priority 0, or all of them where the offset is 0.
    public var priority: Int?

    /// A position.
    public init(offset: Int64, priority: Int? = nil) {
        self.offset = offset
        self.priority = priority
    }
}

/// What one look at a queue or partition brought.
public struct BrowsedPage: Sendable {
    /// In the order in which they are delivered.
    public var messages: [StoredMessage]
    /// Where the next page begins; nil if nothing was left behind this one.
    public var next: BrowsePosition?
    /// Whether stored messages were left out as they failed their check; ``ClientOptions/notice`` heard which.
    public var hasDamage: Bool

    init(_ reply: Connection.Reply) {
        hasDamage = reply.hasDamage
        messages = reply.peeked
        next = reply.answer.number("next").map { offset in
            BrowsePosition(offset: offset, priority: Int(reply.answer.number("priority") ?? 0))
        }
    }
}
