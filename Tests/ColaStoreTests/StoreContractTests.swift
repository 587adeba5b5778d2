import ColaCore
import ColaTesting
import Testing

@testable import ColaStore

/// What every store must do, however it does it.
@Suite(.timeLimit(.minutes(2)))
struct StoreContractTests {
    @Test(arguments: StoreKind.allCases)
    func whatIsCommittedIsRead(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        try open.commit(.appending(0..<100, number: 2))
        try open.commit(.appending(100..<250, number: 3))
        let result = try open.read(LogID(1))
        #expect(result.isComplete)
        #expect(result.chunks.map(\.base) == [Offset(0), Offset(100)])
        #expect(result.chunks.map(\.last) == [Offset(99), Offset(249)])
        #expect(result.chunks.map(\.count) == [100, 150])
        #expect(result.chunks.flatMap(\.segment.offsets) == Array(0..<250))
        #expect(result.chunks.allSatisfy { $0.segment.isIntact() && $0.damage.isEmpty && $0.settled.isEmpty })
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aFreshStoreIsEmpty(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try bench.open()
        #expect(open.recovery.epoch == Epoch(1))
        #expect(open.recovery.wasStoppedCleanly)
        #expect(open.recovery.queues.isEmpty && open.recovery.topics.isEmpty)
        #expect(open.recovery.nextLog == LogID(1))
        #expect(try open.read(LogID(1)).chunks.isEmpty)
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func definitionsAndStatesOutliveAStop(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        var batch = Batch.declaring([1])
        batch.definitions += [
            .put(.topic(TopicDefinition(name: "t", partitions: [LogID(2), LogID(3)]))),
            .put(.exchange(ExchangeDefinition(name: "e", kind: .fanout))),
            .put(.binding(BindingDefinition(source: "e", destination: "q1", routingKey: "k"))),
            .put(.binding(BindingDefinition(source: "e", destination: "t", routingKey: ""))),
            .remove(.binding(BindingDefinition(source: "e", destination: "q1", routingKey: "k"))),
        ]
        batch.nextLog = LogID(4)
        batch.groupOffsets = [GroupOffset(group: "g", log: LogID(2), next: Offset(5))]
        let state = LogState(
            start: Offset(3), next: Offset(77), ready: 12, bytes: 345, floor: Offset(4), handedOut: Offset(9))
        batch.logs = [LogChange(log: LogID(1), state: state)]
        try open.commit(batch)
        try open.commit(
            Batch(number: BatchNumber(2), groupOffsets: [GroupOffset(group: "g", log: LogID(2), next: Offset(6))]))
        try open.store.close()

        open = try bench.open()
        #expect(open.recovery.epoch == Epoch(2))
        #expect(open.recovery.wasStoppedCleanly)
        #expect(open.recovery.queues.map(\.definition) == [QueueDefinition(name: "q1", log: LogID(1))])
        #expect(open.recovery.queues.map(\.states[0]) == [state])
        #expect(
            open.recovery.topics.map(\.definition) == [TopicDefinition(name: "t", partitions: [LogID(2), LogID(3)])])
        #expect(open.recovery.topics.map(\.states) == [[.empty, .empty]])
        #expect(open.recovery.exchanges == [ExchangeDefinition(name: "e", kind: .fanout)])
        #expect(open.recovery.bindings == [BindingDefinition(source: "e", destination: "t", routingKey: "")])
        #expect(open.recovery.groupOffsets == [GroupOffset(group: "g", log: LogID(2), next: Offset(6))])
        #expect(open.recovery.nextLog == LogID(4))
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aKillLosesNothingCommittedAndIsNoticed(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        try open.commit(.declaring([1]))
        try open.commit(.appending(0..<10, number: 2))
        open.kill()
        for epoch in 2...4 {
            open = try bench.open()
            #expect(open.recovery.epoch == Epoch(Int64(epoch)))
            #expect(!open.recovery.wasStoppedCleanly)
            #expect(open.recovery.queues.map(\.states[0].next) == [Offset(10)])
            #expect(try open.read(LogID(1)).chunks.flatMap(\.segment.offsets) == Array(0..<10))
            open.kill()
        }
        open = try bench.open()
        try open.store.close()
        open = try bench.open()
        #expect(open.recovery.wasStoppedCleanly)
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func batchesAreDurableInTheOrderTheyWereSubmitted(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        open.store.submit(.declaring([1]))
        for number in 2...200 as ClosedRange<UInt64> {
            let first = Int64(number - 2) * 3
            open.store.submit(.appending(first..<first + 3, number: number))
        }
        try open.events.wait { $0.committed.last == BatchNumber(200) }
        let committed = open.events.all.committed
        #expect(zip(committed, committed.dropFirst()).allSatisfy { $0 < $1 }, "\(committed)")
        open.kill()
        open = try bench.open()
        #expect(try open.read(LogID(1)).chunks.flatMap(\.segment.offsets) == Array(0..<597))
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func closeCommitsWhatWasSubmitted(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        open.store.submit(.declaring([1]))
        open.store.submit(.appending(0..<5, number: 2))
        try open.store.close()
        #expect(open.events.all.committed.last == BatchNumber(2))
        open = try bench.open()
        #expect(try open.read(LogID(1)).chunks.flatMap(\.segment.offsets) == Array(0..<5))
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func readsBeginWithTheChunkThatHoldsTheOffset(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try bench.open()
        try open.commit(.declaring([1, 2]))
        for number in 0..<5 as Range<Int64> {
            // Offsets 5 to 9 of each ten are missing.
            try open.commit(.appending(number * 10..<number * 10 + 5, number: UInt64(number) + 2))
        }
        func bases(_ from: Int64, _ below: Int64, _ bytesMax: Int = .max) throws -> [Int64] {
            try open.read(LogID(1), from: from, below: below, bytesMax: bytesMax).chunks.map(\.base.rawValue)
        }
        #expect(try bases(0, 50) == [0, 10, 20, 30, 40])
        #expect(try bases(12, 50) == [10, 20, 30, 40])
        #expect(try bases(14, 30) == [10, 20])
        #expect(try bases(15, 30) == [20])
        #expect(try bases(15, 31) == [20, 30])
        #expect(try bases(45, 50) == [])
        #expect(try bases(1000, .max) == [])
        #expect(try bases(3, 50, 1) == [0])
        #expect(try open.read(LogID(1), from: 3, below: 50, bytesMax: 1).isComplete == false)
        #expect(try open.read(LogID(1), from: 40, below: 50, bytesMax: 1).isComplete)
        #expect(try open.read(LogID(1), from: 0, below: 10, bytesMax: 1).isComplete)
        #expect(try open.read(LogID(2)).isComplete)
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func settledAndReleasedComeWithTheirChunk(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        try open.commit(.declaring([1]))
        try open.commit(.appending(0..<10, number: 2))
        try open.commit(.appending(10..<20, number: 3))
        var settled = SettledSet()
        for index in [1, 3, 4] { settled.insert(index) }
        var change = LogChange(log: LogID(1), state: .all(below: 20))
        change.settled = [ChunkSettlement(base: Offset(0), last: Offset(9), settled: settled)]
        change.released = [Release(offset: Offset(2), deliveries: 1), Release(offset: Offset(12), deliveries: 2)]
        try open.commit(Batch(number: BatchNumber(4), logs: [change]))
        open.kill()
        open = try bench.open()
        var chunks = try open.read(LogID(1)).chunks
        #expect(chunks.map(\.settled) == [settled, SettledSet()])
        #expect(
            chunks.map(\.released) == [
                [Release(offset: Offset(2), deliveries: 1)], [Release(offset: Offset(12), deliveries: 2)],
            ])

        change = LogChange(log: LogID(1), state: .all(below: 20))
        change.settled = [ChunkSettlement(base: Offset(0), last: Offset(9), settled: SettledSet())]
        change.released = [Release(offset: Offset(12), deliveries: 3)]
        change.releasesRemoved = [Offset(2)]
        try open.commit(Batch(number: BatchNumber(5), logs: [change]))
        chunks = try open.read(LogID(1)).chunks
        #expect(chunks.map(\.settled) == [SettledSet(), SettledSet()])
        #expect(chunks.map(\.released) == [[], [Release(offset: Offset(12), deliveries: 3)]])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func removedChunksAreGone(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        try open.commit(.declaring([1]))
        for number in 0..<4 as Range<Int64> {
            try open.commit(.appending(number * 10..<number * 10 + 10, number: UInt64(number) + 2))
        }
        var change = LogChange(log: LogID(1), state: .all(below: 40, from: 10))
        change.removed = [Offset(0)...Offset(9), Offset(20)...Offset(29)]
        try open.commit(Batch(number: BatchNumber(6), logs: [change]))
        #expect(try open.read(LogID(1)).chunks.map(\.base) == [Offset(10), Offset(30)])
        open.kill()
        open = try bench.open()
        #expect(try open.read(LogID(1)).chunks.map(\.base) == [Offset(10), Offset(30)])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aChunkCanComeAndGoInOneTransaction(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try bench.open()
        var append = Batch.appending(0..<10, number: 2)
        append.logs[0].settled = []
        var remove = LogChange(log: LogID(1), state: .all(below: 10, from: 10))
        remove.removed = [Offset(0)...Offset(9)]
        open.store.submit(.declaring([1]))
        open.store.submit(append)
        open.store.submit(Batch(number: BatchNumber(3), logs: [remove]))
        try open.events.wait { $0.committed.last == BatchNumber(3) }
        #expect(try open.read(LogID(1)).chunks.isEmpty)
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func whatWasPurgedIsNeverShownAgain(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        try open.commit(.declaring([1]))
        for number in 0..<200 as Range<Int64> {
            open.store.submit(.appending(number * 10..<number * 10 + 10, number: UInt64(number) + 2))
        }
        try open.events.wait { $0.committed.last == BatchNumber(201) }
        // With the old floor in the state, and a chunk below the range that somebody still holds: the mark alone must
        // do.
        var change = LogChange(log: LogID(1), state: .all(below: 2000))
        change.trim = Offset(10)..<Offset(1980)
        try open.commit(Batch(number: BatchNumber(202), logs: [change]))
        #expect(try open.read(LogID(1)).chunks.map(\.base) == [Offset(0), Offset(1980), Offset(1990)])
        open.kill()
        open = try bench.open()
        #expect(try open.read(LogID(1)).chunks.map(\.base) == [Offset(0), Offset(1980), Offset(1990)])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aDeletedLogIsGoneWithAllThatBelongsToIt(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        try open.commit(.declaring([1, 2]))
        try open.commit(.appending(0..<10, to: 1, number: 2))
        try open.commit(.appending(0..<10, to: 2, number: 3))
        var batch = Batch(number: BatchNumber(4))
        batch.groupOffsets = [GroupOffset(group: "g", log: LogID(1), next: Offset(3))]
        batch.definitions = [.remove(.queue(QueueDefinition(name: "q1", log: LogID(1))))]
        try open.commit(batch)
        #expect(try open.read(LogID(1)).chunks.isEmpty)
        // The name may come back, the log does not.
        batch = Batch(number: BatchNumber(5), nextLog: LogID(4))
        batch.definitions = [.put(.queue(QueueDefinition(name: "q1", log: LogID(3))))]
        try open.commit(batch)
        open.kill()
        open = try bench.open()
        #expect(open.recovery.queues.map(\.definition.log) == [LogID(2), LogID(3)])
        #expect(open.recovery.queues.map(\.states[0].next) == [Offset(10), Offset(0)])
        #expect(open.recovery.groupOffsets.isEmpty)
        #expect(open.recovery.nextLog == LogID(4))
        #expect(try open.read(LogID(1)).chunks.isEmpty)
        #expect(try open.read(LogID(2)).chunks.count == 1)
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func oneTransactionCanTouchTenThousandLogs(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        try open.commit(.declaring(1...10_000))
        var batch = Batch(number: BatchNumber(2))
        for log in 1...10_000 as ClosedRange<Int64> { batch.logs += Batch.appending(0..<2, to: log, number: 2).logs }
        try open.commit(batch)
        open.kill()
        open = try bench.open()
        #expect(open.recovery.queues.count == 10_000)
        #expect(open.recovery.queues.allSatisfy { $0.states == [.all(below: 2)] })
        for log in [1, 5000, 10_000] as [Int64] {
            let chunks = try open.read(LogID(log)).chunks
            #expect(chunks.flatMap(\.segment.offsets) == [0, 1])
        }
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func messagesLargerThanABatchComeBackWhole(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        try open.commit(.appending(0..<3, number: 2, bodyBytes: 300_000))
        try open.commit(.appending(3..<4, number: 3, bodyBytes: 0))
        try open.commit(.appending(4..<5, number: 4, bodyBytes: 5_000_000))
        let chunks = try open.read(LogID(1)).chunks
        #expect(chunks.map(\.segment.offsets) == [[0, 1, 2], [3], [4]])
        #expect(chunks[0].segment.isIntact(bodyBytes: 300_000))
        #expect(chunks[1].segment.isIntact(bodyBytes: 0))
        #expect(chunks[2].segment.isIntact(bodyBytes: 5_000_000))
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func damageIsReportedAndTheRestIsRead(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        // Three batches of at most 64 KiB in the first chunk.
        try open.commit(.appending(0..<300, number: 2, bodyBytes: 512))
        try open.commit(.appending(300..<310, number: 3, bodyBytes: 512))
        try bench.damage(LogID(1), Offset(0))
        var chunks = try open.read(LogID(1)).chunks
        #expect(chunks.map(\.base) == [Offset(0), Offset(300)])
        #expect(chunks[0].damage.count == 1)
        #expect(chunks[0].count == 300)
        let lost = try #require(chunks[0].damage[0].offsets)
        #expect(chunks[0].segment.offsets == Array(0..<lost.lowerBound.rawValue))
        #expect(lost.upperBound == Offset(299))
        #expect(chunks.allSatisfy { $0.segment.isIntact(bodyBytes: 512) })
        #expect(chunks[1].damage.isEmpty)

        var change = LogChange(log: LogID(1), state: .all(below: 310, from: 300, bodyBytes: 512))
        change.quarantined = [
            Quarantine(
                base: Offset(0), readable: chunks[0].segment.entries.count, reason: "its checksum does not match")
        ]
        change.removed = [Offset(0)...Offset(9)]
        try open.commit(Batch(number: BatchNumber(4), logs: [change]))
        chunks = try open.read(LogID(1)).chunks
        #expect(chunks.map(\.base) == [Offset(300)])
        #expect(try bench.quarantined().map(\.base) == [Offset(0)])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func recordsNeverComeBackUnderOtherOffsets(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        try open.commit(.appending(0..<1, number: 2))
        // The base offset of the batch, its first eight bytes, is not covered by the batch's own checksum.
        let bytes = RecordBatch.encode(.numbered(0..<1)).count
        try bench.damage(LogID(1), Offset(0), fromEnd: bytes - 7)
        let chunk = try #require(try open.read(LogID(1)).chunks.first)
        #expect(chunk.segment.isEmpty)
        #expect(chunk.damage.map(\.reason) == [.badRecord])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aStoreIsOpenedOnceAtATime(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try bench.open()
        #expect(throws: StoreError.self) { try bench.open() }
        #expect(throws: StoreError.self) { try open.store.open(events: EventLog().storeEvents) }
        try open.commit(.declaring([1]))
        try open.store.close()
        #expect(throws: StoreError.self) { try open.read(LogID(1)) }
        open.store.submit(.declaring([2], number: 2))
        try open.store.close()
        let second = try bench.open()
        #expect(second.recovery.queues.map(\.definition.log) == [LogID(1)])
        try second.store.close()
    }

    /// Whatever is done, what is read is what a plain list would hold.
    @Test(arguments: StoreKind.allCases, [1, 2, 3] as [UInt64])
    func readsAgreeWithAModel(kind: StoreKind, seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let bench = try StoreBench(kind)
        var open = try bench.open()
        try open.commit(.declaring([1]))
        var chunks: [(base: Int64, last: Int64, settled: SettledSet)] = []
        var next: Int64 = 0
        var number: UInt64 = 1
        for _ in 0..<150 {
            number += 1
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let base = next + .random(in: 0...3, using: &random)
                next = base + .random(in: 1...20, using: &random)
                try open.commit(.appending(base..<next, number: number))
                chunks.append((base, next - 1, SettledSet()))
            case 5..<7:
                guard let index = chunks.indices.randomElement(using: &random) else { continue }
                for offset in 0...(chunks[index].last - chunks[index].base) where Bool.random(using: &random) {
                    chunks[index].settled.insert(Int(offset))
                }
                var change = LogChange(log: LogID(1), state: .all(below: next))
                change.settled = [
                    ChunkSettlement(
                        base: Offset(chunks[index].base), last: Offset(chunks[index].last),
                        settled: chunks[index].settled)
                ]
                try open.commit(Batch(number: BatchNumber(number), logs: [change]))
            case 7..<9:
                guard let index = chunks.indices.randomElement(using: &random) else { continue }
                var change = LogChange(log: LogID(1), state: .all(below: next))
                let chunk = chunks.remove(at: index)
                change.removed = [Offset(chunk.base)...Offset(chunk.last)]
                try open.commit(Batch(number: BatchNumber(number), logs: [change]))
            default:
                if Bool.random(using: &random) { open.kill() } else { try open.store.close() }
                open = try bench.open()
            }
            let from = Int64.random(in: 0...next + 2, using: &random)
            let result = try open.read(LogID(1), from: from, below: next)
            let expected = chunks.filter { $0.last >= from }
            #expect(result.chunks.map(\.base.rawValue) == expected.map(\.base))
            #expect(result.chunks.map(\.settled) == expected.map(\.settled))
            #expect(result.chunks.allSatisfy { $0.damage.isEmpty && $0.segment.isIntact() })
        }
        try open.store.close()
    }
}
