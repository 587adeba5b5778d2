import ColaCore
import Testing

@Suite struct TransactionCoordinatorTests {
    private typealias Producer = ProducerIdentity
    private let place = TopicPartition(topic: "t", partition: 0)
    private let other = TopicPartition(topic: "t", partition: 1)

    /// That many milliseconds after the beginning.
    private func at(_ milliseconds: Int64) -> Now {
        Now(monotonic: Instant(0).advanced(byMilliseconds: milliseconds), wall: Timestamp(5_000 + milliseconds))
    }

    private func coordinator() -> TransactionCoordinator { TransactionCoordinator(nextProducerID: 40, at: at(0)) }

    private func error(_ body: () throws -> Void) -> TransactionError? {
        do {
            try body()
            return nil
        } catch {
            return error as? TransactionError
        }
    }

    // MARK: InitProducerId

    @Test func eachProducerHasAnIDOfItsOwn() throws {
        var coordinator = coordinator()
        #expect(coordinator.newProducer() == Producer(id: 40, epoch: 0))
        #expect(try coordinator.initialize("a", timeout: 1_000, at: at(0)) == Producer(id: 41, epoch: 0))
        #expect(try coordinator.initialize("b", timeout: 1_000, at: at(0)) == Producer(id: 42, epoch: 0))
        #expect(coordinator.takeChanges().transactions.map(\.transactionalID) == ["a", "b"])
        #expect(coordinator.takeChanges().isEmpty)
        let expected = Producer(id: 9, epoch: 3)
        #expect(
            try coordinator.initialize("c", timeout: 1_000, expected: expected, at: at(0)) == Producer(id: 43, epoch: 0)
        )
    }

    @Test func theNextLifeFencesTheOneBefore() throws {
        var coordinator = coordinator()
        let old = try coordinator.initialize("a", timeout: 1_000, at: at(0))
        let new = try coordinator.initialize("a", timeout: 2_000, at: at(1))
        #expect(new == Producer(id: old.id, epoch: 1))
        #expect(try coordinator.describe("a").timeout == 2_000)
        #expect(error { try coordinator.add([place], to: "a", of: old, at: at(2)) } == .producerFenced)
        #expect(error { try coordinator.add(group: "g", to: "a", of: old, at: at(2)) } == .producerFenced)
        #expect(error { try coordinator.end("a", of: old, isCommit: true, at: at(2)) } == .producerFenced)
        #expect(error { _ = try coordinator.contains(place, in: "a", of: old) } == .producerFenced)
        try coordinator.add([place], to: "a", of: new, at: at(2))
    }

    @Test func whatAnotherHasBegunIsAbortedFirst() throws {
        var coordinator = coordinator()
        let old = try coordinator.initialize("a", timeout: 1_000, at: at(0))
        try coordinator.add([place], to: "a", of: old, at: at(0))
        let wait = #expect(throws: TransactionError.self) { try coordinator.initialize("a", timeout: 1_000, at: at(1)) }
        #expect(wait == .concurrentTransactions)
        #expect(
            coordinator.takeEndings() == [
                TransactionEnding(
                    transactionalID: "a", producer: Producer(id: 40, epoch: 1), isCommit: false, partitions: [place],
                    groups: [])
            ])
        #expect(throws: TransactionError.concurrentTransactions) {
            try coordinator.initialize("a", timeout: 1_000, at: at(2))
        }
        #expect(coordinator.takeEndings() == [] && coordinator.nextDeadline == nil)
        coordinator.complete("a", at: at(3))
        #expect(try coordinator.initialize("a", timeout: 1_000, at: at(4)) == Producer(id: 40, epoch: 2))
    }

    @Test func timeoutsHaveALimit() throws {
        var coordinator = coordinator()
        for timeout: Int64 in [900_001, 0, -1, .max] {
            #expect(throws: TransactionError.invalidTransactionTimeout) {
                try coordinator.initialize("a", timeout: timeout, at: at(0))
            }
        }
        #expect(coordinator.takeChanges().isEmpty)
        #expect(throws: TransactionError.invalidRequest) { try coordinator.initialize("", timeout: 1, at: at(0)) }
        _ = try coordinator.initialize("a", timeout: 900_000, at: at(0))
    }

    @Test func whoNamesItsEpochGoesOnWithTheNext() throws {
        var coordinator = coordinator()
        let first = try coordinator.initialize("a", timeout: 1_000, at: at(0))
        let second = try coordinator.initialize("a", timeout: 1_000, expected: first, at: at(1))
        #expect(second.epoch == 1)
        // It did not get the answer.
        #expect(try coordinator.initialize("a", timeout: 1_000, expected: first, at: at(2)) == second)
        let third = try coordinator.initialize("a", timeout: 1_000, at: at(3))
        #expect(third.epoch == 2)
        for half in [Producer(id: 40, epoch: -1), Producer(id: -1, epoch: 2)] {
            #expect(throws: TransactionError.invalidRequest) {
                try coordinator.initialize("a", timeout: 1_000, expected: half, at: at(4))
            }
        }
        for fenced in [first, second, Producer(id: 99, epoch: 2)] {
            #expect(throws: TransactionError.producerFenced) {
                try coordinator.initialize("a", timeout: 1_000, expected: fenced, at: at(4))
            }
        }
        #expect(try coordinator.initialize("a", timeout: 1_000, expected: third, at: at(5)).epoch == 3)
    }

    @Test func whenEpochsAreUsedUpThereIsANewID() throws {
        var row = ProducerTransaction(
            transactionalID: "a", producer: Producer(id: 7, epoch: .max - 2), timeout: 1_000, updated: Timestamp(0))
        row.state = .completeCommit
        var coordinator = TransactionCoordinator(nextProducerID: 40, restoring: [row], at: at(0))
        let last = try coordinator.initialize("a", timeout: 1_000, expected: row.producer, at: at(1))
        #expect(last == Producer(id: 7, epoch: .max - 1))
        let next = try coordinator.initialize("a", timeout: 1_000, expected: last, at: at(2))
        #expect(next == Producer(id: 40, epoch: 0))
        #expect(try coordinator.initialize("a", timeout: 1_000, expected: last, at: at(3)) == next)
        #expect(throws: TransactionError.producerFenced) {
            try coordinator.initialize("a", timeout: 1_000, expected: row.producer, at: at(4))
        }
        #expect(error { try coordinator.add([place], to: "a", of: last, at: at(5)) } == .invalidProducerIDMapping)
    }

    @Test func alsoWhenTheLastWasFenced() throws {
        var row = ProducerTransaction(
            transactionalID: "a", producer: Producer(id: 7, epoch: .max - 1), timeout: 1_000, updated: Timestamp(0))
        row.state = .ongoing
        row.start = at(0).wall
        var coordinator = TransactionCoordinator(nextProducerID: 40, restoring: [row], at: at(0))
        coordinator.tick(at: at(1_000))
        #expect(coordinator.takeEndings().map(\.producer) == [Producer(id: 7, epoch: .max)])
        coordinator.complete("a", at: at(1_001))
        #expect(try coordinator.initialize("a", timeout: 1_000, at: at(1_002)) == Producer(id: 40, epoch: 0))
    }

    // MARK: Transactions

    @Test func aTransactionTakesItsCourse() throws {
        var coordinator = coordinator()
        let producer = try coordinator.initialize("a", timeout: 1_000, at: at(0))
        #expect(try coordinator.describe("a").state == .empty && coordinator.nextDeadline == nil)
        #expect(try !coordinator.contains(place, in: "a", of: producer))
        try coordinator.add([place, other], to: "a", of: producer, at: at(10))
        try coordinator.add([other], to: "a", of: producer, at: at(20))
        try coordinator.add(group: "g", to: "a", of: producer, at: at(30))
        try coordinator.add(group: "g", to: "a", of: producer, at: at(40))
        #expect(try coordinator.contains(place, in: "a", of: producer))
        #expect(try !coordinator.contains(TopicPartition(topic: "u", partition: 0), in: "a", of: producer))
        #expect(try coordinator.contains(group: "g", in: "a", of: producer))
        #expect(try !coordinator.contains(group: "h", in: "a", of: producer))
        let going = try coordinator.describe("a")
        #expect(going.state == .ongoing && going.start == at(10).wall && going.updated == at(30).wall)
        #expect(coordinator.takeEndings() == [])
        try coordinator.end("a", of: producer, isCommit: true, at: at(50))
        #expect(
            coordinator.takeEndings() == [
                TransactionEnding(
                    transactionalID: "a", producer: producer, isCommit: true, partitions: [place, other],
                    groups: ["g"])
            ])
        #expect(try coordinator.describe("a").state == .prepareCommit)
        for isCommit in [true, false] {
            #expect(
                error { try coordinator.end("a", of: producer, isCommit: isCommit, at: at(51)) }
                    == (isCommit ? .concurrentTransactions : .invalidTransactionState))
        }
        #expect(error { try coordinator.add([place], to: "a", of: producer, at: at(52)) } == .concurrentTransactions)
        #expect(error { _ = try coordinator.contains(place, in: "a", of: producer) } == .concurrentTransactions)
        coordinator.complete("a", at: at(60))
        let done = try coordinator.describe("a")
        #expect(done.state == .completeCommit && done.partitions == [] && done.groups == [])
        // Who asks again hears that it is done.
        try coordinator.end("a", of: producer, isCommit: true, at: at(61))
        #expect(
            error { try coordinator.end("a", of: producer, isCommit: false, at: at(62)) } == .invalidTransactionState)
        #expect(coordinator.takeEndings() == [])
        // And the next one begins with nothing.
        try coordinator.add([other], to: "a", of: producer, at: at(70))
        #expect(try coordinator.describe("a").start == at(70).wall)
        try coordinator.end("a", of: producer, isCommit: false, at: at(80))
        #expect(coordinator.takeEndings().map(\.partitions) == [[other]])
        #expect(
            error { try coordinator.end("a", of: producer, isCommit: true, at: at(81)) } == .invalidTransactionState)
        coordinator.complete("a", at: at(82))
        try coordinator.end("a", of: producer, isCommit: false, at: at(83))
        #expect(try coordinator.describe("a").state == .completeAbort)
    }

    @Test func whatIsNotThereCannotEnd() throws {
        var coordinator = coordinator()
        let producer = try coordinator.initialize("a", timeout: 1_000, at: at(0))
        #expect(
            error { try coordinator.end("a", of: producer, isCommit: true, at: at(1)) } == .invalidTransactionState)
        #expect(
            error { try coordinator.end("b", of: producer, isCommit: true, at: at(1)) } == .invalidProducerIDMapping)
        #expect(error { try coordinator.end("", of: producer, isCommit: true, at: at(1)) } == .invalidRequest)
        let stranger = Producer(id: 1, epoch: 0)
        #expect(error { try coordinator.add([place], to: "a", of: stranger, at: at(1)) } == .invalidProducerIDMapping)
        #expect(error { try coordinator.add([place], to: "b", of: producer, at: at(1)) } == .invalidProducerIDMapping)
        #expect(error { _ = try coordinator.describe("b") } == .transactionalIDNotFound)
        #expect(error { _ = try coordinator.describe("") } == .invalidRequest)
        coordinator.complete("a", at: at(2))
        coordinator.complete("b", at: at(2))
        #expect(coordinator.all.map(\.state) == [.empty])
    }

    @Test func whatTakesTooLongIsAborted() throws {
        var coordinator = coordinator()
        let producer = try coordinator.initialize("a", timeout: 1_000, at: at(0))
        try coordinator.add([place], to: "a", of: producer, at: at(100))
        try coordinator.add([other], to: "a", of: producer, at: at(900))
        #expect(coordinator.nextDeadline == at(1_100).monotonic, "more of it gives it no more time")
        coordinator.tick(at: at(1_099))
        #expect(coordinator.takeEndings() == [])
        coordinator.tick(at: at(1_100))
        let ending = try #require(coordinator.takeEndings().first)
        #expect(!ending.isCommit && ending.producer == Producer(id: producer.id, epoch: 1))
        #expect(ending.partitions == [place, other] && coordinator.nextDeadline == nil)
        #expect(error { try coordinator.end("a", of: producer, isCommit: true, at: at(1_101)) } == .producerFenced)
        coordinator.complete("a", at: at(1_102))
        // The producer that was too slow may go on in a new life, but not in this one.
        #expect(throws: TransactionError.producerFenced) {
            try coordinator.initialize("a", timeout: 1_000, expected: producer, at: at(1_103))
        }
        #expect(try coordinator.initialize("a", timeout: 1_000, at: at(1_104)).epoch == 2)
    }

    @Test func whoWasFencedIsNoLongerKnownByItsLastEpoch() throws {
        var coordinator = coordinator()
        let first = try coordinator.initialize("a", timeout: 1_000, at: at(0))
        let second = try coordinator.initialize("a", timeout: 1_000, expected: first, at: at(0))
        try coordinator.add([place], to: "a", of: second, at: at(0))
        coordinator.tick(at: at(1_000))
        coordinator.complete("a", at: at(1_001))
        for fenced in [first, second] {
            #expect(throws: TransactionError.producerFenced) {
                try coordinator.initialize("a", timeout: 1_000, expected: fenced, at: at(1_002))
            }
        }
    }

    @Test func thereAreOnlySoManyNames() throws {
        var coordinator = TransactionCoordinator(countMax: 2, at: at(0))
        for id in ["a", "b", "a"] { _ = try coordinator.initialize(id, timeout: 1_000, at: at(0)) }
        #expect(
            error { _ = try coordinator.initialize("c", timeout: 1_000, at: at(0)) } == .tooManyTransactionalIDs)
        let long = String(repeating: "x", count: TransactionCoordinator.nameBytesMax + 1)
        #expect(error { _ = try coordinator.initialize(long, timeout: 1_000, at: at(0)) } == .invalidRequest)
        coordinator.expire(at: at(TransactionCoordinator.expiryMilliseconds))
        #expect(try coordinator.initialize("c", timeout: 1_000, at: at(0)).epoch == 0)
    }

    // MARK: Offsets of groups

    @Test func offsetsCountWithTheirTransaction() throws {
        var coordinator = coordinator()
        let producer = try coordinator.initialize("a", timeout: 1_000, at: at(0))
        func offset(_ next: Int64) -> TransactionOffset {
            TransactionOffset(
                group: "g", place: place,
                offset: CommittedOffset(next: Offset(next), leaderEpoch: -1, metadata: "m"))
        }
        #expect(
            error { try coordinator.add([offset(1)], of: "g", to: "a", of: producer, at: at(0)) }
                == .invalidTransactionState)
        try coordinator.add(group: "g", to: "a", of: producer, at: at(0))
        try coordinator.add([offset(1)], of: "g", to: "a", of: producer, at: at(0))
        try coordinator.add([offset(2)], of: "g", to: "a", of: producer, at: at(0))
        #expect(coordinator.undecided(of: "g") == [place])
        #expect(coordinator.undecided(of: "h").isEmpty)
        try coordinator.end("a", of: producer, isCommit: true, at: at(1))
        #expect(coordinator.takeEndings().map(\.offsets) == [[offset(2)]])
        coordinator.complete("a", at: at(1))
        #expect(coordinator.undecided(of: "g").isEmpty)
    }

    // MARK: Storing

    @Test func whatWasDecidedIsDoneAfterARestart() throws {
        var before = coordinator()
        let producers = try ["going", "decided", "done"].map { try before.initialize($0, timeout: 1_000, at: at(0)) }
        for (id, producer) in zip(["going", "decided", "done"], producers) {
            try before.add([place], to: id, of: producer, at: at(0))
        }
        try before.end("decided", of: producers[1], isCommit: true, at: at(1))
        try before.end("done", of: producers[2], isCommit: false, at: at(1))
        before.complete("done", at: at(2))
        let changes = before.takeChanges()
        #expect(changes.transactions == before.all)
        let later = Now(monotonic: Instant(0), wall: Timestamp(5_000 + 600))
        var after = TransactionCoordinator(
            nextProducerID: 1_000, restoring: changes.transactions, at: later)
        #expect(after.takeEndings() == before.takeEndings().filter { $0.transactionalID == "decided" })
        #expect(after.nextDeadline == Instant(0).advanced(byMilliseconds: 400), "the rest of its time")
        #expect(after.newProducer().id == 1_000)
        after.complete("decided", at: later)
        #expect(after.takeChanges().transactions.map(\.state) == [.completeCommit])
    }

    @Test func noClockMakesItTrap() {
        var row = ProducerTransaction(
            transactionalID: "a", producer: Producer(id: 7, epoch: 0), timeout: .max, updated: Timestamp(.min))
        row.state = .ongoing
        row.start = Timestamp(.min)
        for wall in [Int64.min, 0, .max] {
            let now = Now(monotonic: Instant(0), wall: Timestamp(wall))
            var coordinator = TransactionCoordinator(restoring: [row], at: now)
            coordinator.tick(at: now)
            #expect(coordinator.takeEndings().count == (wall == .min ? 0 : 1))
        }
    }

    @Test func whatNobodyUsesIsForgotten() throws {
        var coordinator = coordinator()
        for id in ["idle", "going"] { _ = try coordinator.initialize(id, timeout: 900_000, at: at(0)) }
        let going = try coordinator.describe("going").producer
        try coordinator.add([place], to: "going", of: going, at: at(0))
        _ = coordinator.takeChanges()
        let week = TransactionCoordinator.expiryMilliseconds
        #expect(coordinator.expire(at: at(week - 1)) == 0)
        #expect(coordinator.expire(at: at(week)) == 1)
        #expect(coordinator.takeChanges().forgotten == ["idle"])
        #expect(coordinator.all.map(\.transactionalID) == ["going"])
        #expect(try coordinator.initialize("idle", timeout: 1_000, at: at(week)).id == 42, "never an id again")
    }
}
