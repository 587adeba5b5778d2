import ColaClient

/// What the broker counts at one moment.
struct TopSample: Sendable {
    /// One queue or topic.
    struct Row: Sendable {
        var name: String
        var isTopic: Bool
        var ready: Int64
        var unacknowledged: Int64
        var consumers: Int64
        /// Counted since the start of the broker; nil where it does not count.
        var published: Int64?
        var delivered: Int64?
        var acknowledged: Int64?
        /// When the broker took the first message in, milliseconds since 1970, UTC.
        var oldest: Int64?
    }

    /// Queues and topics that are looked into at a time: those that hold the most.
    static let rowsMax = 100

    /// Of this machine.
    let monotonicNanoseconds: Int64
    let utcMilliseconds: Int64
    let server: JSONValue
    let rows: [Row]
    /// Queues and topics beside those.
    let more: Int
    /// Rows of both, where whoever looks may see them.
    let workers: [JSONValue]
    let processes: [JSONValue]

    init(_ client: Client) async throws {
        server = try JSONValue(answer: try await client.stat())
        let queues = try JSONValue(answer: try await client.list(.queues)).list.map { (row: $0, isTopic: false) }
        let topics = try JSONValue(answer: try await client.list(.topics)).list.map { (row: $0, isTopic: true) }
        let all = (queues + topics).sorted {
            ($1.row["messages"].integer ?? 0, $0.row["name"].text ?? "")
                < ($0.row["messages"].integer ?? 0, $1.row["name"].text ?? "")
        }
        more = max(0, all.count - Self.rowsMax)
        var rows: [Row] = []
        for (row, isTopic) in all.prefix(Self.rowsMax) {
            guard let name = row["name"].text else { continue }
            do {
                rows.append(try await isTopic ? Self.topic(name, row, client) : Self.queue(name, row, client))
            } catch let error as ColaError where error.code == .notFound || error.code.rawValue == "locked" {
                continue  // gone meanwhile, or another connection's alone
            }
        }
        self.rows = rows
        (workers, processes) = try await Self.workers(client)
        monotonicNanoseconds = cola.monotonicNanoseconds()
        utcMilliseconds = UTCTime.now
    }

    private static func workers(_ client: Client) async throws -> ([JSONValue], [JSONValue]) {
        do {
            let workers = try JSONValue(answer: try await client.list(.workers)).list
            guard !workers.isEmpty else { return ([], []) }
            return (workers, try JSONValue(answer: try await client.list(.processes)).list)
        } catch let error as ColaError where error.code == .accessRefused {
            return ([], [])
        }
    }

    private static func queue(_ name: String, _ row: JSONValue, _ client: Client) async throws -> Row {
        let counts = try JSONValue(answer: try await client.describe(.queue(name)))["counts"]
        let messages = row["messages"].integer ?? 0
        let oldest = messages > 0 ? try await client.peek(name).first?.timestampMilliseconds : nil
        return Row(
            name: name, isTopic: false, ready: row["ready"].integer ?? 0,
            unacknowledged: row["unacknowledged"].integer ?? 0, consumers: row["consumers"].integer ?? 0,
            published: counts["published"].integer, delivered: counts["delivered"].integer,
            acknowledged: counts["acknowledged"].integer, oldest: oldest)
    }

    private static func topic(_ name: String, _ row: JSONValue, _ client: Client) async throws -> Row {
        let description = try JSONValue(answer: try await client.describe(.topic(name)))
        return Row(
            name: name, isTopic: true, ready: row["messages"].integer ?? 0, unacknowledged: 0,
            consumers: row["readers"].integer ?? 0, published: description["published"].integer)
    }
}
