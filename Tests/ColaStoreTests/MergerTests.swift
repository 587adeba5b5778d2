import ColaCore
import Foundation
import Testing

@testable import ColaStore

/// What the writer of the SQLite store does with its rows when nobody waits.
@Suite(.timeLimit(.minutes(3)))
struct MergerTests {
    private func open(_ bench: StoreBench) throws -> OpenStore { try bench.open { $0.mergesRows = true } }

    /// Commits one message after the other.
    private func fill(_ open: OpenStore, _ offsets: Range<Int64>, number: inout UInt64, bodyBytes: Int = 16) throws {
        for offset in offsets {
            number += 1
            open.store.submit(.appending(offset..<offset + 1, number: number, bodyBytes: bodyBytes))
        }
        let last = BatchNumber(number)
        try open.events.wait { $0.committed.last == last }
    }

    private func wait(_ bench: StoreBench, _ rowsMax: Int) throws {
        for _ in 0..<1000 where try bench.rows(LogID(1)).count > rowsMax { usleep(10_000) }
        #expect(try bench.rows(LogID(1)).count <= rowsMax)
    }

    @Test func aRowForEachMessageDoesNotStay() throws {
        let bench = try StoreBench(.sqlite)
        var open = try open(bench)
        try open.commit(.declaring([1]))
        var number: UInt64 = 1
        try fill(open, 0..<500, number: &number)
        try wait(bench, 10)
        #expect(try open.alive(LogID(1)) == Array(0..<500))
        // What comes later joins what is there.
        try fill(open, 500..<1000, number: &number)
        try wait(bench, 10)
        open.kill()
        open = try self.open(bench)
        #expect(try open.alive(LogID(1)) == Array(0..<1000))
        try open.store.close()
        let report = try StoreCheck(directory: bench.folder).run()
        #expect(report.isSound, "\(report.findings)")
        #expect(report.totals.ready == 1000)
    }

    @Test func aStartFindsWhatTheLifeBeforeLeft() throws {
        let bench = try StoreBench(.sqlite)
        var open = try bench.open()
        try open.commit(.declaring([1]))
        var number: UInt64 = 1
        try fill(open, 0..<300, number: &number)
        var batch = Batch.appending(300..<700, number: number + 1, bodyBytes: 100)
        batch.logs[0].settled = [settlement(300, 699) { $0 != 404 && $0 != 650 }]
        try open.commit(batch)
        open.kill()
        #expect(try bench.rows(LogID(1)).count == 301)
        open = try self.open(bench)
        try wait(bench, 10)
        // The large row of which little was alive has become small.
        let bytes = "SELECT max(length(data)) FROM chunk"
        for _ in 0..<1000 where try bench.connection().integer(bytes) > 20_000 { usleep(10_000) }
        #expect(try bench.connection().integer(bytes) <= 20_000)
        let offsets = try open.read(LogID(1)).chunks.flatMap { chunk in
            chunk.segment.offsets.filter { !chunk.settled.contains(Int($0 - chunk.base.rawValue)) }
        }
        #expect(offsets == Array(0..<300) + [404, 650])
        try open.store.close()
    }

    @Test func aRowOfWhichLittleIsAliveIsRewritten() throws {
        let bench = try StoreBench(.sqlite)
        let open = try open(bench)
        try open.commit(.declaring([1]))
        try open.commit(.appending(0..<100, number: 2, bodyBytes: 1000))
        var change = LogChange(log: LogID(1), state: .all(below: 100))
        change.settled = [settlement(0, 99) { $0 % 10 != 5 }]
        try open.commit(Batch(number: BatchNumber(3), logs: [change]))
        for _ in 0..<1000 where try bench.rows(LogID(1)) != [5] { usleep(10_000) }
        #expect(try bench.rows(LogID(1)) == [5])
        let chunk = try #require(try open.read(LogID(1)).chunks.first)
        #expect(chunk.segment.offsets == stride(from: 5, to: 100, by: 10).map { $0 })
        #expect(chunk.segment.isIntact(bodyBytes: 1000) && chunk.settled.isEmpty)
        #expect(try bench.connection().integer("SELECT count(*) FROM settled") == 0)
        try open.store.close()
    }

    /// Under load there is never a moment of quiet; rows must not pile up for that.
    @Test func loadDoesNotLetRowsPileUp() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open {
            $0.mergesRows = true
            $0.relaxedDurability = true
        }
        try open.commit(.declaring([1]))
        for number in 0..<6000 as Range<Int64> {
            try open.commit(.appending(number..<number + 1, number: UInt64(number) + 2))
            // Readers see the same records whatever becomes of the rows.
            if number % 200 == 199 {
                let from = max(0, number - 1500)
                #expect(try open.alive(LogID(1), from: from, bytesMax: 5000) == Array(from...number))
            }
        }
        #expect(try bench.rows(LogID(1)).count < 3000)
        #expect(try open.alive(LogID(1), bytesMax: 100_000) == Array(0..<6000))
        try open.store.close()
    }

    @Test func whatIsPurgedIsLeftToTheTrimmer() throws {
        let bench = try StoreBench(.sqlite)
        let open = try open(bench)
        try open.commit(.declaring([1]))
        var number: UInt64 = 1
        try fill(open, 0..<200, number: &number)
        var change = LogChange(log: LogID(1), state: .all(below: 200, from: 150))
        change.trim = Offset(0)..<Offset(150)
        try open.commit(Batch(number: BatchNumber(number + 1), logs: [change]))
        #expect(try open.alive(LogID(1)) == Array(150..<200))
        for _ in 0..<1000 where try bench.connection().integer("SELECT count(*) FROM garbage") > 0 { usleep(10_000) }
        #expect(try open.alive(LogID(1)) == Array(150..<200))
        try open.store.close()
    }

    private func settlement(_ base: Int64, _ last: Int64, _ isSettled: (Int64) -> Bool) -> ChunkSettlement {
        var set = SettledSet()
        for offset in base...last where isSettled(offset) { set.insert(Int(offset - base)) }
        return ChunkSettlement(base: Offset(base), last: Offset(last), settled: set)
    }
}
