/// What the broker wants to know of the store besides the records of a log.
package enum Query: Hashable, Sendable {
    /// The chunks of a log that end at or above an offset, without their records, the oldest first; at most `countMax`.
    case outline(LogID, from: Offset, countMax: Int)
    /// What waits in the schedule after a key (nil: from the first on), in the order of the keys. After `countMax`
    /// messages, or once `bytesMax` of them have been found, no more come; the first comes whatever its size.
    case schedule(after: ScheduleKey?, countMax: Int, bytesMax: Int)
    /// The first chunk of a log with a record as young as this or younger. Answered with an outline of at most one.
    case time(LogID, Timestamp)
    /// The first record that is as young as this, or younger.
    case record(LogID, asYoungAs: Timestamp)
    /// The first of the records with the latest time of a log.
    case youngest(LogID)
}

/// The answer to a ``Query``.
package enum QueryResult: Equatable, Sendable {
    /// `isComplete`: no chunk comes after the last one here.
    case outline([ChunkOutline], isComplete: Bool)
    /// `isComplete`: none waits after the last one here.
    case schedule([ScheduledMessage], isComplete: Bool)
    /// Nil: there is none.
    case record(LocatedRecord?)
}

/// A chunk without its records.
package struct ChunkOutline: Equatable, Sendable {
    package var base: Offset
    package var last: Offset
    /// Records that can be read.
    package var count: Int
    /// Of keys, values and headers.
    package var bytes: Int
    package var maxTimestamp: Timestamp

    package init(base: Offset, last: Offset, count: Int, bytes: Int, maxTimestamp: Timestamp) {
        self.base = base
        self.last = last
        self.count = count
        self.bytes = bytes
        self.maxTimestamp = maxTimestamp
    }
}
