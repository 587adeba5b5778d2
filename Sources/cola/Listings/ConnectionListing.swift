import ColaClient

/// `cola connections`
enum ConnectionListing: Listing {
    static let what = Client.Listing.connections
    static let abstract = "List the connections."
    static let explanation = "A pattern is compared with what a client calls itself, its user and its address."
    static let pattern = "cola"
    static let names = ["client", "user", "peer"]
    static let advice = "which cannot be: this command has one"
    static let columns: [ListingColumn] = [
        .number("CONNECTION", "connection"), .text("CLIENT", "client"), .text("USER", "user"), .text("PEER", "peer"),
        .text("VHOST", "vhost"), .text("PROTOCOL", "protocol"), .number("CONSUMERS", "consumers"),
        .number("UNACKED", "unacknowledged"),
        .made("SINCE") { row in row["since"].integer.map { UTCTime.text(milliseconds: $0) } ?? "-" },
    ]
}
