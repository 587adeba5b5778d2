import ColaCore
import ColaTesting
import Testing

/// The ledger against the whole log: a model that keeps everything, forgets nothing on a restart and reads it all for
/// each question.
@Suite struct ProducerLedgerPropertyTests {
    @Test(arguments: Seeds.of(40)) func itKnowsWhatTheLogSays(seed: UInt64) throws {
        var world = LedgerWorld(seed: seed)
        for _ in 0..<250 { try world.step() }
        #expect(world.acceptedCount > 20 && world.refusedCount > 5)
    }
}

private struct LedgerWorld {
    /// One batch or marker of the log. Positions are sequences that do not go round.
    private struct Entry {
        let producer: Int64
        let epoch: Int16
        let position: Int64
        let count: Int
        let offset: Offset
        let isTransactional: Bool
        var outcome: Bool?
    }

    private var random: SplitMix64
    private var ledger = ProducerLedger()
    private var rows: [Int64: ProducerState] = [:]
    private var abortedRows: [AbortedTransaction] = []
    private var log: [Entry] = []
    private var end = Offset(0)
    private var start = Offset(0)
    private(set) var acceptedCount = 0
    private(set) var refusedCount = 0

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func step() throws {
        let producer = Int64.random(in: 0..<3, using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<14: send(producer)
        case 14..<17: try finish(producer)
        case 17: store()
        case 18:
            store()
            ledger = ProducerLedger(
                restoring: rows.values.sorted { $0.producerID > $1.producerID }, aborted: abortedRows, start: start)
        default:
            start = Offset(Int64.random(in: start.rawValue...end.rawValue, using: &random))
            ledger.logStarts(at: start)
        }
        check()
    }

    private mutating func send(_ producer: Int64) {
        let epoch = epoch(of: producer)
        let before = log.filter { $0.producer == producer && $0.epoch == epoch && $0.count > 0 }
        // The first of all begins close to where sequences begin anew.
        let isNew = !log.contains { $0.producer == producer }
        let next = before.last.map { $0.position + Int64($0.count) } ?? (isNew ? Int64(Int32.max) - 15 : 0)
        var candidate = (epoch: epoch, position: next, count: Int.random(in: 1...3, using: &random))
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<3:
            if let old = before.suffix(8).randomElement(using: &random) {
                candidate = (epoch, old.position, old.count)
            }
        case 3: candidate.position = max(0, next + Int64.random(in: -8...3, using: &random))
        case 4: candidate = (epoch + 1, Int64.random(in: 0...1, using: &random), 1)
        case 5: candidate.epoch = max(0, epoch - 1)
        default: break
        }
        let isTransactional = Int.random(in: 0..<6, using: &random) == 0 ? !isOpen(producer) : isOpen(producer)
        let isVerified = Int.random(in: 0..<4, using: &random) > 0
        let batch = ProducerLedger.Batch(
            producerID: producer, epoch: candidate.epoch,
            baseSequence: Int32(candidate.position & Int64(Int32.max)), recordCount: candidate.count,
            isTransactional: isTransactional)
        let expected = verdict(
            producer, candidate, before.suffix(5), next, isNew, isTransactional, isVerified, all: before.count)
        let verdict = ledger.check(batch, isVerified: isVerified)
        #expect(verdict == expected, "\(batch)")
        guard verdict == .accepted else {
            refusedCount += 1
            return
        }
        acceptedCount += 1
        ledger.append(batch, baseOffset: end, timestamp: Timestamp(end.rawValue), at: Timestamp(0))
        log.append(
            Entry(
                producer: producer, epoch: candidate.epoch, position: candidate.position, count: candidate.count,
                offset: end, isTransactional: isTransactional))
        end = end.advanced(by: candidate.count)
    }

    private func verdict(
        _ producer: Int64, _ batch: (epoch: Int16, position: Int64, count: Int), _ window: ArraySlice<Entry>,
        _ next: Int64, _ isNew: Bool, _ isTransactional: Bool, _ isVerified: Bool, all: Int
    ) -> ProducerLedger.Verdict {
        let epoch = epoch(of: producer)
        if !isNew {
            if batch.epoch < epoch { return .refused(.invalidProducerEpoch) }
            if batch.epoch > epoch {
                if batch.position != 0 { return .refused(.outOfOrderSequenceNumber) }
            } else {
                if let same = window.first(where: { $0.position == batch.position && $0.count == batch.count }) {
                    return .duplicate(baseOffset: same.offset, timestamp: Timestamp(same.offset.rawValue))
                }
                if batch.position != next {
                    let isOlder = all >= 5 && batch.position + Int64(batch.count) <= window.first!.position
                    return .refused(isOlder ? .duplicateSequenceNumber : .outOfOrderSequenceNumber)
                }
            }
        }
        if isOpen(producer), !isTransactional { return .refused(.invalidTransactionState) }
        if !isOpen(producer), isTransactional, !isVerified { return .refused(.invalidTransactionState) }
        return .accepted
    }

    private mutating func finish(_ producer: Int64) throws {
        let epoch = epoch(of: producer) + Int16.random(in: 0...1, using: &random)
        let isCommit = Bool.random(using: &random)
        let entry = try ledger.endTransaction(
            of: producer, epoch: epoch, isCommit: isCommit, marker: end, at: Timestamp(0))
        #expect((entry != nil) == (isOpen(producer) && !isCommit))
        log.append(
            Entry(
                producer: producer, epoch: epoch, position: 0, count: 0, offset: end, isTransactional: true,
                outcome: isCommit))
        end = end.next
    }

    private mutating func store() {
        let changes = ledger.takeChanges()
        for state in changes.producers { rows[state.producerID] = state }
        for id in changes.forgotten { rows[id] = nil }
        abortedRows += changes.aborted
        if let start = changes.start { abortedRows.removeAll { $0.last < start } }
    }

    // MARK: What the log says

    private func epoch(of producer: Int64) -> Int16 { log.last { $0.producer == producer }?.epoch ?? 0 }

    private func isOpen(_ producer: Int64) -> Bool {
        guard let last = log.last(where: { $0.producer == producer }) else { return false }
        return last.isTransactional && last.outcome == nil
    }

    private func check() {
        var firsts: [Int64: Offset] = [:]
        var aborted: [AbortedTransaction] = []
        for entry in log {
            if let isCommit = entry.outcome {
                if let first = firsts.removeValue(forKey: entry.producer), !isCommit {
                    aborted.append(AbortedTransaction(producerID: entry.producer, first: first, last: entry.offset))
                }
            } else if entry.isTransactional, firsts[entry.producer] == nil {
                firsts[entry.producer] = entry.offset
            }
        }
        #expect(ledger.lastStableOffset(end: end) == firsts.values.min().map { max(start, $0) } ?? end)
        let middle = Offset((start.rawValue + end.rawValue) / 2)
        for range in [start..<end, start..<middle, middle..<end] where !range.isEmpty {
            let expected = aborted.filter { $0.last >= range.lowerBound && $0.first < range.upperBound }
            #expect(ledger.aborted(in: range) == expected.sorted { $0.first < $1.first })
        }
    }
}
