/// A queue or topic of the simulated world, and what may be done with it.
struct Place {
    enum Kind { case queue, topic }

    let number: Int
    let name: String
    let kind: Kind
    /// A queue with consumers that need no acknowledgements, and purges: what is missing there may have been taken.
    var isLoose = false

    static let all = [
        Place(number: 0, name: "a", kind: .queue),
        Place(number: 1, name: "b b", kind: .queue),
        Place(number: 2, name: "c", kind: .queue),
        Place(number: 3, name: "loose", kind: .queue, isLoose: true),
        Place(number: 4, name: "t", kind: .topic),
        Place(number: 5, name: "u", kind: .topic),
    ]
}

/// A way for a message into one or more places.
struct Route {
    var exchange: String?
    var key: String
    /// The numbers of the places it leads to.
    var places: [Int]

    static let all =
        Place.all.map { Route(exchange: nil, key: $0.name, places: [$0.number]) } + [
            Route(exchange: "all", key: "", places: [0, 1, 2, 4]),
            Route(exchange: "some", key: "x", places: [1, 2]),
            Route(exchange: "some", key: "y", places: [0, 3, 5]),
        ]
    /// Exchange, its type, place, key.
    static let bindings = [
        ("all", "fanout", 0, ""), ("all", "fanout", 1, ""), ("all", "fanout", 2, ""), ("all", "fanout", 4, ""),
        ("some", "direct", 1, "x"), ("some", "direct", 2, "x"), ("some", "direct", 0, "y"),
        ("some", "direct", 3, "y"), ("some", "direct", 5, "y"),
    ]
}
