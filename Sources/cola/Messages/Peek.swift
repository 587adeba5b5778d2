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
              cola peek events --partition 1 --json

            In their order, whether they are handed out or not; nothing about them changes.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue or topic.")
    var name: String

    @Option(name: .long, help: "The first offset to look at.")
    var from: Int64 = 0

    @Option(name: .long, help: "The partition of a topic.")
    var partition = 0

    @Option(name: .long, help: "How many messages.")
    var count = 1

    @Flag(name: .long, help: "Print one JSON object a message, with its offset, key and headers.")
    var json = false

    func validate() throws {
        guard from >= 0 else { throw ValidationError("--from is an offset, 0 or more") }
        guard (0...999).contains(partition) else { throw ValidationError("--partition is 0 to 999") }
        guard count >= 1 else { throw ValidationError("--count is 1 or more") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            var output = Output.standard()
            var (next, left) = (from, count)
            // The server sends at most 1,000 messages and 16 MiB at a time.
            while left > 0 {
                let messages = try await client.peek(
                    name, partition: partition, from: next, count: min(left, 1000))
                guard let last = messages.last else { break }
                for message in messages {
                    output.append { (json ? MessageFormat.json : .body).append(message, to: &$0) }
                }
                try output.flush()
                left -= messages.count
                guard last.offset < .max else { break }
                next = last.offset + 1
            }
            if left == count { Output.note("no message of '\(name)' is at offset \(from) or above") }
        }
    }
}
