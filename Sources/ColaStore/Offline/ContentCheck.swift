internal import ColaCore

/// Holds the rows of the tables against one another, and decodes every chunk.
final class ContentCheck {
    private let connection: Connection
    private let path: String
    /// Whether the tables are those of this program, and not of an older one.
    private var isNewest = false

    private struct Log {
        var state: LogState
        /// No record below it counts.
        var floor: Offset
        /// Chunks that begin here were purged; the trimmer has still to delete them.
        var purged: [Range<Offset>]
        var ready = 0
        var bytes = 0
        var last: Offset?
        var isDamaged = false
        /// When the first of the messages that wait expires.
        var expires: Timestamp?
    }

    private var logs: [LogID: Log] = [:]
    /// Logs of which the trimmer has still to delete everything.
    private var ended: Set<LogID> = []

    init(_ connection: Connection, path: String) {
        self.connection = connection
        self.path = path
    }

    func run(_ report: inout StoreCheck.Report) throws {
        guard try connection.integer("SELECT count(*) FROM sqlite_schema") > 0 else {
            report.add(.note, "cola.db holds nothing yet")
            return
        }
        let version = try connection.integer("PRAGMA user_version")
        isNewest = version == Schema.steps.count
        if !isNewest {
            report.add(.note, "its schema is version \(version); the next start makes it \(Schema.steps.count)")
        }
        try readStates(&report)
        try checkDefinitions(&report)
        try checkChunks(&report)
        try checkOrphans(&report)
        if isNewest { try ScheduleCheck(connection).run(&report) }
        for (id, log) in logs.sorted(by: { $0.key < $1.key }) where !log.isDamaged {
            report.totals.ready += log.ready
            if log.ready != log.state.ready || log.bytes != log.state.bytes {
                report.add(
                    .damage,
                    "log \(id): its state speaks of \(log.state.ready) messages of \(log.state.bytes) bytes, "
                        + "its chunks hold \(log.ready) of \(log.bytes)")
            }
            if let expires = log.expires, log.state.nextExpiry ?? RecordSegment.Entry.never > expires {
                report.add(.warning, "log \(id): a message expires at \(expires), of which its state does not know")
            }
        }
    }

    private func readStates(_ report: inout StoreCheck.Report) throws {
        try rows("SELECT log FROM garbage WHERE whole = 1") { ended.insert(LogID($0.integer(0))) }
        var purged: [LogID: [Range<Offset>]] = [:]
        try rows("SELECT log, first, below FROM garbage WHERE whole = 0") {
            purged[LogID($0.integer(0)), default: []].append(
                Offset($0.integer(1))..<max(Offset($0.integer(1)), Offset($0.integer(2))))
        }
        let expiry = isNewest ? "next_expiry" : "NULL"
        try rows("SELECT log, start, next, ready, bytes, floor, clean, crc, \(expiry) FROM logstate") { row in
            let id = LogID(row.integer(0))
            let state = LogState(row: row)
            if StateChecksum.logState(id, state) != row.integer(7) {
                report.add(.damage, "log \(id): the checksum of its state does not match")
            }
            if state.floor > state.next || state.start > state.next || state.handedOut > state.next {
                report.add(.damage, "log \(id): its state is beyond its end, offset \(state.next)")
            }
            logs[id] = Log(state: state, floor: max(state.start, state.floor), purged: purged[id] ?? [])
        }
        report.totals.logs = logs.count
    }

    private func checkDefinitions(_ report: inout StoreCheck.Report) throws {
        report.totals.queues = Int(try connection.integer("SELECT count(*) FROM queue"))
        report.totals.topics = Int(try connection.integer("SELECT count(*) FROM topic WHERE partition = 0"))
        let nextLog = try connection.integer("SELECT value FROM meta WHERE key = 'next_log'")
        var defined: Set<LogID> = []
        let higher =
            isNewest ? "UNION ALL SELECT name, priority_log.log FROM priority_log JOIN queue ON queue = queue.log" : ""
        try rows("SELECT name, log FROM queue UNION ALL SELECT name, log FROM topic \(higher)") { row in
            let log = LogID(row.integer(1))
            if !defined.insert(log).inserted {
                report.add(.damage, "log \(log) belongs to two queues or topics, one of them \(row.text(0))")
            }
            if logs[log] == nil { report.add(.damage, "\(row.text(0)): the state of its log \(log) is missing") }
            if log.rawValue >= nextLog {
                report.add(.damage, "log \(log) exists, but the next one would be \(nextLog)")
            }
        }
        if isNewest {
            try rows("SELECT log FROM transient") { defined.insert(LogID($0.integer(0))) }
            do {
                _ = try DefinitionReader(connection: connection, verdict: DamageVerdict(path: path)).read()
            } catch StoreError.damaged(_, let reason) {
                report.add(.damage, reason)
            }
        }
        for log in logs.keys.sorted() where !defined.contains(log) {
            report.add(.warning, "log \(log) belongs to no queue or topic")
        }
    }

    private func checkChunks(_ report: inout StoreCheck.Report) throws {
        let settled = try connection.prepare("SELECT data, crc FROM settled WHERE log = ? AND base = ?")
        var strangers: Set<LogID> = []
        try rows("SELECT log, base, last, count, data, min_expire FROM chunk ORDER BY log, base") { row in
            let id = LogID(row.integer(0))
            let base = Offset(row.integer(1))
            report.totals.chunks += 1
            guard var log = logs[id] else {
                if !ended.contains(id), strangers.insert(id).inserted {
                    report.add(.warning, "log \(id) has chunks, but no state")
                }
                return
            }
            settled.bind(1, id.rawValue)
            settled.bind(2, base.rawValue)
            defer { settled.reset() }
            var set = SettledSet()
            if try settled.step() {
                let data = settled.blob(0)
                if StateChecksum.settled(id, base, data) == settled.integer(1), let stored = SettledSet(encoded: data) {
                    set = stored
                } else {
                    report.add(.damage, "log \(id): what is settled of the chunk at offset \(base) cannot be read")
                    log.isDamaged = true
                }
            }
            let chunk = StoredChunk(
                base: base, last: Offset(row.integer(2)), count: Int(row.integer(3)), data: row.blob(4),
                expires: !row.isNull(5), settled: set, released: [])
            check(chunk, id, &log, &report)
            logs[id] = log
        }
    }

    private func check(_ chunk: StoredChunk, _ id: LogID, _ log: inout Log, _ report: inout StoreCheck.Report) {
        report.totals.records += chunk.segment.entries.count
        for damage in chunk.damage {
            report.add(.damage, "log \(id), chunk at offset \(chunk.base): \(damage)")
            log.isDamaged = true
        }
        if let last = log.last, chunk.base <= last {
            report.add(.damage, "log \(id): the chunk at offset \(chunk.base) begins before the one before it ends")
        }
        if chunk.last >= log.state.next {
            report.add(
                .damage, "log \(id): the chunk at offset \(chunk.base) reaches beyond the log's end, \(log.state.next)")
        }
        log.last = chunk.last
        guard !log.purged.contains(where: { $0.contains(chunk.base) }) else { return }
        for entry in chunk.segment.entries
        where entry.offset >= log.floor && !chunk.settled.contains(entry.offset.distance(from: chunk.base)) {
            log.ready += 1
            log.bytes += entry.byteCount
            if entry.expires != RecordSegment.Entry.never {
                log.expires = min(log.expires ?? entry.expires, entry.expires)
            }
        }
    }

    private func checkOrphans(_ report: inout StoreCheck.Report) throws {
        let settled = "SELECT log, base FROM settled WHERE (log, base) NOT IN (SELECT log, base FROM chunk)"
        try orphans(settled, &report) { "log \($0): something is settled of a chunk at offset \($1) that is not there" }
        let released = "SELECT log, offset FROM released WHERE log NOT IN (SELECT log FROM logstate)"
        try orphans(released, &report) { "log \($0) has no state, but a message at offset \($1) that came back" }
        let offsets = "SELECT log, next FROM group_offset WHERE log NOT IN (SELECT log FROM logstate)"
        try orphans(offsets, &report) { "log \($0) has no state, but a group that reads it at offset \($1)" }
        if isNewest {
            let seen = "SELECT DISTINCT log, 0 FROM dedup WHERE log NOT IN (SELECT log FROM logstate)"
            try orphans(seen, &report) { log, _ in "log \(log) has no state, but message ids that were seen" }
            let producers = "SELECT log, id FROM producer WHERE log NOT IN (SELECT log FROM logstate)"
            try orphans(producers, &report) { "log \($0) has no state, but knows producer \($1)" }
        }
        let quarantined = try connection.integer("SELECT count(*) FROM quarantine")
        if quarantined > 0 {
            report.add(.note, "\(quarantined) damaged chunks or messages are kept in the table quarantine")
        }
    }

    private func orphans(
        _ sql: String, _ report: inout StoreCheck.Report, _ sentence: (_ log: LogID, _ value: Int64) -> String
    ) throws {
        try rows(sql) { row in
            let log = LogID(row.integer(0))
            if !ended.contains(log) { report.add(.warning, sentence(log, row.integer(1))) }
        }
    }

    private func rows(_ sql: String, _ read: (Statement) throws -> Void) throws {
        let select = try connection.prepare(sql)
        while try select.step() { try read(select) }
    }
}
