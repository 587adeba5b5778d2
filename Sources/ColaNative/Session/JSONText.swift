internal import ColaCore
internal import NIOCore

/// Listings as JSON (RFC 8259), written by hand: the server's side of the protocol needs no Foundation.
struct JSONText {
    private(set) var buffer = ByteBuffer()

    init(_ rows: Rows) {
        switch rows {
        case .queues(let rows): array(rows) { $0.member($1) }
        case .topics(let rows): array(rows) { $0.member($1) }
        case .exchanges(let rows): array(rows) { $0.member($1) }
        case .bindings(let rows): array(rows) { $0.member($1) }
        case .consumers(let rows): array(rows) { $0.member($1) }
        case .connections(let rows): array(rows) { $0.member($1) }
        }
    }

    private mutating func array<Row>(_ rows: [Row], _ write: (inout JSONText, Row) -> Void) {
        buffer.writeStaticString("[")
        for (index, row) in rows.enumerated() {
            buffer.writeString(index == 0 ? "{" : ",{")
            write(&self, row)
            buffer.writeStaticString("}")
        }
        buffer.writeStaticString("]")
    }

    private mutating func member(_ row: QueueRow) {
        string("name", row.name, first: true)
        number("ready", row.ready)
        number("unacknowledged", row.unacknowledged)
        number("messages", row.ready + row.unacknowledged)
        number("bytes", row.bytes)
        number("consumers", row.consumers)
    }

    private mutating func member(_ row: TopicRow) {
        string("name", row.name, first: true)
        number("partitions", row.partitions)
        number("messages", row.messages)
        number("bytes", row.bytes)
        number("first", Int(row.first.rawValue))
        number("next", Int(row.next.rawValue))
    }

    private mutating func member(_ row: ExchangeDefinition) {
        string("name", row.name, first: true)
        string("type", row.kind.rawValue)
    }

    private mutating func member(_ row: BindingDefinition) {
        string("source", row.source, first: true)
        string("destination", row.destination)
        string("key", row.routingKey)
    }

    private mutating func member(_ row: ConsumerRow) {
        number("connection", Int(clamping: row.connection.rawValue), first: true)
        number("consumer", Int(clamping: row.consumer.rawValue))
        string("queue", row.source)
        number("prefetch", row.prefetch)
        number("credit", row.credit)
        number("unacknowledged", row.unacknowledged)
    }

    private mutating func member(_ row: ConnectionRow) {
        number("connection", Int(clamping: row.connection.rawValue), first: true)
        string("protocol", row.info.protocolName)
        string("peer", row.info.peer)
        string("user", row.info.user)
        string("client", row.info.client)
        number("pid", row.info.processID)
        number("uid", row.info.userID)
        number("consumers", row.consumers)
        number("unacknowledged", row.unacknowledged)
        number("since", Int(row.info.since.rawValue))
    }

    init(_ statistics: Statistics, server: String) {
        buffer.writeStaticString("{")
        string("version", server, first: true)
        number("epoch", Int(statistics.epoch.rawValue))
        number("uptime", statistics.uptimeSeconds)
        number("connections", statistics.connections)
        number("consumers", statistics.consumers)
        number("queues", statistics.queues)
        number("topics", statistics.topics)
        number("messages", statistics.messages)
        number("published", statistics.published)
        number("delivered", statistics.delivered)
        number("acknowledged", statistics.acknowledged)
        number("redelivered", statistics.redelivered)
        number("commits", statistics.commits)
        number("memory", statistics.memory)
        string("blocked", statistics.blocked)
        number("quarantined", statistics.quarantined)
        buffer.writeStaticString("}")
    }

    // MARK: Members

    private mutating func number(_ name: StaticString, _ value: Int?, first: Bool = false) {
        key(name, first)
        buffer.writeString(value.map { "\($0)" } ?? "null")
    }

    private mutating func string(_ name: StaticString, _ value: String?, first: Bool = false) {
        key(name, first)
        guard let value else {
            buffer.writeStaticString("null")
            return
        }
        buffer.writeStaticString("\"")
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": buffer.writeStaticString("\\\"")
            case "\\": buffer.writeStaticString("\\\\")
            case "\u{0}"..."\u{1f}", "\u{7f}":
                let hex = String(scalar.value, radix: 16)
                buffer.writeString("\\u" + String(repeating: "0", count: 4 - hex.count) + hex)
            default: buffer.writeString(String(scalar))
            }
        }
        buffer.writeStaticString("\"")
    }

    private mutating func key(_ name: StaticString, _ first: Bool) {
        buffer.writeString(first ? "\"\(name)\":" : ",\"\(name)\":")
    }
}
