internal import ColaCore

/// Reads what waits in the schedule.
final class ScheduleReader {
    private let transaction: ReadTransaction
    private let select: Statement

    init(_ transaction: ReadTransaction) throws {
        self.transaction = transaction
        select = try transaction.connection.prepare(
            "SELECT \(EncodedSchedule.columns) FROM schedule WHERE (due, id) > (?1, ?2) ORDER BY due, id")
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
                let row = EncodedSchedule(row: select)
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
}

extension EncodedSchedule {
    static let columns = "due, id, log, host, exchange, routing_key, priority, ttl, data, crc"

    /// - Parameter row: of ``columns``.
    init(row: Statement) {
        self.init(
            key: ScheduleKey(due: Timestamp(row.integer(0)), id: ScheduleID(row.integer(1))),
            log: row.optionalInteger(2).map { LogID($0) }, host: row.optionalText(3), exchange: row.optionalText(4),
            routingKey: row.optionalText(5), priority: row.integer(6), timeToLive: row.optionalInteger(7),
            data: row.blob(8), crc: row.integer(9))
    }
}
