import ColaClient

/// `cola users`
enum UserListing: Listing {
    static let what = Client.Listing.users
    static let path = "users list"
    static let abstract = "List the users: who may come in, and who has."
    static let explanation = """
        A user comes with a name and a password, or through the Unix socket as what the kernel says: uid:N. FROM is \
        where a user may come from, VHOSTS where he has permissions. Only administrators may list users.
        """
    static let pattern = "uid:*"
    static let names = ["name"]
    static let advice = "see all of them without a pattern"
    static let columns: [ListingColumn] = [
        .text("USER", "name"), .text("AUTHENTICATION", "authentication"), .text("ADMINISTRATOR", "administrator"),
        .text("TAGS", "tags"),
        .made("FROM") { row in
            if row["authentication"].text == "unix-socket" { return "socket" }
            return row["loopback-only"] == .truth(true) ? "loopback" : "anywhere"
        },
        .text("VHOSTS", "vhosts"), .number("CONNECTIONS", "connections"),
    ]
}
