internal import ColaNative
internal import NIOCore
internal import NIOPosix

/// Opens connections to one server as one user.
struct Dialer: Sendable {
    typealias Dialed = (connection: Connection, server: ServerInformation)

    let url: ColaURL
    var options: ClientOptions

    /// Connects and says `hello`.
    /// - Parameter deliveryBase: what is added to the numbers of deliveries.
    func dial(deliveryBase: Int64 = 0) async throws -> Dialed {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.milliseconds(Int64(options.connectTimeoutMilliseconds)))
            .channelOption(.maxMessagesPerRead, value: 4)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
        // The connection is handed out by the initializer: a server that says something wrong at once may have closed
        // the channel, and emptied its pipeline, before anyone could look there.
        let open: @Sendable (any Channel) -> EventLoopFuture<Connection> = { [url, options] channel in
            channel.eventLoop.makeCompletedFuture {
                let connection = Connection(url: url, channel: channel, options: options, deliveryBase: deliveryBase)
                try channel.pipeline.syncOperations.addHandler(ConnectionHandler(connection))
                return connection
            }
        }
        let connection: Connection
        do {
            switch url.address {
            case .unix(let path):
                connection = try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: open)
            case .tcp(let host, let port):
                connection = try await bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .connect(host: host, port: port, channelInitializer: open)
            }
        } catch let error as IOError where error.errnoCode == 13 {
            throw ColaError(
                code: .accessRefused,
                message: "may not use \(url): permission denied; who may is said by the server's setting socket-mode "
                    + "and by the permissions of the socket's directory",
                isRetryable: false)
        } catch {
            throw ColaError(
                code: .unreachable, message: "cannot reach a server at \(url): \(Self.reason(error))", isRetryable: true
            )
        }
        return try await hello(connection)
    }

    private func hello(_ connection: Connection) async throws -> Dialed {
        var hello = ClientRequest.Hello()
        hello.user = options.user
        hello.password = options.password
        hello.token = options.token
        hello.virtualHost = options.virtualHost
        hello.client = options.name
        hello.heartbeat = options.heartbeatSeconds
        hello.need = options.need
        let channel = connection.channel
        let timeout = channel.eventLoop.scheduleTask(in: .milliseconds(Int64(options.connectTimeoutMilliseconds))) {
            [url] in
            connection.fail(
                ColaError(code: .unreachable, message: "\(url) does not answer to 'hello'", isRetryable: true))
            channel.close(promise: nil)
        }
        defer { timeout.cancel() }
        do {
            let answer = try await connection.ask(.hello(hello), "hello").answer
            let seconds = answer.number("heartbeat") ?? 0
            if seconds > 0 {
                try await channel.eventLoop.submit {
                    try channel.pipeline.syncOperations.handler(type: ConnectionHandler.self)
                        .startBeats(everySeconds: min(seconds, 3600), on: channel)
                }.get()
            }
            return (connection, ServerInformation(answer))
        } catch {
            channel.close(promise: nil)
            let reason = (error as? Connection.NotSent)?.reason ?? error
            guard let lost = reason as? ColaError, lost.code == .connectionLost else { throw reason }
            // Nothing was asked yet that could have been carried out.
            throw ColaError(
                code: .unreachable,
                message: "\(url) closed the connection instead of answering to 'hello', as servers of TLS and of other "
                    + "protocols do", isRetryable: true)
        }
    }

    /// What the system said, without the type names around it.
    static func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError: error.errnoText
        case is SocketAddressError.UnknownHost: "no such host"
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { reason($0.error) }
                ?? error.dnsAError.map { reason($0) } ?? error.dnsAAAAError.map { reason($0) }
                ?? "no address of \(error.host)"
        case is ChannelError: "\(error)".contains("connectTimeout") ? "it took too long" : "\(error)"
        default: "\(error)"
        }
    }
}

extension IOError {
    fileprivate var errnoText: String {
        switch errnoCode {
        case 2: "there is no such socket"
        case 13: "permission denied"
        case 32, 104: "the server closed it"
        case 110: "nothing came back in time"
        case 111: "connection refused"
        default: "\(self)"
        }
    }
}
