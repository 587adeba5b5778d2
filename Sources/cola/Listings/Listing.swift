import ColaClient

/// What makes one listing differ from the others: what is asked for, and which members of a row are shown.
///
/// ``ListingCommand`` is the rest of the command. Every row is one object of the broker's JSON.
protocol Listing: Sendable {
    static var what: Client.Listing { get }
    /// The words behind `cola` that lead to it.
    static var path: String { get }
    static var abstract: String { get }
    /// What stands before the examples, which every listing has alike.
    static var explanation: String { get }
    /// An example of a name pattern.
    static var pattern: String { get }
    static var columns: [ListingColumn] { get }
    /// The members that a pattern is compared with; one that fits is enough.
    static var names: [String] { get }
    /// What to do if there is nothing, as the end of a sentence.
    static var advice: String { get }
}

extension Listing {
    static var path: String { what.rawValue }
}

/// One column: what it is called, and what of a row stands in it.
struct ListingColumn: Sendable {
    let column: Column
    let cell: @Sendable (JSONValue) -> String

    /// A member as it is.
    static func text(_ heading: String, _ member: String) -> ListingColumn {
        ListingColumn(column: Column(heading: heading)) { $0[member].cell }
    }

    /// A member that is a number.
    static func number(_ heading: String, _ member: String) -> ListingColumn {
        ListingColumn(column: Column(heading: heading, alignment: .right)) { $0[member].cell }
    }

    /// What is made of a row.
    static func made(
        _ heading: String, _ alignment: Column.Alignment = .left, _ cell: @escaping @Sendable (JSONValue) -> String
    ) -> ListingColumn {
        ListingColumn(column: Column(heading: heading, alignment: alignment), cell: cell)
    }
}
