/// A queue or topic of the simulated world, and the rules that hold for it.
struct Place {
    enum Kind { case queue, topic }

    let number: Int
    let name: String
    let kind: Kind
    var arguments: [(name: String, value: String)] = []
    /// A queue with consumers that need no acknowledgements, and purges: what is missing there may have been taken.
    var isLoose = false
    /// Over AMQP it says how often a message came back.
    var isQuorum = false
    /// Whether what one connection published comes in its order.
    var isOrdered = true
    /// The number of the queue that dead letters go to.
    var deadTo: Int?
    var prioritiesMost = 0
    /// Milliseconds.
    var timeToLive: Int64?
    var deliveriesMost: Int64?
    var isSingleActive = false
    var isDelayed = false
    /// What is given back comes again after so long, at another offset. Milliseconds.
    var retryDelay: Int64?
    var isDeduplicated = false
    /// Whether a publish may find it full.
    var mayRefuse = false

    /// The number of the queue where dead letters end.
    static let dead = 6

    /// The last of its queues that has no rules.
    static let plainLast = 3

    private static let deadLetters = [
        (name: "dead-letter-exchange", value: ""), (name: "dead-letter-routing-key", value: "dead"),
    ]

    static var all: [Place] {
        [
            Place(number: 0, name: "a", kind: .queue),
            Place(number: 1, name: "b b", kind: .queue),
            Place(number: 2, name: "c", kind: .queue, arguments: [("queue-type", "quorum")], isQuorum: true),
            Place(number: 3, name: "loose", kind: .queue, isLoose: true),
            Place(number: 4, name: "t", kind: .topic),
            Place(number: 5, name: "u", kind: .topic),
            Place(number: 6, name: "dead", kind: .queue, isOrdered: false),
            Place(
                number: 7, name: "prio", kind: .queue, arguments: [("max-priority", "3")], prioritiesMost: 3),
            Place(
                number: 8, name: "ttl", kind: .queue, arguments: deadLetters + [("message-ttl", "400")],
                deadTo: dead, timeToLive: 400),
            Place(
                number: 9, name: "short", kind: .queue, arguments: deadLetters + [("max-length", "4")], deadTo: dead),
            Place(
                number: 10, name: "limit", kind: .queue, arguments: deadLetters + [("delivery-limit", "2")],
                deadTo: dead, deliveriesMost: 2),
            Place(
                number: 11, name: "full", kind: .queue,
                arguments: [("max-length", "3"), ("overflow", "reject-publish")], mayRefuse: true),
            Place(number: 12, name: "late", kind: .queue, isOrdered: false, isDelayed: true),
            Place(
                number: 13, name: "once", kind: .queue, arguments: [("deduplication-window", "3600000")],
                isDeduplicated: true),
            Place(
                number: 14, name: "alone", kind: .queue, arguments: [("single-active-consumer", "yes")],
                isSingleActive: true),
            Place(
                number: 15, name: "again", kind: .queue, arguments: deadLetters + [("retry", "delay=40,attempts=3")],
                isOrdered: false, deadTo: dead, retryDelay: 40),
        ]
    }
}

/// A way for a message into one or more places.
struct Route {
    var exchange: String?
    var key: String
    /// The numbers of the places it leads to.
    var places: [Int]

    static let all =
        Place.all.filter { $0.number != Place.dead }.map { Route(exchange: nil, key: $0.name, places: [$0.number]) } + [
            Route(exchange: "all", key: "", places: [0, 1, 2, 4]),
            Route(exchange: "some", key: "x", places: [1, 2]),
            Route(exchange: "some", key: "y", places: [0, 3, 5]),
            // Of queues with dead letters one each: a message dies once.
            Route(exchange: "some", key: "p", places: [7, 8, 14]),
            Route(exchange: "some", key: "q", places: [0, 9]),
            Route(exchange: "some", key: "r", places: [1, 10]),
        ]
    /// Exchange, its type, place, key.
    static let bindings = [
        ("all", "fanout", 0, ""), ("all", "fanout", 1, ""), ("all", "fanout", 2, ""), ("all", "fanout", 4, ""),
        ("some", "direct", 1, "x"), ("some", "direct", 2, "x"), ("some", "direct", 0, "y"),
        ("some", "direct", 3, "y"), ("some", "direct", 5, "y"), ("some", "direct", 7, "p"), ("some", "direct", 8, "p"),
        ("some", "direct", 14, "p"), ("some", "direct", 0, "q"), ("some", "direct", 9, "q"),
        ("some", "direct", 1, "r"), ("some", "direct", 10, "r"),
    ]
}
