/// Which producer, and in which of its lives: a newer epoch fences all that come with an older one.
package struct ProducerIdentity: Hashable, Sendable {
    package var id: Int64
    package var epoch: Int16

    package init(id: Int64, epoch: Int16) {
        self.id = id
        self.epoch = epoch
    }
}

/// What is known of one transactional id: the row to store when it changes.
///
/// Source: KIP-98, "Transaction Coordinator"; KIP-360
package struct ProducerTransaction: Equatable, Sendable {
    /// The raw value is the name that clients see.
    package enum State: String, CaseIterable, Sendable {
        /// The producer has not begun a transaction yet.
        case empty = "Empty"
        case ongoing = "Ongoing"
        /// It is decided, and markers are being written.
        case prepareCommit = "PrepareCommit"
        case prepareAbort = "PrepareAbort"
        /// All markers are written.
        case completeCommit = "CompleteCommit"
        case completeAbort = "CompleteAbort"

        /// Whether markers are being written.
        package var isEnding: Bool { self == .prepareCommit || self == .prepareAbort }
    }

    package var transactionalID: String
    package var producer: ProducerIdentity
    /// The id that it had before its epochs were used up; -1 if it has had no other.
    package var previousProducerID: Int64 = -1
    /// The epoch that the producer named when it was given this one, by which it is known again if it did not get the
    /// answer (KIP-360); -1 if it named none.
    package var lastEpoch: Int16 = -1
    /// How long a transaction may take. Milliseconds.
    package var timeout: Int64
    package var state = State.empty
    /// Each once, in the order in which they were added.
    package var partitions: [TopicPartition] = []
    /// Whose offsets are part of it; each once.
    package var groups: [String] = []
    /// What was committed for them in the transaction: one for each group and partition.
    package var offsets: [TransactionOffset] = []
    /// When the transaction began; nil before the first.
    package var start: Timestamp?
    package var updated: Timestamp

    package init(transactionalID: String, producer: ProducerIdentity, timeout: Int64, updated: Timestamp) {
        self.transactionalID = transactionalID
        self.producer = producer
        self.timeout = timeout
        self.updated = updated
    }
}

/// A transaction that is decided: what has to be written for it.
package struct TransactionEnding: Equatable, Sendable {
    package var transactionalID: String
    /// What the markers say.
    package var producer: ProducerIdentity
    package var isCommit: Bool
    /// Each gets a marker.
    package var partitions: [TopicPartition]
    /// The offsets that the producer committed for these count from now on, or are dropped.
    package var groups: [String]
    package var offsets: [TransactionOffset]

    package init(
        transactionalID: String, producer: ProducerIdentity, isCommit: Bool, partitions: [TopicPartition],
        groups: [String], offsets: [TransactionOffset] = []
    ) {
        self.transactionalID = transactionalID
        self.producer = producer
        self.isCommit = isCommit
        self.partitions = partitions
        self.groups = groups
        self.offsets = offsets
    }
}

/// Where a group is to read on if a transaction is committed.
package struct TransactionOffset: Equatable, Sendable {
    package var group: String
    package var place: TopicPartition
    package var offset: CommittedOffset

    package init(group: String, place: TopicPartition, offset: CommittedOffset) {
        self.group = group
        self.place = place
        self.offset = offset
    }
}

/// Why a request about a transaction is refused, in Kafka's words: the raw value is the name of the error.
///
/// Source: Kafka protocol guide, "Error Codes"
package enum TransactionError: String, Error, CaseIterable, Sendable {
    /// The transaction before is not at its end; the client waits and asks again.
    case concurrentTransactions = "CONCURRENT_TRANSACTIONS"
    case invalidProducerIDMapping = "INVALID_PRODUCER_ID_MAPPING"
    case invalidRequest = "INVALID_REQUEST"
    case invalidTransactionTimeout = "INVALID_TRANSACTION_TIMEOUT"
    case invalidTransactionState = "INVALID_TXN_STATE"
    /// There is a newer one of the same transactional id. Up to InitProducerId v3 and v1 of the other requests
    /// INVALID_PRODUCER_EPOCH is said in its place.
    case producerFenced = "PRODUCER_FENCED"
    case transactionalIDNotFound = "TRANSACTIONAL_ID_NOT_FOUND"
    /// There are as many transactional ids as may be.
    case tooManyTransactionalIDs = "POLICY_VIOLATION"
}
