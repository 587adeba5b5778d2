import ColaClient
import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A server that says what a test has it say: for each line that comes, what goes back. A body counts as a line.
final class FakeServer: Sendable {
    enum Reply: Sendable {
        case text(String)
        case bytes([UInt8])
        /// One byte at a time.
        case bytewise([UInt8])
        case close
    }

    /// `line` is without its LF; `connection` counts from 1.
    typealias Script = @Sendable (_ line: String, _ connection: Int) -> [Reply]

    let url: ColaURL
    private let path: String
    private let channel: any Channel
    private let log: Log

    /// What came, by connection.
    private final class Log: Sendable {
        struct Entry: Sendable {
            var line: String
            var connection: Int
        }
        let entries = Mutex<[Entry]>([])
        let connections = Mutex(0)
    }

    private init(_ script: @escaping Script) async throws {
        let path = "/tmp/cola-fake-\(UUID().uuidString.prefix(8)).sock"
        let log = Log()
        self.log = log
        self.path = path
        url = ColaURL(.unix(path: path))
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let number = log.connections.withLock {
                        $0 += 1
                        return $0
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        Handler { line in
                            log.entries.withLock { $0.append(Log.Entry(line: line, connection: number)) }
                            return script(line, number)
                        })
                }
            }
            .bind(unixDomainSocketPath: path).get()
    }

    /// Runs `body` with a server of that script. `hello` and `quit` are
    /// answered as a server would unless the script says something.
    static func run<Result: Sendable>(
        _ script: @escaping Script, _ body: (FakeServer) async throws -> Result
    ) async throws -> Result {
        let server = try await FakeServer { line, connection in
            let replies = script(line, connection)
            guard replies.isEmpty else { return replies }
            if line.hasPrefix("hello") { return [.text(Self.welcome)] }
            return line.hasPrefix("quit") ? [.text("ok \(tag(of: line))\n"), .close] : []
        }
        defer { unlink(server.path) }
        do {
            let result = try await body(server)
            try await server.channel.close()
            return result
        } catch {
            try? await server.channel.close()
            throw error
        }
    }

    static let welcome =
        "ok t=1 version=1 server=Cola/fake user=ana admin=yes heartbeat=0 line=65536 body=1000 features=batch\n"

    /// The lines of one connection so far, or of all.
    func lines(of connection: Int? = nil) -> [String] {
        log.entries.withLock { entries in
            entries.filter { connection == nil || $0.connection == connection }.map(\.line)
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let answer: (String) -> [Reply]
        private var pending = ByteBuffer()

        init(_ answer: @escaping (String) -> [Reply]) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            pending.writeImmutableBuffer(unwrapInboundIn(data))
            while let end = pending.readableBytesView.firstIndex(of: 0x0A),
                let line = pending.readString(length: end - pending.readerIndex)
            {
                pending.moveReaderIndex(forwardBy: 1)
                for reply in answer(line) { send(reply, context) }
            }
        }

        private func send(_ reply: Reply, _ context: ChannelHandlerContext) {
            switch reply {
            case .text(let text):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            case .bytewise(let bytes):
                for byte in bytes { context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: [byte])), promise: nil) }
            case .bytes(let bytes): context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
            case .close: context.close(promise: nil)
            }
        }
    }
}

/// The tag of a request as its answer repeats it: `t=7`.
func tag(of line: String) -> String {
    line.split(separator: " ").first { $0.hasPrefix("t=") }.map(String.init) ?? ""
}
