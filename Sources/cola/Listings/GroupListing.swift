import ColaClient

/// `cola groups`
enum GroupListing: Listing {
    static let what = Client.Listing.groups
    static let abstract = "List the consumer groups of the topics."
    static let explanation = """
        LAG is how many records a group has still to read, as far as it has said where it is. A pattern is compared \
        with the names of topic and group.
        """
    static let pattern = "audit"
    static let names = ["topic", "group"]
    static let advice = "one is made when a consumer joins it or commits an offset"
    static let columns: [ListingColumn] = [
        .text("TOPIC", "topic"), .text("GROUP", "group"), .number("MEMBERS", "members"),
        .text("STRATEGY", "strategy"), .number("GENERATION", "generation"), .number("LAG", "lag"),
    ]
}
