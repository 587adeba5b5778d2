import ColaCore
import Testing

@Suite struct ProducerLedgerTests {
    /// A ledger and the end of its log.
    private struct Scene {
        var ledger = ProducerLedger()
        var end = Offset(0)
        var now = Timestamp(1_000)

        /// Appends what is accepted.
        mutating func send(
            _ sequence: Int32, by producer: Int64 = 7, epoch: Int16 = 0, count: Int = 1, isTransactional: Bool = false
        ) -> ProducerLedger.Verdict {
            let batch = ProducerLedger.Batch(
                producerID: producer, epoch: epoch, baseSequence: sequence, recordCount: count,
                isTransactional: isTransactional)
            let verdict = ledger.check(batch)
            if verdict == .accepted {
                ledger.append(batch, baseOffset: end, timestamp: Timestamp(100 + end.rawValue), at: now)
                end = end.advanced(by: count)
            }
            return verdict
        }

        mutating func finish(
            _ producer: Int64 = 7, epoch: Int16 = 0, isCommit: Bool
        ) throws(ProducerLedger.Refusal) -> AbortedTransaction? {
            let aborted = try ledger.endTransaction(
                of: producer, epoch: epoch, isCommit: isCommit, marker: end, at: now)
            end = end.next
            return aborted
        }
    }

    // MARK: Sequences

    @Test func oneBatchFollowsTheOther() {
        var scene = Scene()
        #expect(scene.send(0, count: 3) == .accepted)
        #expect(scene.send(3) == .accepted)
        #expect(scene.send(5) == .refused(.outOfOrderSequenceNumber))
        #expect(scene.send(4) == .accepted)
        #expect(scene.send(0, by: 8) == .accepted, "another producer counts by itself")
    }

    @Test func theSameBatchAgainIsAnsweredWithItsOffset() {
        var scene = Scene()
        for sequence: Int32 in 0..<5 { #expect(scene.send(sequence * 2, count: 2) == .accepted) }
        for sequence: Int32 in 0..<5 {
            let offset = Offset(Int64(sequence) * 2)
            let duplicate = scene.send(sequence * 2, count: 2)
            #expect(duplicate == .duplicate(baseOffset: offset, timestamp: Timestamp(100 + offset.rawValue)))
        }
        #expect(scene.end == Offset(10))
    }

    @Test func whatIsOlderThanTheLastFiveIsADuplicateWithoutAPlace() {
        var scene = Scene()
        for sequence: Int32 in 0..<6 { #expect(scene.send(sequence) == .accepted) }
        #expect(scene.send(0) == .refused(.duplicateSequenceNumber))
        #expect(scene.send(1) == .duplicate(baseOffset: Offset(1), timestamp: Timestamp(101)))
    }

    @Test func halfOfABatchIsNoDuplicate() {
        var scene = Scene()
        #expect(scene.send(0, count: 4) == .accepted)
        #expect(scene.send(0, count: 3) == .refused(.outOfOrderSequenceNumber))
        #expect(scene.send(2, count: 2) == .refused(.outOfOrderSequenceNumber))
        #expect(scene.send(2, count: 4) == .refused(.outOfOrderSequenceNumber))
    }

    @Test func sequencesGoOnWithZero() {
        var scene = Scene()
        #expect(scene.send(.max - 2, count: 2) == .accepted)
        #expect(scene.send(.max, count: 3) == .accepted)
        #expect(scene.ledger.state(of: 7)?.batches.last?.lastSequence == 1)
        #expect(scene.send(.max, count: 3) == .duplicate(baseOffset: Offset(2), timestamp: Timestamp(102)))
        #expect(scene.send(1) == .refused(.outOfOrderSequenceNumber))
        for sequence: Int32 in 2..<6 { #expect(scene.send(sequence) == .accepted) }
        #expect(scene.send(.max - 2, count: 2) == .refused(.duplicateSequenceNumber))
        var exact = Scene()
        #expect(exact.send(.max) == .accepted)
        #expect(exact.send(0) == .accepted)
    }

    @Test func aProducerThatIsUnknownBeginsAnywhere() {
        var scene = Scene()
        #expect(scene.send(500, epoch: 3) == .accepted)
        #expect(scene.send(0, epoch: 3) == .refused(.outOfOrderSequenceNumber))
    }

    @Test func aNewEpochBeginsWithZero() {
        var scene = Scene()
        #expect(scene.send(0, epoch: 1) == .accepted)
        #expect(scene.send(1, epoch: 2) == .refused(.outOfOrderSequenceNumber))
        #expect(scene.send(0, epoch: 2) == .accepted)
        #expect(scene.send(1, epoch: 1) == .refused(.invalidProducerEpoch))
        #expect(scene.send(0, epoch: 1) == .refused(.invalidProducerEpoch), "also what it had once")
        #expect(scene.send(0, epoch: 2) == .duplicate(baseOffset: Offset(1), timestamp: Timestamp(101)))
    }

    @Test func numbersThatDoNotGoTogetherAreRefused() {
        let ledger = ProducerLedger()
        typealias Batch = ProducerLedger.Batch
        #expect(ledger.check(Batch(producerID: -1, epoch: -1, baseSequence: -1, recordCount: 5)) == .accepted)
        for batch in [
            Batch(producerID: -1, epoch: -1, baseSequence: -1, recordCount: 1, isTransactional: true),
            Batch(producerID: -1, epoch: -1, baseSequence: -1, recordCount: 1, isControl: true),
            Batch(producerID: 7, epoch: 0, baseSequence: 0, recordCount: 1, isControl: true),
            Batch(producerID: 7, epoch: -1, baseSequence: 0, recordCount: 1),
            Batch(producerID: 7, epoch: 0, baseSequence: -1, recordCount: 1),
            Batch(producerID: 7, epoch: 0, baseSequence: 0, recordCount: 0),
            Batch(producerID: 7, epoch: 0, baseSequence: 0, recordCount: -1),
            Batch(producerID: 7, epoch: 0, baseSequence: 0, recordCount: .max),
        ] { #expect(ledger.check(batch) == .refused(.invalidRecord), "\(batch)") }
    }

    @Test func whoIsNoProducerLeavesNothingBehind() {
        var ledger = ProducerLedger()
        let batch = ProducerLedger.Batch(producerID: -1, epoch: -1, baseSequence: -1, recordCount: 1)
        ledger.append(batch, baseOffset: Offset(0), timestamp: Timestamp(0), at: Timestamp(0))
        let changes = ledger.takeChanges()
        #expect(ledger.states.isEmpty && changes.isEmpty)
    }

    // MARK: Transactions

    @Test func whatIsStableEndsWhereTheFirstOpenTransactionBegins() throws {
        var scene = Scene()
        _ = scene.send(0, by: 1)
        #expect(scene.ledger.lastStableOffset(end: scene.end) == Offset(1))
        _ = scene.send(0, by: 2, isTransactional: true)
        _ = scene.send(0, by: 3, isTransactional: true)
        _ = scene.send(1, by: 2, isTransactional: true)
        #expect(scene.ledger.lastStableOffset(end: scene.end) == Offset(1))
        #expect(scene.ledger.state(of: 2)?.transactionStart == Offset(1))
        #expect(try scene.finish(2, isCommit: true) == nil)
        #expect(scene.ledger.lastStableOffset(end: scene.end) == Offset(2))
        #expect(
            try scene.finish(3, isCommit: false) == AbortedTransaction(producerID: 3, first: Offset(2), last: Offset(5))
        )
        #expect(scene.ledger.lastStableOffset(end: scene.end) == scene.end)
    }

    @Test func readersHearOfTheAbortedTransactionsInTheirRange() throws {
        var scene = Scene()
        _ = scene.send(0, by: 1, isTransactional: true)  // 0
        _ = scene.send(0, by: 2, isTransactional: true)  // 1
        let second = try #require(try scene.finish(2, isCommit: false))  // 2
        let first = try #require(try scene.finish(1, isCommit: false))  // 3
        _ = scene.send(1, by: 1, isTransactional: true)  // 4
        _ = try scene.finish(1, isCommit: true)  // 5
        func aborted(_ lower: Int64, _ upper: Int64) -> [AbortedTransaction] {
            scene.ledger.aborted(in: Offset(lower)..<Offset(upper))
        }
        #expect(aborted(0, 6) == [first, second], "by their first offset")
        #expect(aborted(0, 1) == [first] && aborted(2, 3) == [first, second] && aborted(3, 4) == [first])
        #expect(aborted(4, 6) == [] && aborted(3, 3) == [])
    }

    @Test func insideIsInsideAndOutsideIsOutside() throws {
        var scene = Scene()
        let batch = ProducerLedger.Batch(
            producerID: 7, epoch: 0, baseSequence: 0, recordCount: 1, isTransactional: true)
        #expect(scene.ledger.check(batch, isVerified: false) == .refused(.invalidTransactionState))
        #expect(scene.send(0, isTransactional: true) == .accepted)
        #expect(scene.send(1) == .refused(.invalidTransactionState))
        var second = batch
        second.baseSequence = 1
        #expect(scene.ledger.check(second, isVerified: false) == .accepted, "it is known to be open")
        _ = try scene.finish(isCommit: true)
        #expect(scene.ledger.check(second, isVerified: false) == .refused(.invalidTransactionState))
        #expect(scene.send(1) == .accepted)
    }

    @Test func sequencesGoOnInTheNextTransaction() throws {
        var scene = Scene()
        #expect(scene.send(0, isTransactional: true) == .accepted)
        _ = try scene.finish(isCommit: true)
        #expect(scene.send(0, isTransactional: true) == .duplicate(baseOffset: Offset(0), timestamp: Timestamp(100)))
        #expect(scene.send(1, isTransactional: true) == .accepted)
    }

    @Test func aMarkerOfANewEpochFencesTheOldOne() throws {
        var scene = Scene()
        #expect(scene.send(0, isTransactional: true) == .accepted)
        #expect(try scene.finish(epoch: 1, isCommit: false) != nil)
        #expect(scene.send(1, isTransactional: true) == .refused(.invalidProducerEpoch))
        #expect(scene.send(1, epoch: 1, isTransactional: true) == .refused(.outOfOrderSequenceNumber))
        #expect(scene.send(0, epoch: 1, isTransactional: true) == .accepted)
        let before = scene.ledger.state(of: 7)
        #expect(throws: ProducerLedger.Refusal.invalidProducerEpoch) { try scene.finish(epoch: 0, isCommit: true) }
        #expect(scene.ledger.state(of: 7) == before)
        // Also for a producer that was never here.
        #expect(try scene.finish(9, epoch: 4, isCommit: false) == nil)
        #expect(scene.send(0, by: 9, epoch: 3) == .refused(.invalidProducerEpoch))
    }

    // MARK: Forgetting

    @Test func whoIsSilentForADayIsForgotten() {
        var scene = Scene()
        _ = scene.send(0, by: 1)
        _ = scene.send(0, by: 2, isTransactional: true)
        scene.now = Timestamp(1_000 + ProducerLedger.expiryMilliseconds - 1)
        #expect(scene.ledger.expire(at: scene.now) == 0)
        _ = scene.send(0, by: 3)
        scene.now = Timestamp(1_000 + ProducerLedger.expiryMilliseconds)
        _ = scene.ledger.takeChanges()
        #expect(scene.ledger.expire(at: scene.now) == 1)
        #expect(scene.ledger.states.map(\.producerID) == [2, 3], "a transaction that is open stays")
        #expect(scene.ledger.takeChanges().forgotten == [1])
        #expect(scene.send(99, by: 1) == .accepted)
    }

    @Test func noClockMakesItTrap() {
        var scene = Scene()
        scene.now = Timestamp(.min)
        _ = scene.send(0, by: 1)
        #expect(scene.ledger.expire(at: Timestamp(.max)) == 1)
        scene.now = Timestamp(.max)
        _ = scene.send(0, by: 1)
        #expect(scene.ledger.expire(at: Timestamp(.min)) == 0)
    }

    @Test func whatWasAbortedGoesWithTheLogsBeginning() throws {
        var scene = Scene()
        _ = scene.send(0, by: 1, isTransactional: true)
        _ = try scene.finish(1, isCommit: false)  // 1
        _ = scene.send(1, by: 1, isTransactional: true)
        let second = try #require(try scene.finish(1, isCommit: false))  // 3
        _ = scene.send(2, by: 1, isTransactional: true)  // 4
        _ = scene.ledger.takeChanges()
        scene.ledger.logStarts(at: Offset(1))
        #expect(scene.ledger.takeChanges().isEmpty && scene.ledger.aborted(in: Offset(0)..<scene.end).count == 2)
        scene.ledger.logStarts(at: Offset(2))
        #expect(scene.ledger.aborted(in: Offset(0)..<scene.end) == [second])
        #expect(scene.ledger.takeChanges().start == Offset(2))
        scene.ledger.logStarts(at: Offset(10))
        #expect(scene.ledger.lastStableOffset(end: Offset(20)) == Offset(10))
    }

    // MARK: Storing

    @Test func eachChangeIsARow() throws {
        var scene = Scene()
        _ = scene.send(0, by: 1, count: 2, isTransactional: true)
        _ = scene.send(2, by: 1, isTransactional: true)
        _ = scene.send(0, by: 2)
        _ = scene.send(0, by: 2)
        let changes = scene.ledger.takeChanges()
        #expect(
            changes.producers.first
                == ProducerState(
                    producerID: 1, epoch: 0,
                    batches: [
                        ProducerState.Batch(
                            firstSequence: 0, lastSequence: 1, baseOffset: Offset(0), timestamp: Timestamp(100)),
                        ProducerState.Batch(
                            firstSequence: 2, lastSequence: 2, baseOffset: Offset(2), timestamp: Timestamp(102)),
                    ], lastSeen: Timestamp(1_000), transactionStart: Offset(0)))
        #expect(changes.producers.map(\.producerID) == [1, 2])
        let none = scene.ledger.takeChanges()
        #expect(none.isEmpty)
        let aborted = try #require(try scene.finish(1, isCommit: false))
        let last = scene.ledger.takeChanges()
        #expect(last.aborted == [aborted] && last.producers.map(\.producerID) == [1])
    }
}
