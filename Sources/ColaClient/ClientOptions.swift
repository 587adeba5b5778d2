/// How a client introduces itself and what it insists on.
public struct ClientOptions: Sendable {
    /// Name and password, needed over TCP. Over a Unix socket the kernel says who the peer is.
    public var user: String?
    /// Goes over the connection as it is, and is kept to connect again.
    public var password: String?
    /// The token of a process that a server runs as a worker, good for one connection: the first one. Where no URL is
    /// given such a process finds it by itself.
    public var token: String?
    /// What this program calls itself; shown in the server's list of connections.
    public var name: String?
    /// Seconds between signs of life, 1 to 3600; 0 is none. A peer that is silent for twice as long is given up.
    public var heartbeatSeconds: Int
    /// Features of the server that this program cannot do without.
    public var need: [String]
    /// How long to wait for a connection and the answer to `hello`. Milliseconds.
    public var connectTimeoutMilliseconds: Int
    /// The virtual host that everything is about; nil is `/`.
    public var virtualHost: String?
    /// How long a request may go unanswered until it is given up with ``ColaError/Code/timeout``; nil is for ever.
    /// Milliseconds. Publishers are not concerned: a server that is short of room holds them back as long as it is.
    public var requestTimeoutMilliseconds: Int?
    /// Whether and how to connect again when the connection is lost; nil is not at all. The first connection is tried
    /// once in any case.
    public var reconnect: ReconnectPolicy?
    /// Called on an event loop with what the server says on its own: publishers are held back, or no longer; a damaged
    /// message was put aside; and when the connection is lost and there again. One line for people.
    public var notice: (@Sendable (String) -> Void)?

    /// Everything as it is where nothing is said.
    public init(
        user: String? = nil, password: String? = nil, token: String? = nil, name: String? = nil,
        heartbeatSeconds: Int = 0,
        need: [String] = [], virtualHost: String? = nil, connectTimeoutMilliseconds: Int = 10_000,
        requestTimeoutMilliseconds: Int? = nil, reconnect: ReconnectPolicy? = nil,
        notice: (@Sendable (String) -> Void)? = nil
    ) {
        self.user = user
        self.password = password
        self.token = token
        self.name = name
        self.heartbeatSeconds = heartbeatSeconds
        self.need = need
        self.virtualHost = virtualHost
        self.requestTimeoutMilliseconds = requestTimeoutMilliseconds
        self.reconnect = reconnect
        self.connectTimeoutMilliseconds = connectTimeoutMilliseconds
        self.notice = notice
    }
}

extension ClientOptions: CustomStringConvertible, CustomReflectable {
    /// Without the password and the token, wherever they are printed.
    public var description: String { "options of client \(name ?? "without a name")" }

    /// Without the password and the token.
    public var customMirror: Mirror {
        Mirror(self, children: ["user": user as Any, "name": name as Any, "virtualHost": virtualHost as Any])
    }
}
