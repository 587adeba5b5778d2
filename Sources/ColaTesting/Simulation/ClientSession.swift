internal import ColaNative
internal import DequeModule
internal import NIOCore

/// One connection as its client sees it: what it asked and was not answered, what it consumes, what it holds.
///
/// It checks what holds for any client: answers come once, in order, and none is missing; no message comes that nobody
/// asked for. What each answer means, the actions say that asked.
final class ClientSession {
    enum Outcome {
        case ok(ServerLine.Answer)
        case refused(code: String)
    }

    private struct Pending {
        var name: String
        var tag: Int64?
        /// How many acknowledgements were sent before: the answer stands for them too.
        var settledBefore: Int
        /// What came in the turn of the answer.
        var peeked: [ServerLine.Arrival] = []
        var heard: (Outcome, [ServerLine.Arrival]) -> Void
    }

    let client: SimulatedClient
    let link: Link
    unowned let world: World
    let usesTags: Bool
    private let heartbeat: Int
    private var decoder = ClientDecoder()
    private var pending: Deque<Pending> = []
    private var nextTag: Int64 = 1
    /// Deliveries that it has and has not settled, in their order.
    var held: [(delivery: Int64, reception: Reception)] = []
    /// What it has settled and no answer stood for yet, oldest first.
    private var settled: Deque<Reception> = []
    private var settledCount = 0
    private var certainCount = 0
    private(set) var consumers: [Consumer] = []
    private var lastConsumer: Int64 = 0
    private(set) var isOpen = true
    /// The server has said that publishers are held back (G11).
    private(set) var isBlocked = false
    private var isQuitting = false
    private var lastHeard: Int64
    /// The queues that it asked to purge and heard no answer of, oldest first.
    var purging: [Int] = []
    /// The topics whose group it has committed and heard no answer of.
    var commitsUnderWay: [Int] = []
    /// When what is being read now was written.
    private(set) var writtenAt: Int64 = 0

    /// What it consumes.
    struct Consumer {
        var number: Int64
        var place: Place
        var isAutoAck: Bool
        /// For a topic: what it has read so far is told to.
        var reader: TopicReader?
        var isCredited = false
        /// Whether it was cancelled or ended; messages may still be on their way to it.
        var hasEnded = false
    }

    init(client: SimulatedClient, link: Link, usesTags: Bool, heartbeat: Int) {
        self.client = client
        self.link = link
        self.usesTags = usesTags
        self.heartbeat = heartbeat
        world = client.world
        lastHeard = world.time
    }

    var isIdle: Bool { pending.isEmpty }
    var pendingCount: Int { pending.count }
    var mayAct: Bool { isOpen && !isQuitting && pending.count < 30 }
    private var ledger: Ledger { world.ledger }

    func begin() {
        var hello = ClientRequest.Hello()
        hello.heartbeat = heartbeat
        if !link.traits.isLocal {
            hello.user = "guest"
            hello.password = "guest"
        }
        ask("hello", .hello(hello)) { _, _ in }
        if heartbeat > 0 { beatLater() }
    }

    private func beatLater() {
        let interval = Int64(heartbeat) * 1_000_000_000
        world.after(interval / 2) { [self] in
            guard isOpen else { return }
            // A server that says nothing for so long is not there.
            if world.time - lastHeard > 2 * interval { return link.reset("nothing was heard of the server") }
            var bytes = ByteBuffer()
            ClientRequest.beat.write(to: &bytes)
            link.sendToServer(bytes)
            beatLater()
        }
    }

    // MARK: Asking

    /// Sends a request; `heard` is told its answer, and what came in its turn.
    func ask(
        _ name: String, _ request: ClientRequest,
        _ heard: @escaping (Outcome, [ServerLine.Arrival]) -> Void
    ) {
        ask(name, write: { request.write(to: &$0, tag: $1) }, heard)
    }

    func ask(
        _ name: String, write: (inout ByteBuffer, Int64?) -> Void,
        _ heard: @escaping (Outcome, [ServerLine.Arrival]) -> Void
    ) {
        guard isOpen, !isQuitting else { return }
        let tag = usesTags ? nextTag : nil
        nextTag += 1
        var bytes = ByteBuffer()
        write(&bytes, tag)
        pending.append(Pending(name: name, tag: tag, settledBefore: settledCount, heard: heard))
        world.note("link \(link.number) asks \(tag ?? -1) \(name)")
        link.sendToServer(bytes)
    }

    /// Sends what is answered only if it fails, and it must not.
    func tell(_ name: String, _ request: ClientRequest) {
        guard isOpen, !isQuitting else { return }
        var bytes = ByteBuffer()
        request.write(to: &bytes)
        world.note("link \(link.number) tells \(name)")
        link.sendToServer(bytes)
    }

    func quit() {
        ask("quit", .quit) { _, _ in }
        isQuitting = true
    }

    /// No more is asked; one last answer stands for all before it.
    func finish() {
        guard !isQuitting else { return }
        ask("ping", .ping) { _, _ in }
        isQuitting = true
    }

    func didSettle(_ reception: Reception) {
        settled.append(reception)
        settledCount += 1
    }

    // MARK: Consumers

    func addConsumer(of place: Place, isAutoAck: Bool, isCredited: Bool = false, reader: TopicReader? = nil) -> Int64 {
        lastConsumer += 1
        consumers.append(
            Consumer(
                number: lastConsumer, place: place, isAutoAck: isAutoAck, reader: reader, isCredited: isCredited))
        return lastConsumer
    }

    func endConsumer(_ number: Int64) {
        for index in consumers.indices where consumers[index].number == number { consumers[index].hasEnded = true }
    }

    var liveConsumers: [Consumer] { consumers.filter { !$0.hasEnded } }

    // MARK: Hearing

    func receive(_ bytes: ByteBuffer, writtenAt: Int64) {
        guard isOpen else { return }
        self.writtenAt = writtenAt
        lastHeard = world.time
        decoder.feed(bytes)
        do {
            while isOpen, let line = try decoder.next() { hear(line) }
        } catch {
            world.complain("link \(link.number) got what is not of the protocol: \(error.reason)")
        }
    }

    private func hear(_ line: ServerLine) {
        world.note("link \(link.number) hears \(describe(line))")
        switch line {
        case .ok(let answer): hear(answer)
        case .error(let refusal): hear(refusal)
        case .message(let arrival): hear(arrival)
        case .bye(let code, let sentence): hearBye(code, sentence)
        case .blocked: isBlocked = true
        case .unblocked: isBlocked = false
        case .assigned, .beat: break
        }
    }

    private func describe(_ line: ServerLine) -> String {
        switch line {
        case .ok(let answer):
            let tags = answer.tags.map { "\($0.lowerBound)-\($0.upperBound) " } ?? ""
            return "ok \(tags)of \(pending.first?.name ?? "nothing")"
        case .error(let refusal): return "err \(refusal.code): \(refusal.sentence)"
        case .message(let arrival):
            let body = String(
                buffer: arrival.body.getSlice(at: arrival.body.readerIndex, length: min(6, arrival.body.readableBytes))
                    ?? ByteBuffer())
            let place = consumers.first { $0.number == arrival.consumer }?.place.name ?? "peek"
            return
                "msg \(arrival.delivery) of \(place) at \(arrival.offset) r=\(arrival.failedDeliveries ?? -1): \(body)"
        case .bye(let code, let sentence): return "bye \(code) \(sentence)"
        case .blocked: return "blocked"
        case .unblocked: return "unblocked"
        case .beat: return "beat"
        case .assigned: return "assigned"
        }
    }

    private func hear(_ answer: ServerLine.Answer) {
        guard let tags = answer.tags else { return answered(nil, .ok(answer)) }
        for tag in tags { answered(tag, .ok(answer)) }
    }

    private func hear(_ refusal: ServerLine.Refusal) {
        if let number = refusal.consumer {
            if refusal.code != "storage" {
                world.complain("consumer \(number) of link \(link.number) heard \(refusal.code): \(refusal.sentence)")
            }
            return endConsumer(number)
        }
        answered(refusal.tag, .refused(code: refusal.code), refusal.sentence)
    }

    private func answered(_ tag: Int64?, _ outcome: Outcome, _ sentence: String = "") {
        guard let request = pending.popFirst() else {
            return world.complain("link \(link.number) got an answer to no request: \(outcome) \(sentence)")
        }
        guard request.tag == tag else {
            return world.complain(
                "link \(link.number) got the answer \(tag ?? -1) where \(request.name) \(request.tag ?? -1) is next: "
                    + "\(outcome) \(sentence)")
        }
        if case .ok = outcome { makeCertain(request.settledBefore) }
        request.heard(outcome, request.peeked)
    }

    /// The first `count` of what it ever settled is on the disk.
    private func makeCertain(_ count: Int) {
        while certainCount < count, let reception = settled.popFirst() {
            certainCount += 1
            ledger.makeCertain(reception, at: world.time)
        }
    }

    private func hear(_ arrival: ServerLine.Arrival) {
        if arrival.consumer == 0, arrival.delivery == 0 {
            guard !pending.isEmpty else { return world.complain("link \(link.number) got a message nobody asked for") }
            pending[0].peeked.append(arrival)
            return
        }
        guard let consumer = consumers.first(where: { $0.number == arrival.consumer }) else {
            return world.complain("link \(link.number) got a message for consumer \(arrival.consumer), which is not")
        }
        if let reader = consumer.reader {
            world.tally.records += 1
            reader.receive(arrival.body, at: arrival.offset)
            if arrival.delivery > 0 { tell("ack", .acknowledge(.ack, arrival.delivery...arrival.delivery)) }
        } else {
            take(arrival, of: consumer.place, isAutoAck: consumer.isAutoAck)
        }
    }

    /// A message of a queue is here.
    func take(_ arrival: ServerLine.Arrival, of place: Place, isAutoAck: Bool, isAnswer: Bool = false) {
        world.tally.delivered += 1
        if (arrival.delivery == 0) != isAutoAck {
            world.complain("a delivery of \(place.name) has the number \(arrival.delivery)")
        }
        let reception = Reception(
            link: link.number, life: link.life, time: writtenAt, offset: arrival.offset,
            isRedelivered: arrival.failedDeliveries != nil, failures: arrival.failedDeliveries, isAutoAck: isAutoAck,
            isAnswer: isAnswer)
        reception.consumer = [Int64(link.number), arrival.consumer]
        if let last = arrival.headers.last(where: { $0.name == "cola-death" }) {
            // REASON COUNT TIME QUEUE and more
            let words = String(decoding: last.value, as: UTF8.self).split(separator: " ").map(String.init)
            if words.count > 3 { (reception.death, reception.deathPlace) = (words[0], words[3]) }
        }
        guard ledger.receive(arrival.body, reception, of: place) else { return }
        if !isAutoAck {
            held.append((arrival.delivery, reception))
            let isAtOnce = client.isPrompt && world.phase == .open && !world.isOne(in: 5)
            if world.phase == .draining || isAtOnce { settle(held.count - 1...held.count - 1, .ack) }
        }
    }

    private func hearBye(_ code: String, _ sentence: String) {
        switch code {
        case "shutting_down": break
        case "timeout" where link.wasEverSilent: break
        default: world.complain("link \(link.number) was sent away: \(code) \(sentence)")
        }
    }

    func end() {
        guard isOpen else { return }
        isOpen = false
        for place in purging { ledger.purge(place, begins: false) }
    }

    func complainAboutPending() {
        guard isOpen, let first = pending.first else { return }
        world.complain("\(first.name) of link \(link.number) is not answered, nor are \(pending.count - 1) after it")
    }
}
