internal import ColaCore

/// Reads what waits in the schedule.
final class ScheduleReader {
    private let transaction: ReadTransaction
    private let select: Statement

    init(_ transaction: ReadTransaction) throws {
        self.transaction = transaction
        select = try transaction.connection.prepare(
            """
            SELECT due, id, log, host, exchange, routing_key, priority, ttl, data, crc FROM schedule
            WHERE (due, id) > (?1, ?2) ORDER BY due, id
            """)
    }

    /// - Returns: also what is damaged, which the result leaves out.
    func read(
        after key: ScheduleKey?, countMax: Int, bytesMax: Int
    ) throws -> (result: QueryResult, damaged: [ScheduleID]) {
        var found: [ScheduledMessage] = []
        var damaged: [ScheduleID] = []
        var bytes = 0
        var isComplete = true
        try transaction.run {
            select.bind(1, key?.due.rawValue ?? .min)
            select.bind(2, key?.id.rawValue ?? .min)
            defer { select.reset() }
            while try select.step() {
                if found.count >= countMax || !found.isEmpty && bytes >= bytesMax {
                    isComplete = false
                    break
                }
                let row = row
                if let message = row.decoded() {
                    bytes += message.message.byteCount
                    found.append(message)
                } else {
                    damaged.append(row.key.id)
                }
            }
        }
        return (.schedule(found, isComplete: isComplete), damaged)
    }

    private var row: EncodedSchedule {
        EncodedSchedule(
            key: ScheduleKey(due: Timestamp(select.integer(0)), id: ScheduleID(select.integer(1))),
            log: select.optionalInteger(2).map { LogID($0) }, host: select.optionalText(3),
            exchange: select.optionalText(4), routingKey: select.optionalText(5), priority: select.integer(6),
            timeToLive: select.optionalInteger(7), data: select.blob(8), crc: select.integer(9))
    }
}
