import ArgumentParser
import ColaClient
import NIOCore

/// `cola dead`
struct Dead: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find dead letters, see why they died, and bring them back.",
        discussion: """
            A message is a dead letter when it was rejected, expired, was dropped for length or failed too often, and \
            its queue says where those go; what is over its delivery limit without that is parked in \
            cola.parked.QUEUE.

              cola dead list
              cola dead show tasks.dead
              cola dead redrive tasks.dead --yes
            """,
        subcommands: [DeadList.self, DeadShow.self, DeadRedrive.self])
}

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

/// `cola dead show`
struct DeadShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the dead letters of a queue, and why each died.",
        discussion: """
              cola dead show tasks.dead
              cola dead show tasks.dead --count 5 --json

            With --json, one array with a message per element and all of its headers; `cola-death` is the story.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue that holds them.", completion: .names)
    var queue: String

    @Option(name: .shortAndLong, help: "How many messages to look at, 1 to 1000.")
    var count = 100

    @OptionGroup var display: DisplayOptions

    func validate() throws {
        guard (1...1000).contains(count) else { throw ValidationError("--count is 1 to 1000") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            try await display.show {
                let dead = try await client.peek(queue, count: count).compactMap { message in
                    DeathRecord(of: message, in: queue).map { (message: message, death: $0) }
                }
                if dead.isEmpty { Output.note("no dead letters are among the first messages of '\(queue)'") }
                if display.json { return .json("[\(dead.map { json($0.message) }.joined(separator: ","))]") }
                let columns = [
                    Column(heading: "OFFSET", alignment: .right), Column(heading: "REASON"),
                    Column(heading: "TIMES", alignment: .right), Column(heading: "SINCE"), Column(heading: "FROM"),
                    Column(heading: "EXCHANGE"), Column(heading: "KEY"), Column(heading: "BODY"),
                ]
                return .lines(Table(columns: columns, rows: dead.map { cells($0.message, $0.death) }).lines)
            }
        }
    }

    private func cells(_ message: StoredMessage, _ death: DeathRecord) -> [String] {
        [
            "\(message.offset)", death.reason, "\(death.count)", UTCTime.text(milliseconds: death.milliseconds),
            death.queue, JSONValue.text(death.exchange).cell, JSONValue.text(death.routingKey).cell,
            String(String(buffer: message.body).prefix(40)),
        ]
    }

    private func json(_ message: StoredMessage) -> String {
        var bytes: [UInt8] = []
        MessageFormat.json.append(message, to: &bytes)
        return String(decoding: bytes.dropLast(), as: UTF8.self)
    }
}

/// `cola dead redrive`
struct DeadRedrive: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redrive",
        abstract: "Put dead letters back where they died, or into one queue.",
        discussion: """
              cola dead redrive tasks.dead --yes
              cola dead redrive tasks.dead --count 1 --yes
              cola dead redrive tasks.dead --to orders --yes

            Prints how many were moved; a message is in one of the two queues at any time. Without --to, one whose \
            queue is gone, or that never died, stays.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue that holds them.", completion: .names)
    var queue: String

    @Option(name: .long, help: ArgumentHelp("Put all of them here.", valueName: "queue"))
    var to: String?

    @Option(name: .shortAndLong, help: "How many at most. (default: all)")
    var count: Int?

    @Flag(name: .long, help: "Do not ask.")
    var yes = false

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count is 1 or more") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            let ready = try JSONValue(answer: try await client.describe(.queue(queue)))["ready"].integer ?? 0
            let most = count.map { min($0, Int(ready)) } ?? Int(ready)
            let place = to.map { "into '\($0)'" } ?? "back where they died"
            try Confirmation.ask("move up to \(most) messages of '\(queue)' \(place)?", yes: yes)
            let moved = try await client.redrive(queue, to: to, count: count)
            try Output.print("\(moved)")
            if moved == 0 { Output.note("nothing was moved; `cola dead show \(queue)` says what is there") }
        }
    }
}
