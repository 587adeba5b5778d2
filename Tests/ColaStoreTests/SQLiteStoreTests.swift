import ColaCore
import Foundation
import Glibc
import Testing

@testable import ColaStore

/// What is true of the SQLite store alone.
@Suite(.timeLimit(.minutes(3)))
struct SQLiteStoreTests {
    @Test func theSettingsAreThoseOfTheDesign() throws {
        let bench = try StoreBench(.sqlite)
        try bench.open().store.close()
        let connection = try bench.connection()
        // What the file itself keeps:
        #expect(try connection.text("PRAGMA journal_mode") == "wal")
        #expect(try connection.integer("PRAGMA page_size") == 16384)
        #expect(try connection.integer("PRAGMA auto_vacuum") == 2)
        #expect(try connection.integer("PRAGMA application_id") == Schema.applicationID)
        #expect(try connection.integer("PRAGMA user_version") == Int64(Schema.steps.count))
        // What each connection is told:
        try Settings.apply(to: connection, relaxedDurability: false)
        #expect(try connection.integer("PRAGMA synchronous") == 2)
        #expect(try connection.integer("PRAGMA secure_delete") == 0)
        #expect(try connection.integer("PRAGMA wal_autocheckpoint") == 0)
        #expect(try connection.integer("PRAGMA journal_size_limit") == 64 << 20)
        try Settings.apply(to: connection, relaxedDurability: true)
        #expect(try connection.integer("PRAGMA synchronous") == 0)
    }

    @Test func aSettingThatDoesNotHoldIsRefused() throws {
        let bench = try StoreBench(.sqlite)
        let connection = try Connection(path: folderFile(bench, "other.db", with: []), access: .readWrite)
        try connection.execute("PRAGMA page_size=4096; CREATE TABLE t (a)")
        #expect(throws: StoreError.self) { try Settings.apply(to: connection, relaxedDurability: false) }
    }

    @Test func aStopInOrderLeavesNoLogBehind() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        #expect(try sizes(bench)["cola.db-wal"] != nil)
        try open.store.close()
        #expect(try sizes(bench).keys.sorted() == ["cola.db", "lock", "reserve"])
    }

    @Test func aSecondOneIsToldWhoHasTheDirectory() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        let error = #expect(throws: StoreError.self) { try bench.open() }
        #expect(error == .inUse(path: bench.folder, by: "process \(getpid())"))
        #expect(error?.exitCode == 75)
        open.kill()
        try bench.open().store.close()
    }

    @Test func aDirectoryThatOthersMayWriteToIsRefused() throws {
        let bench = try StoreBench(.sqlite)
        for mode in [0o770, 0o702] as [mode_t] {
            chmod(bench.folder, mode)
            let error = #expect(throws: StoreError.self) { try bench.open() }
            guard case .notPermitted = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
        chmod(bench.folder, 0o500)
        let error = #expect(throws: StoreError.self) { try bench.open() }
        #expect(error?.exitCode == 77)
        chmod(bench.folder, 0o700)
    }

    @Test func aMissingDirectoryIsMadeForItsOwnerAlone() throws {
        let bench = try StoreBench(.sqlite)
        let folder = bench.folder + "/data"
        var options = bench.options
        options.directory = DataDirectory(path: folder + "/")
        let store = SQLiteStore(options: options)
        _ = try store.open(events: EventLog().storeEvents)
        for (path, mode) in [(folder, 0o700), (folder + "/cola.db", 0o600), (folder + "/lock", 0o600)]
            as [(String, mode_t)]
        {
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 & ~mode == 0, "\(path)")
        }
        try store.close()
    }

    @Test func aFileFromTheFutureIsLeftAlone() throws {
        let bench = try StoreBench(.sqlite)
        try bench.open().store.close()
        try bench.connection().execute("PRAGMA user_version=99")
        let before = try Data(contentsOf: URL(fileURLWithPath: bench.options.directory.database))
        let error = #expect(throws: StoreError.self) { try bench.open() }
        #expect(
            error == .newerSchema(path: bench.options.directory.database, found: 99, known: Int64(Schema.steps.count)))
        #expect(try Data(contentsOf: URL(fileURLWithPath: bench.options.directory.database)) == before)
    }

    @Test func whatIsNoDatabaseIsRefused() throws {
        let bench = try StoreBench(.sqlite)
        _ = try folderFile(bench, "cola.db", with: Array(repeating: 0x2a, count: 40_000))
        let error = #expect(throws: StoreError.self) { try bench.open() }
        #expect(error?.exitCode == 65)

        let other = try StoreBench(.sqlite)
        try Connection(path: folderFile(other, "cola.db", with: []), access: .readWrite).execute("CREATE TABLE t (a)")
        #expect(throws: StoreError.self) { try other.open() }
    }

    @Test func aStateWhoseChecksumIsWrongIsDamage() throws {
        let bench = try StoreBench(.sqlite)
        var open = try bench.open()
        try open.commit(.declaring([1, 2]))
        try open.commit(.appending(0..<10, number: 2))
        try open.commit(.appending(10..<15, number: 3))
        try open.store.close()
        try bench.connection().execute("UPDATE logstate SET floor = 7 WHERE log = 1")
        let error = #expect(throws: StoreError.self) { try bench.open() }
        #expect(error?.description.contains("log 1") == true)
        #expect(error?.exitCode == 65)
        // Told to go on, it takes what the chunks say.
        open = try bench.open { $0.acceptDamage = true }
        #expect(open.recovery.queues.map(\.states[0].next) == [Offset(15), Offset(0)])
        #expect(open.recovery.queues.map(\.states[0].ready) == [15, 0])
        #expect(open.recovery.queues[0].states[0].floor == Offset(0))
        try open.store.close()
        try bench.open().store.close()
    }

    @Test func purgedAndDeletedChunksAreDeletedInTheEnd() throws {
        let bench = try StoreBench(.sqlite)
        var open = try bench.open()
        try open.commit(.declaring([1, 2]))
        var number: UInt64 = 1
        for log in [1, 2] as [Int64] {
            for chunk in 0..<300 as Range<Int64> {
                number += 1
                open.store.submit(.appending(chunk * 2..<chunk * 2 + 2, to: log, number: number))
            }
        }
        try open.events.wait { $0.committed.last == BatchNumber(number) }
        var settled = SettledSet()
        settled.insert(0)
        var change = LogChange(log: LogID(1), state: .all(below: 600, from: 500))
        change.settled = [ChunkSettlement(base: Offset(100), last: Offset(109), settled: settled)]
        change.released = [Release(offset: Offset(101), deliveries: 1), Release(offset: Offset(550), deliveries: 1)]
        change.trim = Offset(0)..<Offset(500)
        var batch = Batch(number: BatchNumber(number + 1), logs: [change])
        batch.groupOffsets = [GroupOffset(group: "g", log: LogID(2), next: Offset(1))]
        batch.definitions = [.remove(.queue(QueueDefinition(name: "q2", log: LogID(2))))]
        try open.commit(batch)
        // A stop in the middle, and on with the next start.
        open.kill()
        open = try bench.open()
        let connection = try bench.connection()
        for _ in 0..<500 where try connection.integer("SELECT count(*) FROM garbage") > 0 { usleep(10_000) }
        #expect(try connection.integer("SELECT count(*) FROM garbage") == 0)
        #expect(try connection.integer("SELECT count(*) FROM chunk") == 50)
        #expect(try connection.integer("SELECT min(base) FROM chunk") == 500)
        #expect(try connection.integer("SELECT count(*) FROM settled") == 0)
        #expect(try connection.integer("SELECT count(*) FROM released") == 1)
        #expect(try connection.integer("SELECT count(*) FROM group_offset") == 0)
        try open.store.close()
    }

    @Test func fullMeansWaitingAndNothingIsConfirmed() throws {
        let bench = try StoreBench(.sqlite)
        var open = try bench.open { $0.pagesMax = 200 }
        #expect(try sizes(bench)["reserve"] == 1 << 20)
        try open.commit(.declaring([1]))
        for number in 0..<8 as Range<Int64> {
            open.store.submit(.appending(number..<number + 1, number: UInt64(number) + 2, bodyBytes: 1 << 20))
        }
        try open.events.wait { !$0.outOfRoom.isEmpty }
        #expect(try sizes(bench)["reserve"] == nil, "the reserve was given back")
        usleep(600_000)
        let said = open.events.all
        #expect(said.outOfRoom.count == 1 && said.failed.isEmpty && said.roomFound == 0)
        let confirmed = try #require(said.committed.last).rawValue
        #expect(confirmed < 9)
        // Reads go on.
        #expect(try open.read(LogID(1)).chunks.count == Int(confirmed) - 1)
        let error = #expect(throws: StoreError.self) { try open.store.close() }
        #expect(error?.exitCode == 74)
        open = try bench.open()
        #expect(!open.recovery.wasStoppedCleanly)
        #expect(try open.read(LogID(1)).chunks.count == Int(confirmed) - 1)
        try open.commit(.appending(8..<9, number: 1, bodyBytes: 1 << 20))
        try open.store.close()
    }

    @Test func theLogStaysSmallUnderLoadAndReadersSeeAllOfIt() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        var largest = 0
        for number in 0..<160 as Range<Int64> {
            open.store.submit(.appending(number..<number + 1, number: UInt64(number) + 2, bodyBytes: 1 << 20))
            if number % 4 == 3 {
                // A reader at work whenever the log begins again.
                let from = max(0, number - 8)
                let chunks = try open.read(LogID(1), from: from, bytesMax: 4 << 20).chunks
                #expect(chunks.allSatisfy { $0.damage.isEmpty && $0.segment.isIntact(bodyBytes: 1 << 20) })
                try open.events.wait { $0.committed.last == BatchNumber(UInt64(number) + 2) }
                #expect(try open.read(LogID(1), from: number).chunks.map(\.base) == [Offset(number)])
            }
            largest = max(largest, try sizes(bench)["cola.db-wal"] ?? 0)
        }
        #expect(largest > 1 << 20)
        #expect(largest < 48 << 20, "\(largest)")
        try open.store.close()
    }

    @Test func aLargeLogIsMovedWhenNobodyWaits() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        for number in 0..<6 as Range<Int64> {
            try open.commit(.appending(number..<number + 1, number: UInt64(number) + 2, bodyBytes: 1 << 20))
        }
        for _ in 0..<500 where try sizes(bench)["cola.db"] ?? 0 < 4 << 20 { usleep(10_000) }
        #expect(try sizes(bench)["cola.db"] ?? 0 > 4 << 20)
        try open.store.close()
    }

    @Test func aStrangerWhoReadsForLongDoesNotStopTheStore() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        let stranger = try bench.connection()
        try stranger.execute("BEGIN")
        #expect(try stranger.integer("SELECT count(*) FROM chunk") == 0)
        for number in 0..<80 as Range<Int64> {
            try open.commit(.appending(number..<number + 1, number: UInt64(number) + 2, bodyBytes: 1 << 20))
        }
        #expect(try stranger.integer("SELECT count(*) FROM chunk") == 0)
        #expect(open.events.all.failed.isEmpty)
        #expect(try open.read(LogID(1), from: 79).chunks.count == 1)
        try stranger.execute("COMMIT")
        try open.store.close()
    }

    @Test func anOldFileIsBackedUpBeforeItIsChanged() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        try open.commit(.declaring([1]))
        try open.store.close()
        let connection = try bench.connection()
        let path = bench.options.directory.database
        var migrations = Migrations(path: path)
        migrations.steps.append("CREATE TABLE later (a INTEGER) STRICT; UPDATE queue SET name = 'renamed'")
        try migrations.check(connection)
        let count = Schema.steps.count
        let copy = path + ".version-\(count).backup-1"
        #expect(
            try migrations.run(on: connection) == .migrated(path: path, from: count, to: count + 1, copy: copy))
        #expect(try connection.text("SELECT name FROM queue") == "renamed")
        #expect(try connection.integer("PRAGMA user_version") == Int64(Schema.steps.count) + 1)
        let backup = try Connection(path: copy, access: .readOnly)
        #expect(try backup.text("SELECT name FROM queue") == "q1")
        #expect(try backup.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'chunk'") == 0)

        // A step that fails changes nothing.
        migrations.steps.append("CREATE TABLE another (a); this is no SQL")
        #expect(throws: SQLiteFailure.self) { _ = try migrations.run(on: connection) }
        #expect(try connection.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'another'") == 0)
        #expect(try connection.integer("PRAGMA user_version") == Int64(Schema.steps.count) + 1)
    }

    /// A released schema is never changed: every fixture, opened, has the schema of a new file and what was stored in
    /// it.
    @Test(arguments: ["version-1", "version-2"])
    func everyReleasedSchemaBecomesTheNewest(fixture: String) throws {
        let old = try fixtureBench(fixture)
        let open = try old.open()
        let told = open.events.all.noticed.map { if case .migrated = $0 { true } else { false } }
        #expect(told == [true])
        let queue = try #require(open.recovery.queues.first)
        #expect(queue.definition == QueueDefinition(name: "q1", log: LogID(1)))
        var state = LogState.all(below: 5)
        if fixture != "version-1" {
            state.nextExpiry = Timestamp(1_800_000_000_000)
            (state.ready, state.bytes) = (4, 64)
        }
        #expect(queue.states == [state])
        #expect(open.recovery.virtualHosts.first?.name == "/")
        let chunks = try open.read(LogID(1)).chunks
        #expect(chunks.map(\.segment.offsets) == [[0, 1, 2], [3, 4]])
        #expect(chunks.allSatisfy { $0.segment.isIntact() })
        try open.store.close()
        let new = try StoreBench(.sqlite)
        try new.open().store.close()
        #expect(try schema(old) == schema(new))
        let report = try StoreCheck(directory: old.folder).run()
        #expect(report.isSound, "\(report.findings)")
    }

    @Test func aFileOfVersionTwoHoldsTheWholeModel() throws {
        let bench = try fixtureBench("version-2")
        let open = try bench.open()
        let recovery = open.recovery
        var arguments = Arguments()
        try Argument.maxLength.set("10", in: &arguments)
        #expect(recovery.virtualHosts.map(\.name) == ["/", "h"])
        #expect(
            recovery.queues.map(\.definition).last
                == QueueDefinition(
                    host: "h", name: "q", log: LogID(2), higher: [.init(priority: 4, log: LogID(3))],
                    arguments: arguments, isAutoDelete: true))
        #expect(
            recovery.topics.map(\.definition) == [
                TopicDefinition(host: "h", name: "t", partitions: [LogID(4), LogID(5)])
            ])
        #expect(recovery.exchanges == [ExchangeDefinition(host: "h", name: "e", kind: .headers, alternate: "a")])
        #expect(recovery.bindings.map(\.arguments) == [["x-match": .text("any"), "n": .text("v")]])
        #expect(recovery.policies.map(\.arguments) == [arguments])
        #expect(recovery.groupOffsets.map(\.group) == ["g"])
        #expect(recovery.seen.map(\.id) == [Array("m1".utf8)])
        #expect(recovery.nextSchedule == ScheduleID(2) && recovery.scheduledCount == 1)
        guard case .schedule(let waiting, true) = try open.ask(.schedule(after: nil, countMax: 9, bytesMax: 9)) else {
            Issue.record("nothing waits")
            return
        }
        #expect(waiting.map(\.message) == [Message(value: Array("later".utf8)[...])])
        let chunk = try #require(try open.read(LogID(1)).chunks.first)
        #expect(chunk.settled.count == 1 && chunk.settled.contains(2))
        #expect(chunk.released == [Release(offset: Offset(1), deliveries: 2, fate: .rejected)])
        try open.store.close()
    }

    /// Headers that begin with `x-` were compared as all are, and are so still.
    @Test func aBindingOfVersionTwoComparesWhatItCompared() throws {
        let bench = try fixtureBench("version-2")
        let connection = try bench.connection()
        try connection.execute(
            """
            INSERT INTO binding VALUES ('h', 'e', 'queue', 'q', '', 'all 1:a=1:1 8:x-tenant=1:2');
            INSERT INTO binding VALUES ('h', 'e', 'queue', 'q', '', 'any 3:x-b');
            INSERT INTO binding VALUES ('h', 'e', 'queue', 'q', '', '');
            """)
        connection.close()
        let open = try bench.open()
        let found = open.recovery.bindings.filter { $0.target == .queue }.map(\.arguments)
        let all = HeadersMatch(headers: [.init(name: "a", value: "1"), .init(name: "x-tenant", value: "2")])
        let any = HeadersMatch(isAny: true, headers: [.init(name: "x-b", value: nil)])
        #expect(Set(found) == [all.arguments, any.arguments, [:]])
        try open.store.close()
    }

    private func fixtureBench(_ name: String) throws -> StoreBench {
        let bench = try StoreBench(.sqlite)
        let sql = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name).sql")
        let connection = try Connection(path: folderFile(bench, "cola.db", with: []), access: .readWrite)
        try connection.execute("PRAGMA page_size=16384; PRAGMA auto_vacuum=2")
        try connection.execute(String(contentsOf: sql, encoding: .utf8))
        connection.close()
        return bench
    }

    private func schema(_ bench: StoreBench) throws -> [String] {
        let select = try bench.connection().prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name")
        var lines: [String] = []
        while try select.step() { lines.append("\(select.text(0)) \(select.text(1)) \(select.text(2))") }
        return lines
    }

    private func folderFile(_ bench: StoreBench, _ name: String, with bytes: [UInt8]) throws -> String {
        let path = bench.folder + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func sizes(_ bench: StoreBench) throws -> [String: Int] {
        var sizes: [String: Int] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: bench.folder) {
            var status = stat()
            if stat(bench.folder + "/" + name, &status) == 0 { sizes[name] = Int(status.st_size) }
        }
        return sizes
    }
}
