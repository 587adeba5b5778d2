internal import ColaWorkers
internal import NIOCore
internal import NIOPosix

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The standard input of a process that lives on: what is written to it, and how much of that was ever read.
///
/// What a process never read it cannot have died of. The kernel says how much of a pipe is unread as long as somebody
/// has it open, so an end of it is kept for that alone.
final class StreamInput: ChannelInboundHandler {
    typealias InboundIn = Never

    private var channel: (any Channel)?
    /// Only to ask how much is unread; -1: closed.
    private var probe: Int32
    /// Nobody reads it any more.
    private let closed: () -> Void
    /// The pipe took what waited: there is room again.
    private let writable: () -> Void
    private var isEnding = false
    private var isClosed = false
    private var waiting = ByteBuffer()
    /// All that was written, and of that what the pipe has taken; the rest is with us. Bytes.
    private(set) var written = 0
    private var taken = 0

    /// What is given to the pipe at a time. Bytes.
    private static let partBytes = 32_768

    /// - Parameters:
    ///   - descriptor: the end to write to; it is closed in any case.
    init(
        _ descriptor: Int32, on eventLoop: any EventLoop, writable: @escaping () -> Void, closed: @escaping () -> Void
    ) {
        probe = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        self.writable = writable
        self.closed = closed
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        NIOPipeBootstrap(group: eventLoop)
            .channelOption(.writeBufferWaterMark, value: .init(low: 64 * 1_024, high: 256 * 1_024))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
            }
            .takingOwnershipOfDescriptor(output: descriptor)
            .assumeIsolated()
            .whenComplete { [weak self] result in
                switch result {
                case .success(let channel): self?.opened(channel)
                case .failure: self?.end()
                }
            }
    }

    deinit { closeProbe() }

    private func opened(_ channel: any Channel) {
        guard !isClosed else { return channel.close(promise: nil) }
        self.channel = channel
        var first = ByteBuffer()
        swap(&first, &waiting)
        send(first)
        if isEnding { closeWhenWritten() }
    }

    func write(_ bytes: ByteBuffer) {
        written += bytes.readableBytes
        guard !isClosed, !isEnding else { return }
        if channel == nil { waiting.writeImmutableBuffer(bytes) } else { send(bytes) }
    }

    private func send(_ bytes: ByteBuffer) {
        guard let channel, bytes.readableBytes > 0 else { return }
        var rest = bytes
        while let part = rest.readSlice(length: min(rest.readableBytes, Self.partBytes)), part.readableBytes > 0 {
            let count = part.readableBytes
            let promise = channel.eventLoop.makePromise(of: Void.self)
            promise.futureResult.assumeIsolated().whenSuccess { [weak self] in self?.taken += count }
            channel.write(part, promise: promise)
        }
        channel.flush()
    }

    /// Whether it has room, so that more may be handed out to be written.
    var isWritable: Bool { channel?.isWritable ?? isClosed }

    /// How much the process has read, at most. Bytes.
    var read: Int {
        // Of what is with us the pipe may have taken a part, but no more than the part at hand.
        let accepted = min(written, taken + Self.partBytes)
        var unread: Int32 = 0
        guard probe >= 0, ioctl(probe, UInt(FIONREAD), &unread) == 0 else { return written }
        return max(0, accepted - Int(unread))
    }

    /// Nothing more comes: what was written is still delivered, and then the pipe ends.
    func finish() {
        guard !isEnding else { return }
        isEnding = true
        if channel != nil { closeWhenWritten() }
    }

    private func closeWhenWritten() {
        guard let channel else { return }
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in
            self?.closeProbe()
            self?.channel?.close(promise: nil)
        }
        channel.writeAndFlush(ByteBuffer(), promise: promise)
    }

    /// At once.
    func close() {
        isClosed = true
        closeProbe()
        channel?.close(promise: nil)
        channel = nil
    }

    private func closeProbe() {
        if probe >= 0 { _ = sysClose(probe) }
        probe = -1
    }

    func channelInactive(context: ChannelHandlerContext) { end() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { writable() }
    }

    private func end() {
        guard !isClosed else { return }
        isClosed = true
        channel = nil
        if !isEnding { closed() }
        writable()
    }
}

private func sysClose(_ descriptor: Int32) -> Int32 { close(descriptor) }
