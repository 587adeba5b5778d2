import ColaClient

/// `cola consumers`
enum ConsumerListing: Listing {
    static let what = Client.Listing.consumers
    static let abstract = "List the consumers of queues and the readers of topics."
    static let explanation = """
        LAG is how many records a reader has still to be sent. A pattern is compared with the name of the queue or \
        topic.
        """
    static let pattern = "orders*"
    static let names = ["queue"]
    static let advice = "begin one with `cola consume --queue NAME --follow`"
    static let columns: [ListingColumn] = [
        .text("QUEUE", "queue"), .number("CONNECTION", "connection"), .number("CONSUMER", "consumer"),
        .number("UNACKED", "unacknowledged"), .number("PREFETCH", "prefetch"), .number("PRIORITY", "priority"),
        .text("ACTIVE", "active"), .text("GROUP", "group"),
        .made("LAG", .right) { row in
            let partitions = row["partitions"].list
            return partitions.isEmpty ? "-" : "\(partitions.reduce(0) { $0 + ($1["lag"].integer ?? 0) })"
        },
    ]
}
