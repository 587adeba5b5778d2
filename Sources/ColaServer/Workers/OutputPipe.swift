internal import ColaWorkers
internal import NIOCore
internal import NIOPosix

/// Reads what a process writes to a pipe, until all that have it open are gone.
final class OutputPipe: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let receive: (ByteBuffer) -> Void
    private var ended: (() -> Void)?

    init(receive: @escaping (ByteBuffer) -> Void, ended: @escaping () -> Void) {
        self.receive = receive
        self.ended = ended
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        receive(unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) { end() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func end() {
        ended?()
        ended = nil
    }

    /// Begins to read on an event loop, which the caller is on.
    ///
    /// - Parameters:
    ///   - descriptor: is closed in any case.
    ///   - ended: is called once, also if it cannot be read.
    static func open(
        _ descriptor: Int32, on eventLoop: any EventLoop, receive: @escaping (ByteBuffer) -> Void,
        ended: @escaping () -> Void
    ) {
        let pipe = OutputPipe(receive: receive, ended: ended)
        let bound = NIOLoopBound(pipe, eventLoop: eventLoop)
        NIOPipeBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
            }
            .takingOwnershipOfDescriptor(input: descriptor)
            .whenFailure { _ in
                // The descriptor is closed by now; nobody will ever say more.
                bound.value.end()
            }
    }
}
