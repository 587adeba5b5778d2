/// What the broker waits for.
enum TimerKey: Hashable, Sendable {
    /// The first message of a lane expires.
    case expiry(LogID)
    /// A queue has not been used for as long as it may be, by its log of priority 0.
    case unused(LogID)
    /// A channel may have held something for too long.
    case leases(ChannelID)
    /// The first message of the schedule is due.
    case schedule
    /// The oldest records of a partition are old enough to go.
    case retention(LogID)
    /// The oldest ids of a deduplication window may be forgotten, by the first log of its queue or topic.
    case deduplication(LogID)
    /// Something is due in a group.
    case group(host: String, name: String)
    /// A fetch has waited for as long as it may.
    case fetch(ChannelID, RequestID)
    /// A producer's transaction has taken too long.
    case transactions
    /// Transactional ids that nobody uses may be forgotten.
    case transactionalIDs
    /// The next message of a redrive with a rate may go, by the channel that asked for it.
    case redrive(ChannelID)
}
