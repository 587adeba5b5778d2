/// Connects, runs `body`, and closes the connection in every case: when `body` returns, throws or is cancelled.
///
/// ```swift
/// try await withClient(url: ColaURL("tcp://localhost:7672"), options: ClientOptions(user: "ana", password: "…")) {
///     client in try await client.declareQueue("orders")
///     try await client.publish("hello", to: .queue("orders"))
/// }
/// ```
///
/// - Parameter url: nil: the environment's `COLA_URL`, else ``ColaURL/default``; and a process that a server runs as
///   a worker is known to that by its token.
/// - Throws: ``ColaURL/Malformed``; what `body` throws; and ``ColaError``: ``ColaError/Code/unreachable`` if no server
///   answers, ``ColaError/Code/accessRefused`` if the Unix socket is closed to this user,
///   ``ColaError/Code/unauthenticated`` for a wrong name, password or token, ``ColaError/Code/protocolViolation`` if
///   something else listens there, ``ColaError/Code/notFound`` if there is no such virtual host,
///   ``ColaError/Code/unsupportedFeature`` if the server cannot do what ``ClientOptions/need`` names.
public func withClient<Result: Sendable>(
    url: ColaURL? = nil, options: ClientOptions = ClientOptions(),
    _ body: (Client) async throws -> Result
) async throws -> Result {
    let client = try await Client.connect(url: url, options: options)
    do {
        let result = try await body(client)
        await client.close()
        return result
    } catch {
        await client.close()
        throw error
    }
}

extension Client {
    /// Connects and says `hello`. Whoever calls this calls ``close()``; ``withClient(url:options:_:)`` does both, and
    /// its errors are those of this one.
    public static func connect(url: ColaURL? = nil, options: ClientOptions = ClientOptions()) async throws -> Client {
        let address = try url ?? ColaURL.environment
        var dialer = Dialer(url: address, options: options)
        if url == nil, options.token == nil { dialer.options.token = WorkerToken.take() }
        let dialed = try await dialer.dial()
        // It was good for this connection, and not for those after it.
        dialer.options.token = nil
        return Client(Link(dialed, by: dialer))
    }
}
