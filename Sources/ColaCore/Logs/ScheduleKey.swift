/// What the store calls one message that waits for its time. Counted up, never given out twice.
package struct ScheduleID: Identifier {
    package var rawValue: Int64
    @inlinable package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// The place of a message in the schedule: when it is due, and among those due together, which was there first.
package struct ScheduleKey: Hashable, Comparable, Sendable, BitwiseCopyable {
    package var due: Timestamp
    package var id: ScheduleID

    package init(due: Timestamp, id: ScheduleID) {
        self.due = due
        self.id = id
    }

    /// The first place there is.
    package static let first = ScheduleKey(due: Timestamp(.min), id: ScheduleID(.min))

    package static func < (lhs: ScheduleKey, rhs: ScheduleKey) -> Bool { (lhs.due, lhs.id) < (rhs.due, rhs.id) }

    /// The place right before this one: what lies after it lies at or after this.
    package var previous: ScheduleKey {
        if id.rawValue > .min { return ScheduleKey(due: due, id: ScheduleID(id.rawValue - 1)) }
        if due.rawValue > .min { return ScheduleKey(due: Timestamp(due.rawValue - 1), id: ScheduleID(.max)) }
        return self
    }
}
