/// Where a message is published to.
public struct Destination: Hashable, Sendable {
    public var exchange: String?
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
