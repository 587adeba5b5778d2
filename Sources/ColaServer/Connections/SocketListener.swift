internal import ColaCore
internal import ColaTLS
internal import Logging
internal import NIOCore
internal import NIOPosix

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Accepts connections, on TCP and on a Unix socket, whatever protocol they speak.
struct SocketListener: Sendable {
    /// The setting that says where it listens.
    let setting: String
    let logger: Logger
    /// A connection begins.
    let accept: @Sendable (any Channel, Peer) throws -> Void
    /// Nil: connections are not encrypted.
    var certificates: TLSCertificates?

    /// Listens there; at `localhost` with both protocols of the Internet, for there are clients that try one only.
    ///
    /// - Throws: `Server.Failure` with exit code 69 where the address cannot be had.
    func bind(_ address: Settings.Address, on eventLoop: any EventLoop) async throws -> [any Channel] {
        guard address.host == "localhost" else { return [try await bindOne(address, on: eventLoop)] }
        let first = try await bindOne(Settings.Address(host: "127.0.0.1", port: address.port), on: eventLoop)
        let second = Settings.Address(host: "::1", port: first.localAddress?.port ?? address.port)
        do {
            return [first, try await bindOne(second, on: eventLoop)]
        } catch {
            logger.info("no IPv6 at localhost", metadata: ["reason": "\(error)"])
            return [first]
        }
    }

    private func bindOne(_ address: Settings.Address, on eventLoop: any EventLoop) async throws -> any Channel {
        do {
            return try await bootstrap(eventLoop, isUnix: false).bind(host: address.host, port: address.port).get()
        } catch {
            throw Server.Failure(
                exitCode: 69,
                description:
                    "cannot listen on \(address.host):\(address.port): \(Self.reason(error)); \(Self.advice(error)) "
                    + "--\(setting) HOST:PORT (port 0 picks a free one), or do without: --\(setting) off")
        }
    }

    /// Listens where a service manager has bound a socket already.
    func take(_ socket: InheritedSocket, on eventLoop: any EventLoop) async throws -> any Channel {
        var isUnix = false
        if case .path = socket.place { isUnix = true }
        do {
            return try await bootstrap(eventLoop, isUnix: isUnix).withBoundSocket(socket.descriptor).get()
        } catch {
            throw Server.Failure(
                exitCode: 69,
                description: "cannot listen on the socket at \(socket.address) that the service manager handed over: "
                    + "\(Self.reason(error)); look at its socket unit")
        }
    }

    func bind(path: String, mode: UInt32, on eventLoop: any EventLoop) async throws -> any Channel {
        try removeStale(path)
        do {
            let channel = try await bootstrap(eventLoop, isUnix: true).bind(unixDomainSocketPath: path).get()
            guard chmod(path, mode_t(mode)) == 0 else {
                try? await channel.close()
                throw Server.Failure(exitCode: 77, description: "cannot set the mode of \(path): \(Self.text(errno))")
            }
            return channel
        } catch let failure as Server.Failure {
            throw failure
        } catch {
            throw Server.Failure(
                exitCode: 69,
                description:
                    "cannot listen on the Unix socket \(path): \(Self.reason(error)); make its directory if there is "
                    + "none, or choose another path of at most 107 bytes with --socket PATH")
        }
    }

    /// A socket file that nobody listens on is left from a process that was killed.
    private func removeStale(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw Server.Failure(
                exitCode: 69,
                description: "\(path) is there and is not a socket; choose another path with --socket PATH")
        }
        guard !isListening(path) else {
            throw Server.Failure(
                exitCode: 69,
                description: "another server listens on \(path); stop it, or choose another path with --socket")
        }
        unlink(path)
    }

    private func isListening(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        guard let address = try? SocketAddress(unixDomainSocketPath: path) else { return false }
        return address.withSockAddr { pointer, size in connect(descriptor, pointer, socklen_t(size)) } == 0
    }

    private func bootstrap(_ eventLoop: any EventLoop, isUnix: Bool) -> ServerBootstrap {
        ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPause(logger: logger))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            // Each connection keeps its buffer: one that says little keeps little, one that sends a lot soon has all.
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 2_048, initial: 2_048, maximum: 65_536)
            )
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 * 1_024, high: 256 * 1_024))
            .childChannelInitializer { channel in
                if !isUnix {
                    _ = channel.setOption(.socketOption(.tcp_nodelay), value: 1)
                }
                return peer(of: channel, isUnix: isUnix).flatMapThrowing { peer in try begin(channel, peer) }
            }
    }

    private func begin(_ channel: any Channel, _ peer: Peer) throws {
        guard let certificates, case .address(let address, let isLoopback) = peer else {
            return try accept(channel, peer)
        }
        try certificates.secure(
            channel,
            begin: { certificate in
                try accept(channel, .secured(address, isLoopback: isLoopback, certificate: certificate))
            },
            failed: { reason in
                // Whoever scans for open ports ends here too, so it is no warning.
                logger.info("no TLS with a client", metadata: ["peer": "\(address)", "reason": "\(reason)"])
            })
    }

    /// Who is at the other end; for a Unix socket the kernel says it.
    ///
    /// The listener decides which it is: a TCP peer that is gone already has no address, and must not be taken for one
    /// that needs no password.
    private func peer(of channel: any Channel, isUnix: Bool) -> EventLoopFuture<Peer> {
        guard isUnix else {
            let host = channel.remoteAddress?.ipAddress ?? "?"
            let isLoopback = host.hasPrefix("127.") || host == "::1" || host.hasPrefix("::ffff:127.")
            return channel.eventLoop.makeSucceededFuture(
                .address("\(host):\(channel.remoteAddress?.port ?? 0)", isLoopback: isLoopback))
        }
        guard let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeSucceededFuture(.process(id: 0, user: -1, group: -1))
        }
        let credentials: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        return credentials.map { .process(id: Int($0.process), user: Int($0.user), group: Int($0.group)) }
    }

    /// `struct ucred` of socket(7), which is not imported.
    private struct PeerCredentials {
        var process: Int32
        var user: UInt32
        var group: UInt32
    }

    private static func reason(_ error: any Error) -> String {
        if let error = error as? IOError { return text(error.errnoCode) }
        return "\(error)"
    }

    private static func advice(_ error: any Error) -> String {
        (error as? IOError)?.errnoCode == EADDRINUSE ? "stop what uses it, choose another with" : "choose another with"
    }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
