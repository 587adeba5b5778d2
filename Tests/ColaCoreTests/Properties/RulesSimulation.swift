import ColaCore
import ColaTesting
import Testing

/// A run of clients, queues with every rule, a slow disk, a clock and crashes, all drawn from one seed.
///
/// Each message is published to one queue and goes from there wherever the rules take it: to retries, dead letters,
/// parks, the schedule and back. See ``RulesLedger`` for what must hold.
final class RulesSimulation {
    private struct Client {
        let id: ChannelID
        var consumers: [UInt64: (queue: String, isAutoAck: Bool)] = [:]
        var nextConsumer: UInt64 = 1
        var held: [UInt64: (body: String, queue: String, consumer: UInt64)] = [:]
        /// What its next answer stands for.
        var publishes: [RequestID: String] = [:]
    }

    private static let queues = [
        "work", "retry", "small", "tight", "plain", "loop", "back", "memory", "dead", "again", "slow",
    ]
    /// Rejecting in one of these drops.
    private static let withoutTarget: Set<String> = ["tight", "plain", "dead", "again"]
    /// The longest delay of the rules for retries.
    private static let retries: [String: Int64] = ["again": 20, "slow": 50]
    /// How long a consumer of these may hold a message.
    private static let timeouts: [String: Int64] = ["again": 30, "work": 60]
    /// About so many, with those of priorities.
    private static let logs = 18
    private let scene: Scene
    private var random: SplitMix64
    private(set) var ledger = RulesLedger()
    private var clients: [Client] = []
    /// Who redrives, and sends nothing that would have to wait for it.
    private var administrator: ChannelID
    private var published = 0
    /// What the counters said at the last check.
    private var countedDrops = 0
    private var isAlarmed = false
    private(set) var delivered = 0
    private(set) var moved = 0

    init(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var limits = Limits()
        limits.sweepMax = [1, 3, 1_000].randomElement(using: &random) ?? 1
        limits.cacheBytesMax = [0, 500, 1 << 26].randomElement(using: &random) ?? 0
        limits.readBytesMax = [1, 200, 1 << 20].randomElement(using: &random) ?? 1
        limits.gatheringBytesMax = [200, 1_000, 1 << 22].randomElement(using: &random) ?? 200
        limits.pinnedBytesMax = [0, 300, 1 << 26].randomElement(using: &random) ?? 0
        limits.scheduledInMemoryMax = [1, 4, 1_000].randomElement(using: &random) ?? 1
        limits.isDeliveryEarly = Bool.random(using: &random)
        scene = Scene(limits: limits)
        self.random = random
        administrator = scene.attach()
        scene.declare("work") {
            $0.consumerTimeout = Self.timeouts["work"]
            $0.maxPriority = 3
            $0.deliveryLimit = 2
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "retry"
        }
        scene.declare("retry") {
            $0.messageTimeToLive = 50
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "work"
        }
        scene.declare("small") {
            $0.maxLength = 4
            $0.maxPriority = 2
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "dead"
        }
        scene.declare("tight") {
            $0.maxLength = 3
            $0.overflow = .rejectPublish
            $0.deliveryLimit = 1
        }
        scene.declare("plain") {
            $0.messageTimeToLive = 40
            $0.maxLength = 8
        }
        scene.declare("loop") {
            $0.messageTimeToLive = 30
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "back"
        }
        scene.declare("back") {
            $0.messageTimeToLive = 30
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "loop"
        }
        scene.declare("dead")
        declareMemory()
        scene.declare("again") {
            $0.consumerTimeout = Self.timeouts["again"]
            $0.retry = RetryRule(pace: .fixed(20), attempts: 3)
        }
        scene.declare("slow") {
            $0.retry = RetryRule(pace: .exponential(ExponentialDelay(first: 5, most: 50)), attempts: 6)
            $0.maxPriority = 1
            $0.deliveryLimit = 4
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "dead"
        }
    }

    private func declareMemory() {
        scene.declare("memory", isDurable: false) {
            $0.messageTimeToLive = 60
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "dead"
        }
    }

    private var broker: TestBroker { scene.broker }

    private func after(_ milliseconds: Int64) -> Timestamp { Timestamp(broker.now.wall.rawValue + milliseconds) }

    func run(steps: Int) {
        for step in 0..<steps where ledger.violations.isEmpty {
            act()
            listen()
            if step % 25 == 24 { check() }
        }
        if ledger.violations.isEmpty { drain() }
    }

    private func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    private func act() {
        switch draw(0...99) {
        case 0..<26: publish()
        case 26..<32: consume()
        case 32..<50: settle()
        case 50..<53: disconnect()
        case 53..<62: broker.cut()
        case 62..<72: broker.commitNext()
        case 72..<82: broker.readNext()
        case 82..<90: broker.pass(milliseconds: Int64(draw(0...25)))
        case 90..<92: tick()
        case 92..<94: redrive()
        case 94..<95: purge()
        case 95..<97: rearrange()
        case 97: alarm()
        case 98: if draw(0...2) == 0 { end(isCrash: true) }
        default: if draw(0...5) == 0 { end(isCrash: false) }
        }
    }

    // MARK: Clients

    private func client() -> Int {
        if clients.count >= 4 || !clients.isEmpty && draw(0...5) > 0 { return draw(0...clients.count - 1) }
        clients.append(Client(id: broker.attach()))
        return clients.count - 1
    }

    private func publish() {
        let index = client()
        published += 1
        let body = "\(published)" + String(repeating: ".", count: draw(0...4) == 0 ? draw(0...150) : 0)
        let queue = Self.queues.randomElement(using: &random) ?? ""
        var publish = Publish(routingKey: queue, message: Message(value: Array(body.utf8)[...]))
        publish.priority = UInt8(draw(0...4))
        publish.timeToLive = draw(0...5) == 0 ? Int64(draw(0...30)) : nil
        // A schedule outlives the process, a queue in memory does not.
        publish.delay = queue != "memory" && draw(0...7) == 0 ? Int64(draw(1...60)) : 0
        var message = RulesLedger.Message(isVolatile: queue == "memory", isForWaiting: publish.timeToLive == 0)
        if publish.delay > 0 { message.due = after(publish.delay) }
        if queue == "plain" {
            let time = publish.delay + min(publish.timeToLive ?? 40, 40)
            // What is delayed comes at its time or later, and lives from then on.
            if publish.delay == 0 { message.expires = after(time) }
        }
        ledger.publish(body, message)
        clients[index].publishes[broker.nextRequest] = body
        broker.send(.publish(publish), from: clients[index].id)
        // Whether a delayed message was taken nobody could see after a crash.
        if publish.delay > 0 { broker.commit() }
    }

    private func consume() {
        let index = client()
        guard clients[index].consumers.count < 3 else { return }
        let tag = clients[index].nextConsumer
        let queue = Self.queues.randomElement(using: &random) ?? ""
        let isAutoAck = draw(0...7) == 0
        clients[index].nextConsumer += 1
        clients[index].consumers[tag] = (queue, isAutoAck)
        var consume = Consume(
            name: queue, consumer: ConsumerTag(tag),
            flow: draw(0...1) == 0 ? .credit(draw(0...4)) : .prefetch(draw(1...5)), isAutoAck: isAutoAck)
        consume.priority = draw(0...1)
        broker.send(.consume(consume), from: clients[index].id)
    }

    private func settle() {
        guard let index = clients.indices.filter({ !clients[$0].held.isEmpty }).randomElement(using: &random),
            let tag = clients[index].held.keys.sorted().randomElement(using: &random),
            let (body, queue, _) = clients[index].held.removeValue(forKey: tag)
        else { return }
        var settlement: Settlement = [.acknowledge, .retry, .retry, .release, .reject].randomElement(using: &random)!
        // The queue that it would come back to does not outlive the process, the schedule does.
        if queue != "memory", draw(0...4) == 0 { settlement = .releaseLater(milliseconds: Int64(draw(0...60))) }
        if draw(0...5) == 0 { settlement = .failed(attempt, consequence(in: queue)) }
        ledger.change(body) { message in
            message.holder = nil
            switch settlement {
            case .acknowledge: message.isEnding = true
            case .reject: message.isEnding = Self.withoutTarget.contains(queue)
            case .release, .failed(_, .bury), .failed(_, .suspect), .failed(_, .giveBack): break
            case .retry: if let most = Self.retries[queue] { delay(&message, most) }
            case .failed(_, .retry(let milliseconds, _, let isDefault)):
                delay(&message, isDefault ? Self.retries[queue] ?? milliseconds : milliseconds)
            case .releaseLater(let milliseconds): delay(&message, milliseconds)
            }
        }
        broker.send(
            .settle(first: DeliveryTag(tag), last: DeliveryTag(tag), settlement), from: clients[index].id)
    }

    /// It may be back before, if its queue's rule says so.
    private func delay(_ message: inout RulesLedger.Message, _ most: Int64) {
        message.due = after(most)
        message.isRecent = true
        message.expires = nil
    }

    private var attempt: Attempt {
        Attempt(
            began: Timestamp(1), ended: Timestamp(2), end: .exited, worker: "w", process: 1, detail: "exit code 1",
            output: ["one", "two"])
    }

    private func consequence(in queue: String) -> Consequence {
        switch draw(0...3) {
        case 0 where queue != "memory":
            .retry(milliseconds: Int64(draw(1...60)), attemptsMax: 3, isDefault: draw(0...1) == 0)
        case 1: .bury
        case 2: .giveBack
        default: .suspect(attemptsMax: 3, isDefault: draw(0...1) == 0)
        }
    }

    private func disconnect() {
        guard let index = clients.indices.randomElement(using: &random) else { return }
        listen()
        let gone = clients.remove(at: index)
        for body in gone.publishes.values.sorted() { ledger.change(body) { $0.isUnanswered = true } }
        ledger.disconnect(gone.id)
        broker.detach(gone.id, isLost: draw(0...1) == 0)
    }

    private func tick() {
        scene.tick()
    }

    private func redrive() {
        let names = ["dead"] + ["back", "loop", "tight", "retry", "again"].map { "cola.parked." + $0 }
        let name = names.randomElement(using: &random) ?? ""
        let target = draw(0...2) == 0 ? "work" : nil
        var filter = DeathFilter()
        if draw(0...1) == 0 { filter.text = Array("\(draw(0...9))".utf8) }
        if draw(0...3) == 0 { filter.end = .exited }
        let (count, rate) = (draw(0...1) == 0 ? 2 : nil, draw(0...2) == 0 ? draw(1...500) : nil)
        broker.send(
            .redrive(name: name, target: target, count: count, filter: filter, rate: rate), from: administrator)
    }

    /// All that waits goes; what is with somebody does not.
    private func purge() {
        check()
        let name = ["small", "dead", "memory"].randomElement(using: &random) ?? ""
        let before = scene.contents(name)
        listen()
        // Looking takes no time, so the same is there still.
        let there = before.filter { ledger.messages[$0]?.holder == nil && ledger.messages[$0]?.isEnding == false }
        let channel = broker.attach()
        broker.send(.purge(name: name), from: channel)
        broker.commit()
        guard case .removed(let count)? = scene.answers(channel).last else {
            return ledger.complain("a purge of \(name) was not answered")
        }
        broker.detach(channel)
        if count != there.count { ledger.complain("a purge of \(name) took \(count) of \(there)") }
        for body in there { ledger.change(body) { $0.isEnding = true } }
    }

    /// The store joins and rewrites chunks when it likes.
    private func rearrange() {
        let log = LogID(Int64(draw(1...Self.logs)))
        guard let chunks = broker.stored(log)?.chunks, let first = chunks.randomElement(using: &random) else { return }
        if draw(0...1) == 0 {
            broker.merge(log, first...first.advanced(by: draw(1...30)))
        } else {
            broker.compact(log, first)
        }
    }

    private func alarm() {
        isAlarmed.toggle()
        broker.apply(.alarm(.disk, isAlarmed ? "the disk is full" : nil))
    }

    // MARK: What they hear

    private func listen() {
        for answer in scene.answers(administrator) {
            switch answer {
            case .removed(let count): moved += count
            case .refused(code: "not_found"): break
            default: ledger.complain("a redrive was answered \(answer)")
            }
        }
        let heard = clients.map { broker.hear($0.id) }
        // Each client is listened to by itself: who has lost a message may say so after who has it now.
        let losers = zip(clients, heard).filter { $0.1.contains { if case .failed = $0 { true } else { false } } }
        for index in clients.indices {
            for event in heard[index] {
                switch event {
                case .message(let message): take(message, index, losers.map(\.0.id))
                case .answer(let id, .done):
                    if let body = clients[index].publishes.removeValue(forKey: id) {
                        ledger.change(body) { $0.isConfirmed = true }
                    }
                case .answer(let id, .refused(let code)):
                    if let body = clients[index].publishes.removeValue(forKey: id) {
                        if code != "full" { ledger.complain("'\(body)' was refused: \(code)") }
                        ledger.change(body) { $0.isGone = true }
                    } else {
                        ledger.complain("request \(id) was refused: \(code)")
                    }
                case .failed(let tag, code: "cancelled"): timedOut(tag.rawValue, index)
                case .windowFull, .blocked: break
                default: ledger.complain("\(event)")
                }
            }
        }
    }

    private func take(_ message: Heard.Received, _ index: Int, _ losers: [ChannelID]) {
        guard let consumer = clients[index].consumers[message.consumer] else {
            return ledger.complain("a message for consumer \(message.consumer), which is gone")
        }
        delivered += 1
        ledger.deliver(
            message.body, to: clients[index].id, isAutoAck: consumer.isAutoAck, at: broker.now.wall, in: consumer.queue,
            except: losers)
        guard !consumer.isAutoAck else { return }
        clients[index].held[message.tag] = (message.body, consumer.queue, message.consumer)
    }

    /// All that the consumer held is back; somebody else may have it already.
    private func timedOut(_ consumer: UInt64, _ index: Int) {
        guard let queue = clients[index].consumers.removeValue(forKey: consumer)?.queue, Self.timeouts[queue] != nil
        else { return ledger.complain("consumer \(consumer) was ended") }
        for (tag, held) in clients[index].held.sorted(by: { $0.key < $1.key }) where held.consumer == consumer {
            clients[index].held[tag] = nil
            ledger.giveBack(held.body, by: clients[index].id)
        }
    }

    // MARK: Looking

    /// Everything that can be done at this instant is done; then each message must be where it should be.
    private func check(isNewLife: Bool = false) {
        if isAlarmed { alarm() }
        let before = isNewLife ? countedDrops : 0
        scene.rest()
        listen()
        var contents: [String: [String]] = [:]
        for name in names() {
            let letters = scene.letters(in: name)
            contents[name] = letters.map(\.body)
            count(letters, of: name)
        }
        listen()
        let drops = drops()
        ledger.check(
            contents, scheduled: scene.statistics().number("scheduled"),
            drops: isNewLife ? drops + before : drops - countedDrops, at: broker.now.wall, isNewLife: isNewLife)
        countedDrops = drops
        for (name, limit) in [("small", 4), ("plain", 8)] where (scene.queue(name)?.number("ready") ?? 0) > limit {
            ledger.complain("\(name) holds more than \(limit)")
        }
    }

    private func names() -> [String] {
        Self.queues + Self.queues.map { "cola.parked." + $0 }.filter { scene.queue($0) != nil }
    }

    private func count(_ letters: [Scene.Letter], of name: String) {
        guard let row = scene.queue(name) else { return ledger.complain("\(name) is gone") }
        let bytes = letters.reduce(0) { $0 + $1.byteCount }
        if row.number("messages") != letters.count || row.number("bytes") != bytes {
            ledger.complain("\(row) instead of \(letters.count) messages of \(bytes) bytes")
        }
        // Whatever was handed out has come to some end, or is with somebody.
        let (ends, delivered) = (scene.ends(of: name), scene.count("delivered", of: name))
        let unacknowledged = scene.queue(name)?.number("unacknowledged") ?? 0
        if ends.values.reduce(unacknowledged, +) != delivered {
            ledger.complain("\(name): of \(delivered) leases \(unacknowledged) go on and \(ends) have ended")
        }
    }

    /// What the broker says that it dropped in this life: where there was no target.
    private func drops() -> Int {
        scene.count("expired", of: "plain") + scene.count("dropped", of: "plain")
            + expiredWithoutTarget()
    }

    private func expiredWithoutTarget() -> Int {
        ["tight", "dead", "again"].reduce(0) { $0 + scene.count("expired", of: $1) }
    }

    // MARK: Lives

    private func end(isCrash: Bool) {
        listen()
        // What was dropped and counted since the last check may be on the disk, or not.
        // To ask is a turn, too, in which more may be dropped: ask until that has come to an end.
        var dropped = drops()
        for _ in 0..<1_000 {
            let now = drops()
            if now == dropped { break }
            dropped = now
        }
        let counted = dropped - countedDrops
        if !isCrash {
            for client in clients {
                for body in client.publishes.values.sorted() { ledger.change(body) { $0.isUnanswered = true } }
            }
        }
        ledger.end(isCrash: isCrash)
        clients = []
        isAlarmed = false
        if isCrash { broker.crash() } else { broker.stop() }
        countedDrops = counted
        administrator = broker.attach()
        declareMemory()
        check(isNewLife: true)
    }

    /// Nobody consumes; time passes until all has come to rest, and is still there.
    private func drain() {
        while let client = clients.first {
            // What one of them gives back another may be given at once.
            listen()
            for body in client.publishes.values.sorted() { ledger.change(body) { $0.isUnanswered = true } }
            clients.removeFirst()
            ledger.disconnect(client.id)
            broker.detach(client.id)
        }
        check()
        for _ in 0..<20 where ledger.violations.isEmpty {
            scene.pass(20)
            check()
        }
        // What was decided in another life is carried out when it is read, and may lead into another queue.
        for _ in 0..<3 {
            for queue in names() { _ = scene.takeAll(queue) }
            for _ in 0..<5 { scene.pass(20) }
        }
        for queue in names() where (scene.queue(queue)?.number("messages") ?? 0) > 0 {
            ledger.complain("\(queue) keeps \(scene.contents(queue))")
        }
        scene.pass(20)
        if broker.broker.pinnedBytes != 0 { ledger.complain("\(broker.broker.pinnedBytes) bytes are in memory alone") }
        for log in 1...Self.logs {
            guard let stored = broker.stored(LogID(Int64(log))) else { continue }
            if !stored.chunks.isEmpty || !stored.settled.isEmpty || !stored.released.isEmpty
                || stored.state.ready != 0 || stored.state.bytes != 0
            {
                ledger.complain("log \(log) is empty, but the store has \(stored)")
            }
        }
    }
}

extension Scene.Letter {
    /// What the broker counts for it.
    var byteCount: Int {
        var headers = RecordHeaders()
        for header in self.headers { headers.append(name: header.name.utf8, value: header.value.utf8) }
        return body.utf8.count + headers.encoded.count
    }
}
