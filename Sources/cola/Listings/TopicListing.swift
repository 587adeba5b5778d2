import ColaClient

/// `cola topics`
enum TopicListing: Listing {
    static let what = Client.Listing.topics
    static let abstract = "List the topics."
    static let explanation = "READERS are consumers, GROUPS are those that have committed a position or have members."
    static let pattern = "event*"
    static let names = ["name"]
    static let advice = "make one with `cola declare topic NAME`"
    static let columns: [ListingColumn] = [
        .text("TOPIC", "name"), .number("PARTITIONS", "partitions"), .number("MESSAGES", "messages"),
        .number("BYTES", "bytes"), .number("READERS", "readers"), .number("GROUPS", "groups"),
    ]
}
