import ArgumentParser
import ColaClient

/// `cola vhosts`
struct VirtualHosts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vhosts",
        abstract: "List, add, change and delete virtual hosts.",
        discussion: """
            A virtual host has queues, topics, exchanges and policies of its own, and users have permissions in each \
            separately. / always exists.

              cola vhosts
              cola vhosts add shop --description 'Orders and stock'
              cola vhosts limits shop --max-queues 100
            """,
        subcommands: [
            ListingCommand<VirtualHostListing>.self, VirtualHostAdd.self, VirtualHostDelete.self,
            VirtualHostLimits.self,
        ],
        defaultSubcommand: ListingCommand<VirtualHostListing>.self)
}

/// `cola vhosts add`
struct VirtualHostAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Make a virtual host, or change what is said of it.",
        discussion: """
              cola vhosts add shop
              cola vhosts add shop --description 'Orders and stock' --tags eu,live
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "Its name.")
    var name: String

    @Option(name: .long, help: "What it is for, for people who look.")
    var description: String?

    @Option(name: .long, help: "Tags, with commas between them; for people, too.")
    var tags: String?

    @Option(name: .long, help: "What a queue of AMQP is where a client does not say: classic, quorum or stream.")
    var defaultQueueType: String?

    func run() async throws {
        var settings = Client.VirtualHostSettings()
        settings.description = description
        settings.tags = tags.map { $0.split(separator: ",").map(String.init) }
        settings.defaultQueueType = defaultQueueType
        let given = settings
        try await connection.withBroker { client in try await client.declareVirtualHost(name, given) }
    }
}

/// `cola vhosts delete`
struct VirtualHostDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a virtual host in which there are neither queues nor topics.",
        discussion: """
              cola vhosts delete shop

            Its exchanges, policies and permissions go with it. Connections that are in it are told so and end.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "Its name.")
    var name: String

    func run() async throws {
        try await connection.withBroker { client in try await client.deleteVirtualHost(name) }
    }
}

/// `cola vhosts limits`
struct VirtualHostLimits: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits",
        abstract: "Change how many connections, queues and topics a virtual host may have.",
        discussion: """
              cola vhosts limits shop --max-connections 100 --max-queues 50
              cola vhosts limits shop --max-queues none

            `cola describe vhost shop` shows them. What is there already stays.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "Its name.")
    var name: String

    @Option(name: .long, help: ArgumentHelp("Connections; 0: none may be opened.", valueName: "number|none"))
    var maxConnections: LimitArgument?

    @Option(name: .long, help: ArgumentHelp("Queues and topics together.", valueName: "number|none"))
    var maxQueues: LimitArgument?

    func validate() throws {
        guard maxConnections != nil || maxQueues != nil else {
            throw ValidationError("say which limit: --max-connections or --max-queues, with a number or none")
        }
    }

    func run() async throws {
        var settings = Client.VirtualHostSettings()
        settings.connectionsMax = maxConnections?.limit
        settings.queuesMax = maxQueues?.limit
        let given = settings
        try await connection.withBroker { client in
            // A name that is misspelt is not a new virtual host.
            _ = try await client.describe(.virtualHost(name))
            try await client.declareVirtualHost(name, given)
        }
    }
}
