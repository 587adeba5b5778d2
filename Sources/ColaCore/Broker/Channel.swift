internal import DequeModule

/// One stream of requests, and what was handed out to it.
final class Channel {
    /// A message handed out and not settled.
    struct Lease {
        let consumer: Consumer
        let offset: Offset
        private let size: UInt32
        /// Of queues: the lane that it is of.
        let priority: UInt8
        /// Whether its consumer had nothing else.
        let isAlone: Bool
        /// Whether a transaction that is being put together is to settle it.
        var isReserved = false
        /// When it was handed out.
        let began: Timestamp

        /// - Parameter bytes: less than 4 GiB, as all of a ``RecordSegment`` is.
        init(
            consumer: Consumer, offset: Offset, bytes: Int, priority: UInt8, began: Timestamp = Timestamp(0),
            isAlone: Bool = false
        ) {
            self.consumer = consumer
            self.offset = offset
            self.began = began
            self.priority = priority
            self.isAlone = isAlone
            size = UInt32(clamping: bytes)
        }

        var bytes: Int { Int(size) }
    }

    let id: ChannelID
    var info: ChannelInfo
    /// What was found of its user's permissions; nil: nothing yet.
    var rights: Rights?
    /// Whether it has come in, so that it counts against limits.
    var hasEntered = false
    /// Nil if there is none of the name that was given.
    var host: VirtualHost?
    /// What it shares with the other channels of its connection.
    let connection: ConnectionState
    var consumers: [Consumer] = []
    /// In the order of the delivery tags. Settled ones stay, empty, until they are many: then those that are left move
    /// together, so that one message held for a day costs no memory for all that came after it.
    private var leases: Deque<(tag: DeliveryTag, lease: Lease?)> = []
    private var lastTag = DeliveryTag(0)
    /// What a transaction has put aside, in the order in which it did, and up to which delivery that is all.
    private var reservations: [ClosedRange<DeliveryTag>] = []
    private var reservedThrough = DeliveryTag(0)
    /// Handed out and not settled.
    private(set) var leaseCount = 0
    let leasesMax: Int
    /// How many of those were asked for one at a time.
    private var askedCount = 0
    /// How many of its consumers' messages may be unsettled, all consumers together; nil: as many as `leasesMax`.
    var prefetch: Int?
    /// The consumer that was handed something last.
    var lastServed = ConsumerTag(0)
    /// Of a strict channel: whether it was refused something, after which nothing more is done for it.
    var hasFailed = false
    /// When it is looked at whether it holds something for too long; nil: it may hold all that it has for ever.
    var leaseWatch: Instant?
    /// Whether it is handed nothing for the time being.
    var isSuspended = false

    /// The last batch with a change that this channel made.
    var lastBatch = BatchNumber(0)
    /// Answers that wait, in the order in which they are sent.
    var held: Deque<HeldReply> = []
    /// Whether it stands in the broker's list of channels with answers that wait.
    var isHolder = false
    /// How many have left `held`.
    var heldBefore = 0
    /// Requests that came while an earlier one waits; they have their turn when it is answered.
    var deferred: Deque<(id: RequestID, request: Request)> = []
    /// Fetches that are not answered yet.
    var fetches: [Fetching] = []
    /// Requests to coordinators of groups that are not answered yet.
    var groupWaits: [(waiter: GroupWaiter, group: String)] = []
    /// What the channel waits for: nothing may be answered before it.
    var stall: Stall?

    enum Stall {
        /// A request that reads waits until what the channel wrote is durable.
        case commit(BatchNumber)
        /// A get waits for a read.
        case get
        /// A redrive is under way.
        case redrive
        /// A copy of everything is being made.
        case backup
        /// The password of a user is with whoever hashes it.
        case password(RequestID, UserChange)
        /// The request with this number is with whoever runs the workers.
        case workers(RequestID)
        /// An answer with messages waits until the socket has taken what was sent before.
        case window
        case peek(Peek)
    }

    /// A look at messages that takes several reads.
    struct Peek {
        var request: RequestID
        var name: String
        /// Where it begins in one of them; in the others it begins where they do.
        var start: (log: LogID, offset: Offset)?
        /// The log that is looked into, and what is read of it.
        var log: LogID?
        var reading: ReadRequest?
        /// The logs to look into after this one, the next one last.
        var rest: [LogID]
        var partition: Int
        var remaining: Int
        var remainingBytes: Int
        var found: [Delivery] = []
        /// Where the last of them is, but for those of the log that is looked into.
        var last: (log: LogID, offset: Offset)?
        /// Of the log that is being read: what is in memory alone, and where the log begins in `found`.
        var pinned: [Delivery] = []
        var begin = 0
    }

    init(id: ChannelID, info: ChannelInfo, connection: ConnectionState, leasesMax: Int) {
        self.id = id
        self.info = info
        self.connection = connection
        self.leasesMax = leasesMax
    }

    var isFull: Bool { leaseCount >= leasesMax }

    /// What its client calls it.
    var kind: String { info.isStrict ? "channel" : "connection" }

    /// Whether its consumers get nothing more before something is settled.
    var isFed: Bool { isFull || hasReachedPrefetch }

    /// Whether its consumers together hold as many as they may. Those that have nothing to settle wait as well then.
    var hasReachedPrefetch: Bool {
        guard let prefetch else { return false }
        return leaseCount - askedCount >= prefetch
    }

    /// Its consumers, beginning with the one behind the one that was handed something last.
    var consumersInTurn: [Consumer] {
        guard let last = consumers.firstIndex(where: { $0.tag == lastServed }) else { return consumers }
        return Array(consumers[(last + 1)...] + consumers[...last])
    }

    /// How many messages were handed out to it that it had to settle, since it began.
    var handedOut: UInt64 { lastTag.rawValue }

    /// What it has held for longest.
    var oldestLease: Lease? { leases.first?.lease }

    func consumer(_ tag: ConsumerTag) -> Consumer? { consumers.first { $0.tag == tag } }

    /// Whether it holds the delivery with that tag.
    func holds(_ tag: DeliveryTag) -> Bool {
        let found = indices(from: tag, through: tag)
        return !found.isEmpty && leases[found.lowerBound].lease != nil
    }

    /// The number of a delivery that is acknowledged as it is sent; 0 where such have none.
    func numberUnleased() -> DeliveryTag {
        guard info.isStrict else { return DeliveryTag(0) }
        lastTag = lastTag.next
        return lastTag
    }

    func lease(_ lease: Lease) -> DeliveryTag {
        lastTag = lastTag.next
        leases.append((lastTag, lease))
        leaseCount += 1
        if lease.consumer.asksForOne { askedCount += 1 }
        return lastTag
    }

    /// The topic that one of these deliveries is of; nil if all are of queues, or there is none.
    func topicOfLeases(from first: DeliveryTag, through last: DeliveryTag) -> String? {
        for index in indices(from: first, through: last) {
            if let lease = leases[index].lease, case .topic(let topic) = lease.consumer.source { return topic.name }
        }
        return nil
    }

    /// What of the queue was handed out to it and is not settled. Walks all that it holds.
    func leases(of queue: Queue) -> [(tag: DeliveryTag, lease: Lease)] {
        leases { lease in
            if case .queue(let found) = lease.consumer.source { found === queue } else { false }
        }
    }

    func leases(where isMeant: (Lease) -> Bool) -> [(tag: DeliveryTag, lease: Lease)] {
        leases.compactMap { element in
            guard let lease = element.lease, isMeant(lease) else { return nil }
            return (element.tag, lease)
        }
    }

    func eachLease(_ body: (DeliveryTag, Lease) -> Void) {
        for element in leases { if let lease = element.lease { body(element.tag, lease) } }
    }

    /// Whether it holds the delivery with that tag, and for no transaction.
    func canReserve(_ tag: DeliveryTag) -> Bool {
        let found = indices(from: tag, through: tag)
        return !found.isEmpty && leases[found.lowerBound].lease?.isReserved == false
    }

    func reserve(from first: DeliveryTag, through last: DeliveryTag) {
        // Whoever reserves all again and again goes on where he was.
        let begin = first <= reservedThrough ? reservedThrough.next : first
        guard begin <= last else { return }
        reservations.append(begin...last)
        for index in indices(from: begin, through: last) { leases[index].lease?.isReserved = true }
        if first <= reservedThrough.next { reservedThrough = last }
    }

    /// What was reserved and is still there is held as before.
    func endReservations() {
        for range in reservations {
            for index in indices(from: range.lowerBound, through: range.upperBound) {
                leases[index].lease?.isReserved = false
            }
        }
        reservations = []
        reservedThrough = DeliveryTag(0)
    }

    /// Ends the leases from `first` to `last` and hands each to `body`.
    ///
    /// - Returns: how many there were.
    func endLeases(
        _ first: DeliveryTag, _ last: DeliveryTag, sparesReserved: Bool = false, _ body: (Lease) -> Void
    ) -> Int {
        var ended = 0
        for index in indices(from: first, through: last) {
            if sparesReserved, leases[index].lease?.isReserved == true { continue }
            guard let lease = leases[index].lease.take() else { continue }
            ended += 1
            if askedCount > 0, lease.consumer.asksForOne { askedCount -= 1 }
            body(lease)
        }
        leaseCount -= ended
        while !leases.isEmpty, leases[0].lease == nil { leases.removeFirst() }
        if leases.count > 2 * leaseCount + 256 { leases.removeAll { $0.lease == nil } }
        return ended
    }

    /// Where the deliveries with tags from `first` to `last` stand.
    private func indices(from first: DeliveryTag, through last: DeliveryTag) -> Range<Int> {
        let begin = index(atOrAfter: first)
        guard last >= first else { return begin..<begin }
        guard last < DeliveryTag(.max) else { return begin..<leases.count }
        return begin..<max(begin, index(atOrAfter: last.next))
    }

    private func index(atOrAfter tag: DeliveryTag) -> Int {
        guard let front = leases.first, front.tag < tag else { return 0 }
        // Nothing is missing as a rule, so the first guess is nearly always right.
        let guess = Int(clamping: tag.rawValue - front.tag.rawValue)
        if guess < leases.count, leases[guess].tag == tag { return guess }
        var (low, high) = (0, leases.count)
        while low < high {
            let middle = (low + high) / 2
            if leases[middle].tag < tag { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
