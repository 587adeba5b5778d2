/// Where a message is published to.
public struct Destination: Hashable, Sendable {
    /// What decides where messages go; nil is the queue or topic that is named as the routing key.
    public var exchange: String?
    /// Any bytes of UTF-8, also none.
    public var routingKey: String

    /// The queue or topic of that name.
    public static func queue(_ name: String) -> Destination { Destination(exchange: nil, routingKey: name) }

    /// Whatever the exchange decides for the routing key.
    public static func exchange(_ name: String, routingKey: String = "") -> Destination {
        Destination(exchange: name, routingKey: routingKey)
    }

    /// For error messages.
    var described: String {
        exchange.map { "exchange '\($0)' with routing key '\(routingKey)'" } ?? "'\(routingKey)'"
    }
}
