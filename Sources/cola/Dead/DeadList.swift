import ArgumentParser
import ColaClient

/// `cola dead list`
struct DeadList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the queues that hold dead letters.",
        discussion: """
              cola dead list
              cola dead list --json | jq -r '.[].queue'

            DEAD, FROM and REASONS are of the first \(DeadList.sample) messages of a queue; MESSAGES are all.
            """)

    static let sample = 100

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var display: DisplayOptions

    func run() async throws {
        try await connection.withBroker { client in
            try await display.show {
                let rows = try await rows(client)
                if rows.isEmpty { Output.note("there are no dead letters") }
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
        for queue in try JSONValue(answer: try await client.list(.queues)).list {
            guard let name = queue["name"].text, let messages = queue["messages"].integer, messages > 0 else {
                continue
            }
            let deaths: [DeathRecord]
            do {
                deaths = try await client.peek(name, count: Self.sample).compactMap { DeathRecord(of: $0, in: name) }
            } catch let error as ColaError where error.code == .notFound || error.code.rawValue == "locked" {
                continue  // gone meanwhile, or another connection's alone
            }
            guard !deaths.isEmpty else { continue }
            rows.append(
                .object([
                    .init(name: "queue", value: .text(name)), .init(name: "messages", value: .number("\(messages)")),
                    .init(name: "dead", value: .number("\(deaths.count)")),
                    .init(name: "from", value: .list(distinct(deaths.map(\.queue)))),
                    .init(name: "reasons", value: .list(distinct(deaths.map(\.reason)))),
                ]))
        }
        return rows
    }

    private func distinct(_ texts: [String]) -> [JSONValue] { Set(texts).sorted().map { .text($0) } }
}
