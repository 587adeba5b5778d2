/// What a user may do in one virtual host, as patterns that are looked for in names; an empty one fits no name but the
/// empty one.
///
/// Source: RabbitMQ, "Access control", "How permissions work"
package struct PermissionDefinition: Equatable, Sendable {
    package var host: String
    package var user: String
    /// What he may make, change and delete.
    package var configure: String
    /// What he may put messages into.
    package var write: String
    /// What he may take messages out of.
    package var read: String

    package init(
        host: String = VirtualHostDefinition.defaultName, user: String, configure: String, write: String, read: String
    ) {
        self.host = host
        self.user = user
        self.configure = configure
        self.write = write
        self.read = read
    }

    /// Everything.
    package static func all(of user: String, in host: String) -> PermissionDefinition {
        PermissionDefinition(host: host, user: user, configure: ".*", write: ".*", read: ".*")
    }
}

/// With which routing keys a user may publish to a topic exchange, and bind to it. In the patterns `{username}`,
/// `{vhost}` and `{client_id}` stand for the user's own.
///
/// Source: RabbitMQ, "Access control", "Topic authorisation"
package struct TopicPermissionDefinition: Equatable, Sendable {
    package var host: String
    package var user: String
    package var exchange: String
    package var write: String
    package var read: String

    package init(
        host: String = VirtualHostDefinition.defaultName, user: String, exchange: String, write: String, read: String
    ) {
        self.host = host
        self.user = user
        self.exchange = exchange
        self.write = write
        self.read = read
    }
}
