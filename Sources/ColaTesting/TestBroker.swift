package import ColaCore
internal import ColaStore

/// A broker over a memory store, driven by hand: a test decides when time passes, when a batch is cut and when it is
/// committed, when a read is answered, and when everything dies.
///
/// Nothing happens by itself and nothing waits, so a test is a plain sequence, and equal sequences give equal results.
/// What the broker said is kept per channel until ``hear(_:)`` takes it.
package final class TestBroker {
    /// What the store answered and the broker has not been told yet.
    ///
    /// Unchecked: a manual store calls back on the thread that asked, and a test has but one.
    private final class Mailbox: @unchecked Sendable {
        var answers: [Command] = []
    }

    /// What the broker has asked the store.
    private enum Inquiry {
        case read(ReadRequest)
        case fetch(ReadRequest)
        case query(Query)
    }

    package var limits: Limits
    package private(set) var broker: Broker
    package private(set) var now = Now(monotonic: Instant(1_000_000_000), wall: Timestamp(1_795_360_000_000))
    /// Every batch that was cut in this life, in order.
    package private(set) var batches: [Batch] = []
    /// Reads that wait for their answer, oldest first.
    package var reads: [ReadRequest] {
        inquiries.compactMap { if case .read(let request) = $0 { request } else { nil } }
    }
    /// The same of queries. They are answered in the order in which they and the reads were asked.
    package var queries: [Query] {
        inquiries.compactMap { if case .query(let query) = $0 { query } else { nil } }
    }
    /// What was reported as damaged.
    package private(set) var damage: [String] = []

    /// Is told everything in the order in which it is said, in place of ``hear(_:)``.
    package var listener: ((ChannelID, Heard) -> Void)?

    /// Is told every effect as it is, besides.
    package var effectListener: ((Effect) -> Void)?

    private let disk = MemoryStore.Disk()
    private var store: MemoryStore
    private let mailbox = Mailbox()
    private var inquiries: [Inquiry] = []
    private var heard: [ChannelID: [Heard]] = [:]
    private var lastChannel: UInt64 = 0
    private var lastRequest: UInt64 = 0
    /// More turns than any test needs: a loop that does not end is a finding, not a hanging test.
    private static let turnsMax = 100_000

    package init(limits: Limits = Limits()) {
        self.limits = limits
        store = MemoryStore(disk: disk, mode: .manual)
        broker = Broker(Self.open(store), limits: limits)
    }

    private static func open(_ store: MemoryStore) -> Recovery {
        do {
            return try store.open(
                events: StoreEvents(committed: { _ in }, outOfRoom: { _ in }, roomFound: {}, failed: { _ in }))
        } catch {
            preconditionFailure("a memory store that nobody else has opens: \(error)")
        }
    }

    // MARK: Channels

    package func attach() -> ChannelID {
        lastChannel += 1
        let id = ChannelID(lastChannel)
        var info = ChannelInfo(protocolName: "test", peer: "test \(lastChannel)", user: "tester")
        info.authority = .all
        apply(.attach(id, info))
        return id
    }

    /// A channel of a connection that is there.
    package func attach(_ channel: ChannelID, isStrict: Bool) {
        var info = ChannelInfo(protocolName: "test", peer: "test \(channel.connection)", user: "tester")
        info.authority = .all
        info.isStrict = isStrict
        apply(.attach(channel, info))
    }

    package func detach(_ channel: ChannelID, isLost: Bool = false) { apply(.detach(channel, isLost: isLost)) }

    /// The id that the next request gets.
    package var nextRequest: RequestID { RequestID(lastRequest + 1) }

    @discardableResult
    package func send(_ request: Request, from channel: ChannelID) -> RequestID {
        let id = nextRequest
        lastRequest += 1
        apply(.request(channel, id, request))
        return id
    }

    /// Takes what the channel has heard since the last call.
    package func hear(_ channel: ChannelID) -> [Heard] { heard.removeValue(forKey: channel) ?? [] }

    package func apply(_ command: Command) {
        var effects: [Effect] = []
        broker.apply(command, at: now, into: &effects)
        broker.endBurst(at: now, into: &effects)
        for effect in effects {
            effectListener?(effect)
            switch effect {
            case .reply(let channel, let id, let reply): note(.answer(id, .init(reply)), channel)
            case .deliver(let channel, let tag, let delivery):
                note(.message(.init(delivery, consumer: tag.rawValue)), channel)
            case .consumerFailed(let channel, let tag, let error): note(.failed(tag, code: error.code), channel)
            case .windowFull(let channel): note(.windowFull, channel)
            case .blocked(let reason):
                for id in 1...max(1, lastChannel) { note(.blocked(reason), ChannelID(id)) }
            case .read(let request):
                inquiries.append(.read(request))
                store.read(request) { [mailbox] result in
                    if case .success(let result) = result { mailbox.answers.append(.loaded(result)) }
                }
            case .fetch(let request):
                inquiries.append(.fetch(request))
                store.fetch(request) { [mailbox] result in
                    if case .success(let result) = result { mailbox.answers.append(.fetched(result)) }
                }
            case .ask(let query):
                inquiries.append(.query(query))
                store.ask(query) { [mailbox] result in
                    if case .success(let result) = result { mailbox.answers.append(.answered(query, result)) }
                }
            case .assigned, .backUp, .cancelBackup, .workers, .hashPassword, .dismiss: break
            case .damaged(_, _, let sentence): damage.append(sentence)
            }
        }
    }

    private func note(_ event: Heard, _ channel: ChannelID) {
        if let listener { listener(channel, event) } else { heard[channel, default: []].append(event) }
    }

    // MARK: Time

    package func pass(milliseconds: Int64) {
        now.monotonic = now.monotonic.advanced(byMilliseconds: milliseconds)
        now.wall = Timestamp(now.wall.rawValue + milliseconds)
        apply(.tick)
    }

    /// Somebody sets the wall clock: no time passes.
    package func setWallClock(forward milliseconds: Int64) {
        now.wall = Timestamp(now.wall.rawValue + milliseconds)
        apply(.tick)
    }

    // MARK: The store

    /// When the gathering batch is due though nobody waits for it.
    package var commitDeadline: Instant? { broker.commitDeadline(at: now) }

    /// Cuts the gathering batch and gives it to the store.
    ///
    /// - Returns: nil if nothing gathered.
    @discardableResult
    package func cut() -> Batch? {
        guard let batch = broker.cut() else { return nil }
        batches.append(batch)
        store.submit(batch)
        return batch
    }

    /// Commits the oldest batch that is under way.
    ///
    /// - Returns: false if there is none.
    @discardableResult
    package func commitNext() -> Bool {
        guard let number = store.commitNext() else { return false }
        apply(.committed(number))
        return true
    }

    package var batchesUnderWay: Int { store.batchesWaiting }

    /// Cuts what gathers, and commits it and all that is under way.
    package func commit() {
        cut()
        while commitNext() {}
    }

    /// Answers the oldest read or query.
    ///
    /// - Returns: false if there is none.
    @discardableResult
    package func readNext() -> Bool {
        guard store.readNext(), !inquiries.isEmpty else { return false }
        inquiries.removeFirst()
        guard !mailbox.answers.isEmpty else { return false }
        apply(mailbox.answers.removeFirst())
        return true
    }

    /// The oldest read or query fails.
    package func failNextRead(_ reason: String) {
        guard !inquiries.isEmpty else { return }
        store.readNext()
        _ = mailbox.answers.popLast()
        switch inquiries.removeFirst() {
        case .read(let request): apply(.loadFailed(request, reason: reason))
        case .fetch(let request): apply(.fetchFailed(request, reason: reason))
        case .query(let query): apply(.queryFailed(query, reason: reason))
        }
    }

    /// Commits what is due and answers every read until nothing is left to do, as a server does that has the time.
    ///
    /// - Returns: false if it did not end.
    @discardableResult
    package func run() -> Bool {
        for _ in 0..<Self.turnsMax {
            if readNext() || commitNext() { continue }
            if broker.isCommitDue(at: now), cut() != nil { continue }
            return true
        }
        return false
    }

    /// Dies: what was not committed is lost. The next life begins.
    package func crash() {
        store.crash()
        restart()
    }

    /// Stops in order: the last batch is committed. The next life begins.
    package func stop() {
        broker.stop(at: now)
        cut()
        do {
            try store.close()
        } catch {
            preconditionFailure("a memory store closes: \(error)")
        }
        restart()
    }

    private func restart() {
        store = MemoryStore(disk: disk, mode: .manual)
        broker = Broker(Self.open(store), limits: limits)
        batches = []
        inquiries = []
        mailbox.answers = []
        heard = [:]
        // A new process has a clock of its own.
        now.monotonic = Instant(now.monotonic.rawValue / 2 + 7)
    }

    // MARK: The disk

    /// What is stored of a log, with the batches that are committed.
    package func stored(_ log: LogID) -> Stored? {
        disk.contents(of: log).map {
            Stored(
                state: $0.state, chunks: $0.chunks, settled: $0.settled, released: $0.released,
                quarantined: $0.quarantined)
        }
    }

    /// Changes a byte of a stored chunk, counted from its end.
    package func damage(_ log: LogID, _ base: Offset, fromEnd: Int = 1) { disk.damage(log, base, fromEnd: fromEnd) }

    /// Makes one chunk of those that lie in `run`, as a store may at any time.
    package func merge(_ log: LogID, _ run: ClosedRange<Offset>) { disk.merge(log, run) }

    /// Takes from a stored chunk what is settled of it, likewise.
    package func compact(_ log: LogID, _ base: Offset) { disk.compact(log, base) }

    /// What is stored of one log.
    package struct Stored: Equatable, Sendable {
        package var state: LogState
        package var chunks: [Offset]
        package var settled: [Offset]
        package var released: [Release]
        package var quarantined: [Offset]
    }
}
