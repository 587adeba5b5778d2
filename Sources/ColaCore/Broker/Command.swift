/// All that can happen to the broker, as data: it can be logged, generated, and replayed.
package enum Command: Sendable {
    /// A channel begins, or more became known about it.
    case attach(ChannelID, ChannelInfo)
    /// A channel has ended, in order or not. Its consumers end with it, and what it holds goes back.
    case detach(ChannelID, isLost: Bool = false)
    /// A channel has ended, and perhaps the process behind it: its consumers end with it, but what it holds stays so
    /// until `detach` or `abandon`.
    case hold(ChannelID)
    /// The process behind a channel has ended: all that it holds is a failed attempt, and the channel ends.
    case abandon(ChannelID, Attempt, Consequence)
    /// Whether a channel is handed messages.
    case feed(ChannelID, Feeding)
    /// A client wants something. Requests of a channel are answered in their order.
    case request(ChannelID, RequestID, Request)
    /// The channel is about to publish: what it sends waits where that of publishers does.
    case publishes(ChannelID)
    /// What was sent to the channel has left: there is room for another window of deliveries.
    case windowOpened(ChannelID)
    /// The store says that batches up to this one are durable.
    case committed(BatchNumber)
    /// What an ``Effect/read(_:)`` asked for.
    case loaded(ReadResult)
    case loadFailed(ReadRequest, reason: String)
    /// What an ``Effect/fetch(_:)`` asked for.
    case fetched(PackedRead)
    case fetchFailed(ReadRequest, reason: String)
    /// What an ``Effect/ask(_:)`` asked for.
    case answered(Query, QueryResult)
    case queryFailed(Query, reason: String)
    /// How far an ``Effect/backUp(_:)`` is.
    case backingUp(BackupProgress)
    /// What became of an ``Effect/backUp(_:)``: the size of the copy in bytes, or why there is none.
    case backedUp(Result<Int, BackupFailure>)
    /// What an ``Effect/workers(_:_:_:)`` asked for.
    case workersAnswered(ChannelID, RequestID, Result<WorkerAnswer, BrokerError>)
    /// What an ``Effect/hashPassword(_:_:_:)`` asked for; nil: too many are waited for.
    case passwordHashed(ChannelID, RequestID, PasswordHash?)
    /// Something is scarce (why), or is not any more (nil). Publishers wait as long as anything is.
    case alarm(Alarm, String?)
    /// Time has passed; nothing else happened.
    case tick
}

/// Whether the consumers of a channel get messages.
package enum Feeding: Equatable, Sendable {
    case on
    /// Not for the time being, and they are not told.
    case paused
    /// Never again: they end, and are told why.
    case ended(reason: String)
}
