import ColaClient

/// `cola queues`
enum QueueListing: Listing {
    static let what = Client.Listing.queues
    static let abstract = "List the queues."
    static let explanation =
        "READY wait for a consumer, UNACKED are handed out and not acknowledged. Topics are not among them."
    static let pattern = "orders*"
    static let names = ["name"]
    static let advice = "make one with `cola declare queue NAME`"
    static let columns: [ListingColumn] = [
        .text("QUEUE", "name"), .number("READY", "ready"), .number("UNACKED", "unacknowledged"),
        .number("MESSAGES", "messages"), .number("BYTES", "bytes"), .number("CONSUMERS", "consumers"),
    ]
}
