import ArgumentParser
import ColaClient

/// `cola peek`
struct Peek: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at messages without taking them.",
        discussion: """
              cola peek orders
              cola peek orders --count 10 --json
              cola peek orders --from 2
              cola peek orders --count 5000 --priority 9 --json
              cola peek events --partition 1 --json

            In the order of delivery, whether they are handed out or not; nothing about them changes. In a queue with \
            priorities the higher come first, and each counts offsets of its own: --from is one of --priority, or of \
            priority 0, and what follows is what is delivered after it.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue or topic.", completion: .names)
    var name: String

    @Option(name: .long, help: "The first offset to look at.")
    var from: Int64 = 0

    @Option(name: .long, help: "Of a queue: begin with the messages of this priority, 0 to 255.")
    var priority: Int?

    @Option(name: .long, help: "The partition of a topic.")
    var partition: Int?

    @Option(name: .shortAndLong, help: "How many messages.")
    var count = 1

    @Flag(name: .long, help: "Print one JSON object a message, with its offset, key and headers.")
    var json = false

    func validate() throws {
        guard from >= 0 else { throw ValidationError("--from is an offset, 0 or more") }
        if let priority, !(0...255).contains(priority) { throw ValidationError("--priority is 0 to 255") }
        guard (0...999).contains(partition ?? 0) else { throw ValidationError("--partition is 0 to 999") }
        guard count >= 1 else { throw ValidationError("--count is 1 or more") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            var output = Output.standard()
            var position: BrowsePosition? = BrowsePosition(offset: from, priority: priority)
            var left = count
            // The server sends at most 1,000 messages and 16 MiB at a time.
            while left > 0, let start = position {
                let page = try await client.browse(name, from: start, count: min(left, 1000), partition: partition)
                for message in page.messages {
                    output.append { (json ? MessageFormat.json : .body).append(message, to: &$0) }
                    if output.pending.count >= 1 << 20 { try output.flush() }
                }
                try output.flush()
                left -= page.messages.count
                position = page.next
            }
            if left == count {
                let place = priority.map { " of priority \($0)" } ?? ""
                Output.note("no message of '\(name)' is at offset \(from)\(place) or behind it")
            }
        }
    }
}
