package import ColaCore
package import NIOCore

// From bytes to frames.
extension AMQPSession {
    /// Takes what was received; what it asks for is in `commands` afterwards.
    package mutating func receive(_ bytes: inout ByteBuffer, at now: Instant) {
        lastReceived = now
        if case .closed = state { return }
        if streaming != nil { stream(&bytes) }
        guard bytes.readableBytes > 0 else { return }
        if input.readableBytes == 0 { input = bytes } else { input.writeBuffer(&bytes) }
        readInput()
    }

    package mutating func shrinkInput(above bytes: Int) {
        guard input.storageCapacity > bytes, input.readableBytes < input.storageCapacity / 4 else { return }
        input = ByteBuffer(bytes: input.readableBytesView)
    }

    mutating func readInput() {
        guard isReading, input.readableBytes >= inputNeeded else { return }
        // One copy of the whole burst; the bodies in the commands are slices of it.
        let burst = [UInt8](input.readableBytesView)
        let used = burst.withUnsafeBytes { read($0, of: burst) }
        guard !isClosed else { return }
        if used == burst.count {
            input = ByteBuffer()
        } else {
            input.moveReaderIndex(forwardBy: used)
            input.discardReadBytes()
            if streaming != nil, input.readableBytes > 0 {
                var rest = ByteBuffer()
                swap(&rest, &input)
                stream(&rest)
            }
        }
    }

    /// - Returns: how many bytes were read for good.
    private mutating func read(_ bytes: UnsafeRawBufferPointer, of burst: [UInt8]) -> Int {
        var position = 0
        if case .header = state {
            guard let next = readHeader(bytes) else { return 0 }
            position = next
        }
        inputNeeded = 1
        while isReading, position < bytes.count {
            // As RabbitMQ, which takes a payload of the size that was agreed on for the whole frame: some clients send
            // such.
            switch FrameScanner.scan(bytes, from: position, payloadMax: Int(frameMax)) {
            case .incomplete(let needed):
                if let used = beginStreaming(bytes, from: position) { return used }
                inputNeeded = needed
                return position
            case .malformed(let error):
                fail(ProtocolError(.frameError, error.description))
                return bytes.count
            case .frame(let frame, let next):
                if blocked != nil, isPublish(frame, bytes) {
                    park()
                    return position
                }
                read(frame, bytes, of: burst)
                position = next
            }
        }
        return isReading ? position : min(position, bytes.count)
    }

    private func isPublish(_ frame: Frame, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard case .open = state, frame.kind == .method, frame.payload.count >= 4 else { return false }
        return bytes[frame.payload].prefix(4).elementsEqual([0, 60, 0, 40])
    }

    /// As RabbitMQ: publishers wait from their first publish on, which is not taken before the alarm is over. Many who
    /// connect, publish and leave would fill the disk all the same.
    private mutating func park() {
        guard !isParked else { return }
        isParked = true
        hasPublished = true
        tellBlocked()
        commands.append(.publishes(channel))
    }

    /// Publishers need not wait any more.
    mutating func goOn() {
        guard isParked else { return }
        isParked = false
        inputNeeded = 1
        readInput()
        if hasEndedEarly { receiveEnd() }
    }

    private mutating func readHeader(_ bytes: UnsafeRawBufferPointer) -> Int? {
        switch ProtocolHeader.scan(bytes) {
        case .incomplete:
            inputNeeded = bytes.count + 1
            return nil
        case .other:
            output.writeBytes(ProtocolHeader.bytes)
            end()
            return nil
        case .matches:
            start()
            return ProtocolHeader.size
        }
    }

    private mutating func read(_ frame: Frame, _ bytes: UnsafeRawBufferPointer, of burst: [UInt8]) {
        guard frame.channel > 0 else { return readForConnection(frame, bytes) }
        switch state {
        case .open: break
        case .closing, .leaving: return
        default:
            return fail(ProtocolError(.channelError, "a frame for channel \(frame.channel) before connection.open"))
        }
        if frame.kind == .heartbeat {
            return fail(ProtocolError(.unexpectedFrame, "a heartbeat belongs on channel 0, not \(frame.channel)"))
        }
        guard let channel = find(frame.channel) else { return open(frame, bytes) }
        guard channel.isReading else { return readBehindTheEnd(frame, bytes, of: channel) }
        switch frame.kind {
        case .method: readMethod(frame, bytes, of: channel)
        case .header: readContentHeader(frame, bytes, of: channel, burst)
        case .body: readBody(frame, bytes, of: channel, burst)
        case .heartbeat: break
        }
    }

    private mutating func find(_ number: UInt16) -> AMQPChannel? {
        if let lastChannel, lastChannel.number == number { return lastChannel }
        guard let channel = channels[number] else { return nil }
        lastChannel = channel
        return channel
    }

    private mutating func readForConnection(_ frame: Frame, _ bytes: UnsafeRawBufferPointer) {
        switch frame.kind {
        case .heartbeat: return
        case .method: break
        case .header, .body:
            return fail(ProtocolError(.unexpectedFrame, "there is no content on channel 0"))
        }
        do throws(MethodError) {
            let method = try Method.decode(UnsafeRawBufferPointer(rebasing: bytes[frame.payload]))
            handle(method)
        } catch {
            fail(Self.error(error))
        }
    }

    static func error(_ error: MethodError) -> ProtocolError {
        switch error {
        case .unknown(let id): ProtocolError(.notImplemented, "there is no method \(id)", in: id)
        case .malformed(let sentence): ProtocolError(.syntaxError, sentence)
        }
    }

    // MARK: Channels come and go

    /// A frame for a channel that is not open.
    private mutating func open(_ frame: Frame, _ bytes: UnsafeRawBufferPointer) {
        let payload = UnsafeRawBufferPointer(rebasing: bytes[frame.payload])
        guard frame.kind == .method, let id = MethodID(payload) else {
            return fail(ProtocolError(.channelError, "channel \(frame.channel) is not open: expected channel.open"))
        }
        switch id {
        case .channelOpen: break
        // The end of it crossed ours.
        case .channelCloseOk: return
        case .channelClose: return write(.channelCloseOk, channel: frame.channel)
        default:
            return fail(
                ProtocolError(.channelError, "channel \(frame.channel) is not open: expected channel.open", in: id))
        }
        // As RabbitMQ, which counts channels and leaves their numbers to the client.
        guard channels.count < channelMax || channelMax == 0 else {
            return fail(
                ProtocolError(
                    .notAllowed,
                    "number of channels opened (\(channels.count)) has reached the negotiated channel_max "
                        + "(\(channelMax))", in: id))
        }
        let incarnation = incarnations[frame.channel].map { $0 &+ 1 } ?? 0
        incarnations[frame.channel] = incarnation
        let channel = AMQPChannel(
            number: frame.channel,
            id: ChannelID(of: self.channel, number: frame.channel, incarnation: incarnation))
        channels[frame.channel] = channel
        lastChannel = channel
        if let identity {
            var info = info(of: identity)
            info.isStrict = true
            commands.append(.attach(channel.id, info))
        }
        // The broker knows how many its user may have.
        ask(.enter, .method(.channelOpenOk), .channelOpen, on: channel)
    }

    /// A frame for a channel that has ended, as far as we are concerned.
    private mutating func readBehindTheEnd(_ frame: Frame, _ bytes: UnsafeRawBufferPointer, of channel: AMQPChannel) {
        guard frame.kind == .method, let id = MethodID(UnsafeRawBufferPointer(rebasing: bytes[frame.payload])) else {
            return
        }
        switch (id, channel.state) {
        case (.channelCloseOk, .closing): forget(channel)
        case (.channelClose, .closing):
            write(.channelCloseOk, channel: channel.number)
            forget(channel)
        // The error is said first, when its turn has come.
        case (.channelClose, .failing): channel.isLeftByPeer = true
        default: return
        }
    }

    mutating func forget(_ channel: AMQPChannel) {
        bodyBytes -= channel.bodyBytes
        dropTransaction(of: channel)
        channel.drop()
        channels[channel.number] = nil
        if lastChannel === channel { lastChannel = nil }
    }

    // MARK: Large bodies

    /// The rest of a body's frame that is taken as it comes, so that a large body is put together once.
    struct StreamingFrame {
        var channel: AMQPChannel
        /// Of the frame's payload.
        var remaining: Int
    }

    /// Less than this waits for the rest of its frame.
    private static let streamingBytesMin = 8_192

    /// - Returns: how many bytes were read for good; nil if what comes is no large body.
    private mutating func beginStreaming(_ bytes: UnsafeRawBufferPointer, from position: Int) -> Int? {
        let begin = position + Frame.headerBytes
        guard case .open = state, bytes.count > begin, bytes[position] == Frame.Kind.body.rawValue else { return nil }
        let number = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: position + 1, as: UInt16.self))
        let size = Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position + 3, as: UInt32.self)))
        // Only what is all of a body that is being waited for, and not the end of its frame alone.
        guard let channel = channels[number], channel.isReading, let missing = channel.missingBytes,
            size >= Self.streamingBytesMin, size <= missing, bytes.count < begin + size
        else { return nil }
        append(UnsafeRawBufferPointer(rebasing: bytes[begin...]), to: channel)
        guard channel.content != nil else { return bytes.count }
        streaming = StreamingFrame(channel: channel, remaining: begin + size - bytes.count)
        inputNeeded = 1
        return bytes.count
    }

    private mutating func stream(_ bytes: inout ByteBuffer) {
        guard var frame = streaming else { return }
        let count = min(frame.remaining, bytes.readableBytes)
        let channel = frame.channel
        bytes.readWithUnsafeReadableBytes { pointer in
            append(UnsafeRawBufferPointer(rebasing: pointer[0..<count]), to: channel)
            return count
        }
        // It may have been too much, and the connection ends.
        guard streaming != nil else { return }
        frame.remaining -= count
        streaming = frame
        guard frame.remaining == 0, let end = bytes.readInteger(as: UInt8.self) else { return }
        streaming = nil
        guard end == Frame.end else {
            return fail(ProtocolError(.frameError, FrameError.wrongEnd(end).description))
        }
        if channel.missingBytes == 0 { finishContent(of: channel) }
    }
}
