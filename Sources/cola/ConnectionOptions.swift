import ArgumentParser
import ColaClient

/// Which broker a command talks to, and as whom. The same for every command.
struct ConnectionOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The broker: unix:///path/cola.sock or tcp://host:port. (default: COLA_URL, else ./cola-data/cola.sock)",
            valueName: "url"))
    var url: String?

    @Option(
        name: .long,
        help: "Name to log in with over TCP. (default: COLA_USER, else guest). Over a Unix socket it is not needed.")
    var user: String?

    @Option(
        name: .long,
        help: "Password for --user. Others can see it in the list of processes: COLA_PASSWORD is better.")
    var password: String?

    @Option(
        name: .long,
        help: ArgumentHelp("The virtual host to work in. (default: COLA_VHOST, else /)", valueName: "name"))
    var vhost: String?

    func resolvedURL() throws -> ColaURL {
        guard let text = url ?? environment("COLA_URL") else { return .default }
        return try ColaURL(text)
    }

    /// Connects, runs `body`, and closes.
    ///
    /// - Parameters:
    ///   - isWorker: whether a process that the broker runs as a worker may be known to it by its token.
    ///   - reconnect: for what goes on with another life of the broker; nil: a lost connection is the end.
    ///   - virtualHost: another than the one that was asked for.
    func withBroker<Result: Sendable>(
        timeoutMilliseconds: Int = 10_000, isWorker: Bool = false, reconnect: ReconnectPolicy? = nil,
        virtualHost: String? = nil, _ body: (Client) async throws -> Result
    ) async throws -> Result {
        let url = isWorker && self.url == nil ? nil : try resolvedURL()
        var options = try resolved()
        options.connectTimeoutMilliseconds = timeoutMilliseconds
        options.reconnect = reconnect
        options.notice = { Output.note($0) }
        options.virtualHost = virtualHost ?? options.virtualHost
        return try await withClient(url: url, options: options, body)
    }

    /// As whom, and with which virtual host.
    func resolved() throws -> ClientOptions {
        let url = try resolvedURL()
        var options = ClientOptions(name: "cola")
        options.user = user ?? environment("COLA_USER")
        options.password = password ?? environment("COLA_PASSWORD")
        if case .tcp = url.address {
            options.heartbeatSeconds = 30  // a broker that is gone without a word is noticed within a minute
            if options.user == nil { (options.user, options.password) = ("guest", options.password ?? "guest") }
        } else if options.user == nil {
            options.password = nil
        }
        options.virtualHost = vhost ?? environment("COLA_VHOST")
        return options
    }
}
