import ArgumentParser
import ColaClient

/// `cola delete`
struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Delete a queue, topic, exchange, virtual host, policy, group or user.",
        discussion: """
              cola delete queue orders
              cola delete queue texts --if-empty --if-unused
              cola delete group events audit

            A queue or topic goes with its messages and bindings, and prints how many messages those were. Nothing \
            brings them back.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "queue, topic, exchange, vhost, policy, group or user.")
    var kind: ObjectKind

    @Argument(help: "Its name; of a group, that of its topic.", completion: .everything)
    var name: String

    @Argument(help: "The name of the group.")
    var group: String?

    @Flag(name: .long, help: "A queue only while nothing consumes it, an exchange only while nothing is bound to it.")
    var ifUnused = false

    @Flag(name: .long, help: "A queue only while nothing is in it.")
    var ifEmpty = false

    func validate() throws {
        try GroupNames.check(kind, name, group)
        if ifEmpty, kind != .queue { throw ValidationError("--if-empty is for queues, not a \(kind)") }
        if ifUnused, kind != .queue, kind != .exchange {
            throw ValidationError("--if-unused is for queues and exchanges, not a \(kind)")
        }
    }

    func run() async throws {
        try await connection.withBroker { client in
            switch kind {
            case .queue:
                let count = try await client.delete(.queue, name, ifUnused: ifUnused, ifEmpty: ifEmpty)
                try Output.print("\(count)")
            case .topic: try Output.print("\(try await client.delete(.topic, name))")
            case .exchange: try await client.delete(.exchange, name, ifUnused: ifUnused, ifEmpty: false)
            case .vhost: try await client.deleteVirtualHost(name)
            case .policy: try await client.deletePolicy(name)
            case .user: try await client.deleteUser(name)
            case .group: try await client.deleteGroup(group ?? "", of: name)
            }
        }
    }
}
