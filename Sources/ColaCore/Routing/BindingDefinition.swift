/// What leads from an exchange to a queue or topic, or to another exchange. All parts together are its identity.
package struct BindingDefinition: Hashable, Sendable {
    package enum Target: String, CaseIterable, Sendable {
        case queue
        case exchange
    }

    package var host: String
    package var source: String
    package var target: Target
    /// The name of the queue, topic or exchange.
    package var destination: String
    package var routingKey: String
    /// What a headers exchange compares, and whatever else was said.
    package var arguments: ArgumentTable

    package init(
        host: String = VirtualHostDefinition.defaultName, source: String, target: Target = .queue, destination: String,
        routingKey: String, arguments: ArgumentTable = [:]
    ) {
        self.host = host
        self.source = source
        self.target = target
        self.destination = destination
        self.routingKey = routingKey
        self.arguments = arguments
    }

    /// What a headers exchange makes of the arguments.
    package var match: HeadersMatch { HeadersMatch(arguments) }
}
