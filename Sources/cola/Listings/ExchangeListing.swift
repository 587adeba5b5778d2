import ColaClient

/// `cola exchanges`
enum ExchangeListing: Listing {
    static let what = Client.Listing.exchanges
    static let abstract = "List the exchanges."
    static let explanation =
        "ALTERNATE is the exchange that gets what no binding takes. SETTINGS: what else it was declared with."
    static let pattern = "amq.*"
    static let names = ["name"]
    static let advice = "make one with `cola declare exchange NAME --type fanout`"
    static let columns: [ListingColumn] = [
        .text("EXCHANGE", "name"), .text("TYPE", "type"), .text("ALTERNATE", "alternate"),
        .made("SETTINGS") { row in
            var settings = row["durable"] == .truth(false) ? ["transient"] : []
            settings += ["auto-delete", "internal", "delayed"].filter { row[$0] == .truth(true) }
            if !row["arguments"].members.isEmpty { settings.append(row["arguments"].cell) }
            return settings.isEmpty ? "-" : settings.joined(separator: ",")
        },
    ]
}
