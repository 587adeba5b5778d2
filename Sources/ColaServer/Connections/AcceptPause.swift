internal import Logging
internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Rests for a moment when there is no file descriptor, or no memory, for another connection.
///
/// Those that wait stay in the backlog. NIO's own `AcceptBackoffHandler` only delays the next wish to read, while the
/// socket stays registered and is reported readable at once, again and again; only switching `autoRead` off ends that.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private let logger: Logger
    private var isPaused = false
    private var wasTold = false

    private static let pauseMilliseconds: Int64 = 200

    init(logger: Logger) { self.logger = logger }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        wasTold = false
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.fireErrorCaught(error)
        guard let reason = error as? IOError, !isPaused, context.channel.isActive else { return }
        isPaused = true
        if !wasTold {
            wasTold = true
            logger.warning(
                "no more connections can be accepted; raise the limit of open files (ulimit -n)",
                metadata: ["reason": "\(String(cString: strerror(reason.errnoCode)))"])
        }
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Self.pauseMilliseconds)) { [self] in
            isPaused = false
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }
}
