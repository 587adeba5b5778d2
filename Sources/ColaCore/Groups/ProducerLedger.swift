internal import OrderedCollections

/// What one partition knows of idempotent and transactional producers: which batch is the next one, which it has
/// already, how far no transaction is open, and which were aborted.
///
/// A batch counts as soon as it is appended, committed to the disk or not: the same batch again is answered with the
/// offset that the first one got. Whoever answers a producer holds that back until the first one is committed, and
/// stores ``takeChanges()`` in the same batch as the records.
///
/// A producer of which nothing is known may begin with any sequence, as in Kafka today: it was forgotten, which is no
/// reason to lose what it has (so UNKNOWN_PRODUCER_ID is never the answer).
///
/// Source: KIP-98, KIP-360, KIP-890; Kafka protocol guide, "Error Codes"
package struct ProducerLedger: Sendable {
    /// Of how many batches per producer a duplicate is recognized, which is how many it may have in flight.
    package static let batchesMax = 5
    /// `producer.id.expiration.ms`: one day.
    package static let expiryMilliseconds: Int64 = 86_400_000

    /// What the header of a record batch says.
    package struct Batch: Equatable, Sendable {
        /// -1 for a producer that is neither.
        package var producerID: Int64
        package var epoch: Int16
        package var baseSequence: Int32
        package var recordCount: Int
        package var isTransactional: Bool
        package var isControl: Bool

        package init(
            producerID: Int64, epoch: Int16, baseSequence: Int32, recordCount: Int, isTransactional: Bool = false,
            isControl: Bool = false
        ) {
            self.producerID = producerID
            self.epoch = epoch
            self.baseSequence = baseSequence
            self.recordCount = recordCount
            self.isTransactional = isTransactional
            self.isControl = isControl
        }

        /// Whether it is to be checked at all.
        var isTracked: Bool { producerID >= 0 }
        /// Only of a batch with records.
        var lastSequence: Int32 { Self.sequence(baseSequence, advancedBy: recordCount - 1) }

        /// Sequences go on with 0 behind `Int32.max`.
        static func sequence(_ sequence: Int32, advancedBy count: Int) -> Int32 {
            Int32(truncatingIfNeeded: (Int64(sequence) + Int64(truncatingIfNeeded: count)) & Int64(Int32.max))
        }
    }

    package enum Verdict: Equatable, Sendable {
        case accepted
        /// It is there already, at this offset and with this time.
        case duplicate(baseOffset: Offset, timestamp: Timestamp)
        case refused(Refusal)
    }

    /// In Kafka's words: the raw value is the name of the error.
    package enum Refusal: String, Error, CaseIterable, Sendable {
        /// Older than the batches that are remembered, so it is there, but nobody knows where.
        case duplicateSequenceNumber = "DUPLICATE_SEQUENCE_NUMBER"
        /// A newer one of the same producer has been here.
        case invalidProducerEpoch = "INVALID_PRODUCER_EPOCH"
        /// What no producer may send: markers, or numbers that do not go together.
        case invalidRecord = "INVALID_RECORD"
        /// Outside of a transaction while one is open, or inside of one that the coordinator does not know of.
        case invalidTransactionState = "INVALID_TXN_STATE"
        /// A batch before this one is missing.
        case outOfOrderSequenceNumber = "OUT_OF_ORDER_SEQUENCE_NUMBER"
    }

    /// What is to be stored since the last time.
    package struct Changes: Equatable, Sendable {
        /// Each takes the place of the row that there is.
        package var producers: [ProducerState] = []
        package var forgotten: [Int64] = []
        /// New rows.
        package var aborted: [AbortedTransaction] = []
        /// Aborted transactions whose marker lies below this can go; nil if none can.
        package var start: Offset?

        package init() {}

        package var isEmpty: Bool { producers.isEmpty && forgotten.isEmpty && aborted.isEmpty && start == nil }
    }

    /// By id.
    private var producers: [Int64: ProducerState] = [:]
    /// In the order in which they were first heard of.
    private var order: OrderedSet<Int64> = []
    /// Where each open transaction begins, in that order.
    private var open: OrderedDictionary<Int64, Offset> = [:]
    /// Transactions whose markers were appended, in that order, and may not be durable: until they are, nobody who
    /// reads what is committed may go beyond their first records.
    private var ending: [(first: Offset, marker: Offset)] = []
    /// In the order of their markers.
    private var aborted: [AbortedTransaction] = []
    /// The first offset that the log has.
    private var start = Offset(0)

    private var changed: OrderedSet<Int64> = []
    private var newlyAborted: [AbortedTransaction] = []
    private var hasDropped = false

    package init() {}

    /// A ledger that knows what was stored, in any order.
    package init(restoring states: [ProducerState], aborted: [AbortedTransaction] = [], start: Offset = Offset(0)) {
        self.aborted = aborted.sorted { $0.last < $1.last }
        self.start = start
        for state in states {
            producers[state.producerID] = state
            order.append(state.producerID)
        }
        let opened = states.compactMap { state in state.transactionStart.map { (state.producerID, $0) } }
        for (id, first) in opened.sorted(by: { $0.1 < $1.1 }) { open[id] = first }
    }

    // MARK: Looking at it

    /// All producers, in the order in which they were first heard of (DescribeProducers).
    package var states: [ProducerState] { order.compactMap { producers[$0] } }

    package func state(of producerID: Int64) -> ProducerState? { producers[producerID] }

    /// How far everything is decided: where the first open transaction begins, or `end` if none is open.
    ///
    /// - Parameter end: behind the last durable record.
    package func lastStableOffset(end: Offset) -> Offset {
        var first = open.values.first ?? end
        for transaction in ending where transaction.marker >= end { first = min(first, transaction.first) }
        return min(end, max(start, first))
    }

    /// All below `end` is durable.
    package mutating func committed(through end: Offset) {
        if !ending.isEmpty { ending.removeAll { $0.marker < end } }
    }

    /// Whether what the producer wrote there was aborted.
    package func isAborted(_ batch: TransactionalBatch) -> Bool {
        aborted.contains {
            $0.producerID == batch.producerID && $0.first <= batch.offsets.lowerBound
                && batch.offsets.lowerBound <= $0.last
        }
    }

    /// The aborted transactions that a reader of these offsets has to know, by their first offset.
    package func aborted(in range: Range<Offset>) -> [AbortedTransaction] {
        guard !range.isEmpty else { return [] }
        var (low, high) = (0, aborted.count)
        while low < high {
            let middle = (low + high) / 2
            if aborted[middle].last < range.lowerBound { low = middle + 1 } else { high = middle }
        }
        return aborted[low...].filter { $0.first < range.upperBound }.sorted {
            ($0.first, $0.last) < ($1.first, $1.last)
        }
    }

    // MARK: Batches

    /// - Parameter isVerified: whether the coordinator of transactions knows that this partition is part of the
    ///   producer's; asked only for the first batch of a transaction.
    /// - Returns: nothing has changed yet, whatever it is.
    package func check(_ batch: Batch, isVerified: Bool = true) -> Verdict {
        guard batch.isTracked else {
            return batch.isTransactional || batch.isControl ? .refused(.invalidRecord) : .accepted
        }
        guard !batch.isControl, batch.epoch >= 0, batch.baseSequence >= 0,
            (1...Int(Int32.max)).contains(batch.recordCount)
        else { return .refused(.invalidRecord) }
        let state = producers[batch.producerID]
        if let state {
            if batch.epoch < state.epoch { return .refused(.invalidProducerEpoch) }
            if batch.epoch == state.epoch, let known = state.known(batch) {
                return .duplicate(baseOffset: known.baseOffset, timestamp: known.timestamp)
            }
            if let refusal = state.refusal(of: batch) { return .refused(refusal) }
        }
        let isOpen = state?.transactionStart != nil
        if isOpen != batch.isTransactional, isOpen || !isVerified { return .refused(.invalidTransactionState) }
        return .accepted
    }

    /// A batch that was accepted has got its offsets.
    ///
    /// - Parameters:
    ///   - timestamp: what its answer says, also to a duplicate.
    ///   - now: the broker's time, because clients' times say nothing of when a producer was last here.
    package mutating func append(_ batch: Batch, baseOffset: Offset, timestamp: Timestamp, at now: Timestamp) {
        guard batch.isTracked else { return }
        precondition(
            check(batch) == .accepted,
            "batch \(batch.baseSequence) of producer \(batch.producerID) appended without having been accepted")
        let id = batch.producerID
        var state = producers[id] ?? ProducerState(producerID: id, epoch: batch.epoch, lastSeen: now)
        state.take(batch.epoch, at: now)
        if state.batches.count == Self.batchesMax { state.batches.removeFirst() }
        state.batches.append(
            ProducerState.Batch(
                firstSequence: batch.baseSequence, lastSequence: batch.lastSequence, baseOffset: baseOffset,
                timestamp: timestamp))
        if batch.isTransactional, state.transactionStart == nil {
            state.transactionStart = baseOffset
            open[id] = baseOffset
        }
        put(state)
    }

    // MARK: Transactions

    /// Whether a marker of this epoch may be appended.
    ///
    /// - Throws: INVALID_PRODUCER_EPOCH
    package func checkEnd(of producerID: Int64, epoch: Int16) throws(Refusal) {
        if let state = producers[producerID], epoch < state.epoch { throw .invalidProducerEpoch }
    }

    /// The marker of a transaction's end was appended. A marker without a transaction only brings its epoch, which
    /// fences the producers of older ones.
    ///
    /// - Parameter marker: the offset of the marker.
    /// - Returns: the transaction if it was aborted here.
    /// - Throws: INVALID_PRODUCER_EPOCH; nothing has changed then. Ask ``checkEnd(of:epoch:)`` before.
    @discardableResult
    package mutating func endTransaction(
        of producerID: Int64, epoch: Int16, isCommit: Bool, marker: Offset, at now: Timestamp
    ) throws(Refusal) -> AbortedTransaction? {
        try checkEnd(of: producerID, epoch: epoch)
        var state = producers[producerID] ?? ProducerState(producerID: producerID, epoch: epoch, lastSeen: now)
        let first = state.transactionStart
        state.take(epoch, at: now)
        state.transactionStart = nil
        open[producerID] = nil
        put(state)
        if let first { ending.append((first, marker)) }
        guard !isCommit, let first else { return nil }
        let entry = AbortedTransaction(producerID: producerID, first: first, last: marker)
        aborted.append(entry)
        newlyAborted.append(entry)
        return entry
    }

    // MARK: What ends by itself

    /// The log begins at `offset` now: what was aborted below it is nobody's concern.
    package mutating func logStarts(at offset: Offset) {
        guard offset > start else { return }
        start = offset
        let gone = aborted.firstIndex { $0.last >= offset } ?? aborted.count
        guard gone > 0 else { return }
        aborted.removeFirst(gone)
        newlyAborted.removeAll { $0.last < offset }
        hasDropped = true
    }

    /// Forgets producers that were not heard of for that long, unless a transaction of theirs is open.
    ///
    /// - Parameter milliseconds: `producer.id.expiration.ms`
    /// - Returns: how many.
    /// - Complexity: looks at all producers; Kafka does so every ten minutes.
    @discardableResult
    package mutating func expire(at now: Timestamp, after milliseconds: Int64 = expiryMilliseconds) -> Int {
        var count = 0
        var kept: OrderedSet<Int64> = []
        for id in order {
            guard let state = producers[id] else { continue }
            let (age, isBeyond) = now.rawValue.subtractingReportingOverflow(state.lastSeen.rawValue)
            if state.transactionStart == nil, isBeyond ? now > state.lastSeen : age >= milliseconds {
                producers[id] = nil
                changed.append(id)
                count += 1
            } else {
                kept.append(id)
            }
        }
        order = kept
        return count
    }

    // MARK: What is to be stored

    /// - Returns: rows for all that has changed since the last time. A ledger that is restored from all rows knows what
    ///   this one does.
    package mutating func takeChanges() -> Changes {
        var changes = Changes()
        for id in changed {
            if let state = producers[id] { changes.producers.append(state) } else { changes.forgotten.append(id) }
        }
        changes.aborted = newlyAborted
        if hasDropped { changes.start = start }
        changed = []
        newlyAborted = []
        hasDropped = false
        return changes
    }

    private mutating func put(_ state: ProducerState) {
        producers[state.producerID] = state
        order.append(state.producerID)
        changed.append(state.producerID)
    }
}

extension ProducerState {
    /// The same batch, if it is remembered.
    fileprivate func known(_ batch: ProducerLedger.Batch) -> Batch? {
        batches.first { $0.firstSequence == batch.baseSequence && $0.lastSequence == batch.lastSequence }
    }

    /// What is wrong with the sequence of a batch that is not remembered, of this epoch or a newer one.
    fileprivate func refusal(of batch: ProducerLedger.Batch) -> ProducerLedger.Refusal? {
        guard batch.epoch == epoch, let last = batches.last, let first = batches.first else {
            return batch.baseSequence == 0 ? nil : .outOfOrderSequenceNumber
        }
        if batch.baseSequence == ProducerLedger.Batch.sequence(last.lastSequence, advancedBy: 1) { return nil }
        // Sequences are a circle: what ends in the half behind the window is old.
        let distance = (Int64(first.firstSequence) - Int64(batch.lastSequence)) & Int64(Int32.max)
        let isOld = batches.count == ProducerLedger.batchesMax && (1...Int64(Int32.max) / 2).contains(distance)
        return isOld ? .duplicateSequenceNumber : .outOfOrderSequenceNumber
    }

    /// The epoch of what came now. A new one begins its sequences anew.
    fileprivate mutating func take(_ epoch: Int16, at now: Timestamp) {
        if epoch != self.epoch { batches = [] }
        self.epoch = epoch
        lastSeen = now
    }
}
