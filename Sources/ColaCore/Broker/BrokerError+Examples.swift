extension BrokerError {
    /// One of each kind, as it may be met; the sentence is empty where it is written at the place that refuses.
    ///
    /// For the reference that the program gives of itself, and for tests that every protocol has words for each.
    package static let examples: [BrokerError] = [
        .notFound(.queueOrTopic, name: "orders"), .mismatch(""), .reservedName("amq.orders"),
        .badName("", reason: "a name has at least one byte"),
        .unroutable(exchange: "shop", routingKey: "order.eu"), .consumerInUse(ConsumerTag(1)),
        .consumerNotFound(ConsumerTag(1)), .unknownDelivery(first: DeliveryTag(7), last: DeliveryTag(7)),
        .locked(.queue, name: "orders"), .inUse(""), .queueFull(name: "orders", limit: 1_000, unit: "messages"),
        .badArgument(""), .limit(what: "queues and topics", limit: 100_000, setting: "queues-max"),
        .deleted(.queue, name: "orders"),
        .offsetOutOfRange(topic: "logins", offset: Offset(900), next: Offset(800)),
        .transactionTooLarge(bytes: 80_000_000, limit: 67_108_864), .overloaded(waiting: 4_194_304),
        .storage("input/output error"), .damaged(name: "orders", base: Offset(512)), .permanent(""),
        .backup(.busy(path: "/backup")), .backup(.exists(path: "/backup")),
        .backup(.unsuitable(path: "/backup", reason: "it is a file")),
        .backup(.notPermitted(path: "/backup", reason: "permission denied")),
        .backup(.noRoom(path: "/backup", reason: "no space left on device")),
        .backup(.failed(path: "/backup", reason: "input/output error")), .backup(.cancelled(path: "/backup")),
        .worker(.undefined), .worker(.notFound("")), .worker(.unsuitable("")), .worker(.busy("")),
        .worker(.misconfigured("")), .worker(.notPermitted("")), .stopped(""),
        .inequivalent(
            Inequivalence(
                .maxLength, of: .queue, named: "orders", in: "/", received: limited(to: 2_000),
                current: limited(to: 1_000))
        ),
        .heldTooLong(DeliveryTag(7), name: "orders", milliseconds: 1_800_000),
        .accessRefused(AccessRefusal(user: "ana", host: "/", need: .permission(.write, .queue("orders")))),
        .quota(""), .busy(""), .forbidden(""), .unsupported(""),
    ]

    private static func limited(to messages: Int) -> Arguments {
        var arguments = Arguments()
        arguments.maxLength = messages
        return arguments
    }
}
