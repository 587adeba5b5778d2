import ArgumentParser
import ColaClient

/// `cola dead redrive`
struct DeadRedrive: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redrive",
        abstract: "Put dead letters back where they died, or into one queue.",
        discussion: """
              cola dead redrive tasks.dead --dry-run
              cola dead redrive tasks.dead --yes
              cola dead redrive tasks --end timed-out --older-than 1h --rate 10 --yes
              cola dead redrive tasks.dead --to orders --count 1 --yes

            Prints how many were moved; a message is in one of the two queues at any time. What does not fit keeps its \
            place, and so does, without --to, what never died or whose queue is gone. With --rate it goes on until all \
            are moved; ^C stops it, and what was moved stays moved. With --dry-run nothing is moved: it shows what \
            would be, with what was tried, as `cola dead show` does. What is handed out is never moved.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue that holds them, or in which they died.", completion: .queues)
    var queue: String

    @Option(name: .long, help: ArgumentHelp("Put all of them here.", valueName: "queue"))
    var to: String?

    @Option(name: .shortAndLong, help: "How many at most. (default: all)")
    var count: Int?

    @Option(name: .long, help: ArgumentHelp("At most so many in a second.", valueName: "messages"))
    var rate: Int?

    @OptionGroup var letters: DeadLetterOptions

    @Flag(name: .long, help: "Move nothing; show what would be moved.")
    var dryRun = false

    @Flag(name: .long, help: "Do not ask.")
    var yes = false

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count is 1 or more") }
        if let rate, !(1...1_000_000).contains(rate) { throw ValidationError("--rate is 1 to 1000000") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            let filter = try letters.filter()
            let name = try await DeadLetterQueue.find(queue, client).name
            if dryRun { return try await rehearse(name, filter, client) }
            let ready = try JSONValue(answer: try await client.describe(.queue(name)))["ready"].integer ?? 0
            let most = count.map { min($0, Int(ready)) } ?? Int(ready)
            let place = to.map { "into '\($0)'" } ?? "back where they died"
            try Confirmation.ask("move up to \(most) messages of '\(name)' \(place)?", yes: yes)
            let moved = try await client.redrive(name, to: to, count: count, rate: rate, where: filter)
            try Output.print("\(moved)")
            if moved == 0 { Output.note("nothing was moved; `cola dead show \(name)` says what is there") }
        }
    }

    private func rehearse(_ name: String, _ filter: DeadLetterFilter, _ client: Client) async throws {
        var targets = Set<String>()
        for listing in [Client.Listing.queues, .topics] {
            targets.formUnion(try JSONValue(answer: try await client.list(listing)).list.compactMap { $0["name"].text })
        }
        if let to, !targets.contains(to) {
            throw Failure(.refused, "no queue or topic is named '\(to)'; make it with `cola declare queue \(to)`")
        }
        var dead: [DeadLetter] = []
        var (moved, stranded) = (0, 0)
        try await DeadLetterQueue(name: name, client: client).each(filter) { letter in
            if let target = to ?? letter?.queue, targets.contains(target) {
                moved += 1
                if let letter { dead.append(letter) }
            } else {
                stranded += 1
            }
            return moved < count ?? .max
        }
        try Output.print(DeadShow.lines(dead).joined(separator: "\n"))
        let place = to.map { "into '\($0)'" } ?? "back where they died"
        Output.note("\(moved) of '\(name)' would be moved \(place), as far as they are not handed out")
        if moved > dead.count { Output.note("\(moved - dead.count) of them have not died, and are not shown") }
        if stranded > 0 {
            Output.note("\(stranded) would stay: they never died, or the queue in which they did is gone")
        }
    }
}
