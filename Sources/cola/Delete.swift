import ArgumentParser
import ColaClient

/// `cola delete`
struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Delete a queue, a topic or an exchange, with its messages and bindings.",
        discussion: """
              cola delete queue orders

            Prints how many messages were deleted with it. Nothing brings them back.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "queue, topic or exchange.")
    var kind: DefinitionKind

    @Argument(help: "Its name.")
    var name: String

    func run() async throws {
        let count = try await connection.withBroker { client in try await client.delete(kind.clientKind, name) }
        if kind != .exchange { try Output.print("\(count)") }
    }
}
