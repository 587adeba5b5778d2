import ArgumentParser
import ColaClient
import NIOCore

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

    @Argument(help: "The queue that holds them.", completion: .queues)
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
