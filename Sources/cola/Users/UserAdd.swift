import ArgumentParser
import ColaClient

/// `cola users add`
struct UserAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a user.",
        discussion: """
              cola users add ana
              cola users add ops --tags monitoring --password-stdin <password.txt
              cola users add uid:1000 --no-password

            The password is asked for, twice, and not shown; where nobody can be asked, it is a line of standard \
            input. A user uid:N without a password is whoever comes through the Unix socket with that user id. The \
            user may do nothing before `cola permissions set`.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The name of the user.")
    var name: String

    @OptionGroup var password: PasswordOptions

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Tags, with commas between them: administrator, monitoring, policymaker, impersonator, or any other.",
            valueName: "tags"))
    var tags: String?

    @Flag(name: .long, help: "The user may come from the broker's own machine alone.")
    var loopbackOnly = false

    func run() async throws {
        var settings = Client.UserSettings()
        settings.isNew = true
        settings.password = try password.read(for: name)
        settings.tags = tags.map { $0.split(separator: ",").map(String.init) }
        settings.isFromLoopbackOnly = loopbackOnly ? true : nil
        let given = settings
        try await connection.withBroker { client in try await client.setUser(name, given) }
    }
}

/// `cola users delete`
struct UserDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a user, with all permissions.",
        discussion: """
              cola users delete ana

            Connections of the user are told so and end.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The name of the user.")
    var name: String

    func run() async throws {
        try await connection.withBroker { client in try await client.deleteUser(name) }
    }
}
