import ArgumentParser
import ColaClient

/// `cola dead list`
struct DeadList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the queues that hold dead letters.",
        discussion: """
              cola dead list
              cola dead list --reason expired --younger-than 1h
              cola dead list --json | jq -r '.[].queue'

            A queue is looked through, page by page, if there is a dead letter among its first \
            \(DeadLetterQueue.sample) messages. DEAD, FROM and REASONS are of those that fit, MESSAGES are all.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var letters: DeadLetterOptions
    @OptionGroup var display: DisplayOptions

    func run() async throws {
        try await connection.withBroker { client in
            try await display.show {
                let rows = try await rows(client)
                if rows.isEmpty { Output.note("there are no dead letters\(try letters.filter().isNarrow)") }
                if display.json { return .json(JSONValue.list(rows).json) }
                let columns = [
                    Column(heading: "QUEUE"), Column(heading: "MESSAGES", alignment: .right),
                    Column(heading: "DEAD", alignment: .right), Column(heading: "FROM"), Column(heading: "REASONS"),
                ]
                let cells = rows.map { row in row.members.map(\.value.cell) }
                return .lines(Table(columns: columns, rows: cells).lines)
            }
        }
    }

    private func rows(_ client: Client) async throws -> [JSONValue] {
        var rows: [JSONValue] = []
        for row in try JSONValue(answer: try await client.list(.queues)).list {
            guard let name = row["name"].text, let messages = row["messages"].integer, messages > 0 else { continue }
            do {
                let queue = DeadLetterQueue(name: name, client: client)
                guard try await queue.hasDeadLetters() else { continue }
                if let row = try await self.row(of: queue, messages) { rows.append(row) }
            } catch let error as ColaError where error.code == .notFound || error.code.rawValue == "locked" {
                continue  // gone meanwhile, or another connection's alone
            }
        }
        return rows
    }

    /// Nil if none of its dead letters fits.
    private func row(of queue: DeadLetterQueue, _ messages: Int64) async throws -> JSONValue? {
        var (dead, queues, reasons) = (0, Set<String>(), Set<String>())
        try await queue.each(try letters.filter()) { letter in
            guard let letter else { return true }
            dead += 1
            queues.insert(letter.queue)
            reasons.insert(letter.reason)
            return true
        }
        guard dead > 0 else { return nil }
        return .object([
            .init(name: "queue", value: .text(queue.name)), .init(name: "messages", value: .number("\(messages)")),
            .init(name: "dead", value: .number("\(dead)")),
            .init(name: "from", value: .list(queues.sorted().map(JSONValue.text))),
            .init(name: "reasons", value: .list(reasons.sorted().map(JSONValue.text))),
        ])
    }
}

extension DeadLetterFilter {
    /// The end of a sentence that says that there are none.
    var isNarrow: String { self == DeadLetterFilter() ? "" : " that fit" }
}
