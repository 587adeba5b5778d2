import ColaClient

/// `cola workers list`
enum WorkerListing: Listing {
    static let what = Client.Listing.workers
    static let path = "workers list"
    static let abstract = "List the workers: the programs that the broker runs as consumers."
    static let explanation = """
        PROCESSES are those that there are, WANTED how many there should be now, RANGE how many there may be. MESSAGES \
        are in hand, FAILURES processes that ended otherwise than they should. Only administrators may list workers.
        """
    static let pattern = "resize*"
    static let names = ["name"]
    static let advice = "define them under `workers:` in the broker's cola.yaml"
    static let columns: [ListingColumn] = [
        .text("WORKER", "name"), .text("QUEUE", "queue"), .text("MODE", "mode"), .text("STATE", "state"),
        .number("PROCESSES", "processes"), .number("WANTED", "wanted"),
        .made("RANGE", .right) { row in
            row["min"] == row["max"] ? row["min"].cell : "\(row["min"].cell)-\(row["max"].cell)"
        },
        .number("MESSAGES", "messages"), .number("STARTS", "starts"), .number("FAILURES", "failures"),
    ]
}
