internal import ColaWorkers
internal import NIOCore
internal import NIOPosix

/// Reads what a process writes to a pipe, until all that have it open are gone.
final class OutputPipe: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let pace: OutputPace?
    private let receive: (ByteBuffer) -> Void
    private let paused: () -> Void
    private var ended: (() -> Void)?
    private var channel: (any Channel)?
    /// Whether its owner wants it to be read, and whether that has to wait for the others.
    private var isWanted = true
    private var isWaiting = false
    private var isReading = true

    private init(
        pace: OutputPace?, receive: @escaping (ByteBuffer) -> Void, paused: @escaping () -> Void,
        ended: @escaping () -> Void
    ) {
        self.pace = pace
        self.receive = receive
        self.paused = paused
        self.ended = ended
    }

    func handlerAdded(context: ChannelHandlerContext) { channel = context.channel }

    func handlerRemoved(context: ChannelHandlerContext) { channel = nil }

    /// Whether it is read, or fills up until whoever writes to it has to wait.
    func setReading(_ isReading: Bool) {
        isWanted = isReading
        update()
    }

    private func setWaiting(_ isWaiting: Bool) {
        self.isWaiting = isWaiting
        update()
    }

    private func update() {
        guard isReading != (isWanted && !isWaiting) else { return }
        isReading.toggle()
        try? channel?.syncOptions?.setOption(.autoRead, value: isReading)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if let pace, !pace.read(bytes.readableBytes, resume: { [weak self] in self?.setWaiting(false) }) {
            setWaiting(true)
        }
        receive(bytes)
    }

    func channelReadComplete(context: ChannelHandlerContext) { paused() }

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
    ///   - pace: how much is read; nil: all there is.
    ///   - paused: is called when all that there was has been received.
    ///   - ended: is called once, also if it cannot be read.
    @discardableResult
    static func open(
        _ descriptor: Int32, on eventLoop: any EventLoop, pace: OutputPace? = nil,
        receive: @escaping (ByteBuffer) -> Void, paused: @escaping () -> Void = {}, ended: @escaping () -> Void
    ) -> OutputPipe {
        let pipe = OutputPipe(pace: pace, receive: receive, paused: paused, ended: ended)
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
        return pipe
    }
}
