internal import ColaCore
internal import NIOCore
internal import NIOTLS

/// Waits until a client has shown what it has to show, and lets the connection begin then.
final class TLSHandshake: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    /// From the first byte to the last. Seconds.
    private static let patienceSeconds: Int64 = 10

    private let first: any TLSPeer
    private let begin: (PeerCertificate?) throws -> Void
    private let ended: ((any Error)?) -> Void
    private var timer: Scheduled<Void>?
    private var isOver = false

    /// - Parameters:
    ///   - begin: the connection is secure; it gets the verified certificate of the client, if that has shown one.
    ///   - ended: is called once: the handshake is over, one way or the other.
    init(
        behind first: any TLSPeer, begin: @escaping (PeerCertificate?) throws -> Void,
        ended: @escaping ((any Error)?) -> Void
    ) {
        self.first = first
        self.begin = begin
        self.ended = ended
    }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(Self.patienceSeconds)) { [self] in
            fail(context, TLSError(kind: .wrong, description: "it took more than \(Self.patienceSeconds) s"))
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case TLSUserEvent.handshakeCompleted = event else { return context.fireUserInboundEventTriggered(event) }
        guard !isOver else { return }
        end(nil)
        do {
            try begin(first.certificate)
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isOver else { return context.fireErrorCaught(error) }
        fail(context, error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(ChannelError.eof)
        context.fireChannelInactive()
    }

    private func fail(_ context: ChannelHandlerContext, _ error: any Error) {
        end(error)
        context.close(promise: nil)
    }

    private func end(_ error: (any Error)?) {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        ended(error)
    }
}
