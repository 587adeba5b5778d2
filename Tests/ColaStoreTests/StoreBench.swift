import ColaCore
import Foundation
import Testing

@testable import ColaStore

/// The stores that must not differ.
enum StoreKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite
    case memory
    var testDescription: String { rawValue }
}

/// A place on which one store after the other is opened: a temporary folder, or a disk in memory.
final class StoreBench {
    let kind: StoreKind
    let folder: String
    let disk = MemoryStore.Disk()

    init(_ kind: StoreKind) throws {
        self.kind = kind
        folder = NSTemporaryDirectory() + "cola-store-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var options: SQLiteStore.Options {
        var options = SQLiteStore.Options(directory: folder)
        options.reserveBytes = 1 << 20
        options.mergesRows = false
        return options
    }

    func open(_ change: (inout SQLiteStore.Options) -> Void = { _ in }) throws -> OpenStore {
        var options = options
        change(&options)
        let store: any Store =
            switch kind {
            case .sqlite: SQLiteStore(options: options)
            case .memory: MemoryStore(disk: disk)
            }
        let events = EventLog()
        let recovery = try store.open(events: events.storeEvents)
        return OpenStore(store: store, recovery: recovery, events: events)
    }

    /// A second connection to what is on the disk.
    func connection() throws -> Connection {
        try Connection(path: options.directory.database, access: .readWrite)
    }

    /// The chunks that were kept aside.
    func quarantined() throws -> [(log: LogID, base: Offset)] {
        switch kind {
        case .memory: return disk.contents.read { $0.quarantined.map { ($0.log, $0.base) } }
        case .sqlite:
            let select = try connection().prepare("SELECT log, base FROM quarantine ORDER BY id")
            var found: [(log: LogID, base: Offset)] = []
            while try select.step() { found.append((LogID(select.integer(0)), Offset(select.integer(1)))) }
            return found
        }
    }

    /// Changes one byte of a stored chunk, counted from its end.
    func damage(_ log: LogID, _ base: Offset, fromEnd: Int = 1) throws {
        switch kind {
        case .memory: disk.damage(log, base, fromEnd: fromEnd)
        case .sqlite:
            let connection = try connection()
            let select = try connection.prepare("SELECT data FROM chunk WHERE log = ? AND base = ?")
            select.bind(1, log.rawValue)
            select.bind(2, base.rawValue)
            try #require(try select.step())
            var data = select.blob(0)
            select.reset()
            data[data.count - fromEnd] ^= 0x40
            let update = try connection.prepare("UPDATE chunk SET data = ?3 WHERE log = ?1 AND base = ?2")
            try data.withUnsafeBytes {
                update.bind(3, staticBlob: $0)
                try update.run(log.rawValue, base.rawValue)
            }
        }
    }
}

extension StoreBench {
    /// What a store may do at any time: one row for all that lie in `run`.
    func merge(_ log: LogID, _ run: ClosedRange<Offset>) throws {
        switch kind {
        case .memory: disk.merge(log, run)
        case .sqlite:
            try change { chunks, merger in
                let keys = try chunks.rows(in: run, log).filter { run.contains($0.base) && run.contains($0.last) }
                try merger.merge(keys, log)
            }
        }
    }

    /// What a store may do at any time: a row without what is settled of it.
    func compact(_ log: LogID, _ base: Offset) throws {
        switch kind {
        case .memory: disk.compact(log, base)
        case .sqlite:
            try change { chunks, merger in
                let floor = try connection().integer("SELECT max(start, floor) FROM logstate WHERE log = \(log)")
                guard let key = try chunks.rows(in: base...base, log).first, key.base == base else { return }
                try merger.compact(key, log, floor: Offset(floor))
            }
        }
    }

    private func change(_ body: (ChunkTable, RowMerger) throws -> Void) throws {
        let connection = try connection()
        try connection.execute("PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE")
        let chunks = try ChunkTable(connection, epoch: Epoch(0))
        try body(chunks, RowMerger(connection, chunks: chunks))
        try connection.execute("COMMIT")
    }

    /// The bases of a log's rows.
    func rows(_ log: LogID) throws -> [Int64] {
        switch kind {
        case .memory: return disk.contents(of: log)?.chunks.map(\.rawValue) ?? []
        case .sqlite:
            let select = try connection().prepare("SELECT base FROM chunk WHERE log = ? ORDER BY base")
            select.bind(1, log.rawValue)
            var bases: [Int64] = []
            while try select.step() { bases.append(select.integer(0)) }
            return bases
        }
    }

    /// Someone else opens it, without asking.
    func stealEpoch() throws {
        switch kind {
        case .memory: disk.contents.change { $0.epoch = Epoch($0.epoch.rawValue + 1) }
        case .sqlite:
            try connection().execute(
                "PRAGMA busy_timeout = 10000; UPDATE meta SET value = value + 1 WHERE key = 'epoch'")
        }
    }

    /// Changes a byte of a message in the schedule.
    func damage(_ id: ScheduleID) throws {
        switch kind {
        case .memory: disk.damage(id)
        case .sqlite:
            try connection().execute(
                """
                PRAGMA busy_timeout = 10000;
                UPDATE schedule SET data = CAST(substr(data, 1, length(data) - 1) || x'7f' AS BLOB) WHERE id = \(id)
                """)
        }
    }
}

/// An open store, with calls that wait for the answer.
struct OpenStore {
    let store: any Store
    let recovery: Recovery
    let events: EventLog

    /// Submits the batch and waits for its commit.
    func commit(_ batch: Batch) throws {
        store.submit(batch)
        try events.wait { $0.committed.last == batch.number }
    }

    func read(
        _ log: LogID, from: Int64 = 0, below: Int64 = .max, bytesMax: Int = .max
    ) throws -> ReadResult {
        let answer = Monitor<Result<ReadResult, StoreError>?>(nil)
        let request = ReadRequest(log: log, from: Offset(from), below: Offset(below), bytesMax: bytesMax)
        store.read(request) { result in answer.change { $0 = result } }
        return try #require(answer.wait(milliseconds: 20_000) { $0 }, "no answer to a read").get()
    }

    func ask(_ query: Query) throws -> QueryResult {
        let answer = Monitor<Result<QueryResult, StoreError>?>(nil)
        store.ask(query) { result in answer.change { $0 = result } }
        return try #require(answer.wait(milliseconds: 20_000) { $0 }, "no answer to a query").get()
    }

    /// The records of a log that are neither settled nor below the floor.
    func alive(
        _ log: LogID, from: Int64 = 0, below: Int64 = .max, bytesMax: Int = .max, bodyBytes: Int = 16
    ) throws -> [Int64] {
        var alive: [Int64] = []
        var from = from
        for _ in 0..<100_000 {
            let result = try read(log, from: from, below: below, bytesMax: bytesMax)
            for chunk in result.chunks {
                #expect(chunk.damage.isEmpty && chunk.segment.isIntact(bodyBytes: bodyBytes))
                alive += chunk.segment.offsets.filter {
                    $0 >= from && !chunk.settled.contains(Int($0 - chunk.base.rawValue))
                }
                from = chunk.last.rawValue + 1
            }
            if result.isComplete { break }
        }
        return alive
    }

    /// Ends it as `kill -9` would.
    func kill() {
        (store as? SQLiteStore)?.abandon()
        (store as? MemoryStore)?.crash()
    }
}

/// What a store said, in order.
final class EventLog: Sendable {
    struct Said {
        var committed: [BatchNumber] = []
        var outOfRoom: [String] = []
        var roomFound = 0
        var failed: [StoreError] = []
        var damaged: [String] = []
        var noticed: [StoreNotice] = []
    }

    private let said = Monitor(Said())

    var storeEvents: StoreEvents {
        StoreEvents(
            committed: { number in self.said.change { $0.committed.append(number) } },
            outOfRoom: { reason in self.said.change { $0.outOfRoom.append(reason) } },
            roomFound: { self.said.change { $0.roomFound += 1 } },
            failed: { error in self.said.change { $0.failed.append(error) } },
            damaged: { sentence in self.said.change { $0.damaged.append(sentence) } },
            noticed: { notice in self.said.change { $0.noticed.append(notice) } })
    }

    var all: Said { said.read { $0 } }

    func wait(milliseconds: Int = 60_000, for condition: @escaping (Said) -> Bool) throws {
        let found = said.wait(milliseconds: milliseconds) { condition($0) ? true : nil }
        try #require(found == true, "it did not happen in time: \(all)")
    }
}

extension RecordSegment {
    /// Records at `offsets`, each with a body that says which it is.
    static func numbered(_ offsets: some Sequence<Int64>, bodyBytes: Int = 16) -> RecordSegment {
        var segment = RecordSegment()
        for offset in offsets {
            segment.append(
                Message(value: body(offset, bodyBytes)[...]), at: Offset(offset),
                timestamp: Timestamp(1_700_000_000_000 + offset))
        }
        return segment
    }

    static func body(_ offset: Int64, _ count: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(truncatingIfNeeded: offset &* 31 &+ 7), count: count)
    }

    var offsets: [Int64] { entries.map(\.offset.rawValue) }

    /// Whether every record is what ``numbered`` made of its offset.
    func isIntact(bodyBytes: Int = 16) -> Bool {
        entries.allSatisfy {
            Array(data[$0.value.range]) == Self.body($0.offset.rawValue, bodyBytes)
                && $0.timestamp.rawValue == 1_700_000_000_000 + $0.offset.rawValue
        }
    }
}

extension LogState {
    /// Everything below `next` was appended and nothing settled.
    static func all(below next: Int64, from floor: Int64 = 0, bodyBytes: Int = 16) -> LogState {
        LogState(
            start: Offset(floor), next: Offset(next), ready: Int(next - floor), bytes: Int(next - floor) * bodyBytes,
            floor: Offset(floor), handedOut: Offset(floor))
    }
}

extension Batch {
    /// Declares a queue for each of `logs`.
    static func declaring(_ logs: some Sequence<Int64>, number: UInt64 = 1) -> Batch {
        var batch = Batch(number: BatchNumber(number))
        var last: Int64 = 0
        for log in logs {
            batch.definitions.append(.put(.queue(QueueDefinition(name: "q\(log)", log: LogID(log)))))
            last = log
        }
        batch.nextLog = LogID(last + 1)
        return batch
    }

    /// Appends records to a log whose state is then `LogState.all`.
    static func appending(
        _ offsets: Range<Int64>, to log: Int64 = 1, number: UInt64, bodyBytes: Int = 16
    ) -> Batch {
        var change = LogChange(log: LogID(log), state: .all(below: offsets.upperBound, bodyBytes: bodyBytes))
        change.appended = [.records(.numbered(offsets, bodyBytes: bodyBytes))]
        return Batch(number: BatchNumber(number), logs: [change])
    }
}
