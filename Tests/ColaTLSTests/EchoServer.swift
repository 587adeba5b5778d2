import ColaCore
import ColaTLS
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Testing

/// A server on loopback that gives back what it gets through TLS, and a client of it.
struct EchoServer {
    /// What the server saw of a client.
    enum Seen: Equatable {
        case client(PeerCertificate?)
        case failure(String)
    }

    let channel: any Channel
    let seen: AsyncStream<Seen>

    private static var group: MultiThreadedEventLoopGroup { MultiThreadedEventLoopGroup.singleton }

    init(_ certificates: TLSCertificates) async throws {
        let (seen, continuation) = AsyncStream<Seen>.makeStream()
        self.seen = seen
        channel = try await ServerBootstrap(group: Self.group)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try certificates.secure(
                        channel,
                        begin: { certificate in
                            continuation.yield(.client(certificate))
                            try channel.pipeline.syncOperations.addHandler(Echo())
                        },
                        failed: { continuation.yield(.failure($0)) })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.writeAndFlush(data, promise: nil)
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case ChannelEvent.inputClosed = event { context.close(promise: nil) }
        }
    }

    func stop() async throws { try await channel.close() }

    /// Connects, and says what the server shows of itself and that it gives back what it gets.
    func connect(_ configuration: TLSConfiguration) async throws -> Client {
        let client = try await ClientBootstrap(group: Self.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(
                            context: NIOSSLContext(configuration: configuration), serverHostname: "localhost"))
                }
            }
            .connect(to: channel.localAddress!) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return Client(connection: client)
    }

    struct Client {
        let connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>

        /// Sends `text` in each of so many rounds and waits for its echo.
        ///
        /// - Parameter between: is called between the rounds.
        /// - Returns: the certificate of the server, and its version of TLS.
        func talk(
            rounds: Int = 1, between: @Sendable () throws -> Void = {}
        ) async throws -> (certificate: NIOSSLCertificate?, version: TLSVersion?) {
            try await connection.executeThenClose { inbound, outbound in
                var iterator = inbound.makeAsyncIterator()
                for round in 0..<rounds {
                    if round > 0 { try between() }
                    let text = "round \(round)"
                    try await outbound.write(ByteBuffer(string: text))
                    var echo = ByteBuffer()
                    while echo.readableBytes < text.utf8.count, let part = try await iterator.next() {
                        echo.writeImmutableBuffer(part)
                    }
                    #expect(String(buffer: echo) == text)
                }
                return try await connection.channel.eventLoop.submit { [channel = connection.channel] in
                    let handler = try channel.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
                    return (handler.peerCertificate, handler.tlsVersion)
                }.get()
            }
        }
    }
}
