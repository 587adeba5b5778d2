import ColaCore
import ColaTesting
import Testing

/// Producers of a few transactional ids that come in new lives, hang and come back, over a coordinator that restarts:
/// only the newest one may write, and whatever it has begun ends once.
@Suite struct TransactionCoordinatorPropertyTests {
    @Test(arguments: Seeds.of(40)) func whateverBeginsEndsOnceAndOnlyTheNewestGoesOn(seed: UInt64) throws {
        var world = TransactionWorld(seed: seed)
        for _ in 0..<400 { try world.step() }
        try world.finish()
    }
}

private struct TransactionWorld {
    /// What the watcher knows of one transactional id.
    private struct Known {
        /// Who may write, if nobody was fenced since.
        var newest: ProducerIdentity?
        /// All that ever believed to be the one.
        var lives: [ProducerIdentity] = []
        /// What was added since the last ending.
        var partitions: [TopicPartition] = []
        var groups: [String] = []
        var isOpen: Bool { !partitions.isEmpty || !groups.isEmpty }
        /// Decided and not complete.
        var ending: TransactionEnding?
    }

    private var random: SplitMix64
    private var coordinator: TransactionCoordinator
    private var now = Now(monotonic: Instant(0), wall: Timestamp(0))
    private var known: [String: Known] = ["a": Known(), "b": Known(), "c": Known()]
    private var given: Set<ProducerIdentity> = []
    private var rows: [String: ProducerTransaction] = [:]
    private var lives: Int64 = 0
    private var endingCount = 0

    private static let timeout: Int64 = 1_000

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        coordinator = TransactionCoordinator(at: now)
    }

    mutating func step() throws {
        let id = ["a", "b", "c"].randomElement(using: &random)!
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<3: initialize(id)
        case 3..<9: add(id)
        case 9..<13: end(id)
        case 13..<16: complete(id)
        case 16..<18: pass(milliseconds: Int64.random(in: 1...700, using: &random))
        case 18: #expect(given.insert(coordinator.newProducer()).inserted)
        default: restart()
        }
        takeEndings()
        try check()
    }

    mutating func finish() throws {
        pass(milliseconds: Self.timeout)
        takeEndings()
        for id in known.keys.sorted() { complete(id) }
        try check()
        #expect(coordinator.nextDeadline == nil)
        #expect(coordinator.all.allSatisfy { $0.state != .ongoing && !$0.state.isEnding })
        #expect(endingCount > 10)
    }

    // MARK: Producers

    private mutating func initialize(_ id: String) {
        let expected = Bool.random(using: &random) ? known[id]!.lives.randomElement(using: &random) : nil
        let before = known[id]!
        do throws(TransactionError) {
            let producer = try coordinator.initialize(id, timeout: Self.timeout, expected: expected, at: now)
            #expect(!before.isOpen && before.ending == nil, "it begins with nothing open")
            if expected == nil || producer != before.newest { #expect(given.insert(producer).inserted) }
            known[id]!.newest = producer
            known[id]!.lives.append(producer)
        } catch {
            switch error {
            case .concurrentTransactions:
                #expect(before.isOpen || before.ending != nil)
                if before.isOpen { known[id]!.newest = nil }
            case .producerFenced: #expect(expected != nil && expected != before.newest)
            default: Issue.record("\(error)")
            }
        }
    }

    private mutating func add(_ id: String) {
        guard let producer = anyLife(of: id) else { return }
        let partition = TopicPartition(topic: "t", partition: Int.random(in: 0..<4, using: &random))
        let isGroup = Int.random(in: 0..<4, using: &random) == 0
        do throws(TransactionError) {
            if isGroup {
                try coordinator.add(group: "g", to: id, of: producer, at: now)
                if !known[id]!.groups.contains("g") { known[id]!.groups.append("g") }
            } else {
                try coordinator.add([partition], to: id, of: producer, at: now)
                if !known[id]!.partitions.contains(partition) { known[id]!.partitions.append(partition) }
            }
            #expect(producer == known[id]!.newest && known[id]!.ending == nil)
        } catch {
            #expect(producer != known[id]!.newest || (error == .concurrentTransactions && known[id]!.ending != nil))
        }
    }

    private mutating func end(_ id: String) {
        guard let producer = anyLife(of: id) else { return }
        let isOpen = known[id]!.isOpen
        do throws(TransactionError) {
            try coordinator.end(id, of: producer, isCommit: Bool.random(using: &random), at: now)
            #expect(producer == known[id]!.newest)
        } catch {
            #expect(producer != known[id]!.newest || !isOpen)
        }
    }

    private mutating func complete(_ id: String) {
        coordinator.complete(id, at: now)
        known[id]!.ending = nil
    }

    private mutating func pass(milliseconds: Int64) {
        let end = now.monotonic.advanced(byMilliseconds: milliseconds)
        while let next = coordinator.nextDeadline, next <= end {
            advance(to: next)
            coordinator.tick(at: now)
            takeEndings()
        }
        advance(to: end)
    }

    private mutating func advance(to instant: Instant) {
        let milliseconds = (instant.rawValue - now.monotonic.rawValue) / 1_000_000
        now = Now(monotonic: instant, wall: Timestamp(now.wall.rawValue + milliseconds))
    }

    private mutating func restart() {
        takeEndings()
        store()
        let stored = rows.keys.sorted().map { rows[$0]! }
        lives += 1
        coordinator = TransactionCoordinator(nextProducerID: lives << 32, restoring: stored, at: now)
        let again = coordinator.takeEndings()
        #expect(again == known.keys.sorted().compactMap { known[$0]!.ending })
    }

    private mutating func store() {
        let changes = coordinator.takeChanges()
        for row in changes.transactions { rows[row.transactionalID] = row }
    }

    private mutating func anyLife(of id: String) -> ProducerIdentity? {
        let known = known[id]!
        return Int.random(in: 0..<3, using: &random) > 0 ? known.newest : known.lives.randomElement(using: &random)
    }

    // MARK: What is true at any time

    private mutating func takeEndings() {
        for ending in coordinator.takeEndings() {
            let id = ending.transactionalID
            #expect(known[id]!.ending == nil, "it is ending already")
            #expect(ending.partitions == known[id]!.partitions && ending.groups == known[id]!.groups)
            #expect(known[id]!.isOpen)
            if ending.producer != known[id]!.newest {
                // It was fenced: the markers come with an epoch that nobody has.
                #expect(!ending.isCommit && !given.contains(ending.producer))
                known[id]!.newest = nil
            }
            known[id]!.ending = ending
            known[id]!.partitions = []
            known[id]!.groups = []
            endingCount += 1
        }
    }

    private func check() throws {
        for (id, known) in known where !known.lives.isEmpty {
            let transaction = try coordinator.describe(id)
            #expect(transaction.state.isEnding == (known.ending != nil))
            #expect((transaction.state == .ongoing) == known.isOpen)
            #expect(known.newest == nil || known.newest == transaction.producer)
            if known.isOpen {
                #expect(transaction.start.map { $0.rawValue + Self.timeout > now.wall.rawValue } == true)
            }
        }
        let deadline = coordinator.nextDeadline
        #expect((deadline != nil) == known.values.contains(where: \.isOpen))
    }
}
