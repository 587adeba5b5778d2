/// One consumer of a queue, or one reader of a topic.
final class Consumer {
    enum Source {
        case queue(Queue)
        case topic(Topic)
    }

    /// Where a reader stands in one partition of its topic.
    struct Position {
        let partition: Partition
        var cursor: OffsetCursor
        /// The read that must come back before it can go on.
        var reading: ReadRequest?
        /// It begins at the first record as young as this, and the store is being asked where that is.
        var seeking: Timestamp?
        /// Records older than this are passed over.
        var youngest: Timestamp?

        init(_ partition: Partition, next: Offset) {
            self.partition = partition
            cursor = OffsetCursor(next: next)
        }
    }

    let tag: ConsumerTag
    let source: Source
    /// Nil once the channel has ended.
    var channel: Channel?
    /// Nil: credit is granted by the client. Otherwise settling gives it back.
    private(set) var prefetch: Int?
    let isAutoAck: Bool
    let priority: Int
    let isExclusive: Bool
    /// Whether it takes answers to what its channel has asked, for which nobody needs a permission.
    let isOfAnswers: Bool
    /// How long it may hold a message, whatever its queue says. Milliseconds; 0: for any time.
    let timeout: Int64?
    /// How many more messages it takes now.
    var credit: Int
    /// Handed out to it and not settled.
    var unacknowledged = 0
    /// Whether it stands in its queue's line.
    var isWaiting = false
    /// Whether it is the one of a queue with a single active consumer.
    var isActive = false
    var isCancelled = false
    /// Whether it is kept free for messages that are handed out alone.
    var isWarden = false

    /// Topics only.
    var positions: [Position] = []
    /// Topics only: the index of the position whose turn it is.
    var turn = 0
    /// Topics only: the group that it is a member of, or whose offsets it begins at.
    let group: String?
    /// Topics only: it is a member, and the broker assigns its partitions.
    let isMember: Bool
    /// Topics only: what its group knows it by; unique as long as it lives.
    let member: String
    /// Topics only: which records it is sent; nil: all.
    let filter: StreamFilter?
    /// Topics only: whether it has passed over so many records that it goes on in another turn.
    var isSkimming = false
    /// Topics only: where it begins in a partition without a committed offset.
    let start: Consume.Position

    /// Of its queue or topic.
    var name: String {
        switch source {
        case .queue(let queue): queue.name
        case .topic(let topic): topic.name
        }
    }

    init(_ consume: Consume, source: Source, channel: Channel) {
        tag = consume.consumer
        self.source = source
        self.channel = channel
        isAutoAck = consume.isAutoAck
        priority = consume.priority
        isExclusive = consume.isExclusive
        isOfAnswers = consume.isOfAnswers
        timeout = consume.timeout
        group = consume.group
        filter = consume.filter
        isMember = consume.strategy != nil
        member = "\(channel.id)-\(consume.consumer)"
        start = consume.position ?? (consume.group == nil ? .next : .first)
        switch consume.flow {
        case .prefetch(let count):
            prefetch = count
            credit = count
        case .credit(let count):
            prefetch = nil
            credit = count
        }
    }

    /// Whether it stands for one message that was asked for alone.
    var asksForOne: Bool { tag == ConsumerTag(0) }

    var canTake: Bool { !isWarden && hasRoom }

    /// Whether it could take a message, if it is one that it is to get.
    var hasRoom: Bool {
        guard credit > 0, !isCancelled, let channel else { return false }
        // What is acknowledged as it is sent, its channel does not hold.
        return !channel.connection.isWindowFull && !channel.isSuspended && !channel.hasReachedPrefetch
            && (isAutoAck || !channel.isFull)
    }

    /// One of its messages was settled or came back.
    func leaseEnded() {
        unacknowledged -= 1
        if prefetch != nil { credit += 1 }
    }

    /// Another number of messages that may be unsettled. What it has beyond that it keeps.
    func setPrefetch(_ count: Int) {
        guard let prefetch else { return }
        credit += count - prefetch
        self.prefetch = count
    }

    func grant(_ count: Int) {
        let (sum, overflow) = credit.addingReportingOverflow(count)
        credit = overflow ? .max : sum
    }
}
