import ColaClient

/// `cola policies`
enum PolicyListing: Listing {
    static let what = Client.Listing.policies
    static let abstract = "List the policies: settings for every queue and topic whose name fits."
    static let explanation = "Of several that fit, the one with the highest PRIORITY counts alone."
    static let pattern = "short-*"
    static let names = ["name"]
    static let advice = "make one with `cola set policy NAME --pattern REGEX …`"
    static let columns: [ListingColumn] = [
        .text("POLICY", "name"), .text("PATTERN", "pattern"), .text("OF", "to"), .number("PRIORITY", "priority"),
        .text("SETTINGS", "arguments"),
    ]
}
