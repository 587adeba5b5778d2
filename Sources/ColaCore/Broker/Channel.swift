internal import DequeModule

/// One stream of requests, and what was handed out to it.
final class Channel {
    /// A message handed out and not settled.
    struct Lease {
        let consumer: Consumer
        let offset: Offset
        let bytes: Int
    }

    let id: ChannelID
    var info: ChannelInfo
    var consumers: [Consumer] = []
    /// By delivery tag, from `firstLease` on; nil where it is settled.
    private(set) var leases: Deque<Lease?> = []
    private(set) var firstLease = DeliveryTag(1)
    /// Handed out and not settled.
    private(set) var leaseCount = 0
    let leasesMax: Int

    /// The last batch with a change that this channel made.
    var lastBatch = BatchNumber(0)
    /// Answers of this channel that wait for a commit.
    var heldCount = 0
    var isPublisher = false
    /// What may still be sent before the socket has to take something. Bytes.
    var window: Int
    var isWindowFull = false
    /// Requests that came while an earlier one waits; they have their turn when it is answered.
    var deferred: Deque<(id: RequestID, request: Request)> = []
    /// What the channel waits for: nothing may be answered before it.
    var stall: Stall?

    enum Stall {
        /// A request that reads waits until what the channel wrote is durable.
        case commit(BatchNumber)
        /// A get waits for a read.
        case get
        case peek(Peek)
    }

    /// A look at messages that takes several reads.
    struct Peek {
        var request: RequestID
        var name: String
        var reading: ReadRequest
        var remaining: Int
        var remainingBytes: Int
        var found: [Delivery]
    }

    init(id: ChannelID, info: ChannelInfo, leasesMax: Int, window: Int) {
        self.id = id
        self.info = info
        self.leasesMax = leasesMax
        self.window = window
    }

    /// The tag that the next delivery gets.
    var nextTag: DeliveryTag { DeliveryTag(firstLease.rawValue + UInt64(leases.count)) }

    var isFull: Bool { leaseCount >= leasesMax }

    func consumer(_ tag: ConsumerTag) -> Consumer? { consumers.first { $0.tag == tag } }

    func lease(_ lease: Lease) -> DeliveryTag {
        let tag = nextTag
        leases.append(lease)
        leaseCount += 1
        return tag
    }

    /// A tag for a delivery that needs no acknowledgement.
    func passTag() -> DeliveryTag {
        let tag = nextTag
        if leases.isEmpty { firstLease = tag.next } else { leases.append(nil) }
        return tag
    }

    /// The topic that the first of these deliveries is of; nil if it is of a queue, or there is none.
    func topicOfFirstLease(from first: DeliveryTag, through last: DeliveryTag) -> String? {
        guard last >= firstLease, first <= last, !leases.isEmpty else { return nil }
        let begin = first <= firstLease ? 0 : Int(clamping: first.rawValue - firstLease.rawValue)
        let end = min(leases.count - 1, Int(clamping: last.rawValue - firstLease.rawValue))
        guard begin <= end, let lease = leases[begin...end].lazy.compactMap({ $0 }).first else { return nil }
        if case .topic(let topic) = lease.consumer.source { return topic.name }
        return nil
    }

    /// Ends the leases from `first` to `last` and hands each to `body`.
    ///
    /// - Returns: how many there were.
    func endLeases(_ first: DeliveryTag, _ last: DeliveryTag, _ body: (Lease) -> Void) -> Int {
        guard last >= firstLease, first <= last, !leases.isEmpty else { return 0 }
        let begin = first <= firstLease ? 0 : Int(clamping: first.rawValue - firstLease.rawValue)
        let end = min(leases.count - 1, Int(clamping: last.rawValue - firstLease.rawValue))
        guard begin <= end else { return 0 }
        var ended = 0
        for index in begin...end {
            guard let lease = leases[index] else { continue }
            leases[index] = nil
            ended += 1
            body(lease)
        }
        leaseCount -= ended
        while let front = leases.first, front == nil {
            leases.removeFirst()
            firstLease = firstLease.next
        }
        return ended
    }
}
