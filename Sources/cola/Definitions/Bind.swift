import ArgumentParser
import ColaClient

/// What `bind` and `unbind` name.
struct BindingArguments: ParsableArguments {
    @Argument(help: "The exchange.", completion: .exchanges)
    var exchange: String

    @Argument(help: "The queue, topic, or with --to-exchange the exchange.", completion: .names)
    var name: String

    @Option(
        name: [.long, .customLong("routing-key")],
        help: "The routing key, or for a topic exchange a pattern; a fanout exchange pays no attention to it.")
    var key = ""

    @Flag(name: .long, help: "Lead to another exchange.")
    var toExchange = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "For a headers exchange; without a value the header need only be there. May be repeated.",
            valueName: "name=value"))
    var header: [String] = []

    @Flag(name: .long, help: "For a headers exchange: one of the headers is enough.")
    var any = false

    func validate() throws {
        if any, header.isEmpty { throw ValidationError("--any goes with --header") }
        _ = try HeaderArguments.parse(header)
    }

    func options() throws -> Client.BindingOptions {
        var options = Client.BindingOptions()
        options.routingKey = key
        options.isToExchange = toExchange
        options.matchesAny = any
        options.headers = try HeaderArguments.parse(header)
        return options
    }
}

/// `cola bind`
struct Bind: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lead messages from an exchange to a queue, topic or exchange.",
        discussion: """
              cola bind amq.fanout orders
              cola bind amq.direct orders --key new
              cola bind amq.topic orders --key 'order.*.paid'
              cola bind amq.headers orders --header region=eu --header urgent= --any
              cola bind amq.topic news --key 'news.#' --to-exchange

            Doing it twice changes nothing.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var binding: BindingArguments

    func run() async throws {
        let options = try binding.options()
        try await connection.withBroker { client in
            try await client.bind(exchange: binding.exchange, to: binding.name, options: options)
        }
    }
}

/// `cola unbind`
struct Unbind: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take a binding back.",
        discussion: """
              cola unbind amq.direct orders --key new

            Name all that `cola bind` named. Without such a binding nothing changes, and that is no error.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var binding: BindingArguments

    func run() async throws {
        let options = try binding.options()
        try await connection.withBroker { client in
            try await client.unbind(exchange: binding.exchange, from: binding.name, options: options)
        }
    }
}
