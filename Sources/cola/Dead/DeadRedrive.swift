import ArgumentParser
import ColaClient

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

    @Argument(help: "The queue that holds them.", completion: .queues)
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
