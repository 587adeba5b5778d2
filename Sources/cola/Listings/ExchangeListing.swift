import ColaClient

/// `cola exchanges`
enum ExchangeListing: Listing {
    static let what = Client.Listing.exchanges
    static let abstract = "List the exchanges."
    static let explanation = "ALTERNATE is the exchange that gets what no binding takes."
    static let pattern = "amq.*"
    static let names = ["name"]
    static let advice = "make one with `cola declare exchange NAME --type fanout`"
    static let columns: [ListingColumn] = [
        .text("EXCHANGE", "name"), .text("TYPE", "type"), .text("ALTERNATE", "alternate"),
    ]
}
