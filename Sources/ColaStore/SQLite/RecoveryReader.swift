internal import ColaCore

/// Reads what a start needs: definitions, one row for each log, and the message ids that were seen.
struct RecoveryReader {
    let connection: Connection
    /// Whether a damaged row is rebuilt from the chunks of its log.
    let verdict: DamageVerdict

    /// What was stored, under the epoch after the stored one, which the caller has still to write.
    func read() throws -> Recovery {
        let stored = try meta("epoch")
        let (epoch, overflow) = stored.addingReportingOverflow(1)
        guard !overflow, stored >= 0 else { throw damaged("its epoch is \(stored)") }
        var recovery = Recovery(epoch: Epoch(epoch))
        recovery.wasStoppedCleanly = try meta("clean_epoch") == stored
        recovery.nextLog = LogID(try meta("next_log"))
        recovery.nextSchedule = ScheduleID(try meta("next_schedule"))
        let found = try DefinitionReader(connection: connection, verdict: verdict).read()
        recovery.virtualHosts = found.virtualHosts
        recovery.exchanges = found.exchanges
        recovery.bindings = found.bindings
        recovery.policies = found.policies
        recovery.users = found.users
        recovery.permissions = found.permissions
        recovery.topicPermissions = found.topicPermissions
        let states = try dropTransient(logStates(), found)
        recovery.queues = try found.queues.map { queue in (queue, try queue.logs.map { try state(of: $0, states) }) }
        recovery.topics = try found.topics.map { topic in
            (topic, try topic.partitions.map { try state(of: $0, states) })
        }
        // Those of deleted logs are the trimmer's business.
        recovery.groupOffsets = try rows(
            """
            SELECT group_name, log, next, leader_epoch, metadata FROM group_offset ORDER BY log, group_name
            """
        ) {
            let log = LogID($0.integer(1))
            let offset = CommittedOffset(
                next: Offset($0.integer(2)), leaderEpoch: Int32(clamping: $0.integer(3)), metadata: $0.text(4))
            return states[log] == nil ? nil : GroupOffset(group: $0.text(0), log: log, offset: offset)
        }
        recovery.seen = try rows("SELECT log, id, expires FROM dedup ORDER BY expires, log, id") {
            let log = LogID($0.integer(0))
            return states[log] == nil ? nil : DedupEntry(log: log, id: $0.blob(1), expires: Timestamp($0.integer(2)))
        }
        recovery.producers = try rows(
            """
            SELECT log, id, epoch, last_seen, transaction_start, batches, crc FROM producer ORDER BY log, last_seen, id
            """
        ) { row -> (LogID, ProducerState)? in
            let log = LogID(row.integer(0))
            guard states[log] != nil else { return nil }
            let state = ProducerState(
                log: log, id: row.integer(1), epoch: row.integer(2), lastSeen: row.integer(3),
                start: row.integer(4), batches: row.blob(5), crc: row.integer(6))
            // Without it a batch that comes again would be taken twice.
            if state == nil { try verdict.meet("what log \(log) knows of producer \(row.integer(1)) is damaged") }
            return state.map { (log, $0) }
        }
        recovery.aborted = try rows("SELECT log, producer, first, marker FROM aborted ORDER BY log, marker") {
            let log = LogID($0.integer(0))
            let transaction = AbortedTransaction(
                producerID: $0.integer(1), first: Offset($0.integer(2)), last: Offset($0.integer(3)))
            return states[log] == nil ? nil : (log, transaction)
        }
        recovery.transactions = try rows("SELECT contents, crc, name FROM transactional_id ORDER BY updated, name") {
            let transaction = ProducerTransaction(stored: $0.blob(0), crc: $0.integer(1))
            // Without it a producer that was fenced might go on.
            if transaction == nil { try verdict.meet("what is known of transactional id '\($0.text(2))' is damaged") }
            return transaction
        }
        // SQLite counts the entries of the index, a million in a few hundredths of a second.
        recovery.scheduledCount = Int(try connection.integer("SELECT count(*) FROM schedule"))
        return recovery
    }

    /// Hands what was not to outlive the process before to the trimmer.
    private func dropTransient(
        _ states: [LogID: LogState], _ found: DefinitionReader.Found
    ) throws -> [LogID: LogState] {
        let transient = try rows("SELECT log FROM transient ORDER BY log") { LogID($0.integer(0)) }
        guard !transient.isEmpty else { return states }
        var states = states
        let defined = Set(found.queues.flatMap(\.logs) + found.topics.flatMap(\.partitions))
        let writer = try LogWriter(connection, chunks: ChunkTable(connection, epoch: Epoch(0)))
        for log in transient {
            if defined.contains(log), let state = states[log] {
                try writer.empty(log, state)
                states[log] = .emptied(state)
            } else {
                try writer.end(log)
                states[log] = nil
            }
        }
        return states
    }

    private func state(of log: LogID, _ states: [LogID: LogState]) throws -> LogState {
        if let state = states[log] { return state }
        try verdict.meet("the state of log \(log) is missing")
        return try rebuild(log)
    }

    private func logStates() throws -> [LogID: LogState] {
        var states: [LogID: LogState] = [:]
        var broken: [LogID] = []
        let select = try connection.prepare(
            "SELECT log, start, next, ready, bytes, floor, clean, crc, next_expiry FROM logstate")
        while try select.step() {
            let log = LogID(select.integer(0))
            let state = LogState(row: select)
            if StateChecksum.logState(log, state) == select.integer(7) {
                states[log] = state
            } else {
                try verdict.meet("the checksum of the state of log \(log) does not match")
                broken.append(log)
            }
        }
        for log in broken { states[log] = try rebuild(log) }
        return states
    }

    private func rebuild(_ log: LogID) throws -> LogState {
        let chunks = try ChunkTable(connection, epoch: Epoch(0))
        let rebuild = StateRebuild(
            chunks: chunks, runs: try RunWriter(connection, chunks: chunks), path: verdict.path)
        let rebuilt = try rebuild.run(log, known: nil, purged: [])
        for sentence in rebuilt.damage { try verdict.meet(sentence) }
        try LogWriter(connection, chunks: chunks).put(rebuilt.state, log)
        return rebuilt.state
    }

    private func meta(_ key: String) throws -> Int64 {
        let select = try connection.prepare("SELECT value FROM meta WHERE key = ?")
        select.bind(1, key)
        guard try select.step() else { throw damaged("\(key) is missing in the table meta") }
        return select.integer(0)
    }

    private func rows<Row>(_ sql: String, _ read: (Statement) throws -> Row?) throws -> [Row] {
        let select = try connection.prepare(sql)
        var rows: [Row] = []
        while try select.step() {
            if let row = try read(select) { rows.append(row) }
        }
        return rows
    }

    private func damaged(_ reason: String) -> StoreError { .damaged(path: verdict.path, reason: reason) }
}

extension LogState {
    /// - Parameter row: log, start, next, ready, bytes, floor, clean, crc, next_expiry.
    init(row: Statement) {
        self.init(
            start: Offset(row.integer(1)), next: Offset(row.integer(2)), ready: Int(row.integer(3)),
            bytes: Int(row.integer(4)), floor: Offset(row.integer(5)), handedOut: Offset(row.integer(6)),
            nextExpiry: row.optionalInteger(8).map { Timestamp($0) })
    }
}
