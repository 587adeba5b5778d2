package import ColaCore

/// What the arguments of an `exchange.declare` of type `x-super-stream` come to that says how many partitions it has: a
/// topic, and what it is declared with. All but the number is as for a stream.
package struct SuperStreamArguments: Equatable, Sendable {
    /// How many streams the exchange leads to. RabbitMQ does not have it.
    package static let partitions = "x-partitions"

    package var partitions: Int
    package var arguments: Arguments

    /// - Parameter isLasting: whether the exchange is declared as one that is durable, stays without bindings, and is
    ///   there for publishers.
    /// - Throws: ``Refusal``, all of them for the channel.
    package init(_ table: FieldTable, exchange: String, host: String, isLasting: Bool) throws(Refusal) {
        let place = "exchange '\(exchange)' in vhost '\(host)'"
        guard case .some(let number) = table[Self.partitions]?.integer, number >= 2 else {
            throw Refusal(
                "invalid arg '\(Self.partitions)' for \(place): a number from 2 on; what has one partition is a queue "
                    + "with x-queue-type=stream")
        }
        guard isLasting else {
            throw Refusal(
                "\(place) with \(Self.partitions) is a topic, which stays: declare it with durable=true, "
                    + "auto-delete=false and internal=false")
        }
        var others = table
        others[Self.partitions] = nil
        others["x-queue-type"] = .longString(Array("stream".utf8))
        arguments = try QueueArguments(others, queue: exchange, host: host).arguments
        partitions = Int(clamping: number)
    }
}
