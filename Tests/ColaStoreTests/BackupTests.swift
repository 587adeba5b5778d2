import ColaCore
import Foundation
import Glibc
import Testing

@testable import ColaStore

/// Copies of a store that goes on.
@Suite(.timeLimit(.minutes(3)))
struct BackupTests {
    @Test(arguments: [false, true])
    func aCopyHoldsAllAndCountsAsNotStoppedInOrder(isFile: Bool) throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        try open.commit(.declaring([1, 2]))
        try open.commit(.appending(0..<100, number: 2))
        try open.commit(.appending(0..<7, to: 2, number: 3))
        let target = Target()
        let path = isFile ? target.path + ".db" : target.path
        let bytes = try open.backUp(BackupOrder(path: path, isFile: isFile)).get()
        try open.commit(.appending(100..<110, number: 4))
        try open.store.close()
        if isFile {
            mkdir(target.path, 0o700)
            try FileManager.default.moveItem(atPath: path, toPath: target.path + "/cola.db")
        }
        #expect(target.names == ["cola.db"])
        #expect(try FileManager.default.attributesOfItem(atPath: target.path + "/cola.db")[.size] as? Int == bytes)
        #expect(try StoreCheck(directory: target.path).run().findings.isEmpty)
        let copy = try target.open()
        #expect(copy.recovery.epoch == Epoch(2))
        #expect(!copy.recovery.wasStoppedCleanly)
        #expect(copy.recovery.queues.map(\.definition.name) == ["q1", "q2"])
        #expect(try copy.alive(LogID(1)) == Array(0..<100))
        #expect(try copy.alive(LogID(2)) == Array(0..<7))
        try copy.store.close()
    }

    @Test func evenTheCopyOfAStoreAfterAStopInOrderCountsAsKilled() throws {
        let bench = try StoreBench(.sqlite)
        try bench.open().store.close()
        let open = try bench.open()
        #expect(open.recovery.wasStoppedCleanly)
        let target = Target()
        _ = try open.backUp(BackupOrder(path: target.path)).get()
        try open.store.close()
        let copy = try target.open()
        #expect(!copy.recovery.wasStoppedCleanly)
        try copy.store.close()
    }

    /// What is committed while the copy is made is in it up to some commit, without a gap.
    @Test func commitsGoOnWhileACopyIsMade() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open { $0.mergesRows = true }
        let before = try open.fill(megabytes: 24)
        let target = Target()
        let end = open.beginBackup(BackupOrder(path: target.path))
        var next = before
        var number: UInt64 = 1000
        while end.read({ $0 }) == nil {
            var batch = Batch.appending(next..<next + 10, number: number, bodyBytes: Self.bodyBytes)
            // The oldest go meanwhile, so that pages are freed and used again.
            let removed = (next - before) / 10 * 25
            batch.logs[0].state = .all(below: next + 10, from: removed + 25, bodyBytes: Self.bodyBytes)
            batch.logs[0].removed = [Offset(removed)...Offset(removed + 24)]
            try open.commit(batch)
            next += 10
            number += 1
        }
        _ = try #require(end.read { $0 }).get()
        try open.store.close()
        #expect(try StoreCheck(directory: target.path).run().isSound)
        let copy = try target.open()
        let state = try #require(copy.recovery.queues.first?.states.first)
        let alive = try copy.alive(LogID(1), from: state.floor.rawValue, bodyBytes: Self.bodyBytes)
        #expect(!alive.isEmpty)
        #expect(alive == Array(state.floor.rawValue..<state.next.rawValue))
        #expect(state.next.rawValue >= before && state.next.rawValue <= next)
        try copy.store.close()
    }

    @Test func whatIsThereIsLeftAloneUnlessItMayBeReplaced() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        let target = Target()
        _ = try open.backUp(BackupOrder(path: target.path)).get()
        let first = try Data(contentsOf: URL(filePath: target.path + "/cola.db"))
        try open.commit(.appending(0..<5, number: 2))
        #expect(open.backUp(BackupOrder(path: target.path)) == .failure(.exists(path: target.path)))
        #expect(open.backUp(BackupOrder(path: target.path + "/cola.db", isFile: true)).isExists)
        #expect(try Data(contentsOf: URL(filePath: target.path + "/cola.db")) == first)
        // What an older server left unfinished there must not be taken for the new copy's.
        try Data("old".utf8).write(to: URL(filePath: target.path + "/cola.db-wal"))
        _ = try open.backUp(BackupOrder(path: target.path, replaces: true)).get()
        #expect(target.names == ["cola.db"])
        let copy = try target.open()
        #expect(try copy.alive(LogID(1)) == Array(0..<5))
        // A server is on it now.
        let refused = open.backUp(BackupOrder(path: target.path, replaces: true))
        #expect(refused.isUnsuitable, "\(refused)")
        try copy.store.close()
        try open.store.close()
    }

    @Test func aPlaceThatDoesNotSuitIsRefusedAndLeftAsItIs() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        let target = Target()
        let missing = target.path + "/a/b"
        #expect(open.backUp(BackupOrder(path: missing)).isUnsuitable)
        #expect(open.backUp(BackupOrder(path: missing, isFile: true)).isUnsuitable)
        mkdir(target.path, 0o700)
        try Data("mine".utf8).write(to: URL(filePath: target.path + "/notes"))
        #expect(open.backUp(BackupOrder(path: target.path)).isUnsuitable)
        #expect(open.backUp(BackupOrder(path: target.path, replaces: true)).isUnsuitable)
        #expect(open.backUp(BackupOrder(path: target.path, isFile: true, replaces: true)).isUnsuitable)
        #expect(open.backUp(BackupOrder(path: target.path + "/notes")).isUnsuitable)
        #expect(target.names == ["notes"])
        for name in ["cola.db", "cola.db-wal", "other.db"] {
            let own = open.backUp(BackupOrder(path: "\(bench.folder)/\(name)", isFile: true, replaces: true))
            #expect(own.isUnsuitable, "\(name): \(own)")
        }
        #expect(open.backUp(BackupOrder(path: bench.folder, replaces: true)).isUnsuitable)
        try open.commit(.declaring([1]))
        try open.store.close()
        #expect(try StoreCheck(directory: bench.folder).run().isSound)
    }

    @Test func itSaysHowFarItIs() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        _ = try open.fill(megabytes: 24)
        let steps = Monitor<[BackupProgress]>([])
        let end = Monitor<Result<Int, BackupFailure>?>(nil)
        open.store.backUp(BackupOrder(path: Target().path)) { step in
            steps.change { $0.append(step) }
        } completion: { result in
            end.change { $0 = result }
        }
        let bytes = try #require(end.wait(milliseconds: 60_000) { $0 }).get()
        let seen = steps.read { $0 }
        #expect(seen.count >= 3)
        #expect(seen.map(\.pages) == seen.map(\.pages).sorted() && Set(seen.map(\.totalPages)).count == 1)
        let total = try #require(seen.last).totalPages
        #expect(total * 16_384 == bytes)
        #expect(seen.allSatisfy { (1..<total).contains($0.pages) })
        try open.store.close()
    }

    @Test func onlyOneIsMadeAtATimeAndACancelledOneLeavesNothing() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        _ = try open.fill(megabytes: 24)
        let target = Target()
        let end = open.beginBackup(BackupOrder(path: target.path))
        #expect(open.backUp(BackupOrder(path: target.path + "2")) == .failure(.busy(path: target.path)))
        open.store.cancelBackup()
        let result = try #require(end.wait(milliseconds: 60_000) { $0 })
        #expect(result == .failure(.cancelled(path: target.path)))
        #expect(target.names == nil)
        _ = try open.backUp(BackupOrder(path: target.path)).get()
        try open.store.close()
    }

    @Test(arguments: [false, true])
    func theEndOfTheStoreEndsTheCopy(isKilled: Bool) throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        let count = try open.fill(megabytes: 24)
        let target = Target()
        let end = open.beginBackup(BackupOrder(path: target.path))
        if isKilled { open.kill() } else { try open.store.close() }
        #expect(end.read { $0 } == .failure(.cancelled(path: target.path)))
        #expect(target.names == nil)
        #expect(open.backUp(BackupOrder(path: target.path)) == .failure(.cancelled(path: target.path)))
        let again = try bench.open()
        #expect(again.recovery.wasStoppedCleanly == !isKilled)
        #expect(try again.alive(LogID(1), bodyBytes: Self.bodyBytes).count == Int(count))
        try again.store.close()
    }

    @Test func whatADeadServerLeftOfACopyIsNoObstacle() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        let target = Target()
        mkdir(target.path, 0o700)
        try Data(repeating: 7, count: 100_000).write(to: URL(filePath: target.path + "/cola.db.partial"))
        _ = try open.backUp(BackupOrder(path: target.path)).get()
        #expect(target.names == ["cola.db"])
        try open.store.close()
        #expect(try StoreCheck(directory: target.path).run().isSound)
    }

    @Test func aStoreWithoutADiskSaysSo() throws {
        let open = try StoreBench(.memory).open()
        #expect(open.backUp(BackupOrder(path: "/nowhere")).isUnsuitable)
        try open.store.close()
    }

    static let bodyBytes = 16_000

    /// A path that nothing is at yet.
    private final class Target {
        let path = NSTemporaryDirectory() + "cola-backup-\(UUID().uuidString)"

        deinit {
            for end in ["", ".db"] { try? FileManager.default.removeItem(atPath: path + end) }
        }

        /// What is in it, apart from a lock; nil if there is none.
        var names: [String]? {
            try? FileManager.default.contentsOfDirectory(atPath: path).filter { $0 != "lock" && $0 != "reserve" }
                .sorted()
        }

        func open() throws -> OpenStore {
            var options = SQLiteStore.Options(directory: path)
            options.reserveBytes = 0
            let store = SQLiteStore(options: options)
            let events = EventLog()
            return OpenStore(store: store, recovery: try store.open(events: events.storeEvents), events: events)
        }
    }
}

extension OpenStore {
    typealias BackupEnd = Result<Int, BackupFailure>

    fileprivate func beginBackup(_ order: BackupOrder) -> Monitor<BackupEnd?> {
        let end = Monitor<BackupEnd?>(nil)
        store.backUp(order) { _ in
        } completion: { result in
            end.change { $0 = result }
        }
        return end
    }

    fileprivate func backUp(_ order: BackupOrder) -> BackupEnd {
        beginBackup(order).wait(milliseconds: 60_000) { $0 } ?? .failure(.failed(path: "", reason: "no end in 60 s"))
    }

    /// Declares log 1 and appends to it, 400 KB a commit.
    ///
    /// - Returns: the next offset.
    fileprivate func fill(megabytes: Int64) throws -> Int64 {
        try commit(.declaring([1]))
        let commits = megabytes * 1_000_000 / 400_000
        for index in 0..<commits {
            let offsets = index * 25..<(index + 1) * 25
            try commit(.appending(offsets, number: UInt64(index) + 2, bodyBytes: BackupTests.bodyBytes))
        }
        return commits * 25
    }
}

extension Result where Failure == BackupFailure {
    fileprivate var isExists: Bool { if case .failure(.exists) = self { true } else { false } }
    fileprivate var isUnsuitable: Bool { if case .failure(.unsuitable) = self { true } else { false } }
}
