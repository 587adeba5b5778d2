internal import ColaCore

/// Decodes every message of the schedule.
struct ScheduleCheck {
    private let connection: Connection

    init(_ connection: Connection) {
        self.connection = connection
    }

    func run(_ report: inout StoreCheck.Report) throws {
        let next = try connection.integer("SELECT value FROM meta WHERE key = 'next_schedule'")
        let select = try connection.prepare("SELECT \(EncodedSchedule.columns) FROM schedule ORDER BY id")
        while try select.step() {
            let row = EncodedSchedule(row: select)
            if row.decoded() == nil {
                report.add(.damage, "the message \(row.key.id) in the schedule is damaged")
            } else {
                report.totals.scheduled += 1
            }
            if row.key.id.rawValue >= next {
                report.add(.damage, "message \(row.key.id) is in the schedule, but the next one would be \(next)")
            }
        }
    }
}
