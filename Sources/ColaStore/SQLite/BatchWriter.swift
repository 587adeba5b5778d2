internal import ColaCore

/// Writes what batches say into the tables, inside a transaction that its owner begins and ends.
final class BatchWriter {
    private let putGroupOffset: Statement
    private let removeGroupOffset: Statement
    private let putTransaction: Statement
    private let removeTransaction: Statement
    private let putMeta: Statement
    private let getEpoch: Statement
    private let logs: LogWriter
    private let definitions: DefinitionWriter
    private let schedule: ScheduleWriter
    private let epoch: Epoch

    init(_ connection: Connection, epoch: Epoch, chunks: ChunkTable) throws {
        self.epoch = epoch
        putGroupOffset = try connection.prepare(
            """
            INSERT OR REPLACE INTO group_offset (log, next, leader_epoch, group_name, metadata) VALUES (?,?,?,?,?)
            """)
        removeGroupOffset = try connection.prepare("DELETE FROM group_offset WHERE log = ? AND group_name = ?")
        putTransaction = try connection.prepare(
            """
            INSERT OR REPLACE INTO transactional_id (producer, epoch, previous_producer, last_epoch, timeout, updated,
              crc, name, state, started, contents) VALUES (?,?,?,?,?,?,?,?,?,?,?)
            """)
        removeTransaction = try connection.prepare("DELETE FROM transactional_id WHERE name = ?")
        putMeta = try connection.prepare("UPDATE meta SET value = ?2 WHERE key = ?1")
        getEpoch = try connection.prepare("SELECT value FROM meta WHERE key = 'epoch'")
        logs = try LogWriter(connection, chunks: chunks)
        definitions = try DefinitionWriter(connection)
        schedule = try ScheduleWriter(connection)
    }

    /// Refuses to write on behalf of an epoch that is over: someone else owns the virtual host now.
    func checkEpoch() throws {
        defer { getEpoch.reset() }
        guard try getEpoch.step(), getEpoch.integer(0) == epoch.rawValue else { throw StoreError.epochIsOver(epoch) }
    }

    func write(_ encoded: EncodedBatch) throws {
        let batch = encoded.batch
        for (change, chunks) in zip(batch.logs, encoded.chunks) { try logs.write(change, chunks) }
        for change in batch.definitions {
            let (begun, ended) = try definitions.write(change)
            for log in begun { try logs.begin(log) }
            for log in ended { try logs.end(log) }
        }
        for offset in batch.groupOffsets {
            putGroupOffset.bind(4, offset.group)
            putGroupOffset.bind(5, offset.offset.metadata)
            try putGroupOffset.run(
                offset.log.rawValue, offset.offset.next.rawValue, Int64(offset.offset.leaderEpoch))
        }
        for offset in batch.groupsRemoved {
            removeGroupOffset.bind(2, offset.group)
            try removeGroupOffset.run(offset.log.rawValue)
        }
        for message in encoded.scheduled { try schedule.write(message) }
        for key in batch.unscheduled { try schedule.remove(key) }
        for entry in batch.seen { try schedule.put(entry) }
        for entry in batch.forgotten { try schedule.remove(entry) }
        for transaction in batch.transactions { try put(transaction) }
        for name in batch.transactionsForgotten {
            removeTransaction.bind(1, name)
            try removeTransaction.runToEnd()
        }
        if let nextLog = batch.nextLog { try setMeta("next_log", nextLog.rawValue) }
        if let nextSchedule = batch.nextSchedule { try setMeta("next_schedule", nextSchedule.rawValue) }
    }

    private func put(_ transaction: ProducerTransaction) throws {
        let contents = transaction.stored
        putTransaction.bind(8, transaction.transactionalID)
        putTransaction.bind(9, transaction.state.rawValue)
        putTransaction.bind(10, transaction.start?.rawValue)
        try contents.withUnsafeBytes { bytes in
            putTransaction.bind(11, staticBlob: bytes)
            try putTransaction.run(
                transaction.producer.id, Int64(transaction.producer.epoch), transaction.previousProducerID,
                Int64(transaction.lastEpoch), transaction.timeout, transaction.updated.rawValue,
                Int64(CRC32C.checksum(contents)))
        }
    }

    func setMeta(_ key: String, _ value: Int64) throws {
        putMeta.bind(1, key)
        putMeta.bind(2, value)
        try putMeta.runToEnd()
    }

    func quarantine(_ id: ScheduleID) throws {
        try schedule.quarantine(id, epoch)
    }
}
