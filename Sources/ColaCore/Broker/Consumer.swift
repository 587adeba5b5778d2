/// One consumer of a queue, or one reader of a topic.
final class Consumer {
    enum Source {
        case queue(Queue)
        case topic(Topic)
    }

    let tag: ConsumerTag
    let source: Source
    /// Nil once the channel has ended.
    var channel: Channel?
    /// Nil: credit is granted by the client. Otherwise settling gives it back.
    let prefetch: Int?
    let isAutoAck: Bool
    /// How many more messages it takes now.
    var credit: Int
    /// Handed out to it and not settled.
    var unacknowledged = 0
    /// Whether it stands in its queue's line.
    var isWaiting = false
    var isCancelled = false
    /// Topics only.
    var cursor: OffsetCursor
    /// Topics only: the read that must come back before it can go on.
    var reading: ReadRequest?

    init(_ consume: Consume, source: Source, channel: Channel, cursor: OffsetCursor = OffsetCursor(next: Offset(0))) {
        tag = consume.consumer
        self.source = source
        self.channel = channel
        isAutoAck = consume.isAutoAck
        self.cursor = cursor
        switch consume.flow {
        case .prefetch(let count):
            prefetch = count
            credit = count
        case .credit(let count):
            prefetch = nil
            credit = count
        }
    }

    var canTake: Bool {
        guard credit > 0, !isCancelled, let channel else { return false }
        return !channel.isWindowFull && !channel.isFull
    }

    /// One of its messages was settled or came back.
    func leaseEnded() {
        unacknowledged -= 1
        if prefetch != nil { credit += 1 }
    }

    func grant(_ count: Int) {
        let (sum, overflow) = credit.addingReportingOverflow(count)
        credit = overflow ? .max : sum
    }
}
