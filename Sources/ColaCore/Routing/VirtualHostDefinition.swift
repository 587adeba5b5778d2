/// A virtual host: a set of names of its own. Routing, dead-lettering and transactions never leave it.
///
/// Source: AMQP 0-9-1, section 1.2, "virtual host"; RabbitMQ, "Virtual hosts"
package struct VirtualHostDefinition: Hashable, Sendable {
    /// The one that always exists.
    package static let defaultName = "/"

    package var name: String
    /// For people who look.
    package var text: String
    /// In the order given, each once; for people, too.
    package var tags: [String]
    /// What RabbitMQ would make of a queue that says no type. Kept for clients that ask: there is one kind here.
    package var queueType: String?
    /// How many connections may work in it at a time, and how many queues and topics it may have; nil: as many as the
    /// server has room for.
    package var connectionsMax: Int?
    package var queuesMax: Int?

    package init(
        name: String, text: String = "", tags: [String] = [], queueType: String? = nil, connectionsMax: Int? = nil,
        queuesMax: Int? = nil
    ) {
        self.name = name
        self.text = text
        self.tags = tags
        self.queueType = queueType
        self.connectionsMax = connectionsMax
        self.queuesMax = queuesMax
    }
}

/// What is to be said of a virtual host: what is nil stays as it is.
package struct VirtualHostChange: Equatable, Sendable {
    package var text: String?
    package var tags: [String]?
    /// Empty: none.
    package var queueType: String?
    package var connectionsMax: Limit?
    package var queuesMax: Limit?

    package init() {}
}

/// A limit, or none.
package enum Limit: Equatable, Sendable {
    case none
    case most(Int)

    package var number: Int? { if case .most(let number) = self { number } else { nil } }
}
