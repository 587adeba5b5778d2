import ArgumentParser
import ColaClient

/// What can be declared and deleted by name.
enum DefinitionKind: String, ExpressibleByArgument, CaseIterable, Sendable {
    case queue, topic, exchange

    var clientKind: Client.Kind {
        switch self {
        case .queue: .queue
        case .topic: .topic
        case .exchange: .exchange
        }
    }
}

/// `cola declare`
struct Declare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a queue, a topic or an exchange, if there is none of the name.",
        discussion: """
              cola declare queue orders
              cola declare topic events
              cola declare exchange news --type fanout

            Doing it again changes nothing. Then `cola bind news orders` leads messages from the exchange to the queue.
            """)

    enum ExchangeType: String, ExpressibleByArgument, CaseIterable, Sendable { case direct, fanout }

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "queue, topic or exchange.")
    var kind: DefinitionKind

    @Argument(help: "Its name, 1 to 255 bytes.")
    var name: String

    @Option(name: .long, help: "For an exchange: direct (by routing key) or fanout (to all).")
    var type: ExchangeType?

    func validate() throws {
        if kind == .exchange, type == nil {
            throw ValidationError("an exchange has a type: add --type direct or --type fanout")
        }
        if kind != .exchange, type != nil { throw ValidationError("--type is for exchanges; a \(kind) has none") }
    }

    func run() async throws {
        try await connection.withBroker { client in
            switch kind {
            case .queue: try await client.declareQueue(name)
            case .topic: try await client.declareTopic(name)
            case .exchange: try await client.declareExchange(name, type: (type ?? .direct).rawValue)
            }
        }
    }
}
