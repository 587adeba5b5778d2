internal import ColaNative
internal import NIOCore

/// What clients did and saw in a run, and what follows from it: the promises, one check for each.
///
/// It looks at nothing but the wire. What a client cannot know (was a publish taken before the link broke?) is left
/// open until something that a client saw decides it.
///
/// Promises by their numbers: G1 a confirmed message is there; G2 a publish is there as a whole or not at all; G3 what
/// is there of a connection's publishes has no holes; G4 order; G5 delivered until settled; G6 what an answered ack
/// settled stays settled; G7 no `r=`, never handed out.
final class Ledger {
    struct Message {
        var publish: Int
        var body: String
    }

    struct Publish {
        /// `held`: in a transaction that was not committed. `duplicate`: another message of its id was taken before.
        enum State { case held, sent, confirmed, refused, duplicate }
        /// The connection, or a channel of one: what stands in one order.
        var link: Int
        /// The server's life that it was sent to.
        var life: Int
        var places: [Int]
        var messages: Range<Int>
        var terms: Terms
        var sentAt: Int64
        var state = State.sent
        /// When the answer was heard.
        var answeredAt: Int64?
    }

    private(set) var messages: [Message] = []
    private(set) var publishes: [Publish] = []
    private(set) var queues: [QueueLedger]
    private(set) var topics: [TopicLedger]
    private(set) var violations: [String] = []
    var transactions: [Transaction] = []
    /// The lives that ended without a stop in order.
    private var crashes = 0
    private var deadLives: Set<Int> = []
    /// Whether the clock on the wall was set in this run: windows of time that go on after a restart then mean little.
    var hasClockJumped = false

    init(places: [Place]) {
        queues = places.map { QueueLedger(place: $0) }
        topics = places.map { TopicLedger(place: $0) }
    }

    func complain(_ sentence: String) {
        if violations.count < 10 { violations.append(sentence) }
    }

    // MARK: Publishing

    /// A publish is sent.
    ///
    /// - Parameters:
    ///   - sizes: one body for each, of at least so many bytes.
    ///   - link: the number of the connection, or that of the channel of one; its server is in this life.
    /// - Returns: its number, and the bodies.
    func publish(
        _ sizes: [Int], to places: [Int], over link: Int, life: Int, with terms: Terms, at time: Int64,
        state: Publish.State = .sent
    ) -> (number: Int, bodies: [ByteBuffer]) {
        let first = messages.count
        for size in sizes {
            var body = "\(messages.count);"
            while body.utf8.count < size { body += "\(messages.count * 7_919)\n" }
            messages.append(Message(publish: publishes.count, body: body))
        }
        publishes.append(
            Publish(
                link: link, life: life, places: places, messages: first..<messages.count, terms: terms,
                sentAt: time, state: state))
        for message in first..<messages.count {
            for place in places {
                queues[place].expect(message, from: link, crashes: crashes, priority: terms.priority)
            }
            if places.contains(where: { queues[$0].place.deadTo != nil }) {
                queues[Place.dead].expect(message, from: link, crashes: crashes, priority: 0, isDead: true)
            }
        }
        return (publishes.count - 1, messages[first...].map { ByteBuffer(string: $0.body) })
    }

    func answer(_ publish: Int, _ state: Publish.State, at time: Int64) {
        publishes[publish].state = state
        guard state != .sent else { return }
        publishes[publish].answeredAt = time
        for message in publishes[publish].messages {
            for place in publishes[publish].places { queues[place].confirm(message, at: time) }
        }
    }

    // MARK: Receiving

    /// - Returns: the message's number; nil if nobody published it there.
    func identify(_ body: ByteBuffer, in place: Place) -> Int? {
        let text = String(buffer: body)
        guard let number = text.split(separator: ";", maxSplits: 1).first.flatMap({ Int($0) }),
            messages.indices.contains(number), messages[number].body == text
        else {
            complain("\(place.name) delivered what nobody sent: '\(text.prefix(60))'")
            return nil
        }
        let publish = publishes[messages[number].publish]
        let isDead = place.number == Place.dead && publish.places.contains { queues[$0].place.deadTo != nil }
        guard publish.places.contains(place.number) || isDead else {
            complain("\(place.name) delivered message \(number), which was not sent there")
            return nil
        }
        if publish.state == .refused || publish.state == .duplicate || publish.state == .held {
            complain("message \(number) was not taken (\(publish.state)), and \(place.name) delivered it")
        }
        return number
    }

    /// - Returns: whether it is a message that can be.
    func receive(_ body: ByteBuffer, _ reception: Reception, of place: Place) -> Bool {
        guard let message = identify(body, in: place) else { return false }
        reception.message = message
        reception.place = place.number
        let publish = publishes[messages[message].publish]
        let isPast = deadLives.contains(reception.life)
        queues[place.number].receive(
            reception, publishedOver: publish.link, crashes: crashes, isPast: isPast
        ).map(complain)
        checkTime(reception, publish, in: place)
        return true
    }

    /// An answer stands for the settlement: it is on the disk.
    func makeCertain(_ reception: Reception, at time: Int64) {
        reception.certainAt = time
        queues[reception.place].check(reception).map(complain)
    }

    func peeked(_ body: ByteBuffer, offset: Int64, in place: Place) {
        guard let message = identify(body, in: place) else { return }
        switch place.kind {
        case .queue: queues[place.number].learn(offset, of: message, crashes: crashes).map(complain)
        case .topic: topics[place.number].see(message, at: offset).map(complain)
        }
    }

    /// Somebody asked to purge a queue, or does not wait for it any more: what was sent until then may be gone.
    func purge(_ place: Int, begins: Bool) { queues[place].purge(begins: begins) }

    func serverDied(_ life: Int) {
        crashes += 1
        deadLives.insert(life)
        for index in queues.indices { queues[index].serverDied() }
    }

    // MARK: Rules of time

    /// G17: within one life of the server, nothing comes before it is due or after it has expired, whatever is done to
    /// the clock on the wall.
    private func checkTime(_ reception: Reception, _ publish: Publish, in place: Place) {
        guard reception.life == publish.life else { return }
        let millisecond: Int64 = 1_000_000
        // The server's clock may go a twentieth faster or slower, to come nearer to the one on the wall.
        if place.isDelayed, reception.time < publish.sentAt + (publish.terms.delay * 20 / 21 - 2) * millisecond {
            complain("message \(reception.message) came before its delay of \(publish.terms.delay) ms was over")
        }
        let limits = [place.timeToLive, publish.terms.timeToLive].compactMap { $0 }
        if let most = limits.min(), place.number != Place.dead, !reception.isAnswer, let answered = publish.answeredAt,
            reception.time > answered + (most * 20 / 19 + Self.slackMilliseconds) * millisecond
        {
            complain("message \(reception.message) of \(place.name) came after its \(most) ms")
        }
        if place.number == Place.dead, reception.death == "expired" {
            let limits = publish.places.compactMap { queues[$0].place.timeToLive } + [publish.terms.timeToLive ?? .max]
            if let least = limits.min(), reception.time < publish.sentAt + (least / 21 * 20 - 2) * millisecond {
                complain("message \(reception.message) expired before its \(least) ms")
            }
        }
    }

    /// How late an expired message may still be handed out.
    private static let slackMilliseconds: Int64 = 20

    // MARK: The end

    /// Everything that was left has been delivered and acknowledged.
    func finish() {
        for topic in topics where topic.place.kind == .topic {
            for sentence in topic.finish() { complain(sentence) }
            checkOrder(of: topic)
        }
        for index in publishes.indices { checkWhole(index) }
        checkTransactions()
        checkHoles()
        for queue in queues where queue.place.kind == .queue {
            let dead = queue.place.deadTo.map { queues[$0] }
            for sentence in queue.finish(dead: dead) { complain(sentence) }
        }
        checkDuplicates()
    }

    /// G8: of one id one message is there.
    private func checkDuplicates() {
        var seen: [String: [Int]] = [:]
        var answered: [String] = []
        for publish in publishes {
            guard let id = publish.terms.id, let place = publish.places.first else { continue }
            seen[id, default: []] += publish.messages.filter { queues[place].wasSeen($0) }
            if publish.state == .duplicate { answered.append(id) }
        }
        for id in answered where seen[id, default: []].isEmpty {
            complain("a message was called a duplicate of \(id), and there is none")
        }
        guard !hasClockJumped else { return }
        for (id, messages) in seen.sorted(by: { $0.key < $1.key }) where messages.count > 1 {
            complain("messages \(messages) are all of the id \(id)")
        }
    }

    enum Presence { case there, missing, unknown }

    private func presence(of message: Int, in place: Int) -> Presence {
        switch queues[place].place.kind {
        case .topic: return topics[place].holds(message) ? .there : .missing
        case .queue:
            if queues[place].mayHaveVanished(message) { return .unknown }
            if queues[place].wasSeen(message) { return .there }
            if let dead = queues[place].place.deadTo, queues[dead].wasSeen(message) { return .there }
            let publish = publishes[messages[message].publish]
            // It may have been refused, or taken for a duplicate, and the answer was lost.
            if publish.state == .sent, publish.terms.id != nil || queues[place].place.mayRefuse { return .unknown }
            return queues[place].mayBeGone(message) ? .unknown : .missing
        }
    }

    func presences(of publish: Publish) -> [Presence] {
        publish.messages.flatMap { message in publish.places.map { presence(of: message, in: $0) } }
    }

    /// G1 and G2.
    private func checkWhole(_ index: Int) {
        let publish = publishes[index]
        guard publish.state == .sent || publish.state == .confirmed else { return }
        let all = presences(of: publish)
        guard all.contains(.missing) else { return }
        let missing = publish.messages.flatMap { message in
            publish.places.filter { presence(of: message, in: $0) == .missing }
                .map { "\(message) in \(queues[$0].place.name)" }
        }
        if publish.state == .confirmed {
            complain("publish \(index) of link \(publish.link) was confirmed, and is lost: messages \(missing)")
        } else if all.contains(.there) {
            complain("publish \(index) of link \(publish.link) is there in part: missing are messages \(missing)")
        }
    }

    /// G3.
    private func checkHoles() {
        var lost: [Int: Int] = [:]
        for (index, publish) in publishes.enumerated() where publish.state == .sent || publish.state == .confirmed {
            let all = presences(of: publish)
            if all.contains(.there) || publish.state == .confirmed {
                if let hole = lost[publish.link] {
                    complain("publish \(index) of link \(publish.link) is there, and \(hole) before it is not")
                }
            } else if all.contains(.missing) {
                lost[publish.link] = lost[publish.link] ?? index
            }
        }
    }

    /// G4 for topics: of one connection, the order in which it published.
    private func checkOrder(of topic: TopicLedger) {
        var last: [Int: Int] = [:]
        for (offset, message) in topic.final {
            let link = publishes[messages[message].publish].link
            if let before = last[link], before > message {
                complain("\(topic.place.name) has message \(message) of link \(link) at \(offset), behind \(before)")
            }
            last[link] = message
        }
    }
}
