internal import ColaCore
internal import ColaServer
internal import NIOCore
internal import NIOEmbedded

/// One connection between a client and the server: bytes take their time, arrive cut anywhere, and may never arrive.
///
/// What is written in one order arrives in that order. A link ends in order (one end has no more to say), by a reset
/// that both ends notice, or it goes silent: then neither end is told anything.
final class Link {
    enum Cut { case whole, few, many }

    /// How a link behaves; drawn once for each.
    struct Traits {
        /// Nanoseconds.
        var latency: Int64
        var jitter: Int64
        var cut: Cut
        /// What may be on its way to the client at one time. Bytes.
        var window: Int
        /// Over a Unix socket a peer needs no name.
        var isLocal: Bool
        var wire = EmbeddedServer.Wire.native
    }

    private enum Direction { case toServer, toClient }

    let number: Int
    /// The life of the server that it leads to.
    let life: Int
    let traits: Traits
    let peer: Peer
    private unowned let world: World
    private unowned let client: SimulatedClient
    private(set) var socket: SimulatedSocket!
    private var lastArrival: [Int64] = [0, 0]
    private var bytesToClient = 0
    /// Nothing arrives any more, at neither end.
    private(set) var isOver = false
    private(set) var isSilent = false
    private(set) var wasEverSilent = false
    private var isServerGone = false
    private var hasClientEnded = false
    private var isWaking = false

    init(number: Int, life: Int, traits: Traits, world: World, client: SimulatedClient) {
        self.number = number
        self.life = life
        self.traits = traits
        self.world = world
        self.client = client
        peer =
            traits.isLocal
            ? .process(id: 1_000 + number, user: 0, group: 0) : .address("127.0.0.1:\(number)", isLoopback: true)
    }

    func attach(_ loop: EmbeddedEventLoop, highWaterMark: Int) throws {
        socket = try SimulatedSocket(link: self, loop: loop, highWaterMark: highWaterMark) { [world] in world.time }
    }

    // MARK: To the server

    func sendToServer(_ bytes: ByteBuffer) {
        guard !isOver, !isServerGone, !hasClientEnded else { return }
        world.note(bytes)
        for piece in cut(bytes) {
            arrive(.toServer) { [self] in
                guard !isServerGone else { return }
                world.note("link \(number) server gets \(piece.readableBytes)")
                socket.receive(piece)
            }
        }
    }

    /// The client has no more to say.
    func endToServer() {
        guard !isOver, !hasClientEnded else { return }
        hasClientEnded = true
        arrive(.toServer) { [self] in if !isServerGone { socket.receiveEnd() } }
    }

    /// The server wants to read, and there is something.
    func wakeServer() {
        guard !isWaking else { return }
        isWaking = true
        world.after(0) { [self] in
            isWaking = false
            if !isOver, !isServerGone { socket.deliver() }
        }
    }

    // MARK: To the client

    var hasRoomToClient: Bool { bytesToClient < traits.window }

    func sendToClient(_ bytes: ByteBuffer, writtenAt: Int64) {
        guard !isOver else { return }
        world.note(bytes)
        bytesToClient += bytes.readableBytes
        for piece in cut(bytes) {
            arrive(.toClient) { [self] in
                bytesToClient -= piece.readableBytes
                client.receive(piece, writtenAt: writtenAt, over: self)
                if !isOver, !isServerGone { socket.pump() }
            }
        }
    }

    /// So much waits at the server for the client to take something. Bytes.
    func didBuffer(_ bytes: Int) {
        world.tally.outputBytesMost = max(world.tally.outputBytesMost, bytes)
        if bytes > world.plan.outputBytesMost { world.complain("the server keeps \(bytes) bytes for link \(number)") }
    }

    func serverEndedOutput() {
        arrive(.toClient) { [self] in client.end(of: self, "the server ended it") }
    }

    /// The server has let go of its socket.
    func serverClosed() {
        isServerGone = true
        world.process?.forget(self)
        arrive(.toClient) { [self] in
            client.end(of: self, "the server closed it")
            isOver = true
        }
    }

    /// The process behind it has died; what is on its way may still arrive.
    func serverDied(keepsBytes: Bool) {
        isServerGone = true
        if isSilent { return }
        if keepsBytes {
            arrive(.toClient) { [self] in
                client.end(of: self, "the server died")
                isOver = true
            }
        } else {
            reset("the server died")
        }
    }

    // MARK: Faults

    /// Both ends notice at once; what was on its way is lost.
    func reset(_ reason: String) {
        guard !isOver else { return }
        isOver = true
        world.note("link \(number) is reset: \(reason)")
        if !isServerGone {
            isServerGone = true
            world.process?.forget(self)
            socket.reset()
        }
        client.end(of: self, reason)
    }

    /// Nothing arrives any more, and nobody is told.
    func goSilent() {
        guard !isOver else { return }
        world.note("link \(number) goes silent")
        isSilent = true
        wasEverSilent = true
    }

    // MARK: Bytes

    private func arrive(_ direction: Direction, _ body: @escaping () -> Void) {
        let index = direction == .toServer ? 0 : 1
        let jitter = traits.jitter > 0 ? Int64.random(in: 0...traits.jitter, using: &world.random) : 0
        let time = max(lastArrival[index], world.time + traits.latency + jitter)
        lastArrival[index] = time
        world.at(time) { [self] in if !isOver, !isSilent { body() } }
    }

    private func cut(_ bytes: ByteBuffer) -> [ByteBuffer] {
        let count: Int
        switch traits.cut {
        case .whole: return [bytes]
        case .few: count = Int.random(in: 1...3, using: &world.random)
        case .many: count = Int.random(in: 1...12, using: &world.random)
        }
        var rest = bytes
        var pieces: [ByteBuffer] = []
        for _ in 1..<max(2, count) where rest.readableBytes > 1 {
            let length = Int.random(in: 1..<rest.readableBytes, using: &world.random)
            if let piece = rest.readSlice(length: traits.cut == .many ? min(length, 40) : length) {
                pieces.append(piece)
            }
        }
        pieces.append(rest)
        return pieces
    }
}
