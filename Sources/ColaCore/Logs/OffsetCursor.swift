/// The position of one reader in a log that keeps its records.
///
/// Reading takes nothing away, so there is nothing to settle: acknowledgements only give room for more. A reader sees
/// committed records alone.
package struct OffsetCursor: Equatable, Sendable {
    /// The offset to read next.
    package private(set) var next: Offset

    package init(next: Offset) { self.next = next }

    /// The record at `offset` was sent, or nothing is to be found up to it.
    package mutating func advance(past offset: Offset) {
        next = max(next, offset.next)
    }

    /// Nothing is to be found below `offset`.
    package mutating func skip(to offset: Offset) {
        next = max(next, offset)
    }
}
