/// Why a message left its queue without having been consumed. Source: RabbitMQ, "Dead Letter Exchanges"
package enum DeathReason: String, CaseIterable, Sendable {
    case expired
    case maxLength = "maxlen"
    case rejected
    case deliveryLimit = "delivery_limit"
}

/// The place where a message was first, and how often its delivery had failed when it left.
struct Origin: Equatable, Sendable {
    var epoch: Epoch
    var log: LogID
    var offset: Offset
    var failures: Int

    var text: String { "\(epoch)-\(log)-\(offset)" }
}
