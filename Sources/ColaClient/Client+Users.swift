internal import ColaNative

// Users, what they may do, and virtual hosts: for administrators.
extension Client {
    /// How many of something there may be.
    public enum Limit: Hashable, Sendable {
        case none
        case most(Int)

        var text: String {
            switch self {
            case .none: ""
            case .most(let number): "\(number)"
            }
        }
    }

    /// What is to become of a user; what is nil stays as it is.
    public struct UserSettings: Sendable {
        public enum Password: Sendable {
            case plain(String)
            /// One that was made elsewhere, in the form of the protocol.
            case hash(String)
            /// Nobody comes in with a password.
            case none
        }

        /// Whether there must be none of the name yet (true), or one (false).
        public var isNew: Bool?
        public var password: Password?
        public var tags: [String]?
        /// Whether he may come from the server's own machine alone.
        public var isFromLoopbackOnly: Bool?
        public var connectionsMax: Limit?
        public var channelsMax: Limit?

        public init() {}

        fileprivate var options: [ClientRequest.Pair] {
            var options: [ClientRequest.Pair] = []
            options.add("new", isNew)
            switch password {
            case .plain(let text): options.add("password", text)
            case .hash(let text): options.add("hash", text)
            case .some(.none): options.add("no-password", true)
            case nil: break
            }
            options.add("tags", tags?.joined(separator: ","))
            options.add("loopback-only", isFromLoopbackOnly)
            options.add("max-connections", connectionsMax?.text)
            options.add("max-channels", channelsMax?.text)
            return options
        }
    }

    /// What is to be said of a virtual host; what is nil stays as it is.
    public struct VirtualHostSettings: Sendable {
        public var description: String?
        public var tags: [String]?
        /// Kept for who asks: there is one kind of queue.
        public var defaultQueueType: String?
        public var connectionsMax: Limit?
        public var queuesMax: Limit?

        public init() {}

        fileprivate var options: [ClientRequest.Pair] {
            var options: [ClientRequest.Pair] = []
            options.add("description", description)
            options.add("tags", tags?.joined(separator: ","))
            options.add("default-queue-type", defaultQueueType)
            options.add("max-connections", connectionsMax?.text)
            options.add("max-queues", queuesMax?.text)
            return options
        }
    }

    /// Makes a virtual host, or changes what is said of it.
    public func declareVirtualHost(
        _ name: String, _ settings: VirtualHostSettings = VirtualHostSettings()
    ) async throws {
        try await carryOut(.declareVirtualHost(name, options: settings.options), "declare of virtual host '\(name)'")
    }

    /// Makes a user, or changes one.
    /// - Throws: ``ColaError/Code/inUse`` if he must be new and is not.
    public func setUser(_ name: String, _ settings: UserSettings) async throws {
        try await carryOut(.user(name, options: settings.options), "user '\(name)'")
    }

    /// Deletes a user with all permissions.
    public func deleteUser(_ name: String) async throws {
        try await carryOut(.delete(kind: "user", name: name), "delete of user '\(name)'")
    }

    /// What a user may make, put messages into and take them out of: regular expressions that are found in the names.
    /// - Parameter virtualHost: nil: that of this connection.
    public func setPermissions(
        of user: String, configure: String, write: String, read: String, virtualHost: String? = nil
    ) async throws {
        var options: [ClientRequest.Pair] = []
        options.add("vhost", virtualHost)
        options.add("configure", configure)
        options.add("write", write)
        options.add("read", read)
        try await carryOut(.permit(user, options: options), "permissions of user '\(user)'")
    }

    /// Takes them back: the user may not be in the virtual host any more.
    public func clearPermissions(of user: String, virtualHost: String? = nil) async throws {
        var options: [ClientRequest.Pair] = []
        options.add("vhost", virtualHost)
        try await carryOut(.unpermit(user, options: options), "permissions of user '\(user)'")
    }

    /// With which routing keys a user may publish to a topic exchange, and bind to it.
    public func setTopicPermissions(
        of user: String, exchange: String, write: String, read: String, virtualHost: String? = nil
    ) async throws {
        var options: [ClientRequest.Pair] = []
        options.add("vhost", virtualHost)
        options.add("exchange", exchange)
        options.add("write", write)
        options.add("read", read)
        try await carryOut(.permit(user, options: options), "topic permissions of user '\(user)'")
    }

    /// Takes them back, for one exchange or, with nil, for all.
    public func clearTopicPermissions(
        of user: String, exchange: String?, virtualHost: String? = nil
    ) async throws {
        var options: [ClientRequest.Pair] = []
        options.add("vhost", virtualHost)
        options.add("exchange", exchange)
        if exchange == nil { options.add("topics", true) }
        try await carryOut(.unpermit(user, options: options), "topic permissions of user '\(user)'")
    }
}

extension [ClientRequest.Pair] {
    fileprivate mutating func add(_ name: String, _ value: String?) {
        if let value { append(ClientRequest.Pair(name, value)) }
    }

    fileprivate mutating func add(_ name: String, _ value: Bool?) {
        add(name, value.map { $0 ? "yes" : "no" })
    }
}
