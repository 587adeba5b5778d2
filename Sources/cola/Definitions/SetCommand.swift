import ArgumentParser
import ColaClient

/// `cola set`
struct SetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Change the settings of a queue or topic while it runs, or make a policy.",
        discussion: """
              cola set queue orders --max-length 1000 --message-ttl 60000
              cola set queue orders --clear max-length,message-ttl
              cola set topic events --retention-ms 86400000
              cola set policy short --pattern '^temp' --to queues --expires 3600000
              cola set policy x --pattern '' --to exchanges --alternate-exchange rest

            What is not named stays as it is, but a policy is replaced as a whole. A policy holds for every queue, \
            topic and exchange whose name its pattern is found in, those there are and those to come; what a queue was \
            declared with counts before it, but of two limits the lower one holds. `cola describe queue orders` \
            shows what holds, `cola delete policy short` takes a policy back.
            """)

    enum Kind: String, ExpressibleByArgument, CaseIterable, Sendable { case queue, topic, policy }
    enum Scope: String, ExpressibleByArgument, CaseIterable, Sendable {
        case queues, topics, exchanges, all
        case classicQueues = "classic_queues"
        case quorumQueues = "quorum_queues"
        case streams
    }

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "queue, topic or policy.")
    var kind: Kind

    @Argument(help: "Its name.", completion: .names)
    var name: String

    @Option(name: .long, help: ArgumentHelp("Settings to take back, with commas between them.", valueName: "setting,…"))
    var clear: String?

    @Option(name: .long, help: ArgumentHelp("For a policy: a regular expression of names.", valueName: "regex"))
    var pattern: String?

    @Option(name: .long, help: "For a policy: what it is for. (default: all)")
    var to: Scope?

    @Option(name: .long, help: "For a policy: of several that fit, the one with the highest counts. (default: 0)")
    var priority: Int?

    @OptionGroup(title: "Settings of queues and topics") var arguments: ArgumentOptions

    func validate() throws {
        if kind == .policy {
            if pattern == nil { throw ValidationError("a policy needs the names it is for: add --pattern REGEX") }
            if clear != nil {
                throw ValidationError("--clear is for queues and topics; a policy is replaced as a whole")
            }
            if arguments.given.isEmpty { throw ValidationError("a policy needs a setting, such as --max-length 1000") }
            if let priority, !(0...2_147_483_647).contains(priority) {
                throw ValidationError("--priority is 0 to 2147483647")
            }
        } else {
            if pattern != nil || to != nil || priority != nil {
                throw ValidationError("--pattern, --to and --priority are for policies, not for a \(kind)")
            }
            if arguments.given.isEmpty, cleared.isEmpty {
                throw ValidationError("nothing to change: give a setting, such as --max-length 1000, or --clear")
            }
            for name in cleared {
                guard ArgumentOptions.names.contains(name) else {
                    throw ValidationError("--clear takes names of settings, such as max-length, and '\(name)' is none")
                }
                if arguments.given.contains(where: { $0.name == name }) {
                    throw ValidationError("--\(name) is given and cleared; leave one of the two out")
                }
            }
        }
    }

    func run() async throws {
        try await connection.withBroker { client in
            switch kind {
            case .queue: _ = try await client.describe(.queue(name))
            case .topic: _ = try await client.describe(.topic(name))
            case .policy:
                var policy = Client.Policy(name: name, pattern: pattern ?? "", arguments: arguments.given)
                policy.to = to?.rawValue
                policy.priority = priority
                return try await client.setPolicy(policy)
            }
            try await client.alter(name, set: arguments.given, clear: cleared)
        }
    }

    private var cleared: [String] { (clear ?? "").split(separator: ",").map(String.init) }
}
