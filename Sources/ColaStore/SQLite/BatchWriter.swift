internal import ColaCore

/// Writes what batches say into the tables, inside a transaction that its owner begins and ends.
final class BatchWriter {
    private let insertChunk: Statement
    private let putState: Statement
    private let newState: Statement
    private let removeState: Statement
    private let removeChunk: Statement
    private let putSettled: Statement
    private let removeSettled: Statement
    private let putReleased: Statement
    private let removeReleased: Statement
    private let addGarbage: Statement
    private let quarantine: Statement
    private let recount: Statement
    private let putGroupOffset: Statement
    private let putMeta: Statement
    private let getEpoch: Statement
    private let definitions: DefinitionWriter
    private let epoch: Epoch

    init(_ connection: Connection, epoch: Epoch) throws {
        self.epoch = epoch
        insertChunk = try connection.prepare(
            "INSERT INTO chunk (log, base, last, count, bytes, min_ts, max_ts, epoch, data) VALUES (?,?,?,?,?,?,?,?,?)")
        putState = try connection.prepare(
            """
            INSERT INTO logstate (log, start, next, ready, bytes, floor, clean, crc) VALUES (?,?,?,?,?,?,?,?)
            ON CONFLICT (log) DO UPDATE SET start = excluded.start, next = excluded.next, ready = excluded.ready,
              bytes = excluded.bytes, floor = excluded.floor, clean = excluded.clean, crc = excluded.crc
            """)
        newState = try connection.prepare(
            """
            INSERT OR IGNORE INTO logstate (log, start, next, ready, bytes, floor, clean, crc)
            VALUES (?,0,0,0,0,0,0,?)
            """
        )
        removeState = try connection.prepare("DELETE FROM logstate WHERE log = ?")
        removeChunk = try connection.prepare("DELETE FROM chunk WHERE log = ? AND base = ?")
        putSettled = try connection.prepare("INSERT OR REPLACE INTO settled (log, base, crc, data) VALUES (?,?,?,?)")
        removeSettled = try connection.prepare("DELETE FROM settled WHERE log = ? AND base = ?")
        putReleased = try connection.prepare("INSERT OR REPLACE INTO released (log, offset, deliveries) VALUES (?,?,?)")
        removeReleased = try connection.prepare("DELETE FROM released WHERE log = ? AND offset = ?")
        addGarbage = try connection.prepare(
            """
            INSERT INTO garbage (log, first, below, whole) VALUES (?,?,?,?)
            ON CONFLICT (log, first) DO UPDATE SET below = max(below, excluded.below),
              whole = max(whole, excluded.whole)
            """)
        quarantine = try connection.prepare(
            """
            INSERT OR IGNORE INTO quarantine (log, base, epoch, reason, data)
            SELECT log, base, ?3, ?4, data FROM chunk WHERE log = ?1 AND base = ?2
            """)
        recount = try connection.prepare("UPDATE chunk SET count = ? WHERE log = ? AND base = ?")
        putGroupOffset = try connection.prepare(
            "INSERT OR REPLACE INTO group_offset (log, next, group_name) VALUES (?,?,?)")
        putMeta = try connection.prepare("UPDATE meta SET value = ?2 WHERE key = ?1")
        getEpoch = try connection.prepare("SELECT value FROM meta WHERE key = 'epoch'")
        definitions = try DefinitionWriter(connection)
    }

    /// Refuses to write on behalf of an epoch that is over: someone else owns the virtual host now.
    func checkEpoch() throws {
        defer { getEpoch.reset() }
        guard try getEpoch.step(), getEpoch.integer(0) == epoch.rawValue else {
            throw StoreError.unexpected(
                operation: "commit", code: 0,
                reason: "the data directory was opened by someone else since epoch \(epoch)")
        }
    }

    func write(_ encoded: EncodedBatch) throws {
        for (change, chunk) in zip(encoded.batch.logs, encoded.chunks) { try write(change, chunk) }
        for change in encoded.batch.definitions {
            let logs = try definitions.write(change)
            for log in logs.begun { try newState.run(log.rawValue, StateChecksum.logState(log, .empty)) }
            for log in logs.ended {
                try removeState.run(log.rawValue)
                try addGarbage.run(log.rawValue, 0, .max, 1)
            }
        }
        for offset in encoded.batch.groupOffsets {
            putGroupOffset.bind(3, offset.group)
            try putGroupOffset.run(offset.log.rawValue, offset.next.rawValue)
        }
        if let nextLog = encoded.batch.nextLog { try setMeta("next_log", nextLog.rawValue) }
    }

    func setMeta(_ key: String, _ value: Int64) throws {
        putMeta.bind(1, key)
        putMeta.bind(2, value)
        try putMeta.runToEnd()
    }

    private func write(_ change: LogChange, _ chunk: EncodedChunk?) throws {
        let log = change.log.rawValue
        // Before anything is removed: the copy is made of what stands there now.
        for found in change.quarantined {
            quarantine.bind(4, found.reason)
            try quarantine.run(log, found.base.rawValue, epoch.rawValue)
            try recount.run(Int64(found.readable), log, found.base.rawValue)
        }
        if let chunk { try insert(chunk, log) }
        for entry in change.settled {
            if entry.settled.isEmpty {
                try removeSettled.run(log, entry.base.rawValue)
            } else {
                try put(entry, change.log)
            }
        }
        for run in change.removed {
            try removeChunk.run(log, run.lowerBound.rawValue)
            try removeSettled.run(log, run.lowerBound.rawValue)
        }
        for release in change.released {
            try putReleased.run(log, release.offset.rawValue, Int64(release.deliveries))
        }
        for offset in change.releasesRemoved { try removeReleased.run(log, offset.rawValue) }
        let state = change.state
        try putState.run(
            log, state.start.rawValue, state.next.rawValue, Int64(state.ready), Int64(state.bytes),
            state.floor.rawValue,
            state.handedOut.rawValue, StateChecksum.logState(change.log, state))
        if let trim = change.trim { try addGarbage.run(log, trim.lowerBound.rawValue, trim.upperBound.rawValue, 0) }
    }

    private func insert(_ chunk: EncodedChunk, _ log: Int64) throws {
        try chunk.data.withUnsafeBytes { data in
            insertChunk.bind(9, staticBlob: data)
            try insertChunk.run(
                log, chunk.base.rawValue, chunk.last.rawValue, Int64(chunk.count), Int64(chunk.bytes),
                chunk.minTimestamp.rawValue, chunk.maxTimestamp.rawValue, epoch.rawValue)
        }
    }

    private func put(_ entry: ChunkSettlement, _ log: LogID) throws {
        let data = entry.settled.encoded()
        try data.withUnsafeBytes { bytes in
            putSettled.bind(4, staticBlob: bytes)
            try putSettled.run(log.rawValue, entry.base.rawValue, StateChecksum.settled(log, entry.base, data))
        }
    }
}
