import ArgumentParser
import ColaClient

/// `cola users password`
struct UserPassword: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "password",
        abstract: "Change the password of a user.",
        discussion: """
              cola users password ana
              pwgen -s 40 1 | cola users password ana --password-stdin
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The name of the user.")
    var name: String

    @OptionGroup var password: PasswordOptions

    func run() async throws {
        var settings = Client.UserSettings()
        settings.isNew = false
        settings.password = try password.read(for: name)
        let given = settings
        try await connection.withBroker { client in try await client.setUser(name, given) }
    }
}

/// `cola users tags`
struct UserTags: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tags",
        abstract: "Give a user these tags, and no others.",
        discussion: """
              cola users tags ana administrator monitoring
              cola users tags ana

            administrator: everything that concerns the server. policymaker: policies. impersonator: to publish in the \
            name of others, with AMQP and from the next connection on. Other tags allow nothing here.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The name of the user.")
    var name: String

    @Argument(help: "The tags; without any, the user has none.")
    var tags: [String] = []

    func run() async throws {
        var settings = Client.UserSettings()
        settings.isNew = false
        settings.tags = tags.flatMap { $0.split(separator: ",").map(String.init) }
        let given = settings
        try await connection.withBroker { client in try await client.setUser(name, given) }
    }
}

/// `cola users limits`
struct UserLimits: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits",
        abstract: "Change how many connections and channels a user may have at a time.",
        discussion: """
              cola users limits ana --max-connections 5
              cola users limits ana --max-connections none

            `cola describe user ana` shows them.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The name of the user.")
    var name: String

    @Option(name: .long, help: ArgumentHelp("Connections; 0: none may be opened.", valueName: "number|none"))
    var maxConnections: LimitArgument?

    @Option(name: .long, help: ArgumentHelp("Channels, of AMQP.", valueName: "number|none"))
    var maxChannels: LimitArgument?

    func validate() throws {
        guard maxConnections != nil || maxChannels != nil else {
            throw ValidationError("say which limit: --max-connections or --max-channels, with a number or none")
        }
    }

    func run() async throws {
        var settings = Client.UserSettings()
        settings.isNew = false
        settings.connectionsMax = maxConnections?.limit
        settings.channelsMax = maxChannels?.limit
        let given = settings
        try await connection.withBroker { client in try await client.setUser(name, given) }
    }
}

/// A number, or `none`.
struct LimitArgument: ExpressibleByArgument {
    let limit: Client.Limit

    init?(argument: String) {
        if argument == "none" {
            limit = .none
        } else if let number = Int(argument), (0...Int(Int32.max)).contains(number) {
            limit = .most(number)
        } else {
            return nil
        }
    }
}
