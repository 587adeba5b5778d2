internal import DequeModule

/// One priority of a queue: a log, and the shared cursor on it.
///
/// A queue without priorities has one; each higher priority in use has one of its own, and what comes back goes back to
/// the log it came from.
final class Lane {
    let priority: UInt8
    let log: Log
    var cursor: SharedCursor
    unowned let queue: Queue
    /// A read that must come back before anything more of it can be handed out.
    var reading: ReadRequest?
    /// Bytes of messages handed out and not settled.
    var leasedBytes = 0
    /// Bytes of messages that are neither handed out nor wait: their fate is decided.
    var doomedBytes = 0
    /// What workers tried in vain, of messages that are in this lane.
    var attempts: [Offset: [Attempt]] = [:]
    var quarantined: [Quarantine] = []
    var trim: Range<Offset>?
    /// Records that the gathering batch writes because memory is short.
    var spilled: [RecordSegment] = []
    /// Whether it stands in the broker's list of lanes with records in memory alone.
    var isPinning = false
    /// What the store knows as handed out.
    var storedHandedOut: Offset
    /// No message expires before this; nil: none does.
    var nextExpiry: Timestamp?

    /// Whether the gathering batch holds more of it than records that need not be written if they are settled in time.
    var isChanged = false
    /// Publishes that gather and whose records may be handed out early: the last offset of each, and its number.
    var tickets: Deque<(end: Offset, number: Int)> = []
    var pace = SettlementPace()

    /// The head that was looked at last, and when it expires; it need not be looked at again before.
    var watched: (head: Offset, expires: Timestamp)?
    /// The same of the first suspect.
    var watchedSuspect: (head: Offset, expires: Timestamp)?

    init(priority: UInt8, log: Log, cursor: SharedCursor, state: LogState, of queue: Queue) {
        self.priority = priority
        self.log = log
        self.cursor = cursor
        self.queue = queue
        storedHandedOut = state.handedOut
        nextExpiry = state.nextExpiry
    }

    /// Waiting to be handed out.
    var ready: Int { log.messages - cursor.leasedCount - cursor.doomed.count }

    var state: LogState {
        LogState(
            start: min(cursor.floor, log.next), next: log.next, ready: log.messages, bytes: log.bytes,
            floor: cursor.floor, handedOut: cursor.handedOut, nextExpiry: nextExpiry)
    }
}
