/// All that can happen to the broker, as data: it can be logged, generated, and replayed.
package enum Command: Sendable {
    /// A channel begins, or more became known about it.
    case attach(ChannelID, ChannelInfo)
    /// A channel has ended, in order or not. Its consumers end with it, and what it holds goes back.
    case detach(ChannelID, isLost: Bool = false)
    /// A client wants something. Requests of a channel are answered in their order.
    case request(ChannelID, RequestID, Request)
    /// What was sent to the channel has left: there is room for another window of deliveries.
    case windowOpened(ChannelID)
    /// The store says that batches up to this one are durable.
    case committed(BatchNumber)
    /// What an ``Effect/read(_:)`` asked for.
    case loaded(ReadResult)
    case loadFailed(ReadRequest, reason: String)
    /// What an ``Effect/ask(_:)`` asked for.
    case answered(Query, QueryResult)
    case queryFailed(Query, reason: String)
    /// How far an ``Effect/backUp(_:)`` is.
    case backingUp(BackupProgress)
    /// What became of an ``Effect/backUp(_:)``: the size of the copy in bytes, or why there is none.
    case backedUp(Result<Int, BackupFailure>)
    /// What an ``Effect/workers(_:_:_:)`` asked for.
    case workersAnswered(ChannelID, RequestID, Result<WorkerAnswer, BrokerError>)
    /// Something is scarce (why), or is not any more (nil). Publishers wait as long as anything is.
    case alarm(Alarm, String?)
    /// Time has passed; nothing else happened.
    case tick
}
