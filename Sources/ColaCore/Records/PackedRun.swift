/// Record batches as a producer made them, one after the other, with the offsets that they got here.
///
/// Nobody looks into them on their way: they are stored and handed out as they came, compressed or not. Who wants their
/// records reads them from the store, which unpacks them.
package struct PackedRun: Equatable, Sendable {
    package var base: Offset
    package var last: Offset
    /// Whole batches, version 2.
    package var data: [UInt8]
    /// Messages in it: markers of transactions are none.
    package var count: Int
    package var minTimestamp: Timestamp
    package var maxTimestamp: Timestamp

    package init(
        base: Offset, last: Offset, data: [UInt8], count: Int, minTimestamp: Timestamp, maxTimestamp: Timestamp
    ) {
        self.base = base
        self.last = last
        self.data = data
        self.count = count
        self.minTimestamp = minTimestamp
        self.maxTimestamp = maxTimestamp
    }

    /// Joins what follows it directly.
    package mutating func append(_ next: PackedRun) {
        last = next.last
        data += next.data
        count += next.count
        minTimestamp = min(minTimestamp, next.minTimestamp)
        maxTimestamp = max(maxTimestamp, next.maxTimestamp)
    }
}

/// What one batch appends to a log: runs that follow each other in the order of their offsets.
package enum AppendedRun: Equatable, Sendable {
    /// Records that were taken in one by one; they become one chunk.
    case records(RecordSegment)
    /// Batches of a producer, which stay as they are.
    case packed(PackedRun)
}
