import ArgumentParser
import ColaClient

/// `cola declare`
struct Declare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a queue, a topic, an exchange or a virtual host, if there is none of the name.",
        discussion: """
              cola declare queue orders
              cola declare queue bounded --max-length 1000 --overflow reject-publish
              cola declare queue invoices --delivery-limit 5 --dead-letter-exchange news
              cola declare queue mails --retry first=1000,most=600000,attempts=8
              cola declare topic clicks --partitions 4 --retention-ms 86400000
              cola declare exchange sport --type topic
              cola declare exchange shares --type x-consistent-hash --auto-delete
              cola declare vhost test

            Doing it again changes nothing; with other settings it is refused, and `cola set` changes them. Then \
            `cola bind sport orders --key goal.#` leads messages from the exchange to the queue.
            """)

    enum Kind: String, ExpressibleByArgument, CaseIterable, Sendable {
        case queue, topic, exchange, vhost

        var withArticle: String { self == .exchange ? "an \(self)" : "a \(self)" }
    }

    enum ExchangeType: String, ExpressibleByArgument, CaseIterable, Sendable {
        case direct, fanout, topic, headers
        case consistentHash = "x-consistent-hash"
        case modulusHash = "x-modulus-hash"
        case superStream = "x-super-stream"
        case random = "x-random"
        case localRandom = "x-local-random"
        case recentHistory = "x-recent-history"

        static let list = allCases.map(\.rawValue).joined(separator: ", ")
    }

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "queue, topic, exchange or vhost.")
    var kind: Kind

    @Argument(help: "Its name, 1 to 255 bytes.")
    var name: String

    @Option(
        name: .long,
        help: ArgumentHelp(
            "For an exchange: direct (by routing key), fanout (to all), topic (by pattern), headers, or one with x-: "
                + "consistent-hash, modulus-hash and super-stream (one, by the hash of the routing key), random (any "
                + "one), recent-history (all, later ones too).",
            valueName: "type"))
    var type: ExchangeType?

    @Option(
        name: .long, help: ArgumentHelp("For an exchange: what no binding takes goes there.", valueName: "exchange"))
    var alternate: String?

    @Option(name: .long, help: ArgumentHelp("For a topic, 1 to 1000. (default: 1)", valueName: "count"))
    var partitions: Int?

    @Flag(name: .long, help: "An exchange that no publisher may name: only exchanges and dead letters lead to it.")
    var `internal` = false

    @Flag(name: .long, help: "An exchange that routes a message with a delay when its time has come.")
    var delayed = false

    @OptionGroup(title: "Settings of exchanges with x-") var exchange: ExchangeSettings

    @Flag(name: .long, help: "A queue that does not outlive the server, nor do its messages; or such an exchange.")
    var transient = false

    @Flag(name: .long, help: "A queue that goes with the last of its consumers, or an exchange with its last binding.")
    var autoDelete = false

    /// Known only to say what to do instead.
    @Flag(name: .long, help: .hidden)
    var exclusive = false

    @OptionGroup(title: "Settings of queues and topics") var arguments: ArgumentOptions

    func validate() throws {
        guard !exclusive else {
            throw ValidationError(
                "an exclusive queue goes with the connection that made it, and this command's ends at once: declare "
                    + "it in the program that uses it (exclusive=yes), or make one with --auto-delete, which goes when "
                    + "the last of its consumers has gone")
        }
        // The broker would choose a name itself.
        if name.isEmpty { throw ValidationError("the name of the \(kind) is empty; it has 1 to 255 bytes") }
        if kind == .exchange, type == nil {
            throw ValidationError("an exchange has a type: add --type with one of \(ExchangeType.list)")
        }
        if kind != .exchange, type != nil { throw ValidationError("--type is for exchanges, not for a \(kind)") }
        if kind != .exchange, alternate != nil {
            throw ValidationError("--alternate is for exchanges, not for a \(kind)")
        }
        if kind != .topic, partitions != nil {
            throw ValidationError("--partitions is for topics, not for \(kind.withArticle)")
        }
        if let partitions, !(1...1000).contains(partitions) { throw ValidationError("--partitions is 1 to 1000") }
        if kind != .exchange, `internal` || delayed {
            throw ValidationError("--internal and --delayed are for exchanges, not for \(kind.withArticle)")
        }
        if kind == .topic || kind == .vhost, transient || autoDelete {
            throw ValidationError(
                "--transient and --auto-delete are for queues and exchanges, not for \(kind.withArticle)")
        }
        try exchange.check(for: kind == .exchange ? type : nil)
        if kind == .exchange || kind == .vhost, let first = arguments.given.first {
            throw ValidationError("--\(first.name) is for queues or topics, not for \(kind.withArticle)")
        }
    }

    func run() async throws {
        try await connection.withBroker { client in
            switch kind {
            case .queue:
                var options = Client.QueueOptions()
                options.isDurable = !transient
                options.isAutoDelete = autoDelete
                options.arguments = arguments.given
                try await client.declareQueue(name, options: options)
            case .topic: try await client.declareTopic(name, partitions: partitions, arguments: arguments.given)
            case .exchange:
                var options = Client.ExchangeOptions(type: (type ?? .direct).rawValue)
                options.alternate = alternate
                options.isDurable = !transient
                options.isAutoDelete = autoDelete
                options.isInternal = `internal`
                options.isDelayed = delayed
                exchange.fill(&options)
                try await client.declareExchange(name, options: options)
            case .vhost: try await client.declareVirtualHost(name)
            }
        }
    }
}
