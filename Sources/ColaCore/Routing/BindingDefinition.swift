/// What leads from an exchange to a queue or topic, or to another exchange. All parts together are its identity.
package struct BindingDefinition: Hashable, Sendable {
    package enum Target: String, CaseIterable, Sendable {
        case queue
        case exchange
    }

    /// What a headers exchange compares with the message's headers.
    package struct Match: Hashable, Sendable {
        package struct Header: Hashable, Sendable {
            package var name: String
            /// Nil: the header need only be there.
            package var value: String?

            package init(name: String, value: String?) {
                self.name = name
                self.value = value
            }
        }

        /// Whether one of the headers is enough; otherwise all must match.
        package var isAny: Bool
        /// Sorted by name.
        package var headers: [Header]

        package init(isAny: Bool = false, headers: [Header] = []) {
            self.isAny = isAny
            self.headers = headers
        }
    }

    package var host: String
    package var source: String
    package var target: Target
    /// The name of the queue, topic or exchange.
    package var destination: String
    package var routingKey: String
    package var match: Match

    package init(
        host: String = VirtualHostDefinition.defaultName, source: String, target: Target = .queue, destination: String,
        routingKey: String, match: Match = Match()
    ) {
        self.host = host
        self.source = source
        self.target = target
        self.destination = destination
        self.routingKey = routingKey
        self.match = match
    }
}
