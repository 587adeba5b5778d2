/// A wish for batches of several partitions.
///
/// Source: Kafka protocol guide, "Fetch"
package struct Fetch: Sendable {
    package struct Part: Equatable, Sendable {
        package var place: TopicPartition
        package var from: Offset
        /// Of this partition at most so much, but for the first batch of the answer. Bytes.
        package var bytesMax: Int

        package init(place: TopicPartition, from: Offset, bytesMax: Int) {
            self.place = place
            self.from = from
            self.bytesMax = bytesMax
        }
    }

    package var parts: [Part]
    /// It is answered when there is so much, or the time is over. Bytes.
    package var bytesMin: Int
    /// Of all partitions together at most so much, but for the first batch. Bytes.
    package var bytesMax: Int
    package var waitMilliseconds: Int64
    /// Whether nothing of a transaction is wanted that is not decided.
    package var isCommittedOnly: Bool

    package init(
        parts: [Part], bytesMin: Int, bytesMax: Int, waitMilliseconds: Int64, isCommittedOnly: Bool = false
    ) {
        self.isCommittedOnly = isCommittedOnly
        self.parts = parts
        self.bytesMin = bytesMin
        self.bytesMax = bytesMax
        self.waitMilliseconds = waitMilliseconds
    }
}

/// What a fetch found in one partition.
package struct FetchedPart: Sendable {
    package var place: TopicPartition
    package var refusal: TopicRefusal?
    /// The offset behind the last durable record; 0 if nothing is known of the partition.
    package var highWatermark = Offset(0)
    /// Below it all transactions are decided.
    package var lastStable = Offset(0)
    /// The oldest record that is still there.
    package var start = Offset(0)
    /// Transactions in `batches` that were aborted, by their first records; only where committed records alone are
    /// wanted.
    package var aborted: [AbortedTransaction] = []
    /// Whole batches, from the one on that holds the offset that was asked for.
    package var batches: [ArraySlice<UInt8>] = []

    package init(place: TopicPartition) { self.place = place }

    package var byteCount: Int { batches.reduce(0) { $0 + $1.count } }
}

/// Committed chunks as they are stored, without a look at their records.
package struct PackedRead: Sendable {
    package var request: ReadRequest
    package var chunks: [PackedChunk]
    /// No chunk lies between the last one here (or `from`, if there is none) and `below`.
    package var isComplete: Bool

    package init(request: ReadRequest, chunks: [PackedChunk], isComplete: Bool) {
        self.request = request
        self.chunks = chunks
        self.isComplete = isComplete
    }
}

package struct PackedChunk: Sendable {
    package var base: Offset
    package var last: Offset
    /// Its batches, each of which has the right checksum and place.
    package var data: [UInt8]
    /// Whether there was more of it, which failed its check.
    package var isDamaged: Bool

    package init(base: Offset, last: Offset, data: [UInt8], isDamaged: Bool = false) {
        self.base = base
        self.last = last
        self.data = data
        self.isDamaged = isDamaged
    }
}
