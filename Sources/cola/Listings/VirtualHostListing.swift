import ColaClient

/// `cola vhosts`
enum VirtualHostListing: Listing {
    static let what = Client.Listing.vhosts
    static let path = "vhosts list"
    static let abstract = "List the virtual hosts."
    static let explanation = "Every command works in one of them: --vhost NAME or COLA_VHOST, else /."
    static let pattern = "*"
    static let names = ["name"]
    static let advice = "make one with `cola declare vhost NAME`"
    static let columns: [ListingColumn] = [
        .text("VHOST", "name"), .number("QUEUES", "queues"), .number("TOPICS", "topics"),
        .number("CONNECTIONS", "connections"), .text("TAGS", "tags"), .text("DESCRIPTION", "description"),
    ]
}
