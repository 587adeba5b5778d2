import ColaCore
import Foundation
import Testing

@testable import ColaStore

/// What a start that accepts damage makes of a database, and that it keeps the damaged one first.
@Suite struct SalvageTests {
    private static let pageBytes = Int(Settings.pageBytes)

    /// Two queues with 120 records each, one a chunk, of which the second spills over several pages.
    private func filled(closed: Bool = true) throws -> StoreBench {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        try open.commit(.declaring([1, 2]))
        var number: UInt64 = 1
        for offset in 0..<120 as Range<Int64> {
            number += 2
            open.store.submit(.appending(offset..<offset + 1, to: 1, number: number, bodyBytes: 1000))
            open.store.submit(.appending(offset..<offset + 1, to: 2, number: number + 1, bodyBytes: 20_000))
        }
        try open.events.wait { $0.committed.last == BatchNumber(number + 1) }
        if closed { try open.store.close() } else { open.kill() }
        return bench
    }

    private func database(_ bench: StoreBench) -> URL { URL(fileURLWithPath: bench.options.directory.database) }

    private func overwrite(_ bench: StoreBench, _ range: Range<Int>, with byte: UInt8 = 0xa5) throws {
        var data = try Data(contentsOf: database(bench))
        data.replaceSubrange(range, with: repeatElement(byte, count: range.count))
        try data.write(to: database(bench))
    }

    /// Starts on damage, and checks all that is promised then.
    private func accept(_ bench: StoreBench) throws -> (kept: [Int], lost: [String], queues: [String]) {
        let before = try Data(contentsOf: database(bench))
        let open = try bench.open { $0.acceptDamage = true }
        let notices = open.events.all.noticed
        let copies = notices.compactMap { notice -> String? in
            if case .damageAccepted(_, let copy) = notice { copy } else { nil }
        }
        #expect(copies == [bench.options.directory.database + ".damaged-1"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: copies[0])) == before)
        var kept: [Int] = []
        for (queue, bodyBytes) in zip(open.recovery.queues, [1000, 20_000]) {
            let alive = try open.alive(queue.definition.log, bodyBytes: bodyBytes)
            #expect(alive.count == queue.states[0].ready)
            kept.append(alive.count)
        }
        try open.store.close()
        let report = try StoreCheck(directory: bench.folder).run()
        #expect(report.isSound, "\(report.findings)")
        let left = try FileManager.default.contentsOfDirectory(atPath: bench.folder).filter { $0.contains("salvage") }
        #expect(left.isEmpty)
        // Once it was accepted there is nothing left to accept.
        let again = try bench.open { $0.acceptDamage = true }
        #expect(again.events.all.noticed.isEmpty)
        try again.store.close()
        let lost = notices.compactMap { if case .lost(let sentence) = $0 { sentence } else { nil } }
        return (kept, lost, open.recovery.queues.map(\.definition.name))
    }

    @Test func whatLiesBesideDamagedPagesIsKept() throws {
        let bench = try filled()
        let size = try Data(contentsOf: database(bench)).count
        try overwrite(bench, size / 2..<size / 2 + 50_000)
        let found = try accept(bench)
        #expect(found.queues == ["q1", "q2"])
        // Three or four pages: of the large records two or three, or one page of rows.
        #expect(found.kept[0] > 60 && found.kept[1] > 60, "\(found)")
        #expect(found.kept[0] + found.kept[1] < 240)
        #expect(found.lost.contains { $0.contains("messages of 'q2' could not be read") || $0.contains("chunk at") })
    }

    /// Whatever page it is, zeroed or overwritten.
    @Test(arguments: [0 as UInt8, 0xa5]) func anyPageMayBeDamaged(byte: UInt8) throws {
        let whole = try filled()
        let data = try Data(contentsOf: database(whole))
        let pages = data.count / Self.pageBytes
        var emptied = 0
        for page in Array(0..<32) + Array(stride(from: 32, to: pages, by: 24)) {
            let bench = try StoreBench(.sqlite)
            try data.write(to: database(bench))
            try overwrite(bench, page * Self.pageBytes..<(page + 1) * Self.pageBytes, with: byte)
            let open = try bench.open { $0.acceptDamage = true }
            var (kept, isMet) = (0, false)
            for queue in open.recovery.queues {
                let result = try open.read(queue.definition.log)
                isMet = isMet || result.chunks.contains { !$0.damage.isEmpty }
                kept += result.chunks.reduce(0) { $0 + $1.segment.entries.count }
            }
            try open.store.close()
            let isTold = !open.events.all.noticed.isEmpty
            let report = try StoreCheck(directory: bench.folder).run()
            // SQLite does not look into a message: that is found when it is read.
            #expect(report.isSound == !isMet && !(isTold && isMet), "page \(page): \(report.findings)")
            #expect(kept == 240 || isTold || isMet, "page \(page): \(240 - kept) vanished in silence")
            // The root of the table of chunks holds the way to all of them.
            if kept < 120 { emptied += 1 }
        }
        #expect(emptied <= 1)
    }

    @Test(arguments: [0..<16, 0..<100, 20..<100, 0..<pageBytes, 60..<72])
    func aDamagedHeaderLosesNothing(range: Range<Int>) throws {
        let bench = try filled()
        try overwrite(bench, range)
        #expect(throws: StoreError.self) { try bench.open() }
        let found = try accept(bench)
        #expect(found.kept == [120, 120])
        #expect(found.lost.isEmpty, "\(found.lost)")
    }

    @Test func whatTheLogHoldsIsReadAsWell() throws {
        let bench = try filled(closed: false)
        let log = try Data(contentsOf: URL(fileURLWithPath: bench.options.directory.log))
        try #require(log.count > 1 << 20)
        var data = try Data(contentsOf: database(bench))
        data.append(Data(repeating: 0, count: max(0, Self.pageBytes - data.count)))
        data.replaceSubrange(0..<100, with: repeatElement(0xa5, count: 100))
        try data.write(to: database(bench))
        let open = try bench.open { $0.acceptDamage = true }
        #expect(open.recovery.queues.map(\.states[0].ready) == [120, 120])
        open.kill()
    }

    @Test func aFileThatWasCutOffIsReadAsFarAsItGoes() throws {
        let bench = try filled()
        let data = try Data(contentsOf: database(bench))
        try data[..<(data.count / 2)].write(to: database(bench))
        let found = try accept(bench)
        #expect(found.kept[0] + found.kept[1] > 40, "\(found)")
        #expect(!found.lost.isEmpty)
    }

    /// Definitions can be gone while messages are there.
    @Test func messagesWhoseQueueIsGoneGetOne() throws {
        let bench = try filled()
        let root = try Int(bench.connection().integer("SELECT rootpage FROM sqlite_schema WHERE name = 'queue'"))
        try overwrite(bench, (root - 1) * Self.pageBytes..<root * Self.pageBytes)
        let found = try accept(bench)
        #expect(found.queues == ["cola.recovered.1", "cola.recovered.2"])
        #expect(found.kept == [120, 120])
        #expect(found.lost.contains { $0.contains("cola.recovered.2") })
    }

    @Test func aStateThatIsRebuiltIsCopiedFirst() throws {
        let bench = try filled()
        try bench.connection().execute("UPDATE logstate SET crc = crc + 1 WHERE log = 1")
        let found = try accept(bench)
        #expect(found.kept == [120, 120])
        #expect(found.lost == ["the checksum of the state of log 1 does not match"])
    }

    @Test func nothingIsDoneToSomebodyElsesDatabase() throws {
        let bench = try StoreBench(.sqlite)
        try Data().write(to: database(bench))
        try bench.connection().execute("CREATE TABLE t (a)")
        let before = try Data(contentsOf: database(bench))
        let error = #expect(throws: StoreError.self) { try bench.open { $0.acceptDamage = true } }
        #expect(error?.exitCode == 65)
        #expect(error?.description.contains("--accept-damage") == false)
        #expect(try Data(contentsOf: database(bench)) == before)
    }

    /// Killed between the two renames, the next start goes on, whether it accepts damage or not.
    @Test func aStartThatWasCutShortIsFinished() throws {
        let bench = try filled()
        let other = try StoreBench(.sqlite)
        let directory = other.options.directory
        try FileManager.default.copyItem(atPath: bench.options.directory.database, toPath: directory.salvaged)
        for path in [directory.database, directory.log, directory.database + "-shm"] {
            try Data(repeating: 0x2a, count: 40_000).write(to: URL(fileURLWithPath: path))
        }
        let open = try other.open()
        #expect(open.recovery.queues.map(\.states[0].ready) == [120, 120])
        try open.store.close()
        #expect(try StoreCheck(directory: other.folder).run().isSound)
    }
}
