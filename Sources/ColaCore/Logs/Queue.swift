internal import DequeModule

/// A queue: a log with its cursor for each priority in use, and who wants its messages.
final class Queue {
    var definition: QueueDefinition
    let host: VirtualHost
    /// Whether it is there after a restart.
    let isDurable: Bool
    /// The connection that it belongs to alone, and ends with.
    let owner: ChannelID?
    /// The highest priority first; the last is priority 0 and always there.
    private(set) var lanes: [Lane] = []
    /// Its own arguments, and what policies add to them.
    var arguments: Arguments
    /// The policy that counts for it.
    var policy: String?
    /// Everyone who consumes from it, in the order in which they came.
    var consumers: [Consumer] = []
    /// Those who may be able to take a message, in the order of their turns.
    var waiting: Deque<Consumer> = []
    /// The consumer that is kept free for messages that are to be handed out alone.
    var warden: Consumer?
    /// Whether consumers differ in priority, or one of them is to have everything.
    var isChoosy = false
    /// Whether it had a consumer; a queue with auto-delete goes when the last one leaves.
    var hadConsumers = false
    /// Channels that asked for one message and wait for a read.
    var getters: Deque<(channel: Channel, request: RequestID, isAutoAck: Bool)> = []
    /// The message ids it remembers, if it has a deduplication window.
    var seen: SeenIDs?
    var isDeleted = false
    /// Whether it stands in the broker's list of queues to dispatch.
    var isDispatchPending = false
    /// Whether it stands in the broker's list of queues that get something at the end of the burst.
    var isEarlyPending = false
    /// Whether it stands in the broker's list of those with more to do than one turn does.
    var isSweeping = false
    var counts = Counts()

    /// Since the start.
    struct Counts {
        var published = 0
        var delivered = 0
        var redelivered = 0
        var acknowledged = 0
        var expired = 0
        /// Over a length limit.
        var dropped = 0
        var rejected = 0
        var deadLettered = 0
        var parked = 0
        var duplicates = 0
        /// How leases have ended, but for those that ended well: they are `acknowledged`.
        var ends: [Attempt.End: Int] = [:]
    }

    init(definition: QueueDefinition, host: VirtualHost, isDurable: Bool, owner: ChannelID? = nil) {
        self.definition = definition
        self.host = host
        self.isDurable = isDurable
        self.owner = owner
        arguments = definition.arguments
    }

    var name: String { definition.name }

    var kind: QueueKind { arguments.queueType == .quorum ? .quorum : .classic }

    /// Whether it is one in which messages are parked.
    var isParking: Bool { name.hasPrefix(Broker.parkingName(of: "")) }

    var isReading: Bool { lanes.contains { $0.reading != nil } }

    /// Whether messages are put into it without a look at them.
    var hasPlainArguments: Bool {
        arguments.messageTimeToLive == nil && arguments.maxLength == nil && arguments.maxLengthBytes == nil
    }

    func add(_ lane: Lane) {
        let index = lanes.firstIndex { $0.priority < lane.priority } ?? lanes.endIndex
        lanes.insert(lane, at: index)
    }

    /// The lane of priority 0.
    var base: Lane { lanes[lanes.count - 1] }

    func lane(_ priority: UInt8) -> Lane? {
        if priority == 0 { return base }
        return lanes.first { $0.priority == priority }
    }

    /// The priority as which the queue counts one that may be above its highest.
    func known(_ priority: UInt8) -> UInt8 { min(priority, UInt8(clamping: definition.arguments.maxPriority ?? 0)) }

    /// Waiting to be handed out.
    var ready: Int { lanes.count == 1 ? lanes[0].ready : lanes.reduce(0) { $0 + $1.ready } }

    var readyBytes: Int { lanes.reduce(0) { $0 + $1.log.bytes - $1.leasedBytes - $1.doomedBytes } }

    var messages: Int { lanes.reduce(0) { $0 + $1.log.messages } }

    var leased: Int { lanes.reduce(0) { $0 + $1.cursor.leasedCount } }

    var hasSuspects: Bool { lanes.contains { !$0.cursor.suspects.isEmpty } }

    var isOverLimit: Bool { exceeds(messages: 0, bytes: 0) }

    /// Whether it would hold more than it may with so much more.
    func exceeds(messages: Int, bytes: Int) -> Bool {
        if let limit = arguments.maxLength, ready + messages > limit { return true }
        if let limit = arguments.maxLengthBytes, readyBytes + bytes > limit { return true }
        return false
    }

    /// Whether publishers hear of it when there is no room: also where there is no target to give the message to.
    var refusesWhenFull: Bool {
        switch arguments.overflow {
        case .rejectPublish: true
        case .deadLetterPublish: arguments.deadLetterExchange == nil
        case .dropHead, nil: false
        }
    }

    // MARK: Consumers

    /// Puts the consumer in the line, if it can take something and does not stand in it.
    func enqueue(_ consumer: Consumer) {
        guard !consumer.isWaiting, consumer.canTake else { return }
        consumer.isWaiting = true
        waiting.append(consumer)
    }

    /// The consumer whose turn it is. It leaves the line.
    func nextConsumer() -> Consumer? {
        if isChoosy { return chooseConsumer() }
        while let consumer = waiting.popFirst() {
            consumer.isWaiting = false
            if consumer.canTake { return consumer }
        }
        return nil
    }

    /// The only consumer that gets messages, of a queue with a single active consumer.
    var active: Consumer? {
        guard arguments.isSingleActiveConsumer == true else { return nil }
        if let active = consumers.first(where: \.isActive) { return active }
        guard let best = consumers.max(by: { $0.priority < $1.priority })?.priority else { return nil }
        let next = consumers.first { $0.priority == best }
        next?.isActive = true
        return next
    }

    private func chooseConsumer() -> Consumer? {
        let only = active
        let isSingle = arguments.isSingleActiveConsumer == true
        var best: Int?
        for index in waiting.indices {
            guard waiting[index].canTake, !isSingle || waiting[index] === only else { continue }
            if let found = best, waiting[found].priority >= waiting[index].priority { continue }
            best = index
        }
        guard let best else { return nil }
        let consumer = waiting.remove(at: best)
        consumer.isWaiting = false
        return consumer
    }

    /// Someone came, went, or the arguments changed.
    func consumersChanged() {
        isChoosy = arguments.isSingleActiveConsumer == true || consumers.contains { $0.priority != 0 }
        if arguments.isSingleActiveConsumer != true {
            for consumer in consumers { consumer.isActive = false }
        } else {
            _ = active
        }
    }
}
