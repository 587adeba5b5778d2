internal import ColaNative
internal import NIOCore

/// The only file in which NIO calls: bytes to the decoder, lines to the ``Connection``, signs of life in time.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: Connection
    private var decoder = ClientDecoder()
    private var lastReceived = NIODeadline.now()
    private var beats: RepeatedTask?

    init(_ connection: Connection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastReceived = .now()
        decoder.feed(unwrapInboundIn(data))
        do {
            while let line = try decoder.next() { connection.receive(line) }
        } catch {
            let text = "\(connection.url) does not speak the native protocol: \(error.reason); check the address"
            connection.fail(ColaError(code: .protocolViolation, message: text, isRetryable: false))
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        beats?.cancel()
        lost("it was closed by the server")
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        lost(Dialer.reason(error))
        context.close(promise: nil)
    }

    /// Sends `beat` twice in the agreed time and gives the server up after twice of it in silence.
    func startBeats(everySeconds seconds: Int64, on channel: any Channel) {
        guard seconds > 0, beats == nil else { return }
        let half = TimeAmount.milliseconds(seconds * 500)
        lastReceived = .now()
        let (bound, connection) = (NIOLoopBound(self, eventLoop: channel.eventLoop), connection)
        beats = channel.eventLoop.scheduleRepeatedTask(initialDelay: half, delay: half) { _ in
            let handler = bound.value
            if NIODeadline.now() - handler.lastReceived > .seconds(2 * seconds) {
                handler.lost("the server gave no sign of life for \(2 * seconds) s")
                channel.close(promise: nil)
            } else {
                try? connection.tell(.beat)
            }
        }
    }

    private func lost(_ reason: String) {
        let text = "lost the connection to \(connection.url): \(reason)"
        connection.fail(ColaError(code: .connectionLost, message: text, isRetryable: true))
    }
}
