import ColaClient

/// `cola permissions list`
enum PermissionListing: Listing {
    static let what = Client.Listing.permissions
    static let path = "permissions list"
    static let abstract = "List what users may do in which virtual host."
    static let explanation = """
        CONFIGURE is what a user may make, change and delete, WRITE what he may put messages into, READ what he may \
        take them out of: regular expressions that are found in the name. An empty one fits none. Only administrators \
        may list permissions.
        """
    static let pattern = "ana*"
    static let names = ["user", "vhost"]
    static let advice = "give some with `cola permissions set USER`"
    static let columns: [ListingColumn] = [
        .text("VHOST", "vhost"), .text("USER", "user"), .text("CONFIGURE", "configure"), .text("WRITE", "write"),
        .text("READ", "read"),
    ]
}

/// `cola permissions topics`
enum TopicPermissionListing: Listing {
    static let what = Client.Listing.topicPermissions
    static let path = "permissions topics"
    static let abstract = "List with which routing keys users may publish to topic exchanges, and bind to them."
    static let explanation = """
        Where a user has none for an exchange, all routing keys are allowed. In the patterns {username}, {vhost} and \
        {client_id} stand for the user's own. Only administrators may list permissions.
        """
    static let pattern = "ana*"
    static let names = ["user", "vhost", "exchange"]
    static let advice = "give some with `cola permissions set USER --exchange NAME`"
    static let columns: [ListingColumn] = [
        .text("VHOST", "vhost"), .text("USER", "user"), .text("EXCHANGE", "exchange"), .text("WRITE", "write"),
        .text("READ", "read"),
    ]
}
