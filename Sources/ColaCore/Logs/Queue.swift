internal import DequeModule

/// A queue: its log, the shared cursor on it, and who wants its messages.
final class Queue {
    let definition: QueueDefinition
    let log: Log
    var cursor: SharedCursor
    /// Everyone who consumes from it, in the order in which they came.
    var consumers: [Consumer] = []
    /// Those who may be able to take a message, in the order of their turns.
    var waiting: Deque<Consumer> = []
    /// A read that must come back before anything more can be handed out.
    var reading: ReadRequest?
    /// Channels that asked for one message and wait for that read.
    var getters: Deque<(channel: Channel, request: RequestID, isAutoAck: Bool)> = []
    /// Bytes of messages handed out and not settled.
    var leasedBytes = 0
    var quarantined: [Quarantine] = []
    var trim: Range<Offset>?
    var isDeleted = false
    /// Whether it stands in the broker's list of queues to dispatch.
    var isDispatchPending = false
    /// What the store knows as handed out.
    var storedHandedOut: Offset

    init(definition: QueueDefinition, log: Log, cursor: SharedCursor, storedHandedOut: Offset) {
        self.definition = definition
        self.log = log
        self.cursor = cursor
        self.storedHandedOut = storedHandedOut
    }

    var name: String { definition.name }

    /// Waiting to be handed out.
    var ready: Int { log.messages - cursor.leasedCount }

    var state: LogState {
        LogState(
            start: min(cursor.floor, log.next), next: log.next, ready: log.messages, bytes: log.bytes,
            floor: cursor.floor, handedOut: cursor.handedOut)
    }

    /// Puts the consumer in the line, if it can take something and does not stand in it.
    func enqueue(_ consumer: Consumer) {
        guard !consumer.isWaiting, consumer.canTake else { return }
        consumer.isWaiting = true
        waiting.append(consumer)
    }

    /// The consumer whose turn it is. It leaves the line.
    func nextConsumer() -> Consumer? {
        while let consumer = waiting.popFirst() {
            consumer.isWaiting = false
            if consumer.canTake { return consumer }
        }
        return nil
    }
}
