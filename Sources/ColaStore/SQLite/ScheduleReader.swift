internal import ColaCore

/// Reads what waits in the schedule.
final class ScheduleReader {
    private let transaction: ReadTransaction
    // Two statements, because SQLite would walk over all that are due at the same time with one comparison of both.
    private let sameTime: Statement
    private let later: Statement

    private struct Found {
        var messages: [ScheduledMessage] = []
        var damaged: [ScheduleID] = []
        var bytes = 0
        var isComplete = true
    }

    init(_ transaction: ReadTransaction) throws {
        self.transaction = transaction
        let select = "SELECT \(EncodedSchedule.columns) FROM schedule"
        sameTime = try transaction.connection.prepare("\(select) WHERE due = ? AND id > ? ORDER BY id")
        later = try transaction.connection.prepare("\(select) WHERE due > ? ORDER BY due, id")
    }

    /// - Returns: also what is damaged, which the result leaves out.
    func read(
        after key: ScheduleKey?, countMax: Int, bytesMax: Int
    ) throws -> (result: QueryResult, damaged: [ScheduleID]) {
        var found = Found()
        try transaction.run {
            if let key {
                sameTime.bind(1, key.due.rawValue)
                sameTime.bind(2, key.id.rawValue)
                try collect(sameTime, countMax, bytesMax, &found)
            }
            later.bind(1, key?.due.rawValue ?? .min)
            if found.isComplete { try collect(later, countMax, bytesMax, &found) }
        }
        return (.schedule(found.messages, isComplete: found.isComplete), found.damaged)
    }

    private func collect(_ select: Statement, _ countMax: Int, _ bytesMax: Int, _ found: inout Found) throws {
        defer { select.reset() }
        while try select.step() {
            if found.messages.count >= countMax || !found.messages.isEmpty && found.bytes >= bytesMax {
                found.isComplete = false
                return
            }
            let row = EncodedSchedule(row: select)
            if let message = row.decoded() {
                found.bytes += message.message.byteCount
                found.messages.append(message)
            } else {
                found.damaged.append(row.key.id)
            }
        }
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
