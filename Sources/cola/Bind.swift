import ArgumentParser
import ColaClient

/// What `bind` and `unbind` name.
struct BindingArguments: ParsableArguments {
    @Argument(help: "The exchange.")
    var exchange: String

    @Argument(help: "The queue or topic.")
    var name: String

    @Option(name: .long, help: "The routing key; a fanout exchange pays no attention to it.")
    var key = ""
}

/// `cola bind`
struct Bind: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lead messages from an exchange to a queue or topic.",
        discussion: """
              cola bind amq.fanout orders
              cola bind amq.direct orders --key new

            Doing it twice changes nothing.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var binding: BindingArguments

    func run() async throws {
        try await connection.withBroker { client in
            try await client.bind(exchange: binding.exchange, to: binding.name, routingKey: binding.key)
        }
    }
}

/// `cola unbind`
struct Unbind: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take a binding back.",
        discussion: """
              cola unbind amq.direct orders --key new

            Without a binding of that key nothing changes, and that is no error.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var binding: BindingArguments

    func run() async throws {
        try await connection.withBroker { client in
            try await client.unbind(exchange: binding.exchange, from: binding.name, routingKey: binding.key)
        }
    }
}
