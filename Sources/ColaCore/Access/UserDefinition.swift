/// Somebody who may come in with a name and a password, or by a name that is known of him otherwise.
///
/// Source: RabbitMQ, "Access control"
package struct UserDefinition: Equatable, Sendable {
    /// What a tag allows of what permissions say nothing of. Others may be there, and allow nothing.
    package enum Tag: String, CaseIterable, Sendable {
        /// Everything that concerns the server: users, permissions, virtual hosts, workers.
        case administrator
        /// To see what others do.
        case monitoring
        /// Policies, where the user has permissions.
        case policymaker
        /// To look inside over HTTP.
        case management
        /// To publish in the name of others.
        case impersonator
    }

    package var name: String
    /// Nil: no password is the right one.
    package var password: PasswordHash?
    /// In the order given, each once.
    package var tags: [String]
    /// Whether he may come from this machine alone.
    package var isFromLoopbackOnly: Bool
    /// How many connections, and channels of them, he may have at a time; nil: as many as the server has room for.
    package var connectionsMax: Int?
    package var channelsMax: Int?

    package init(
        name: String, password: PasswordHash? = nil, tags: [String] = [], isFromLoopbackOnly: Bool = false,
        connectionsMax: Int? = nil, channelsMax: Int? = nil
    ) {
        self.name = name
        self.password = password
        self.tags = tags
        self.isFromLoopbackOnly = isFromLoopbackOnly
        self.connectionsMax = connectionsMax
        self.channelsMax = channelsMax
    }

    package func has(_ tag: Tag) -> Bool { tags.contains(tag.rawValue) }

    /// The user of a server to which nobody has said anything about users. His password is public, so that he is let
    /// in from this machine alone, and a quick hash of it gives nothing away.
    package static let guest = UserDefinition(
        name: "guest",
        password: PasswordHash(
            text: "rabbitmq-sha256:00000000:f12843c6b78d8e830014622739282a8a106d7881a768862e47bb77e1552b3271"),
        isFromLoopbackOnly: true)
}

/// What is to become of a user: what is nil stays as it is.
package struct UserChange: Equatable, Sendable {
    package enum Password: Equatable, Sendable {
        case plain(Secret)
        case hash(PasswordHash)
        /// No password is the right one.
        case none
    }

    package var name: String
    /// Whether there must be none of the name yet (true), or one (false); nil: either.
    package var isNew: Bool?
    package var password: Password?
    package var tags: [String]?
    package var isFromLoopbackOnly: Bool?
    package var connectionsMax: Limit?
    package var channelsMax: Limit?

    package init(name: String) { self.name = name }
}
