import ColaClient

/// `cola bindings`
enum BindingListing: Listing {
    static let what = Client.Listing.bindings
    static let abstract = "List the bindings: what exchanges lead to what."
    static let explanation = "A pattern is compared with the names of both ends."
    static let pattern = "news"
    static let names = ["source", "destination"]
    static let advice = "make one with `cola bind EXCHANGE QUEUE`"
    static let columns: [ListingColumn] = [
        .text("EXCHANGE", "source"), .text("KEY", "key"), .text("TO", "destination"), .text("KIND", "to"),
        .made("HEADERS") { row in
            guard case .object = row["headers"] else { return "-" }
            return "\(row["match"].cell): \(row["headers"].cell)"
        },
    ]
}
