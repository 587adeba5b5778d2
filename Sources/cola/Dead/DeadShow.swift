import ArgumentParser
import ColaClient

/// `cola dead show`
struct DeadShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the dead letters of a queue, why each died, and what was tried.",
        discussion: """
              cola dead show tasks.dead
              cola dead show tasks --end timed-out
              cola dead show tasks.dead --count 5000 --json

            Below a message stands every attempt at it that is known: when it began, how long it took, who had it, how \
            it ended, and the last lines that it wrote. Of a queue without dead letters of its own those that were \
            parked are shown. With --json, one array with a message per element, all of its headers, `deaths` and \
            `attempts`.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue that holds them, or in which they died.", completion: .queues)
    var queue: String

    @Option(name: .shortAndLong, help: "How many messages.")
    var count = 100

    @OptionGroup var letters: DeadLetterOptions
    @OptionGroup var display: DisplayOptions

    func validate() throws {
        guard count >= 1 else { throw ValidationError("--count is 1 or more") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            try await display.show {
                let filter = try letters.filter()
                let found = try await DeadLetterQueue.find(queue, client)
                var dead: [DeadLetter] = []
                try await found.each(filter) { letter in
                    if let letter { dead.append(letter) }
                    return dead.count < count
                }
                if dead.isEmpty { Output.note("no dead letters\(filter.isNarrow) are in '\(found.name)'") }
                if display.json { return .json("[\(dead.map(\.json).joined(separator: ","))]") }
                return .lines(Self.lines(dead))
            }
        }
    }

    /// A table with the stories between its rows.
    static func lines(_ dead: [DeadLetter]) -> [String] {
        let rows = Table(columns: DeadLetter.columns, rows: dead.map(\.cells)).lines
        return [rows[0]] + zip(rows.dropFirst(), dead).flatMap { [$0] + $1.story }
    }
}
