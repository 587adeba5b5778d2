/// A wish for committed records of one log.
package struct ReadRequest: Hashable, Sendable {
    package var log: LogID
    /// The first offset wanted. The chunk that holds it comes whole, so what comes back may begin below.
    package var from: Offset
    /// No chunk that begins at or above this offset is wanted: the broker has those in memory.
    package var below: Offset
    /// When this much has been read no further chunk is begun. The first one comes whatever its size. Bytes.
    package var bytesMax: Int

    package init(log: LogID, from: Offset, below: Offset, bytesMax: Int) {
        self.log = log
        self.from = from
        self.below = below
        self.bytesMax = bytesMax
    }
}

/// The answer: whole chunks in the order of their offsets.
package struct ReadResult: Sendable {
    package var request: ReadRequest
    package var chunks: [StoredChunk]
    /// No chunk lies between the last one here (or `from`, if there is none) and `below`.
    package var isComplete: Bool

    package init(request: ReadRequest, chunks: [StoredChunk], isComplete: Bool) {
        self.request = request
        self.chunks = chunks
        self.isComplete = isComplete
    }
}

/// One chunk as it was committed, its checksums verified.
package struct StoredChunk: Sendable {
    package var base: Offset
    package var last: Offset
    /// What could be read of it, settled records included.
    package var segment: RecordSegment
    /// What had been settled of it when it was read.
    package var settled: SettledSet
    /// Messages of it that had been handed out and come back.
    package var released: [Release]
    /// Batches in it that failed their check. Their records are in no segment.
    package var damage: [RecordBatch.Damage]
    /// The number of records the chunk was stored with.
    package var count: Int
    /// The batches of transactions in it, whatever became of those.
    package var transactional: [TransactionalBatch] = []

    package init(
        base: Offset, last: Offset, segment: RecordSegment, settled: SettledSet, released: [Release],
        damage: [RecordBatch.Damage], count: Int
    ) {
        self.base = base
        self.last = last
        self.segment = segment
        self.settled = settled
        self.released = released
        self.damage = damage
        self.count = count
    }
}

/// Where a batch of a transaction stands.
package struct TransactionalBatch: Equatable, Sendable {
    package var offsets: ClosedRange<Offset>
    package var producerID: Int64

    package init(offsets: ClosedRange<Offset>, producerID: Int64) {
        self.offsets = offsets
        self.producerID = producerID
    }
}
