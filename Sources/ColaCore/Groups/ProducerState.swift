/// What is known of one idempotent or transactional producer in one partition: the row to store when it changes.
///
/// Source: KIP-98, "Broker"; KIP-360
package struct ProducerState: Equatable, Sendable {
    /// One of the batches that the producer sent last.
    package struct Batch: Equatable, Sendable {
        /// Of its first record; from 0 to `Int32.max`, then 0 again.
        package var firstSequence: Int32
        /// Of its last record.
        package var lastSequence: Int32
        package var baseOffset: Offset
        /// As the answer to the producer has it.
        package var timestamp: Timestamp

        package init(firstSequence: Int32, lastSequence: Int32, baseOffset: Offset, timestamp: Timestamp) {
            self.firstSequence = firstSequence
            self.lastSequence = lastSequence
            self.baseOffset = baseOffset
            self.timestamp = timestamp
        }
    }

    package var producerID: Int64
    package var epoch: Int16
    /// Of this epoch, the oldest first; at most ``ProducerLedger/batchesMax``.
    package var batches: [Batch]
    /// When the broker last had something of it.
    package var lastSeen: Timestamp
    /// Where its open transaction begins in this partition.
    package var transactionStart: Offset?

    package init(
        producerID: Int64, epoch: Int16, batches: [Batch] = [], lastSeen: Timestamp, transactionStart: Offset? = nil
    ) {
        self.producerID = producerID
        self.epoch = epoch
        self.batches = batches
        self.lastSeen = lastSeen
        self.transactionStart = transactionStart
    }
}

/// A transaction that was aborted, as a reader of committed records has to know it.
package struct AbortedTransaction: Equatable, Sendable {
    package var producerID: Int64
    /// Of its first record in the partition.
    package var first: Offset
    /// Of the marker that ends it.
    package var last: Offset

    package init(producerID: Int64, first: Offset, last: Offset) {
        self.producerID = producerID
        self.first = first
        self.last = last
    }
}
