internal import ColaCore
internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// One connection: its socket's events to its session, the session's commands to the broker loop, its output to the
/// socket.
///
/// The only place in which callbacks of the network library appear, whatever the protocol. It runs on the broker's
/// loop.
final class ConnectionHandler<S: Session>: ChannelDuplexHandler, Connection {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let id: ChannelID
    var isFlushPending = false
    var isLost: Bool { !session.hasQuit }
    private let loop: BrokerLoop
    private var session: S
    private var context: ChannelHandlerContext?
    /// The broker wants nothing more from this connection for now.
    private var isHeld = false
    /// The socket does not take what was written; until it does, nothing more is read either.
    private var isClogged = false
    /// All that was ever written, and how much of it the peer's end of the socket had taken when it was looked at last.
    private var bytesWritten = 0
    private var bytesTaken = 0
    /// The peer's password is looked at; it is not read from before that is done.
    private var isAuthenticating = false
    private var isReadWanted = false
    private var reportsWritable = false
    private var isClosing = false
    /// The peer has all that it will be sent.
    private var isWritten = false
    private let isSecured: Bool
    private var lastWords: LastWords?
    private var timer: Scheduled<Void>?
    private var timerDeadline: Instant?

    /// - Parameter isSecured: what the socket receives is not what the session does.
    init(id: ChannelID, session: S, loop: BrokerLoop, isSecured: Bool = false) {
        self.id = id
        self.isSecured = isSecured
        self.session = session
        self.loop = loop
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.add(self)
        submit(at: loop.now)
        schedule()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The peer is gone, or as good as: there is nobody to tell.
        context.close(promise: nil)
    }

    private func end() {
        guard context != nil else { return }
        context = nil
        timer?.cancel()
        hearLastWords()
        loop.remove(self)
    }

    func keepLastWords() {
        guard !isSecured else { return }
        lastWords = lastWords ?? context.flatMap { LastWords(of: $0.channel) }
    }

    private func hearLastWords() {
        guard var words = lastWords?.take() else { return }
        lastWords = nil
        guard !isClosing, words.readableBytes > 0 else { return }
        let now = loop.now
        session.receive(&words, at: now.monotonic)
        loop.submit(session.commands, from: self, at: now)
        session.commands = []
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        var bytes = unwrapInboundIn(data)
        session.receive(&bytes, at: loop.now.monotonic)
    }

    var inputBytes: Int { session.inputBytes }

    func channelReadComplete(context: ChannelHandlerContext) {
        submit(at: loop.now)
        if session.inputBytes > 0 { session.shrinkInput(above: loop.inputCapacityMax) }
        loop.didReceive(self)
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event {
            if isWritten { return context.close(promise: nil) }
            session.receiveEnd()
            submit(at: loop.now)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func read(context: ChannelHandlerContext) {
        if isHeld || isClogged || isAuthenticating { isReadWanted = true } else { context.read() }
    }

    private func submit(at now: Now) {
        guard context != nil else { return }
        if !session.commands.isEmpty {
            var commands: [Command] = []
            swap(&commands, &session.commands)
            loop.submit(commands, from: self, at: now)
        }
        // Its last words come after all answers that are due.
        if session.isClosed { loop.finishTurn() }
        if session.output.readableBytes > 0 || session.isClosed { flush() }
        schedule()
        guard let credentials = session.credentials else { return }
        session.credentials = nil
        isAuthenticating = true
        loop.authenticate(credentials, of: id)
    }

    func authenticated(_ outcome: Authentication) {
        isAuthenticating = false
        excuseSilence()
        session.authenticated(outcome)
        submit(at: loop.now)
        guard !isAuthenticating, !isClosing else { return }
        loop.didReceive(self)
        readAgain()
    }

    // MARK: Writing

    func handle(_ effect: Effect) {
        session.handle(effect)
    }

    func flush() {
        session.flush()
        guard let context else { return }
        if session.output.readableBytes > 0 {
            var output = ByteBuffer()
            swap(&output, &session.output)
            bytesWritten += output.readableBytes
            context.writeAndFlush(wrapOutboundOut(output), promise: nil)
            session.didSend(at: loop.now.monotonic)
            isClogged = !context.channel.isWritable
        }
        if session.isClosed { close() }
        reportIfWritable()
        if !session.commands.isEmpty { submit(at: loop.now) }
    }

    /// Sends what is written, however long the peer takes to read it, then ends our half; the rest of what the peer
    /// sends is read and dropped for a moment, for a socket closed with unread bytes takes its last words with it.
    private func close() {
        guard !isClosing, let context else { return }
        isClosing = true
        timer?.cancel()
        isHeld = false
        isClogged = false
        isAuthenticating = false
        if isReadWanted { context.read() }
        loop.detach(self)
        if session.isPeerGone { return reset(context) }
        closeIfStuck(leaving: .max)
        // Behind all that was written. Ending our half at once would drop it where the peer has ended its own.
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenSuccess { [self] in
            guard let context = self.context else { return }
            isWritten = true
            context.close(mode: .output, promise: nil)
            closeLater(seconds: 1) { true }
        }
    }

    /// Ends both halves at once. Should the peer be there after all, what it sends next fails: behind the end of our
    /// half alone, it would go into the void.
    private func reset(_ context: ChannelHandlerContext) {
        _ = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            var atOnce = linger(l_onoff: 1, l_linger: 0)
            setsockopt($0, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
        }
        context.close(promise: nil)
    }

    /// Closes when the peer has taken nothing for a while.
    private func closeIfStuck(leaving bytes: Int) {
        closeLater(seconds: ConnectionLimits.patienceSeconds) { [self] in
            guard let channel = context?.channel else { return false }
            let left = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
            guard left > 0, left < bytes else { return true }
            closeIfStuck(leaving: left)
            return false
        }
    }

    private func closeLater(seconds: Int64, if isTime: @escaping () -> Bool) {
        timer?.cancel()
        timer = loop.eventLoop.assumeIsolated().scheduleTask(in: .seconds(seconds)) { [self] in
            if isTime() { context?.close(promise: nil) }
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if isClogged { peerProceeds() }
        isClogged = !context.channel.isWritable && !isClosing
        if !isClogged { readAgain() }
        reportIfWritable()
        context.fireChannelWritabilityChanged()
    }

    func reportWhenWritable() {
        reportsWritable = true
    }

    private func reportIfWritable() {
        guard reportsWritable, let context, context.channel.isWritable else { return }
        reportsWritable = false
        // Not in this turn: others want theirs.
        context.eventLoop.assumeIsolated().execute { [self] in loop.windowOpened(id) }
    }

    // MARK: Holding back

    func hold() {
        isHeld = !isClosing
    }

    /// Who is not read from cannot be heard: his silence is our doing. While there is output for him he is heard by
    /// what he takes of it, or a host that is gone would keep its messages as long as TCP hopes for it.
    private func excuseSilence() {
        if isHeld || loop.isHalted(id) { return peerProceeds() }
        guard isClogged, let channel = context?.channel else { return }
        let taken = bytesWritten - Self.bytesLeft(in: channel)
        if taken > bytesTaken { peerProceeds() }
        bytesTaken = taken
    }

    /// What the peer's end of the socket has not taken. The system tells of room only when there is a lot of it.
    private static func bytesLeft(in channel: any Channel) -> Int {
        var unsent: Int32 = 0
        _ = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            ioctl($0, UInt(TIOCOUTQ), &unsent)
        }
        return ((try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0) + Int(unsent)
    }

    func peerProceeds() { session.excuseSilence(at: loop.now.monotonic) }

    func giveUp() {
        session.close(
            code: "timeout",
            sentence: "the rest of a request did not come for \(ConnectionLimits.patienceSeconds) s while others wait")
        flush()
    }

    func release() {
        excuseSilence()
        isHeld = false
        readAgain()
    }

    private func readAgain() {
        guard isReadWanted, !isHeld, !isClogged, !isAuthenticating, let context else { return }
        isReadWanted = false
        context.read()
    }

    // MARK: Time

    private func schedule() {
        let deadline = isClosing ? nil : session.nextDeadline
        // A deadline that moved away is looked at when the old one has come: no timer is touched per message.
        guard let deadline, context != nil else { return }
        if let timerDeadline, timerDeadline <= deadline { return }
        timer?.cancel()
        timerDeadline = deadline
        let delay = max(0, deadline.rawValue - loop.now.monotonic.rawValue)
        timer = loop.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(delay)) { [self] in
            timerDeadline = nil
            excuseSilence()
            session.tick(at: loop.now.monotonic)
            submit(at: loop.now)
        }
    }

    // MARK: Stopping

    func dismiss(because sentence: String) {
        session.close(code: "unauthenticated", sentence: sentence)
        flush()
    }

    func stop() {
        session.close(code: "shutting_down", sentence: "the server is stopping; connect again in a moment")
        flush()
    }
}
