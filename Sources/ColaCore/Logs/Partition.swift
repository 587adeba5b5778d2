internal import DequeModule

/// One partition of a topic: a log that keeps its records until retention lets go of them.
final class Partition {
    let number: Int
    let log: Log
    unowned let topic: Topic
    var quarantined: [Quarantine] = []
    var trim: Range<Offset>?
    /// The oldest chunks, as far as they are known: those that retention looks at next.
    var outline: Deque<ChunkOutline> = []
    var isAsking = false

    init(number: Int, log: Log, of topic: Topic) {
        self.number = number
        self.log = log
        self.topic = topic
    }

    var state: LogState {
        LogState(
            start: log.start, next: log.next, ready: log.messages, bytes: log.bytes, floor: log.start,
            handedOut: Offset(0))
    }
}
