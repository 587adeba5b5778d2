/// The number of a message in the schedule. Given out once, in growing order, and never again.
package struct ScheduleID: Identifier {
    package var rawValue: Int64
    @inlinable package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// The place of a message in the schedule: by when it is due, and among equals by when it came.
package struct ScheduleKey: Hashable, Comparable, Sendable {
    package var due: Timestamp
    package var id: ScheduleID

    package init(due: Timestamp, id: ScheduleID) {
        self.due = due
        self.id = id
    }

    package static func < (lhs: ScheduleKey, rhs: ScheduleKey) -> Bool {
        lhs.due == rhs.due ? lhs.id < rhs.id : lhs.due < rhs.due
    }
}

/// A message that waits for its time, outside of any log; it is appended when it is due.
package struct ScheduledMessage: Equatable, Sendable {
    package enum Target: Equatable, Sendable {
        /// It is routed when it is due.
        case exchange(host: String, name: String, routingKey: String)
        /// It came back with a delay: into this queue, whatever its bindings are by then. The log names the queue.
        case queue(LogID)
    }

    package var key: ScheduleKey
    package var target: Target
    package var priority: UInt8
    /// How long it may wait once it is in a queue. Milliseconds; nil: as the queue says.
    package var timeToLive: Int64?
    package var message: Message

    package init(
        key: ScheduleKey, target: Target, priority: UInt8 = 0, timeToLive: Int64? = nil, message: Message
    ) {
        self.key = key
        self.target = target
        self.priority = priority
        self.timeToLive = timeToLive
        self.message = message
    }
}
