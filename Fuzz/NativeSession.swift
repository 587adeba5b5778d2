import ColaCore
import ColaNative
import ColaStore
import NIOCore

/// A hostile client of the native protocol, in front of a whole broker whose disk is slow.
///
/// The first byte says over which kind of connection, how the rest is cut, and how the store behaves; the rest is what
/// the client sends. What the session asks for goes to a broker, what the broker says comes back, and now and then a
/// batch is committed or a read answered. Nothing may trap, nothing may be buffered beyond the limits, and what is sent
/// must be lines that a client understands.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzNativeSession(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    Client(bytes[0]).send(bytes[1...])
    return 0
}

private final class Client {
    /// What the store has read; a manual store calls back on this thread.
    private final class Mailbox: @unchecked Sendable {
        var loaded: [Command] = []
    }

    private var session: NativeSession
    private let broker: Broker
    private let store = MemoryStore(mode: .manual)
    private let mailbox = Mailbox()
    private var decoder = ClientDecoder()
    private var random: UInt64
    private var now = Now(monotonic: Instant(1), wall: Timestamp(1_795_360_000_000))
    private static let bodyBytesMax = 2_000

    init(_ mode: UInt8) {
        random = UInt64(mode) &* 0x9e37_79b9_7f4a_7c15 | 1
        let peer: Peer =
            mode & 1 == 0 ? .process(id: 1, user: 1, group: 1) : .address("127.0.0.1:1", isLoopback: true)
        var configuration = NativeSession.Configuration(server: "Cola/0")
        configuration.bodyBytesMax = Self.bodyBytesMax
        session = NativeSession(
            channel: ChannelID(1), peer: peer, access: Access(serverUser: 1),
            configuration: configuration, now: now)
        var limits = Limits()
        limits.queuesMax = 20
        limits.cacheBytesMax = mode & 2 == 0 ? 0 : 1 << 20
        limits.windowBytes = mode & 4 == 0 ? 300 : 1 << 20
        limits.unackedPerChannelMax = 8
        do {
            let recovery = try store.open(
                events: StoreEvents(committed: { _ in }, outOfRoom: { _ in }, roomFound: {}, failed: { _ in }))
            broker = Broker(recovery, limits: limits)
        } catch {
            preconditionFailure("a new store opens: \(error)")
        }
    }

    func send(_ bytes: ArraySlice<UInt8>) {
        apply(.attach(ChannelID(2), ChannelInfo(protocolName: "fuzz", peer: "", user: "")))
        for name in ["q", "r"] {
            apply(.request(ChannelID(2), RequestID(1), .declareQueue(QueueDeclaration(name: name))))
        }
        apply(.request(ChannelID(2), RequestID(1), .declareTopic(name: "t", partitions: 2, Arguments())))
        rest()
        var position = bytes.startIndex
        while position < bytes.endIndex {
            let size = 1 + Int(draw() % 64)
            let end = min(bytes.endIndex, position + size)
            var buffer = ByteBuffer(bytes: bytes[position..<end])
            session.receive(&buffer, at: now.monotonic)
            position = end
            turn()
            if draw() % 2 == 0 { authenticate() }
            if draw() % 4 == 0 { commit() }
            if draw() % 3 == 0 { read() }
            if draw() % 16 == 0 { apply(.windowOpened(ChannelID(1))) }
            if draw() % 8 == 0 { pass(milliseconds: Int64(draw() % 200)) }
            check()
        }
        session.receiveEnd()
        turn()
        authenticate()
        rest()
        // Answers that wait for the client to take what was sent before: it does.
        for _ in 0..<10_000 where session.isAttached && !session.isClosed {
            apply(.windowOpened(ChannelID(1)))
            pass(milliseconds: 1)
            rest()
        }
        check()
        precondition(session.isClosed || !session.isAttached, "the stream has ended and the session goes on")
        apply(.detach(ChannelID(1)))
        rest()
    }

    private func draw() -> UInt64 {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return random
    }

    private func turn() {
        let commands = session.commands
        session.commands = []
        for command in commands { apply(command) }
        session.flush()
    }

    private func apply(_ command: Command) {
        now.monotonic = now.monotonic.advanced(byMilliseconds: 1)
        var effects: [Effect] = []
        broker.apply(command, at: now, into: &effects)
        for effect in effects {
            switch effect {
            case .reply(ChannelID(1), _, _), .deliver(ChannelID(1), _, _), .consumerFailed(ChannelID(1), _, _),
                .assigned(ChannelID(1), _, _), .dismiss(ChannelID(1), _):
                session.handle(effect)
            case .read(let request):
                store.read(request) { [mailbox] result in
                    if case .success(let result) = result { mailbox.loaded.append(.loaded(result)) }
                }
            case .ask(let query):
                store.ask(query) { [mailbox] result in
                    if case .success(let result) = result { mailbox.loaded.append(.answered(query, result)) }
                }
            case .backUp: mailbox.loaded.append(.backedUp(.success(1)))
            case .workers(let channel, let id, _):
                mailbox.loaded.append(.workersAnswered(channel, id, .failure(.worker(.busy("nobody runs them")))))
            case .hashPassword(let channel, let id, _): mailbox.loaded.append(.passwordHashed(channel, id, nil))
            default: break
            }
        }
    }

    /// A name and a password are looked at when the client's next bytes have come, or later.
    private func authenticate() {
        guard let credentials = session.credentials else { return }
        session.credentials = nil
        let isAdministrator = draw() % 2 == 0
        session.authenticated(
            draw() % 4 == 0
                ? .refused("wrong password")
                : .admitted(Access.Identity(user: credentials.user, isAdministrator: isAdministrator)))
        turn()
    }

    /// Time goes by, and with it what was to be done then.
    private func pass(milliseconds: Int64) {
        now.monotonic = now.monotonic.advanced(byMilliseconds: milliseconds)
        now.wall = Timestamp(now.wall.rawValue + milliseconds)
        apply(.tick)
    }

    private func commit() {
        if let batch = broker.cut() { store.submit(batch) }
        if let number = store.commitNext() { apply(.committed(number)) }
    }

    private func read() {
        store.readNext()
        if !mailbox.loaded.isEmpty { apply(mailbox.loaded.removeFirst()) }
    }

    /// The disk catches up.
    private func rest() {
        var turns = 0
        while broker.isCommitDue(at: now) || store.batchesWaiting > 0 || store.readsWaiting > 0
            || !mailbox.loaded.isEmpty
        {
            turns += 1
            precondition(turns < 10_000, "the broker does not come to rest")
            commit()
            read()
        }
    }

    private func check() {
        session.flush()
        let buffered = session.inputBytes
        precondition(buffered <= 65_536 + Self.bodyBytesMax + 10_000 * 21, "\(buffered) bytes are buffered")
        decoder.feed(session.output)
        session.output.clear()
        do {
            while try decoder.next() != nil {}
        } catch {
            preconditionFailure("no client understands this: \(error)")
        }
    }
}
