internal import OrderedCollections

/// Who may write under each transactional id, and what its transactions are made of.
///
/// It decides and writes nothing: once a transaction is decided, ``takeEndings()`` says which partitions get a marker
/// and which groups' offsets count, and ``complete(_:at:)`` is to be called when all that is done, at once or later.
/// Until then the producer is told to wait. Whoever answers a client stores ``takeChanges()`` first. What was decided
/// and not done when the process ended is an ending again when it is restored, so a marker may be written twice: the
/// second ends nothing.
///
/// It is a machine without a clock: ``nextDeadline`` says when ``tick(at:)`` is due. Times are in milliseconds.
///
/// Source: KIP-98, KIP-360; Kafka protocol guide. The epoch changes when a producer is initialized or fenced, not with
/// each transaction (`transaction.version` 1).
package struct TransactionCoordinator: Sendable {
    /// What is to be stored since the last time.
    package struct Changes: Equatable, Sendable {
        /// Each takes the place of the row that there is.
        package var transactions: [ProducerTransaction] = []
        package var forgotten: [String] = []

        package init() {}

        package var isEmpty: Bool { transactions.isEmpty && forgotten.isEmpty }
    }

    /// `transactional.id.expiration.ms`: seven days.
    package static let expiryMilliseconds: Int64 = 604_800_000
    /// The last epoch that a producer is given; the one above is left for fencing it.
    package static let epochMax = Int16.max - 1
    /// Of a transactional id. Bytes.
    package static let nameBytesMax = 1_024

    /// `transaction.max.timeout.ms`
    private let timeoutMax: Int64
    /// So many transactional ids are known; their names have at most ``nameBytesMax``.
    private let countMax: Int
    private var nextProducerID: Int64
    /// In the order in which they were first heard of.
    private var transactions: OrderedDictionary<String, ProducerTransaction> = [:]
    private var timers = Timers<String>()
    private var endings: [TransactionEnding] = []

    private var changed: OrderedSet<String> = []

    /// - Parameters:
    ///   - nextProducerID: it and those above were never given out.
    ///   - transactions: as they were stored. One that was going on has the rest of its time.
    package init(
        timeoutMax: Int64 = 900_000, countMax: Int = 100_000, nextProducerID: Int64 = 0,
        restoring transactions: [ProducerTransaction] = [], at now: Now
    ) {
        self.timeoutMax = timeoutMax
        self.countMax = countMax
        self.nextProducerID = nextProducerID
        for transaction in transactions {
            self.transactions[transaction.transactionalID] = transaction
            if transaction.state == .ongoing { setTimer(transaction, at: now) }
            if transaction.state.isEnding { endings.append(Self.ending(of: transaction)) }
        }
    }

    /// When ``tick(at:)`` is due; nil while no transaction is going on.
    package var nextDeadline: Instant? { timers.next }

    /// All transactional ids, in the order in which they were first heard of (ListTransactions).
    package var all: [ProducerTransaction] { Array(transactions.values) }

    package var isEmpty: Bool { transactions.isEmpty }

    /// DescribeTransactions.
    ///
    /// - Throws: TRANSACTIONAL_ID_NOT_FOUND, INVALID_REQUEST
    package func describe(_ id: String) throws(TransactionError) -> ProducerTransaction {
        guard !id.isEmpty else { throw .invalidRequest }
        guard let transaction = transactions[id] else { throw .transactionalIDNotFound }
        return transaction
    }

    // MARK: Producers

    /// InitProducerId without a transactional id: a producer that is idempotent and no more.
    package mutating func newProducer() -> ProducerIdentity {
        defer { nextProducerID += 1 }
        return ProducerIdentity(id: nextProducerID, epoch: 0)
    }

    /// InitProducerId: the producer of a transactional id begins, and no other of that id may go on. What another had
    /// begun is aborted first, for which this one has to wait.
    ///
    /// - Parameter expected: what the producer believes that it is, which has made a mistake and goes on (v3 and later,
    ///   KIP-360): it is refused if there is a newer one, and hears the same again if it did not get the answer.
    /// - Throws: CONCURRENT_TRANSACTIONS while there is something to wait for; PRODUCER_FENCED;
    ///   INVALID_TRANSACTION_TIMEOUT; INVALID_REQUEST for an empty id, one that is too long, or half of an identity;
    ///   POLICY_VIOLATION if there are too many ids.
    package mutating func initialize(
        _ id: String, timeout: Int64, expected: ProducerIdentity? = nil, at now: Now
    ) throws(TransactionError) -> ProducerIdentity {
        guard !id.isEmpty, id.utf8.count <= Self.nameBytesMax, expected.map({ $0.id >= 0 && $0.epoch >= 0 }) ?? true
        else { throw .invalidRequest }
        guard timeout > 0, timeout <= timeoutMax else { throw .invalidTransactionTimeout }
        guard var transaction = transactions[id] else {
            guard transactions.count < countMax else { throw .tooManyTransactionalIDs }
            let producer = newProducer()
            put(
                ProducerTransaction(
                    transactionalID: id, producer: producer, timeout: timeout, updated: now.wall))
            return producer
        }
        if let expected, !transaction.mayBe(expected) { throw .producerFenced }
        switch transaction.state {
        case .prepareCommit, .prepareAbort: throw .concurrentTransactions
        case .ongoing:
            fence(transaction, at: now)
            throw .concurrentTransactions
        case .empty, .completeCommit, .completeAbort: break
        }
        let before = transaction.producer
        if let expected, expected.epoch != before.epoch {
            // It has been given the next one, but does not know.
            guard expected.epoch == transaction.lastEpoch else { throw .producerFenced }
        } else if before.epoch >= Self.epochMax {
            transaction.producer = newProducer()
            transaction.previousProducerID = before.id
            transaction.lastEpoch = expected == nil ? -1 : before.epoch
        } else {
            transaction.producer.epoch += 1
            transaction.lastEpoch = expected == nil ? -1 : before.epoch
        }
        transaction.state = .empty
        transaction.timeout = timeout
        transaction.start = nil
        transaction.updated = now.wall
        put(transaction)
        return transaction.producer
    }

    // MARK: Transactions

    /// AddPartitionsToTxn: they get a marker when the transaction ends. The first begins it.
    ///
    /// - Throws: INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS; nothing is added then.
    package mutating func add(
        _ partitions: [TopicPartition], to id: String, of producer: ProducerIdentity, at now: Now
    ) throws(TransactionError) {
        var transaction = try open(id, producer, at: now)
        var known = OrderedSet(transaction.partitions)
        for partition in partitions { known.append(partition) }
        transaction.partitions = Array(known)
        begin(transaction, at: now)
    }

    /// AddOffsetsToTxn: what the producer then commits for the group (TxnOffsetCommit) is part of the transaction.
    package mutating func add(
        group: String, to id: String, of producer: ProducerIdentity, at now: Now
    ) throws(TransactionError) {
        var transaction = try open(id, producer, at: now)
        if !transaction.groups.contains(group) { transaction.groups.append(group) }
        begin(transaction, at: now)
    }

    /// TxnOffsetCommit: they count when the transaction is committed, in the place of what it has said of the same
    /// partitions before.
    ///
    /// - Throws: INVALID_TXN_STATE if the group is not part of the transaction.
    package mutating func add(
        _ offsets: [TransactionOffset], of group: String, to id: String, of producer: ProducerIdentity, at now: Now
    ) throws(TransactionError) {
        guard try contains(group: group, in: id, of: producer), var transaction = transactions[id] else {
            throw .invalidTransactionState
        }
        for offset in offsets {
            transaction.offsets.removeAll { $0.group == group && $0.place == offset.place }
            transaction.offsets.append(offset)
        }
        begin(transaction, at: now)
    }

    /// Where it is not decided yet how far the group has come.
    package func undecided(of group: String) -> [TopicPartition] {
        transactions.values.flatMap { transaction in
            transaction.offsets.compactMap { $0.group == group ? $0.place : nil }
        }
    }

    /// Whether the partition is part of the producer's transaction, so that it may write there (KIP-890).
    package func contains(
        _ partition: TopicPartition, in id: String, of producer: ProducerIdentity
    ) throws(TransactionError) -> Bool {
        let transaction = try current(id, producer)
        return transaction.state == .ongoing && transaction.partitions.contains(partition)
    }

    /// Whether offsets of the group are part of the producer's transaction.
    package func contains(
        group: String, in id: String, of producer: ProducerIdentity
    ) throws(TransactionError) -> Bool {
        let transaction = try current(id, producer)
        return transaction.state == .ongoing && transaction.groups.contains(group)
    }

    /// EndTxn. It is decided when this returns; what is to be written is among ``takeEndings()``. Who asks once more
    /// for what was done hears that it is.
    ///
    /// - Throws: INVALID_TXN_STATE if there is nothing to end, or it was ended otherwise; CONCURRENT_TRANSACTIONS while
    ///   markers are written; INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED.
    package mutating func end(
        _ id: String, of producer: ProducerIdentity, isCommit: Bool, at now: Now
    ) throws(TransactionError) {
        let transaction = try named(id, producer)
        switch transaction.state {
        case .ongoing: decide(transaction, isCommit: isCommit, at: now)
        case .completeCommit where isCommit, .completeAbort where !isCommit: break
        case .prepareCommit where isCommit, .prepareAbort where !isCommit: throw .concurrentTransactions
        case .empty, .prepareCommit, .prepareAbort, .completeCommit, .completeAbort: throw .invalidTransactionState
        }
    }

    /// All of an ending is written.
    package mutating func complete(_ id: String, at now: Now) {
        guard var transaction = transactions[id], transaction.state.isEnding else { return }
        transaction.state = transaction.state == .prepareCommit ? .completeCommit : .completeAbort
        transaction.partitions = []
        transaction.groups = []
        transaction.offsets = []
        transaction.updated = now.wall
        put(transaction)
    }

    /// Time has passed: transactions that take too long are aborted, and their producers fenced.
    package mutating func tick(at now: Now) {
        while let id = timers.popDue(at: now.monotonic) {
            if let transaction = transactions[id] { fence(transaction, at: now) }
        }
    }

    /// Forgets transactional ids that nothing was heard of for that long and that have nothing open.
    ///
    /// - Parameter milliseconds: `transactional.id.expiration.ms`
    /// - Returns: how many.
    /// - Complexity: looks at all; Kafka does so every hour.
    @discardableResult
    package mutating func expire(at now: Now, after milliseconds: Int64 = expiryMilliseconds) -> Int {
        let before = transactions.count
        for (id, transaction) in transactions where transaction.state != .ongoing && !transaction.state.isEnding {
            let (age, isBeyond) = now.wall.rawValue.subtractingReportingOverflow(transaction.updated.rawValue)
            guard isBeyond ? now.wall > transaction.updated : age >= milliseconds else { continue }
            transactions[id] = nil
            changed.append(id)
        }
        return before - transactions.count
    }

    // MARK: What is to be done

    /// - Returns: what was decided since the last time, in that order. Each is given once, and once more after a
    ///   restart if it was not completed.
    package mutating func takeEndings() -> [TransactionEnding] {
        defer { endings = [] }
        return endings
    }

    /// - Returns: rows for all that has changed since the last time.
    package mutating func takeChanges() -> Changes {
        var changes = Changes()
        for id in changed {
            if let transaction = transactions[id] {
                changes.transactions.append(transaction)
            } else {
                changes.forgotten.append(id)
            }
        }
        changed = []
        return changes
    }

    // MARK: Steps

    /// The transaction of that id, if it is this producer's.
    private func named(
        _ id: String, _ producer: ProducerIdentity
    ) throws(TransactionError) -> ProducerTransaction {
        guard !id.isEmpty else { throw .invalidRequest }
        guard let transaction = transactions[id], transaction.producer.id == producer.id else {
            throw .invalidProducerIDMapping
        }
        guard transaction.producer.epoch == producer.epoch else { throw .producerFenced }
        return transaction
    }

    /// The same, if the one before it is at its end.
    private func current(
        _ id: String, _ producer: ProducerIdentity
    ) throws(TransactionError) -> ProducerTransaction {
        let transaction = try named(id, producer)
        if transaction.state.isEnding { throw .concurrentTransactions }
        return transaction
    }

    /// The transaction to add something to.
    private func open(
        _ id: String, _ producer: ProducerIdentity, at now: Now
    ) throws(TransactionError) -> ProducerTransaction {
        var transaction = try current(id, producer)
        if transaction.state != .ongoing {
            transaction.state = .ongoing
            transaction.start = now.wall
        }
        return transaction
    }

    private mutating func begin(_ transaction: ProducerTransaction, at now: Now) {
        let before = transactions[transaction.transactionalID]
        guard transaction != before else { return }
        if before?.state != .ongoing { setTimer(transaction, at: now) }
        var transaction = transaction
        transaction.updated = now.wall
        put(transaction)
    }

    /// At its start and its timeout, by the wall clock: it may have begun in an earlier life of the process. Never
    /// later than it would be if it began now.
    private mutating func setTimer(_ transaction: ProducerTransaction, at now: Now) {
        let age = max(0, now.wall.rawValue.subtractingSaturating((transaction.start ?? now.wall).rawValue))
        let rest = max(0, transaction.timeout - min(age, transaction.timeout))
        timers.set(transaction.transactionalID, at: now.monotonic.advanced(byMilliseconds: rest))
    }

    /// Its producer may not go on, and what it has begun is aborted.
    private mutating func fence(_ transaction: ProducerTransaction, at now: Now) {
        var transaction = transaction
        if transaction.producer.epoch < .max { transaction.producer.epoch += 1 }
        transaction.lastEpoch = -1
        decide(transaction, isCommit: false, at: now)
    }

    private mutating func decide(_ transaction: ProducerTransaction, isCommit: Bool, at now: Now) {
        var transaction = transaction
        transaction.state = isCommit ? .prepareCommit : .prepareAbort
        transaction.updated = now.wall
        timers.cancel(transaction.transactionalID)
        put(transaction)
        endings.append(Self.ending(of: transaction))
    }

    private static func ending(of transaction: ProducerTransaction) -> TransactionEnding {
        TransactionEnding(
            transactionalID: transaction.transactionalID, producer: transaction.producer,
            isCommit: transaction.state == .prepareCommit, partitions: transaction.partitions,
            groups: transaction.groups, offsets: transaction.offsets)
    }

    private mutating func put(_ transaction: ProducerTransaction) {
        transactions[transaction.transactionalID] = transaction
        changed.append(transaction.transactionalID)
    }
}

extension ProducerTransaction {
    /// Whether a producer that takes itself for `expected` may be the one of this transactional id, epochs aside: it
    /// may not know yet that its epochs were used up.
    fileprivate func mayBe(_ expected: ProducerIdentity) -> Bool {
        expected.id == producer.id
            || expected.id == previousProducerID && expected.epoch >= TransactionCoordinator.epochMax
    }
}

extension Int64 {
    fileprivate func subtractingSaturating(_ other: Int64) -> Int64 {
        let (difference, isBeyond) = subtractingReportingOverflow(other)
        return isBeyond ? (self > other ? .max : .min) : difference
    }
}
