import ColaCore
import Foundation
import Testing

@testable import ColaStore

@Suite(.timeLimit(.minutes(2)))
struct StoreCheckTests {
    /// A directory with two queues, some of whose messages are settled.
    private func filled(killed: Bool) throws -> StoreBench {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        try open.commit(.declaring([1, 2]))
        try open.commit(.appending(0..<10, number: 2))
        var second = Batch.appending(10..<20, number: 3)
        var settled = SettledSet()
        settled.insert(3)
        second.logs[0].settled = [ChunkSettlement(base: Offset(0), last: Offset(9), settled: settled)]
        second.logs[0].state.floor = Offset(2)
        second.logs[0].state.ready = 17
        second.logs[0].state.bytes = 17 * 16
        var arguments = Arguments()
        try Argument.maxLength.set("100", in: &arguments)
        second.definitions = [
            .put(.queue(QueueDefinition(name: "q1", log: LogID(1), arguments: arguments))),
            .put(
                .binding(
                    BindingDefinition(
                        source: "e", destination: "q1", routingKey: "", arguments: ["x-match": .text("any")]))),
        ]
        second.scheduled = [
            ScheduledMessage(
                key: ScheduleKey(due: Timestamp(5), id: ScheduleID(1)), target: .queue(LogID(1)),
                message: Message(value: [1, 2, 3]))
        ]
        second.nextSchedule = ScheduleID(2)
        try open.commit(second)
        if killed { open.kill() } else { try open.store.close() }
        return bench
    }

    private func contents(_ bench: StoreBench) throws -> [String: Data] {
        var contents: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: bench.folder) where name != "reserve" {
            contents[name] = try Data(contentsOf: URL(fileURLWithPath: bench.folder + "/" + name))
        }
        return contents
    }

    @Test(arguments: [false, true])
    func aSoundDirectoryIsSoundAndStaysAsItIs(killed: Bool) throws {
        let bench = try filled(killed: killed)
        let before = try contents(bench)
        let report = try StoreCheck(directory: bench.folder).run()
        #expect(report.isSound, "\(report.findings)")
        #expect(report.findings.map(\.severity) == (killed ? [.note] : []), "\(report.findings)")
        #expect(report.totals.queues == 2 && report.totals.logs == 2)
        #expect(report.totals.chunks == 2 && report.totals.records == 20)
        #expect(report.totals.ready == 17 && report.totals.scheduled == 1)
        #expect(try contents(bench) == before)
    }

    @Test func whatIsInUseIsNotLookedAt() throws {
        let bench = try StoreBench(.sqlite)
        let open = try bench.open()
        let error = #expect(throws: StoreError.self) { try StoreCheck(directory: bench.folder).run() }
        #expect(error?.exitCode == 75)
        try open.store.close()
        #expect(throws: StoreError.self) { try StoreCheck(directory: bench.folder + "/nothing").run() }
    }

    @Test(arguments: [
        ("UPDATE chunk SET data = substr(data, 1, length(data) - 1) WHERE base = 0", "chunk at offset 0"),
        ("UPDATE chunk SET count = 9 WHERE base = 10", "chunk at offset 10"),
        ("DELETE FROM chunk WHERE base = 10", "its chunks hold 7"),
        ("UPDATE logstate SET ready = 3 WHERE log = 1", "checksum"),
        ("UPDATE settled SET data = x'0001'", "what is settled"),
        ("DELETE FROM logstate WHERE log = 2", "q2"),
        ("UPDATE meta SET value = 2 WHERE key = 'next_log'", "the next one would be 2"),
        ("UPDATE logstate SET next_expiry = 3 WHERE log = 1", "checksum"),
        ("UPDATE argument SET value = '-1'", "max-length"),
        ("UPDATE binding SET arguments = 'some 1'", "cannot be understood"),
        ("UPDATE schedule SET due = 6", "message 1 in the schedule"),
        ("UPDATE meta SET value = 1 WHERE key = 'next_schedule'", "the next one would be 1"),
        ("INSERT INTO priority_log VALUES (1, 5, 2)", "belongs to two"),
    ])
    func whatIsWrongIsNamed(change: String, words: String) throws {
        let bench = try filled(killed: false)
        try bench.connection().execute(change)
        let report = try StoreCheck(directory: bench.folder).run()
        #expect(!report.isSound)
        #expect(
            report.findings.contains { $0.severity == .damage && $0.sentence.contains(words) }, "\(report.findings)")
    }

    @Test(arguments: [
        ("DELETE FROM queue WHERE name = 'q2'", "belongs to no queue"),
        ("INSERT INTO released VALUES (9, 1, 1, NULL, NULL)", "log 9"),
        ("INSERT INTO settled VALUES (1, 5, x'00', 0)", "offset 5"),
        ("INSERT INTO group_offset (group_name, log, next) VALUES ('g', 9, 4)", "offset 4"),
        ("INSERT INTO dedup VALUES (9, x'00', 4)", "log 9"),
    ])
    func whatBelongsToNothingIsNamed(change: String, words: String) throws {
        let bench = try filled(killed: false)
        try bench.connection().execute(change)
        let report = try StoreCheck(directory: bench.folder).run()
        #expect(report.isSound)
        #expect(
            report.findings.contains { $0.severity == .warning && $0.sentence.contains(words) }, "\(report.findings)")
    }

    @Test func aFlippedByteAnywhereIsNoCrash() throws {
        let bench = try filled(killed: false)
        let path = bench.options.directory.database
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        var found = 0
        for position in stride(from: 0, to: whole.count, by: 4099) {
            var bytes = whole
            bytes[position] ^= 0xff
            try bytes.write(to: URL(fileURLWithPath: path))
            if let report = try? StoreCheck(directory: bench.folder).run(), !report.isSound { found += 1 }
        }
        #expect(found > 0)
    }
}
