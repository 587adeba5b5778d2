internal import ColaAMQP
internal import ColaCore
internal import NIOCore

/// One connection that speaks AMQP 0-9-1, as its client sees it. What it knows of each of its channels is an
/// ``AMQPClientChannel``.
final class AMQPClientSession {
    private enum Stage { case starting, open, closing, over }

    let client: SimulatedClient
    let link: Link
    unowned let world: World
    private let heartbeat: Int
    /// What the client agrees to. Bytes.
    let frameMax: Int
    private var frames = AMQPFrames()
    private var stage = Stage.starting
    private var isFinishing = false
    private(set) var isBlocked = false
    private var lastHeard: Int64
    /// When what is being read now was written.
    private(set) var writtenAt: Int64 = 0
    /// By their numbers less one.
    private(set) var channels: [AMQPClientChannel?] = [nil, nil, nil]
    private var lastChannel = 0

    init(client: SimulatedClient, link: Link, heartbeat: Int) {
        self.client = client
        self.link = link
        self.heartbeat = heartbeat
        world = client.world
        lastHeard = world.time
        frameMax = world.isOne(in: 2) ? 4_096 : 131_072
    }

    var isIdle: Bool { stage == .over || stage == .open && channels.allSatisfy { $0?.isIdle ?? true } }
    var mayAct: Bool { stage == .open && pendingCount < 30 }
    private var pendingCount: Int { channels.reduce(0) { $0 + ($1?.pendingCount ?? 0) } }

    // MARK: Beginning and ending

    func begin() {
        link.sendToServer(ByteBuffer(bytes: ProtocolHeader.bytes))
        if heartbeat > 0 { beatLater() }
    }

    private func beatLater() {
        let interval = Int64(heartbeat) * 1_000_000_000
        world.after(interval / 2) { [self] in
            guard stage != .over else { return }
            // A server that says nothing for so long is not there.
            if world.time - lastHeard > 2 * interval { return link.reset("nothing was heard of the server") }
            if stage == .open {
                var bytes = ByteBuffer()
                bytes.writeHeartbeat()
                link.sendToServer(bytes)
            }
            beatLater()
        }
    }

    private func hear(_ method: Method) {
        switch method {
        case .connectionStart where stage == .starting:
            let capabilities: FieldTable = [
                "basic.nack": .bool(true), "connection.blocked": .bool(true), "consumer_cancel_notify": .bool(true),
            ]
            send(
                .connectionStartOk(
                    clientProperties: ["product": .string("simulation"), "capabilities": .table(capabilities)],
                    mechanism: "PLAIN", response: Array("\0guest\0guest".utf8), locale: "en_US"))
        case .connectionTune where stage == .starting:
            send(.connectionTuneOk(channelMax: 10, frameMax: UInt32(frameMax), heartbeat: UInt16(heartbeat)))
            frames.frameMax = frameMax
            send(.connectionOpen(virtualHost: "/"))
        case .connectionOpenOk where stage == .starting:
            stage = .open
            if isFinishing { close() } else { openChannel() }
        case .connectionBlocked: isBlocked = true
        case .connectionUnblocked: isBlocked = false
        case .connectionCloseOk where stage == .closing:
            for channel in channels { channel?.checkAnswered("the end of its connection") }
            hangUp()
        case .connectionClose(let code, let text, _, _): hearClose(code, text)
        default: world.complain("link \(link.number) heard \(method.id), which does not come now")
        }
    }

    private func hearClose(_ code: UInt16, _ text: String) {
        switch ReplyCode(rawValue: code) {
        case .connectionForced: break
        // A read from the disk failed, and somebody waited for it.
        case .internalError where world.plan.readFaults > 0: send(.connectionCloseOk)
        default: world.complain("link \(link.number) was sent away: \(code) \(text)")
        }
        hangUp()
    }

    private func hangUp() {
        stage = .over
        link.endToServer()
    }

    /// Leaves in order: all that was asked before is answered first.
    func close() {
        guard stage == .open else { return }
        world.note("link \(link.number) closes")
        send(.connectionClose(replyCode: 200, replyText: "", classID: 0, methodID: 0))
        stage = .closing
    }

    func finish() {
        isFinishing = true
        close()
    }

    func end() {
        stage = .over
        for channel in channels { channel?.end() }
    }

    func complainAboutPending() {
        guard stage != .over else { return }
        world.complain("link \(link.number) is in stage \(stage), and waits for an answer")
        for channel in channels { channel?.complainAboutPending() }
    }

    // MARK: Channels

    /// - Returns: its end of the new channel; nil if all numbers are taken.
    @discardableResult
    func openChannel(_ mode: AMQPClientChannel.Mode? = nil) -> AMQPClientChannel? {
        guard stage == .open, let index = channels.firstIndex(where: { $0 == nil }) else { return nil }
        lastChannel += 1
        let mode = mode ?? world.pick([.plain, .confirming, .confirming, .transactional]) ?? .plain
        let channel = AMQPClientChannel(
            number: UInt16(index + 1), lane: 1_000_000 + link.number * 1_000 + lastChannel, mode: mode, of: self)
        channels[index] = channel
        channel.begin()
        return channel
    }

    func withChannel(_ act: (AMQPClientChannel) -> Void) {
        guard let channel = world.pick(channels.compactMap { $0 }.filter(\.isOpen)) else { return }
        act(channel)
    }

    func forget(_ channel: AMQPClientChannel) { channels[Int(channel.number) - 1] = nil }

    // MARK: Bytes

    func send(_ method: Method, on channel: UInt16 = 0) {
        guard stage == .starting || stage == .open else { return }
        var bytes = ByteBuffer()
        bytes.writeMethod(method, channel: channel)
        link.sendToServer(bytes)
    }

    func send(_ bytes: ByteBuffer) {
        guard stage == .open else { return }
        link.sendToServer(bytes)
    }

    func receive(_ bytes: ByteBuffer, writtenAt: Int64) {
        guard stage != .over else { return }
        self.writtenAt = writtenAt
        lastHeard = world.time
        frames.feed(bytes)
        do {
            while stage != .over, let (number, line) = try frames.next() { hear(line, on: number) }
        } catch let error as AMQPFrames.NotOfTheProtocol {
            world.complain("link \(link.number) got what is not of the protocol: \(error.reason)")
        } catch {
            world.complain("link \(link.number): \(error)")
        }
    }

    private func hear(_ line: AMQPFrames.Line, on number: UInt16) {
        switch (number, line) {
        case (0, .method(let method)):
            world.note("link \(link.number) hears \(method.id)")
            hear(method)
        case (0, .heartbeat): break
        case (1...3, .method), (1...3, .header), (1...3, .body):
            guard let channel = channels[Int(number) - 1] else {
                return world.complain("link \(link.number) got a frame for channel \(number), which is not open")
            }
            channel.hear(line)
        default: world.complain("link \(link.number) got a frame that does not belong on channel \(number)")
        }
    }
}
