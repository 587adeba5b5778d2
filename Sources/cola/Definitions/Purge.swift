import ArgumentParser
import ColaClient

/// `cola purge`
struct Purge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove every message of a queue that is not handed out.",
        discussion: """
              cola purge orders

            Prints how many messages were removed. Nothing brings them back.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The queue.", completion: .queues)
    var queue: String

    func run() async throws {
        let count = try await connection.withBroker { client in try await client.purge(queue) }
        try Output.print("\(count)")
    }
}
