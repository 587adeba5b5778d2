import ColaCore
import ColaTesting

/// One run of a broker under a seed: clients that do as they please, a disk that is slow, and a process that dies.
///
/// All that happens is drawn from the seed, so a run that went wrong goes wrong again. Channels are of two kinds: those
/// that publish and consume, and getters, which wait for each answer before they go on.
final class Simulation {
    private struct Channel {
        let id: ChannelID
        let isGetter: Bool
        /// Requests without an answer, oldest first.
        var outstanding: [Request] = []
        /// The queue of each consumer, and whether it needs no acknowledgements.
        var consumers: [UInt64: (queue: String, isAutoAck: Bool)] = [:]
        var held: [UInt64] = []
        var nextConsumer: UInt64 = 1
        /// What was settled on this channel since it was last told that all is done: its next answer stands for it.
        var isFull = false
    }

    private struct Request {
        enum Purpose {
            case publish(Int)
            case settle(isExpected: Bool, ended: [(body: String, queue: String)])
            case purge(count: Int, ended: [(body: String, queue: String)])
            case get(queue: String, isAutoAck: Bool)
            case other
        }

        let id: RequestID
        let purpose: Purpose
    }

    private let queues = ["a", "b", "c"]
    /// The names and values of the headers that say which exchange and routing key a message came with.
    private static let fanOutHeaderBytes = {
        var headers = RecordHeaders()
        headers.append(name: BrokerHeader.exchange.rawValue.utf8, value: "amq.fanout".utf8)
        headers.append(name: BrokerHeader.routingKey.rawValue.utf8, value: "".utf8)
        return headers.encoded.count
    }()
    private let broker: TestBroker
    private var random: SplitMix64
    private(set) var ledger = Ledger()
    private var channels: [Channel] = []
    private var published = 0
    /// How many lives and messages there were, so that a test can see that a run did something.
    private(set) var crashes = 0
    private(set) var delivered = 0

    init(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var limits = Limits()
        limits.cacheBytesMax = [0, 300, 3_000, 1 << 26].randomElement(using: &random) ?? 0
        limits.readBytesMax = [1, 200, 1 << 20].randomElement(using: &random) ?? 1
        limits.windowBytes = [200, 1 << 20].randomElement(using: &random) ?? 200
        limits.unackedPerChannelMax = [3, 1_000].randomElement(using: &random) ?? 3
        broker = TestBroker(limits: limits)
        self.random = random
        let channel = broker.attach()
        for queue in queues {
            broker.send(.declareQueue(QueueDeclaration(name: queue)), from: channel)
            let binding = BindingDefinition(source: "amq.fanout", destination: queue, routingKey: "")
            broker.send(.bind(binding), from: channel)
        }
        broker.commit()
        broker.detach(channel)
        broker.listener = { [unowned self] in hear($1, on: $0) }
    }

    func run(steps: Int) {
        for _ in 0..<steps where ledger.violations.isEmpty { step() }
        if ledger.violations.isEmpty { drain() }
    }

    private func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    private func step() {
        switch draw(0...99) {
        case 0..<22: publish()
        case 22..<28: consume()
        case 28..<46: settle()
        case 46..<50: get()
        case 50..<52: disconnect()
        case 52..<53: purge()
        case 53..<65: broker.cut()
        case 65..<77: broker.commitNext()
        case 77..<88: broker.readNext()
        case 88..<90: cancel()
        case 90..<92: barrier()
        case 92..<94: openWindows()
        case 94..<96: count()
        case 96..<98:
            broker.pass(milliseconds: Int64(draw(1...30)))
            if broker.broker.isCommitDue(at: broker.now) { broker.cut() }
        case 98: if draw(0...2) == 0 { die() }
        default: if draw(0...4) == 0 { stop() }
        }
    }

    // MARK: Clients

    /// The index of a channel of the kind; a new one now and then.
    private func channel(isGetter: Bool = false) -> Int {
        let known = channels.indices.filter { channels[$0].isGetter == isGetter }
        if let index = known.randomElement(using: &random), known.count >= 4 || draw(0...5) > 0 { return index }
        channels.append(Channel(id: broker.attach(), isGetter: isGetter))
        return channels.count - 1
    }

    private func send(_ request: ColaCore.Request, _ purpose: Request.Purpose, from index: Int) {
        channels[index].outstanding.append(Request(id: broker.nextRequest, purpose: purpose))
        broker.send(request, from: channels[index].id)
    }

    private func publish() {
        let index = channel()
        let count = draw(0...3) == 0 ? draw(2...5) : 1
        let bodies = (0..<count).map { _ in
            published += 1
            return "\(published)" + String(repeating: ".", count: draw(0...9) == 0 ? draw(0...200) : draw(0...5))
        }
        let isFanOut = draw(0...3) == 0
        let queue = queues.randomElement(using: &random) ?? ""
        let number = ledger.publish(
            bodies, to: isFanOut ? queues : [queue], from: channels[index].id,
            headerBytes: isFanOut ? Self.fanOutHeaderBytes : 0)
        let messages = bodies.map { Message(value: Array($0.utf8)[...]) }
        let publish = Publish(
            exchange: isFanOut ? "amq.fanout" : "", routingKey: isFanOut ? "" : queue, message: messages[0],
            more: Array(messages.dropFirst()))
        send(.publish(publish), .publish(number), from: index)
    }

    private func consume() {
        let index = channel()
        guard channels[index].consumers.count < 3 else { return }
        let tag = channels[index].nextConsumer
        let queue = queues.randomElement(using: &random) ?? ""
        let isAutoAck = draw(0...5) == 0
        channels[index].nextConsumer += 1
        channels[index].consumers[tag] = (queue, isAutoAck)
        let consume = Consume(
            name: queue, consumer: ConsumerTag(tag),
            flow: draw(0...3) == 0 ? .credit(draw(0...4)) : .prefetch(draw(1...5)),
            isAutoAck: isAutoAck)
        send(.consume(consume), .other, from: index)
    }

    private func settle() {
        guard
            let index = channels.indices.filter({ canSend($0) && !channels[$0].held.isEmpty })
                .randomElement(using: &random), let tag = channels[index].held.randomElement(using: &random)
        else { return }
        let settlement: Settlement =
            switch draw(0...9) {
            case 0..<3: .release
            case 3: .reject
            default: .acknowledge
            }
        let last = draw(0...3) == 0 ? tag + UInt64(draw(0...4)) : tag
        settle(tag...last, settlement, from: index)
    }

    private func settle(_ tags: ClosedRange<UInt64>, _ settlement: Settlement, from index: Int) {
        let isExpected = ledger.settle(tags, settlement, by: channels[index].id)
        channels[index].held.removeAll { tags.contains($0) }
        let ended = settlement == .release ? [] : ledger.settledNow()
        let mine = ended.filter { settledBy[$0.body + $0.queue] == channels[index].id }
        send(
            .settle(first: DeliveryTag(tags.lowerBound), last: DeliveryTag(tags.upperBound), settlement),
            .settle(isExpected: isExpected, ended: mine), from: index)
    }

    /// Which channel holds, or last held, a message of a queue.
    private var settledBy: [String: ChannelID] = [:]

    private func get() {
        let index = channel(isGetter: true)
        guard canSend(index) else { return }
        let queue = queues.randomElement(using: &random) ?? ""
        let isAutoAck = draw(0...1) == 0
        send(.get(name: queue, isAutoAck: isAutoAck), .get(queue: queue, isAutoAck: isAutoAck), from: index)
    }

    /// A getter waits for its answer.
    private func canSend(_ index: Int) -> Bool { !channels[index].isGetter || channels[index].outstanding.isEmpty }

    private func disconnect() {
        guard let index = channels.indices.randomElement(using: &random) else { return }
        let gone = channels.remove(at: index)
        ledger.disconnect(gone.id)
        broker.detach(gone.id)
    }

    private func cancel() {
        guard let index = channels.indices.randomElement(using: &random),
            let tag = channels[index].consumers.keys.sorted().randomElement(using: &random), canSend(index)
        else { return }
        send(.cancel(ConsumerTag(tag)), .other, from: index)
        channels[index].consumers[tag] = nil
    }

    private func purge() {
        let index = channel()
        let queue = queues.randomElement(using: &random) ?? ""
        let before = Set(ledger.waiting(in: queue))
        let count = ledger.purge(queue)
        send(.purge(name: queue), .purge(count: count, ended: before.sorted().map { ($0, queue) }), from: index)
    }

    private func barrier() {
        let index = channel()
        send(.barrier, .other, from: index)
    }

    private func openWindows() {
        for index in channels.indices where channels[index].isFull {
            channels[index].isFull = false
            broker.apply(.windowOpened(channels[index].id))
        }
    }

    // MARK: What they hear

    private func hear(_ event: Heard, on id: ChannelID) {
        guard let index = channels.firstIndex(where: { $0.id == id }) else {
            if case .answer(_, .rows(let rows)) = event { counted = rows }
            if case .answer(_, .peeked(let found)) = event { peeked = found.map(\.body) }
            return
        }
        switch event {
        case .answer(let request, let answer): hear(answer, to: request, on: index)
        case .message(let message):
            guard let consumer = channels[index].consumers[message.consumer] else {
                return ledger.complain("a message for consumer \(message.consumer), which is gone")
            }
            take(message, of: consumer.queue, isAutoAck: consumer.isAutoAck, on: index)
        case .windowFull: channels[index].isFull = true
        case .failed, .blocked: ledger.complain("\(event)")
        }
    }

    private func take(_ message: Heard.Received, of queue: String, isAutoAck: Bool, on index: Int) {
        delivered += 1
        ledger.deliver(message, of: queue, to: channels[index].id, isAutoAck: isAutoAck)
        settledBy[message.body + queue] = channels[index].id
        if !isAutoAck { channels[index].held.append(message.tag) }
    }

    private func hear(_ answer: Heard.Answer, to id: RequestID, on index: Int) {
        guard let request = channels[index].outstanding.first, request.id == id else {
            return ledger.complain("request \(id) is answered out of turn")
        }
        channels[index].outstanding.removeFirst()
        switch (request.purpose, answer) {
        case (.publish(let number), .done): ledger.confirm(number)
        case (.settle(true, let ended), .done): ledger.makeDurable(ended)
        case (.settle(false, _), .refused(code: "unknown_delivery")): break
        case (.purge(let count, let ended), .removed(let removed)):
            if count != removed { ledger.complain("a purge removed \(removed) of \(count)") }
            ledger.makeDurable(ended)
        case (.get(let queue, let isAutoAck), .message(let message)):
            take(message, of: queue, isAutoAck: isAutoAck, on: index)
        case (.get, .empty), (.get, .refused(code: "limit")), (.other, .done): break
        default: ledger.complain("\(request.purpose) was answered \(answer)")
        }
    }

    // MARK: Looking

    private var counted: [Description]?
    private var peeked: [String]?

    private func count() {
        let channel = broker.attach()
        broker.send(.list(.queues), from: channel)
        broker.detach(channel)
        guard let rows = counted else { return ledger.complain("no list of queues") }
        counted = nil
        for row in rows {
            guard case .text(let name) = row["name"] else { return ledger.complain("a row without a name") }
            let (ready, held, bytes) = ledger.count(of: name)
            if row.number("ready") != ready || row.number("unacknowledged") != held || row.number("bytes") != bytes {
                ledger.complain("\(row) instead of \(ready) ready, \(held) held, \(bytes) bytes")
            }
        }
    }

    private func contents() -> [String: [String]] {
        let channel = broker.attach()
        var contents: [String: [String]] = [:]
        for queue in queues {
            peeked = nil
            // Whoever looks has read what the look before brought.
            broker.apply(.windowOpened(channel))
            broker.send(.peek(name: queue, partition: 0, from: Offset(0), count: 1_000_000), from: channel)
            if !broker.run() || peeked == nil { ledger.complain("\(queue) cannot be looked into") }
            contents[queue] = peeked
        }
        broker.detach(channel)
        return contents
    }

    // MARK: Lives

    private func die() {
        crashes += 1
        channels = []
        broker.crash()
        ledger.crash(contents())
        count()
    }

    private func stop() {
        channels = []
        ledger.stop()
        broker.stop()
        count()
    }

    /// Everyone leaves, one consumer takes all that is left, and then the store must be empty.
    private func drain() {
        for channel in channels {
            ledger.disconnect(channel.id)
            broker.detach(channel.id)
        }
        channels = [Channel(id: broker.attach(), isGetter: false)]
        for queue in queues {
            let tag = channels[0].nextConsumer
            channels[0].nextConsumer += 1
            channels[0].consumers[tag] = (queue, false)
            send(.consume(Consume(name: queue, consumer: ConsumerTag(tag), flow: .prefetch(7))), .other, from: 0)
        }
        for _ in 0..<10_000 {
            if !broker.run() { ledger.complain("the broker does not come to rest") }
            openWindows()
            guard let tag = channels[0].held.first else {
                if queues.allSatisfy({ ledger.waiting(in: $0).isEmpty }) { break }
                continue
            }
            settle(tag...tag, .acknowledge, from: 0)
            guard ledger.violations.isEmpty else { return }
        }
        for queue in queues where !ledger.waiting(in: queue).isEmpty {
            ledger.complain("\(queue) never delivered \(ledger.waiting(in: queue))")
        }
        broker.commit()
        broker.pass(milliseconds: 20)
        broker.run()
        count()
        for (index, queue) in queues.enumerated() { checkEmpty(queue, broker.stored(LogID(Int64(index) + 1))) }
    }

    private func checkEmpty(_ queue: String, _ stored: TestBroker.Stored?) {
        guard let stored else { return ledger.complain("\(queue) has no log") }
        if !stored.chunks.isEmpty { ledger.complain("\(queue) is empty, but the store has chunks \(stored.chunks)") }
        if !stored.settled.isEmpty { ledger.complain("\(queue) is empty, but for settled sets of \(stored.settled)") }
        if !stored.released.isEmpty { ledger.complain("\(queue) is empty, but for deliveries of \(stored.released)") }
        let state = stored.state
        if state.floor != state.next || state.ready != 0 || state.bytes != 0 { ledger.complain("\(queue): \(state)") }
    }
}
