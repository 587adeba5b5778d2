import ArgumentParser
import ColaClient

/// `cola permissions`
struct Permissions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, give and take back what users may do.",
        discussion: """
            A user may do in a virtual host what three patterns say: --configure is for making, changing and deleting, \
            --write for putting messages in, --read for taking them out. Without permissions in it he may not be there.

              cola permissions
              cola permissions set ana --configure '^ana' --write '.*' --read '.*'
              cola permissions set ana --exchange amq.topic --write '^eu' --read '.*'
              cola permissions clear ana --vhost shop
            """,
        subcommands: [
            ListingCommand<PermissionListing>.self, ListingCommand<TopicPermissionListing>.self, PermissionSet.self,
            PermissionClear.self,
        ],
        defaultSubcommand: ListingCommand<PermissionListing>.self)
}

/// `cola permissions set`
struct PermissionSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Say what a user may do in a virtual host, in the place of what was said before.",
        discussion: """
              cola permissions set ana --configure '.*' --write '.*' --read '.*'
              cola permissions set ana --configure '' --write '^orders$' --read ''
              cola permissions set ana --exchange amq.topic --write '^eu' --read '.*'

            Patterns are regular expressions that are found anywhere in the name, unless ^ and $ say otherwise; an \
            empty one fits no name. The exchange without a name is amq.default here. With --exchange they are about \
            routing keys of that topic exchange, and {username}, {vhost} and {client_id} stand for the user's own. \
            What is set holds at once, also on connections that are there.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The name of the user.")
    var user: String

    @Option(name: .long, help: "What he may make, change and delete.")
    var configure: String?

    @Option(name: .long, help: "What he may put messages into.")
    var write: String

    @Option(name: .long, help: "What he may take messages out of.")
    var read: String

    @Option(name: .long, help: "For the routing keys of this topic exchange; --configure does not go with it.")
    var exchange: String?

    func validate() throws {
        guard (configure == nil) != (exchange == nil) else {
            throw ValidationError("say --configure, --write and --read, or --exchange, --write and --read")
        }
    }

    func run() async throws {
        try await connection.withBroker { client in
            if let exchange {
                try await client.setTopicPermissions(of: user, exchange: exchange, write: write, read: read)
            } else {
                try await client.setPermissions(of: user, configure: configure ?? "", write: write, read: read)
            }
        }
    }
}

/// `cola permissions clear`
struct PermissionClear: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear",
        abstract: "Take back what a user may do in a virtual host.",
        discussion: """
              cola permissions clear ana
              cola permissions clear ana --vhost shop
              cola permissions clear ana --exchange amq.topic

            Without --exchange or --topics all of it: the user may not be in the virtual host any more.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The name of the user.")
    var user: String

    @Option(name: .long, help: "Only what was said of this topic exchange.")
    var exchange: String?

    @Flag(name: .long, help: "Only what was said of topic exchanges.")
    var topics = false

    func run() async throws {
        try await connection.withBroker { client in
            if exchange != nil || topics {
                try await client.clearTopicPermissions(of: user, exchange: exchange)
            } else {
                try await client.clearPermissions(of: user)
            }
        }
    }
}
