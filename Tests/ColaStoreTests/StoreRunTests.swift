import ColaCore
import ColaTesting
import Glibc
import Testing

@testable import ColaStore

/// Batches speak of runs of offsets, and the store may merge and rewrite its rows at any time: what is read must be the
/// same records.
@Suite(.timeLimit(.minutes(3)))
struct StoreRunTests {
    /// Ten rows of ten offsets each.
    private func filled(_ bench: StoreBench) throws -> OpenStore {
        let open = try bench.open()
        try open.commit(.declaring([1]))
        for number in 0..<10 as Range<Int64> {
            try open.commit(.appending(number * 10..<number * 10 + 10, number: UInt64(number) + 2))
        }
        return open
    }

    private func change(
        _ open: OpenStore, _ number: UInt64, floor: Int64 = 0, _ body: (inout LogChange) -> Void
    ) throws {
        var change = LogChange(log: LogID(1), state: .all(below: 100, from: floor))
        body(&change)
        try open.commit(Batch(number: BatchNumber(number), logs: [change]))
    }

    private func settlement(_ base: Int64, _ last: Int64, _ offsets: [Int64]) -> ChunkSettlement {
        var set = SettledSet()
        for offset in offsets { set.insert(Int(offset - base)) }
        return ChunkSettlement(base: Offset(base), last: Offset(last), settled: set)
    }

    @Test(arguments: StoreKind.allCases)
    func mergedRowsHoldTheSameRecords(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try filled(bench)
        try change(open, 20) { $0.settled = [settlement(20, 29, [21, 25]), settlement(40, 49, [49])] }
        let before = try open.alive(LogID(1))
        try bench.merge(LogID(1), Offset(20)...Offset(69))
        #expect(try bench.rows(LogID(1)) == [0, 10, 20, 70, 80, 90])
        #expect(try open.alive(LogID(1)) == before)
        #expect(try open.alive(LogID(1), from: 33) == before.filter { $0 >= 33 })
        // What lies below comes with it.
        let result = try open.read(LogID(1), from: 33, below: 34)
        #expect(result.chunks.map(\.base) == [Offset(20)] && result.isComplete)
        // What is settled goes with the occasion.
        #expect(result.chunks[0].count == 47)
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func settlementsFindTheirRows(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try filled(bench)
        try bench.merge(LogID(1), Offset(10)...Offset(39))
        // A run inside of one row, one that is a row, and one over three.
        try change(open, 20) { $0.settled = [settlement(20, 29, [20, 28]), settlement(40, 49, [44])] }
        try change(open, 21) { $0.settled = [settlement(40, 49, [45]), settlement(50, 79, [50, 65, 79])] }
        let gone = [20, 28, 44, 45, 50, 65, 79] as [Int64]
        #expect(try open.alive(LogID(1)) == (0..<100).filter { !gone.contains($0) })
        // An empty set takes back what was said of the run, and of nothing else.
        try change(open, 22) { $0.settled = [settlement(20, 25, []), settlement(40, 69, [])] }
        #expect(try open.alive(LogID(1)) == (0..<100).filter { ![28, 79].contains($0) })
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aRowGoesWhenAllOfItIsSettled(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try filled(bench)
        try bench.merge(LogID(1), Offset(10)...Offset(39))
        try change(open, 20) { $0.removed = [Offset(20)...Offset(29)] }
        #expect(try bench.rows(LogID(1)) == [0, 10, 40, 50, 60, 70, 80, 90])
        #expect(try open.alive(LogID(1)) == (0..<100).filter { !(20..<30).contains($0) })
        try change(open, 21, floor: 20) { $0.removed = [Offset(0)...Offset(9), Offset(10)...Offset(19)] }
        #expect(try bench.rows(LogID(1)) == [10, 40, 50, 60, 70, 80, 90])
        try change(open, 22, floor: 40) { $0.removed = [Offset(30)...Offset(39)] }
        #expect(try bench.rows(LogID(1)) == [40, 50, 60, 70, 80, 90])
        // A run over several rows, one of which it only touches.
        try change(open, 23, floor: 40) { $0.removed = [Offset(50)...Offset(74)] }
        #expect(try bench.rows(LogID(1)) == [40, 70, 80, 90])
        #expect(try open.alive(LogID(1), from: 40) == Array(40..<50) + Array(75..<100))
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aRowWithGapsGoesToo(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try filled(bench)
        try change(open, 20) { $0.removed = [Offset(20)...Offset(29)] }
        try bench.merge(LogID(1), Offset(10)...Offset(39))
        #expect(try bench.rows(LogID(1)) == [0, 10, 40, 50, 60, 70, 80, 90])
        // Nobody ever says anything of the gap.
        try change(open, 21) { $0.removed = [Offset(30)...Offset(39)] }
        #expect(try open.alive(LogID(1), from: 10, below: 40) == Array(10..<20))
        try change(open, 22) { $0.removed = [Offset(10)...Offset(19)] }
        #expect(try bench.rows(LogID(1)) == [0, 40, 50, 60, 70, 80, 90])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aCompactedRowHasOnlyWhatIsAlive(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try filled(bench)
        try bench.merge(LogID(1), Offset(0)...Offset(99))
        let alive = [33, 57] as [Int64]
        try change(open, 20, floor: 2) {
            $0.settled = [settlement(0, 99, (0..<100).filter { !alive.contains($0) })]
            $0.released = [Release(offset: Offset(33), deliveries: 2)]
        }
        try bench.compact(LogID(1), Offset(0))
        #expect(try bench.rows(LogID(1)) == [33])
        let chunk = try #require(try open.read(LogID(1)).chunks.first)
        #expect(chunk.last == Offset(57) && chunk.count == 2 && chunk.settled.isEmpty && chunk.damage.isEmpty)
        #expect(chunk.segment.offsets == alive && chunk.segment.isIntact())
        #expect(chunk.released == [Release(offset: Offset(33), deliveries: 2)])
        // The broker still speaks of the row that was.
        try change(open, 21, floor: 57) { $0.settled = [settlement(0, 99, Array(0..<57))] }
        #expect(try open.alive(LogID(1)) == [57])
        try change(open, 22, floor: 58) { $0.removed = [Offset(0)...Offset(99)] }
        #expect(try bench.rows(LogID(1)) == [])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func rewritingKeepsWhatItIsGiven(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try filled(bench)
        func rewrite(_ number: UInt64, _ base: Int64, _ last: Int64, _ kept: [Int64]) throws {
            try change(open, number) {
                $0.rewritten = [
                    ChunkRewrite(base: Offset(base), last: Offset(last), segment: .numbered(kept))
                ]
            }
        }
        try rewrite(20, 10, 39, [12, 25, 38])
        #expect(try bench.rows(LogID(1)) == [0, 12, 40, 50, 60, 70, 80, 90])
        try rewrite(21, 50, 69, [])
        #expect(try bench.rows(LogID(1)) == [0, 12, 40, 70, 80, 90])
        // The rows are others by now.
        try bench.merge(LogID(1), Offset(70)...Offset(99))
        try rewrite(22, 80, 89, [83])
        #expect(
            try open.alive(LogID(1))
                == Array(0..<10) + [12, 25, 38] + Array(40..<50) + Array(70..<80) + [83] + Array(90..<100))
        // Runs that know of nothing there.
        try rewrite(23, 50, 60, [55])
        #expect(try open.alive(LogID(1), from: 50, below: 70) == [])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aPurgeKeepsToItsOffsets(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try filled(bench)
        try bench.merge(LogID(1), Offset(0)...Offset(29))
        try bench.merge(LogID(1), Offset(70)...Offset(99))
        try change(open, 20) { $0.released = [15, 25, 50, 75, 85].map { Release(offset: Offset($0), deliveries: 1) } }
        try change(open, 21) { $0.trim = Offset(20)..<Offset(80) }
        let kept = Array(0..<20) + Array(80..<100) as [Int64]
        #expect(try open.alive(LogID(1)) == kept)
        try open.commit(.appending(100..<110, number: 22))
        open.kill()
        open = try bench.open()
        #expect(try open.alive(LogID(1)) == kept + Array(100..<110))
        let released = try open.read(LogID(1)).chunks.flatMap(\.released).map(\.offset)
        #expect(released.contains(Offset(15)) && released.contains(Offset(85)))
        #expect(!released.contains(Offset(25)) && !released.contains(Offset(75)))
        // All in one row.
        try bench.merge(LogID(1), Offset(80)...Offset(109))
        try change(open, 1) { $0.trim = Offset(85)..<Offset(90) }
        #expect(try open.alive(LogID(1), from: 80) == Array(80..<85) + Array(90..<110))
        // What is left of it goes with the next two.
        try change(open, 2) { $0.trim = Offset(80)..<Offset(88) }
        try change(open, 3) { $0.trim = Offset(89)..<Offset(110) }
        #expect(try open.alive(LogID(1), from: 80) == [])
        for _ in 0..<1000 where try bench.rows(LogID(1)).contains(where: { $0 >= 80 }) { usleep(10_000) }
        #expect(try !bench.rows(LogID(1)).contains { $0 >= 80 })
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func damageInAMergedRowIsQuarantinedOnce(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try filled(bench)
        try bench.merge(LogID(1), Offset(20)...Offset(69))
        try bench.damage(LogID(1), Offset(20))
        // It is not merged with any other, and its damage told.
        try bench.merge(LogID(1), Offset(0)...Offset(99))
        #expect(try bench.rows(LogID(1)) == [0, 10, 20, 70, 80, 90])
        #expect(try open.read(LogID(1), from: 44, below: 45).chunks.map(\.damage.count) == [1])
        try change(open, 20) { $0.quarantined = [Quarantine(base: Offset(40), readable: 0, reason: "broken")] }
        #expect(try bench.quarantined().map(\.base) == [Offset(20)])
        #expect(try open.read(LogID(1), from: 44, below: 45).chunks.map(\.count) == [0])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func whatExpiresSaysSoWhenItIsRead(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        func batch(_ offsets: Range<Int64>, _ number: UInt64) -> Batch {
            var segment = RecordSegment()
            for offset in offsets {
                var headers = RecordHeaders()
                let expires = offset % 2 == 0 ? Timestamp(5000 + offset) : RecordSegment.Entry.never
                headers.append(name: Array("x".utf8), value: Array("y".utf8))
                if expires != RecordSegment.Entry.never {
                    headers.append(name: Array(BrokerHeader.expires.rawValue.utf8), value: Array("\(expires)".utf8))
                }
                segment.append(
                    Message(value: nil, headers: headers), at: Offset(offset), timestamp: Timestamp(1), expires: expires
                )
            }
            var change = LogChange(log: LogID(1), state: .all(below: offsets.upperBound))
            change.appended = [.records(segment)]
            return Batch(number: BatchNumber(number), logs: [change])
        }
        try open.commit(batch(0..<4, 2))
        try open.commit(batch(4..<8, 3))
        let expected = (0..<8).map { $0 % 2 == 0 ? Timestamp(5000 + $0) : RecordSegment.Entry.never }
        for _ in 0..<2 {
            let entries = try open.read(LogID(1)).chunks.flatMap(\.segment.entries)
            #expect(entries.map(\.expires) == expected)
            #expect(entries.allSatisfy { $0.value.isNull && $0.key.isNull })
            try bench.merge(LogID(1), Offset(0)...Offset(7))
        }
        #expect(try bench.rows(LogID(1)) == [0])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func fatesComeWithTheirMessages(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try filled(bench)
        let released = [
            Release(offset: Offset(1), deliveries: 0, fate: .rejected),
            Release(offset: Offset(2), deliveries: 21, fate: .deliveryLimit),
            Release(offset: Offset(3), deliveries: 1, fate: .delayed(until: Timestamp(1_800_000_000_000))),
            Release(offset: Offset(4), deliveries: 3),
        ]
        try change(open, 20) { $0.released = released }
        open.kill()
        open = try bench.open()
        #expect(try open.read(LogID(1), below: 1).chunks.map(\.released) == [released])
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func outlinesAreTheChunksWithoutTheirRecords(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        let open = try filled(bench)
        try bench.merge(LogID(1), Offset(10)...Offset(29))
        func outline(_ from: Int64, _ countMax: Int) throws -> (bases: [Int64], isComplete: Bool) {
            guard
                case .outline(let chunks, let isComplete) = try open.ask(
                    .outline(LogID(1), from: Offset(from), countMax: countMax))
            else { return ([-1], false) }
            return (chunks.map(\.base.rawValue), isComplete)
        }
        #expect(try outline(0, 100) == ([0, 10, 30, 40, 50, 60, 70, 80, 90], true))
        #expect(try outline(29, 2) == ([10, 30], false))
        #expect(try outline(85, 2) == ([80, 90], true))
        #expect(try outline(100, 2) == ([], true))
        guard case .outline(let chunks, _) = try open.ask(.outline(LogID(1), from: Offset(12), countMax: 1)) else {
            return
        }
        #expect(
            chunks == [
                ChunkOutline(
                    base: Offset(10), last: Offset(29), count: 20, bytes: 20 * 16,
                    maxTimestamp: Timestamp(1_700_000_000_029))
            ])
        func young(_ offset: Int64) throws -> (bases: [Int64], isComplete: Bool) {
            guard
                case .outline(let chunks, let isComplete) = try open.ask(
                    .time(LogID(1), Timestamp(1_700_000_000_000 + offset)))
            else { return ([-1], false) }
            return (chunks.map(\.base.rawValue), isComplete)
        }
        #expect(try young(-5) == ([0], false))
        #expect(try young(29) == ([10], false))
        #expect(try young(30) == ([30], false))
        #expect(try young(95) == ([90], true))
        #expect(try young(100) == ([], true))
        try change(open, 20, floor: 40) { $0.trim = Offset(60)..<Offset(90) }
        #expect(try outline(0, 100) == ([40, 50, 90], true))
        #expect(try young(0) == ([40], false))
        #expect(try open.ask(.outline(LogID(9), from: Offset(0), countMax: 5)) == .outline([], isComplete: true))
        try open.store.close()
    }

    /// A broker that knows the rows as they were, and a store that changes them all the time.
    @Test(arguments: StoreKind.allCases, 1...4 as ClosedRange<UInt64>)
    func readsAgreeWhateverIsMerged(kind: StoreKind, seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let bench = try StoreBench(kind)
        var open = try bench.open()
        try open.commit(.declaring([1]))
        /// The chunks as the broker has them: settled offsets above the floor.
        var chunks: [(base: Int64, last: Int64, alive: [Int64])] = []
        var (next, floor) = (0, 0) as (Int64, Int64)
        var number: UInt64 = 1
        for _ in 0..<120 {
            number += 1
            var state = LogState.all(below: next, from: floor)
            var batch = Batch(number: BatchNumber(number))
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<6:
                let base = next
                next += .random(in: 1...6, using: &random)
                batch = .appending(base..<next, number: number)
                state = .all(below: next, from: floor)
                batch.logs[0].state = state
                chunks.append((base, next - 1, Array(base..<next)))
            case 6..<10:
                guard !chunks.isEmpty else { continue }
                for _ in 0..<3 {
                    let index = Int.random(in: 0..<chunks.count, using: &random)
                    let old = chunks[index].alive
                    chunks[index].alive.removeAll { _ in Int.random(in: 0..<3, using: &random) > 0 }
                    guard old != chunks[index].alive else { continue }
                    floor = max(floor, chunks.first { !$0.alive.isEmpty }?.alive.first ?? next)
                    var change = LogChange(log: LogID(1), state: .all(below: next, from: floor))
                    let (base, last, alive) = chunks[index]
                    if alive.isEmpty {
                        change.removed = [Offset(base)...Offset(last)]
                        chunks.remove(at: index)
                    } else {
                        change.settled = [settlement(base, last, (base...last).filter { !alive.contains($0) })]
                    }
                    batch.logs = [change]
                    try open.commit(batch)
                    number += 1
                    batch = Batch(number: BatchNumber(number))
                    if chunks.isEmpty { break }
                }
            default:
                if Bool.random(using: &random) { open.kill() } else { try open.store.close() }
                open = try bench.open()
                #expect(open.recovery.queues[0].states[0].next == Offset(next))
            }
            if !batch.logs.isEmpty { try open.commit(batch) }
            let first = Int64.random(in: 0...max(0, next), using: &random)
            let last = first + .random(in: 0...40, using: &random)
            if Bool.random(using: &random) {
                try bench.merge(LogID(1), Offset(first)...Offset(last))
            } else if let base = try bench.rows(LogID(1)).randomElement(using: &random) {
                try bench.compact(LogID(1), Offset(base))
            }
            let expected = chunks.flatMap(\.alive)
            #expect(try open.alive(LogID(1)).filter { $0 >= floor } == expected, "after batch \(number)")
            let from = Int64.random(in: 0...next, using: &random)
            let bytesMax = Int.random(in: 1...2000, using: &random)
            #expect(
                try open.alive(LogID(1), from: from, below: next, bytesMax: bytesMax).filter { $0 >= floor }
                    == expected.filter { $0 >= from })
        }
        try open.store.close()
    }
}
