import ArgumentParser

/// `cola users`
struct Users: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, add, change and delete users.",
        discussion: """
            Over TCP everybody comes with a name and a password. Only an administrator may change who, which the \
            server's own user is over its Unix socket.

              cola users
              cola users add ana --tags administrator
              cola permissions set ana --configure '.*' --write '.*' --read '.*'

            A new user may do nothing until there are permissions for him.
            """,
        subcommands: [
            ListingCommand<UserListing>.self, UserAdd.self, UserDelete.self, UserPassword.self, UserTags.self,
            UserLimits.self,
        ],
        defaultSubcommand: ListingCommand<UserListing>.self)
}
