import ArgumentParser
import ColaClient

/// `cola get`
struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take messages that are there now, one by default, without waiting.",
        discussion: """
              cola get orders
              cola get orders --count 3 --json
              cola get orders --requeue

            A message is acknowledged after it was written out. With --requeue each goes back to its place when the \
            command ends, marked as redelivered; `cola peek` looks without a mark.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue.", completion: .queues)
    var queue: String

    @Option(name: .shortAndLong, help: "How many messages at most.")
    var count = 1

    @Flag(name: .long, help: "Give the messages back.")
    var requeue = false

    @Flag(name: .long, help: "Print one JSON object a message, with its offset, key and headers.")
    var json = false

    func validate() throws {
        guard count >= 1 else { throw ValidationError("--count is 1 or more") }
        if requeue, count > 65_535 { throw ValidationError("--requeue holds at most 65535 messages") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            var output = Output.standard()
            var taken = 0
            while taken < count, let delivery = try await client.get(queue) {
                output.append { (json ? MessageFormat.json : .body).append(delivery.message, to: &$0) }
                try output.flush()
                if !requeue { try client.ack(delivery) }
                taken += 1
            }
            // What was not acknowledged goes back when the connection ends.
            try await client.settled()
            if taken == 0 { Output.note("no message waits in '\(queue)'; `cola why \(queue)` says more") }
        }
    }
}
