internal import ColaCore

/// Reads what a start needs: definitions, and one row for each log.
struct RecoveryReader {
    let connection: Connection
    let path: String
    /// Rebuilds a damaged row from the chunks of its log, instead of refusing to start.
    let acceptDamage: Bool

    /// What was stored, under the epoch after the stored one, which the caller has still to write.
    func read() throws -> Recovery {
        let stored = try meta("epoch")
        let (epoch, overflow) = stored.addingReportingOverflow(1)
        guard !overflow, stored >= 0 else { throw damaged("its epoch is \(stored)") }
        var recovery = Recovery(epoch: Epoch(epoch))
        recovery.wasStoppedCleanly = try meta("clean_epoch") == stored
        recovery.nextLog = LogID(try meta("next_log"))
        let states = try logStates()
        recovery.queues = try rows("SELECT name, log FROM queue ORDER BY log") { row in
            let definition = QueueDefinition(name: row.text(0), log: LogID(row.integer(1)))
            return (definition, [try state(of: definition.log, states)])
        }
        let partitions = try rows("SELECT name, log FROM topic ORDER BY name, partition") { row in
            (name: row.text(0), log: LogID(row.integer(1)))
        }
        for (name, log) in partitions {
            let state = try state(of: log, states)
            if recovery.topics.last?.definition.name == name {
                recovery.topics[recovery.topics.count - 1].definition.partitions.append(log)
                recovery.topics[recovery.topics.count - 1].states.append(state)
            } else {
                recovery.topics.append((TopicDefinition(name: name, partitions: [log]), [state]))
            }
        }
        // Logs get growing ids, so this is the order in which topics were declared.
        recovery.topics.sort { $0.definition.partitions[0] < $1.definition.partitions[0] }
        recovery.exchanges = try rows("SELECT name, kind FROM exchange ORDER BY name") { row in
            guard let kind = ExchangeDefinition.Kind(storedName: row.text(1)) else {
                throw damaged("exchange \(row.text(0)) is of unknown kind \(row.text(1))")
            }
            return ExchangeDefinition(name: row.text(0), kind: kind)
        }
        recovery.bindings = try rows("SELECT source, destination, routing_key FROM binding ORDER BY 1, 2, 3") { row in
            BindingDefinition(source: row.text(0), destination: row.text(1), routingKey: row.text(2))
        }
        // Those of deleted logs are the trimmer's business.
        let offsets = try rows("SELECT group_name, log, next FROM group_offset ORDER BY log, group_name") { row in
            GroupOffset(group: row.text(0), log: LogID(row.integer(1)), next: Offset(row.integer(2)))
        }
        recovery.groupOffsets = offsets.filter { states[$0.log] != nil }
        return recovery
    }

    private func state(of log: LogID, _ states: [LogID: LogState]) throws -> LogState {
        if let state = states[log] { return state }
        guard acceptDamage else { throw damaged("the state of log \(log) is missing") }
        return try rebuild(log)
    }

    private func logStates() throws -> [LogID: LogState] {
        var states: [LogID: LogState] = [:]
        var broken: [LogID] = []
        let select = try connection.prepare("SELECT log, start, next, ready, bytes, floor, clean, crc FROM logstate")
        while try select.step() {
            let log = LogID(select.integer(0))
            let state = LogState(
                start: Offset(select.integer(1)), next: Offset(select.integer(2)), ready: Int(select.integer(3)),
                bytes: Int(select.integer(4)), floor: Offset(select.integer(5)), handedOut: Offset(select.integer(6)))
            if StateChecksum.logState(log, state) == select.integer(7) {
                states[log] = state
            } else if acceptDamage {
                broken.append(log)
            } else {
                throw damaged("the checksum of the state of log \(log) does not match")
            }
        }
        for log in broken { states[log] = try rebuild(log) }
        return states
    }

    /// The state that the chunks of a log speak for. What was settled of them is believed, what they no longer hold is
    /// not known: nothing that could be read before is lost, some of it may come once more.
    private func rebuild(_ log: LogID) throws -> LogState {
        var state = LogState.empty
        let select = try connection.prepare("SELECT base, last, count, bytes FROM chunk WHERE log = ? ORDER BY base")
        select.bind(1, log.rawValue)
        var isFirst = true
        while try select.step() {
            if isFirst { state.start = Offset(select.integer(0)) }
            isFirst = false
            let (next, overflow) = select.integer(1).addingReportingOverflow(1)
            guard !overflow else { throw damaged("log \(log) ends at offset \(select.integer(1))") }
            state.next = Offset(next)
            state.ready += Int(select.integer(2))
            state.bytes += Int(select.integer(3))
        }
        let settled = try connection.prepare("SELECT data FROM settled WHERE log = ?")
        settled.bind(1, log.rawValue)
        while try settled.step() {
            state.ready = max(0, state.ready - (SettledSet(encoded: settled.blob(0))?.count ?? 0))
        }
        state.floor = state.start
        state.handedOut = state.next
        let put = try connection.prepare("INSERT OR REPLACE INTO logstate VALUES (?,?,?,?,?,?,?,?)")
        try put.run(
            log.rawValue, state.start.rawValue, state.next.rawValue, Int64(state.ready), Int64(state.bytes),
            state.floor.rawValue, state.handedOut.rawValue, StateChecksum.logState(log, state))
        return state
    }

    private func meta(_ key: String) throws -> Int64 {
        let select = try connection.prepare("SELECT value FROM meta WHERE key = ?")
        select.bind(1, key)
        guard try select.step() else { throw damaged("\(key) is missing in the table meta") }
        return select.integer(0)
    }

    private func rows<Row>(_ sql: String, _ read: (Statement) throws -> Row) throws -> [Row] {
        let select = try connection.prepare(sql)
        var rows: [Row] = []
        while try select.step() { rows.append(try read(select)) }
        return rows
    }

    private func damaged(_ reason: String) -> StoreError { .damaged(path: path, reason: reason) }
}
