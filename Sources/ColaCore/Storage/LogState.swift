/// What is known of a log without reading any of its chunks: one small row, written in each commit that touches the
/// log.
package struct LogState: Equatable, Sendable {
    /// No record below this offset can be read any more.
    package var start: Offset
    /// The offset that the next record gets. Stored, never computed from the last one.
    package var next: Offset
    /// The number of records that are not settled (queue), or readable (topic).
    package var ready: Int
    /// Their size as handed in by producers. Bytes.
    package var bytes: Int
    /// Queue: every offset below is settled. Topic: equal to `start`.
    package var floor: Offset
    /// Queue: every record handed out so far lies below this offset. It is exact only if the last stop was clean.
    package var handedOut: Offset
    /// Queue: no message expires before this. Nil: none of those that wait does.
    package var nextExpiry: Timestamp?

    package init(
        start: Offset, next: Offset, ready: Int, bytes: Int, floor: Offset, handedOut: Offset,
        nextExpiry: Timestamp? = nil
    ) {
        self.start = start
        self.next = next
        self.ready = ready
        self.bytes = bytes
        self.floor = floor
        self.handedOut = handedOut
        self.nextExpiry = nextExpiry
    }

    package static let empty = LogState(
        start: Offset(0), next: Offset(0), ready: 0, bytes: 0, floor: Offset(0), handedOut: Offset(0))
}
