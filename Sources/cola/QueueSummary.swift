/// One line of `cola queues`, and one element of the broker's JSON.
struct QueueSummary: Codable, Equatable, Sendable {
    var name: String
    var ready: Int64
    var unacknowledged: Int64
    var messages: Int64
    var bytes: Int64
    var consumers: Int64
}

extension QueueSummary: TableRow {
    static let columns: [Column] = [
        Column(heading: "QUEUE"),
        Column(heading: "READY", alignment: .right),
        Column(heading: "UNACKED", alignment: .right),
        Column(heading: "MESSAGES", alignment: .right),
        Column(heading: "BYTES", alignment: .right),
        Column(heading: "CONSUMERS", alignment: .right),
    ]

    var cells: [String] { [name, "\(ready)", "\(unacknowledged)", "\(messages)", "\(bytes)", "\(consumers)"] }
}
