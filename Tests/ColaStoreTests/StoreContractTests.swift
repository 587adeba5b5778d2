import ColaCore
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
        #expect(open.recovery.queues.map(\.state) == [state])
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
            #expect(open.recovery.queues.map(\.state.next) == [Offset(10)])
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
        change.settled = [ChunkSettlement(base: Offset(0), settled: settled)]
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
        change.settled = [ChunkSettlement(base: Offset(0), settled: SettledSet())]
        change.released = [Release(offset: Offset(12), deliveries: 3)]
        change.releasesRemoved = [Offset(2)]
        try open.commit(Batch(number: BatchNumber(5), logs: [change]))
        chunks = try open.read(LogID(1)).chunks
        #expect(chunks.map(\.settled) == [SettledSet(), SettledSet()])
        #expect(chunks.map(\.released) == [[], [Release(offset: Offset(12), deliveries: 3)]])
        try open.store.close()
    }
}
