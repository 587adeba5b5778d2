import ColaCore
import ColaStore

/// The rows of `cola sql`, for people and for scripts.
struct SQLOutput {
    let answer: StoreQuery.Answer
    /// Whether of a blob its bytes are shown, and not its size alone.
    let showsBytes: Bool

    static let schemaStatement = """
        SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type = 'index', name
        """

    /// What each table is for; their columns explain themselves where they are made.
    private static let purposes = [
        "argument": "what queues and topics were declared with, and what policies set",
        "binding": "what leads from an exchange to a queue, a topic or another exchange",
        "chunk": "the records: one row for what a commit appended to a log, later merged with its neighbours",
        "dedup": "ids of messages that were taken in already",
        "exchange": "the exchanges that were declared",
        "garbage": "what is gone and still to be deleted",
        "group_offset": "where consumer groups go on in topics",
        "logstate": "of each log: where it begins and ends, and what of it is settled",
        "meta": "epoch: of the last start; clean_epoch: of the last stop in order; the next numbers to give away",
        "permission": "what users may do in virtual hosts: patterns of names",
        "policy": "policies; what they set is in argument",
        "priority_log": "the logs of a queue's higher priorities",
        "aborted": "transactions of Kafka's producers that were aborted: where in a log each begins and ends",
        "transactional_id": "of Kafka's producers with transactions: which they are, and what is open",
        "producer": "of producers that number their batches: the last ones that a log has",
        "quarantine": "chunks in which damage was found, as they were",
        "queue": "the queues, each with its log",
        "released": "messages that came back, and how often; or that are about to be moved",
        "schedule": "messages that wait for their time",
        "settled": "of chunks that are settled in part: which of their records",
        "topic": "the topics, a row for each partition with its log",
        "topic_permission": "the routing keys that users may use with exchanges of type topic",
        "transient": "logs that do not outlive the process",
        "user": "who may come in with a password, of which there is a hash alone",
        "virtual_host": "the virtual hosts",
    ]

    /// Columns as wide as their widest cell; numbers to the right.
    var table: String {
        let cells = answer.rows.map { row in row.map { Output.printable(text($0)) } }
        let columns = answer.columns.indices.map { index in
            let isNumeric = answer.rows.allSatisfy { row in
                switch row[index] {
                case .null, .integer, .real: true
                case .text, .blob: false
                }
            }
            let isRight = isNumeric && !answer.rows.isEmpty
            return Column(heading: Output.printable(answer.columns[index]), alignment: isRight ? .right : .left)
        }
        return Table(columns: columns, rows: cells).description
    }

    var json: String {
        var bytes = [UInt8(ascii: "[")]
        for (index, row) in answer.rows.enumerated() {
            bytes.append(contentsOf: index > 0 ? ",\n{".utf8 : "{".utf8)
            for (column, value) in zip(answer.columns, row).enumerated() {
                if column > 0 { bytes.append(UInt8(ascii: ",")) }
                JSONText.append(value.0.utf8, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                append(value.1, to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: "]"))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The statements that made the tables, with what is said in them, each under what it is for.
    var schema: String {
        answer.rows.compactMap { row -> String? in
            guard case .text(let name) = row[0], case .text(let sql) = row[1] else { return nil }
            return (Self.purposes[name].map { "-- \($0)\n" } ?? "") + sql + ";"
        }
        .joined(separator: "\n\n")
    }

    private func text(_ value: StoreQuery.Value) -> String {
        switch value {
        case .null: "NULL"
        case .integer(let number): "\(number)"
        case .real(let number): "\(number)"
        case .text(let text): text
        case .blob(let bytes): showsBytes ? "x'\(Self.hex(bytes))'" : "\(bytes.count) bytes"
        }
    }

    private func append(_ value: StoreQuery.Value, to bytes: inout [UInt8]) {
        switch value {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .integer(let number): bytes.append(contentsOf: "\(number)".utf8)
        case .real(let number): bytes.append(contentsOf: (number.isFinite ? "\(number)" : "null").utf8)
        case .text(let text): JSONText.append(text.utf8, to: &bytes)
        case .blob(let blob):
            let member = showsBytes ? "{\"hex\":\"\(Self.hex(blob))\"}" : "{\"bytes\":\(blob.count)}"
            bytes.append(contentsOf: member.utf8)
        }
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
