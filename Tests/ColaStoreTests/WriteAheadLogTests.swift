import ColaCore
import ColaTesting
import Foundation
import Testing

@testable import ColaStore

/// A torn tail is normal, damage is not, and the two must not be taken for one another.
@Suite(.timeLimit(.minutes(5)))
struct WriteAheadLogTests {
    private let headerBytes = WriteAheadLog.headerBytes
    private let frameBytes = WriteAheadLog.frameHeaderBytes + Int(Settings.pageBytes)

    /// A directory whose log holds `commits` transactions, left as a killed process leaves it.
    private func killed(commits: Int) throws -> (bench: StoreBench, ends: [Int]) {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        var ends: [Int] = []
        try open.commit(.declaring([1]))
        for number in 0..<commits {
            let first = Int64(number) * 5
            try open.commit(.appending(first..<first + 5, number: UInt64(number) + 2, bodyBytes: 9000))
            ends.append(try #require(try WriteAheadLog.walk(path: bench.options.directory.log)).end)
        }
        open.kill()
        return (bench, ends)
    }

    private func load(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

    private func store(_ bytes: [UInt8], _ path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private func records(_ bench: StoreBench) throws -> [Int64] {
        let open = try bench.open()
        defer { open.kill() }
        return try open.read(LogID(1)).chunks.flatMap(\.segment.offsets)
    }

    @Test func theWalkAgreesWithSQLite() throws {
        let (bench, ends) = try killed(commits: 10)
        let walk = try #require(try WriteAheadLog.walk(path: bench.options.directory.log))
        #expect(walk.damage == nil)
        #expect(walk.end == walk.fileBytes)
        #expect(ends.sorted() == ends && Set(ends).count == 10)
        // The schema, the epoch, the declaration, the ten.
        #expect(walk.commits == 13)
        #expect(try records(bench) == Array(0..<50))
    }

    @Test func aTornTailIsCutAndTheRestIsThere() throws {
        let (bench, ends) = try killed(commits: 4)
        let path = bench.options.directory.log
        let whole = try load(path)
        for length in [ends[3] - 1, ends[2] + frameBytes, ends[2] + 30, ends[2] + 1] {
            try store(Array(whole[..<length]), path)
            let walk = try #require(try WriteAheadLog.walk(path: path))
            #expect(walk.damage == nil)
            #expect(walk.end == ends[2])
        }
        #expect(try records(bench) == Array(0..<15))
        #expect(try #require(try WriteAheadLog.walk(path: path)).damage == nil)
    }

    @Test func aFlippedByteInFrontOfALaterTransactionIsDamage() throws {
        let (bench, ends) = try killed(commits: 6)
        let path = bench.options.directory.log
        let whole = try load(path)
        var random = SplitMix64(seed: 7)
        for _ in 0..<200 {
            // At least two whole transactions follow, so that wherever the byte is, there is a witness.
            let position = Int.random(in: 0..<ends[3], using: &random)
            var bytes = whole
            bytes[position] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &random)
            try store(bytes, path)
            let walk = try #require(try WriteAheadLog.walk(path: path))
            #expect(walk.damage != nil, "byte \(position)")
        }
        var bytes = whole
        bytes[ends[1] + 100] ^= 1
        try store(bytes, path)
        let error = #expect(throws: StoreError.self) { try bench.open() }
        guard case .damaged(_, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.contains("frame \((ends[1] - headerBytes) / frameBytes + 1) "))
        #expect(reason.contains("byte \(ends[1]) "))
        #expect(try load(path) == bytes, "a refusal changes nothing")
    }

    /// Where a frame's header lies across two sectors, its first half can be what an earlier run left there: the mark
    /// of a commit in the middle of the torn transaction.
    @Test func halfAnOldHeaderIsNoWitness() throws {
        let (bench, _) = try killed(commits: 3)
        let path = bench.options.directory.log
        let open = try bench.open()
        let lost = try #require(try WriteAheadLog.walk(path: path)).end
        try open.commit(.appending(15..<16, number: 1, bodyBytes: 2_500_000))
        open.kill()
        let whole = try load(path)
        // The first eight bytes of its header are in front of the border.
        let starts = stride(from: headerBytes, to: whole.count - 2 * frameBytes, by: frameBytes)
        let start = try #require(starts.first { $0 > lost + frameBytes && $0 % 512 == 504 })
        var bytes = whole
        bytes[start + 7] = 9
        try store(bytes, path)
        let walk = try #require(try WriteAheadLog.walk(path: path))
        #expect(walk.damage == nil)
        #expect(walk.end == lost)
    }

    @Test func acceptedDamageIsCopiedAndThenCut() throws {
        let (bench, ends) = try killed(commits: 6)
        let path = bench.options.directory.log
        var bytes = try load(path)
        bytes[ends[1] + 100] ^= 1
        for copy in 1...2 {
            try store(bytes, path)
            let open = try bench.open { $0.acceptDamage = true }
            #expect(try open.read(LogID(1)).chunks.flatMap(\.segment.offsets) == Array(0..<10))
            open.kill()
            #expect(try load(bench.options.directory.database + ".damaged-\(copy)-wal") == bytes)
        }
        #expect(try records(bench) == Array(0..<10))
    }

    @Test func aBadHeaderInFrontOfFramesIsDamage() throws {
        let (bench, _) = try killed(commits: 2)
        let path = bench.options.directory.log
        let whole = try load(path)
        for position in 0..<headerBytes {
            var bytes = whole
            bytes[position] ^= 0x10
            try store(bytes, path)
            #expect(try #require(try WriteAheadLog.walk(path: path)).damage != nil, "byte \(position)")
        }
        // Nothing behind it: the power went before the header was synced.
        for bytes in [[], [UInt8](repeating: 0, count: headerBytes), Array(whole[..<20])] {
            try store(bytes, path)
            #expect(try #require(try WriteAheadLog.walk(path: path)).damage == nil)
        }
    }

    @Test func aDatabaseThatIsGoneIsDamage() throws {
        let (bench, _) = try killed(commits: 2)
        try store([], bench.options.directory.database)
        #expect(throws: StoreError.self) { try bench.open() }
    }

    /// Power losses, one upon the other: each sector of what was not synced survives with a probability of one half.
    /// None of it may look like damage, and nothing that was synced may be missing.
    @Test(arguments: 1...6 as ClosedRange<UInt64>, [512, 4096])
    func powerLossIsNeverTakenForDamage(seed: UInt64, blockBytes: Int) throws {
        var random = SplitMix64(seed: seed)
        let bench = try StoreBench(.sqlite)
        let path = bench.options.directory.log
        var confirmed: Int64 = 0
        for life in 0..<12 {
            let walk = try WriteAheadLog.walk(path: path)
            #expect(walk?.damage == nil, "life \(life)")
            let committer = try SQLiteOpening(options: bench.options, gate: ReaderGate()).run().committer
            defer { committer.connection.close() }
            if life == 0 { try committer.commit([EncodedBatch(.declaring([1]))]) }
            let count = try committer.connection.integer("SELECT coalesce(max(last), -1) + 1 FROM chunk")
            #expect(count >= confirmed, "life \(life)")
            var next = count
            var before: [UInt8] = []
            for step in 0..<Int.random(in: 1...12, using: &random) {
                before = try load(path)
                let size = Int64.random(in: 1...4, using: &random)
                confirmed = next
                let bytes = [100, 9000, 40_000].randomElement(using: &random)!
                try committer.commit([
                    EncodedBatch(.appending(next..<next + size, number: UInt64(step), bodyBytes: bytes))
                ])
                next += size
                if Int.random(in: 0..<4, using: &random) == 0 {
                    // The next commit begins the log again, over what stands there.
                    _ = try committer.connection.integer("PRAGMA wal_checkpoint(PASSIVE)")
                    confirmed = next
                    before = try load(path)
                }
            }
            let after = try load(path)
            try store(torn(before, after, blockBytes, &random), path)
        }
    }

    /// `after` with some of the blocks in which it differs from `before` still as they were.
    private func torn(_ before: [UInt8], _ after: [UInt8], _ blockBytes: Int, _ random: inout SplitMix64) -> [UInt8] {
        // The header is synced by itself before any frame: it is there.
        var result = Array(after[..<min(headerBytes, after.count)])
        var position = result.count
        while position < max(before.count, after.count) {
            let end = min((position / blockBytes + 1) * blockBytes, max(before.count, after.count))
            for index in position..<end { result.append(index < before.count ? before[index] : 0) }
            if Bool.random(using: &random) {
                for index in position..<min(end, after.count) { result[index] = after[index] }
            }
            position = end
        }
        // The file's length is data as well: it may not have reached the disk.
        if after.count > before.count, Bool.random(using: &random) {
            result.removeLast(result.count - .random(in: before.count...after.count, using: &random))
        }
        return result
    }
}
