import ArgumentParser
import ColaClient

/// What has a name of its own and can be looked at or deleted.
enum ObjectKind: String, ExpressibleByArgument, CaseIterable, Sendable {
    case queue, topic, exchange, vhost, policy, group, user
}

/// `cola describe`
struct Describe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show everything that is known of a queue, topic, exchange, virtual host, policy, group or user.",
        discussion: """
              cola describe queue orders
              cola describe topic events --json | jq .logs
              cola describe group events audit
              cola describe queue orders --watch 1

            `arguments` is what it was declared with, `effective` what holds together with its policy.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "queue, topic, exchange, vhost, policy, group or user.")
    var kind: ObjectKind

    @Argument(help: "Its name; of a group, that of its topic.", completion: .everything)
    var name: String

    @Argument(help: "The name of the group.")
    var group: String?

    @OptionGroup var display: DisplayOptions

    func validate() throws {
        try GroupNames.check(kind, name, group)
    }

    func run() async throws {
        try await connection.withBroker { client in
            try await display.show {
                let text = try await client.describe(subject)
                return display.json ? .json(text) : .lines(try JSONValue(answer: text).outline().map(Output.printable))
            }
        }
    }

    private var subject: Client.Subject {
        switch kind {
        case .queue: .queue(name)
        case .topic: .topic(name)
        case .exchange: .exchange(name)
        case .vhost: .virtualHost(name)
        case .policy: .policy(name)
        case .user: .user(name)
        case .group: .group(topic: name, name: group ?? "")
        }
    }
}

/// A group is named by its topic and its own name, everything else by one name.
enum GroupNames {
    static func check(_ kind: ObjectKind, _ name: String, _ group: String?) throws {
        if kind == .group, group == nil {
            throw ValidationError("a group belongs to a topic: write `group TOPIC GROUP`, not `group \(name)` alone")
        }
        if kind != .group, let group { throw ValidationError("a \(kind) has one name; '\(group)' is one too many") }
    }
}
