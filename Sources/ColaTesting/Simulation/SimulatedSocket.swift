internal import NIOCore
internal import NIOEmbedded

/// The server's end of a link, in place of a TCP socket: it takes what the server writes while the link has room,
/// hands the server what arrived when it wants to read, and says when it is over.
///
/// It stands first in the pipeline of an embedded channel, before the server's real connection handler.
final class SimulatedSocket: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let channel: EmbeddedChannel
    /// What was written, oldest first: how many bytes, and when.
    private var written: [(bytes: Int, time: Int64)] = []
    /// Written and not taken by the link. Bytes.
    private var pendingBytes = 0
    private var isFlushWanted = false
    private var isReadWanted = false
    private var isReading = false
    private var arrived: [ByteBuffer] = []
    private var hasInputEnded = false
    private var isDead = false
    private var isPumping = false
    private var endsOutput = false
    private var context: ChannelHandlerContext?
    private weak var link: Link?
    private let clock: () -> Int64
    private let highWaterMark: Int

    init(link: Link, loop: EmbeddedEventLoop, highWaterMark: Int, clock: @escaping () -> Int64) throws {
        self.link = link
        self.clock = clock
        self.highWaterMark = highWaterMark
        channel = EmbeddedChannel(loop: loop)
        try channel.pipeline.syncOperations.addHandler(self)
    }

    // MARK: What the server does

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = unwrapOutboundIn(data).readableBytes
        written.append((bytes, clock()))
        pendingBytes += bytes
        link?.didBuffer(pendingBytes)
        context.write(data, promise: promise)
        updateWritability()
    }

    func flush(context: ChannelHandlerContext) {
        isFlushWanted = true
        pump()
    }

    func read(context: ChannelHandlerContext) {
        isReadWanted = true
        if !arrived.isEmpty || hasInputEnded { link?.wakeServer() }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .output:
            // It is asked for when all before it was taken: from within `pump`, where the bytes still lie.
            if isPumping { endsOutput = true } else { link?.serverEndedOutput() }
            promise?.succeed()
        case .all, .input:
            context.close(mode: mode, promise: promise)
            if !isDead { link?.serverClosed() }
            isDead = true
        }
    }

    // MARK: What the link does

    /// The link may have room again.
    func pump() {
        guard isFlushWanted, !isDead, !isPumping, let link, link.hasRoomToClient, let context else { return }
        isFlushWanted = false
        isPumping = true
        pendingBytes = 0
        context.flush()
        while !written.isEmpty, let bytes = try? channel.readOutbound(as: ByteBuffer.self) {
            let write = written.removeFirst()
            if bytes.readableBytes > 0 { link.sendToClient(bytes, writtenAt: write.time) }
        }
        isPumping = false
        if endsOutput { link.serverEndedOutput() }
        updateWritability()
    }

    private func updateWritability() {
        let isWritable = channel.isWritable ? pendingBytes <= highWaterMark : pendingBytes <= highWaterMark / 4
        guard isWritable != channel.isWritable else { return }
        channel.isWritable = isWritable
        channel.pipeline.syncOperations.fireChannelWritabilityChanged()
    }

    func receive(_ bytes: ByteBuffer) {
        arrived.append(bytes)
        deliver()
    }

    /// The client sends nothing more.
    func receiveEnd() {
        hasInputEnded = true
        deliver()
    }

    /// One read burst, if the server wants one.
    func deliver() {
        guard isReadWanted, !isReading, !isDead else { return }
        guard !arrived.isEmpty else {
            guard hasInputEnded else { return }
            hasInputEnded = false
            isReadWanted = false
            return channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
        isReading = true
        isReadWanted = false
        // As a socket with `maxMessagesPerRead` does.
        for _ in 0..<4 where !arrived.isEmpty {
            channel.pipeline.syncOperations.fireChannelRead(NIOAny(arrived.removeFirst()))
        }
        channel.pipeline.syncOperations.fireChannelReadComplete()
        isReading = false
        channel.pipeline.syncOperations.read()
    }

    /// A socket reads by itself as soon as it is registered.
    func begin() { channel.pipeline.syncOperations.read() }

    /// The connection broke.
    func reset() {
        guard !isDead else { return }
        isDead = true
        channel.close(promise: nil)
    }

    /// The process has ended; nobody is to hear of what its remains do.
    func die() { reset() }
}
