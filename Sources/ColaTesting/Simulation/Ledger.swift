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
        enum State { case sent, confirmed, refused }
        var link: Int
        var places: [Int]
        var messages: Range<Int>
        var state = State.sent
    }

    private(set) var messages: [Message] = []
    private(set) var publishes: [Publish] = []
    private(set) var queues: [QueueLedger]
    private(set) var topics: [TopicLedger]
    private(set) var violations: [String] = []
    /// The lives that ended without a stop in order.
    private var crashes = 0

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
    /// - Parameter sizes: one body for each, of at least so many bytes.
    /// - Returns: its number, and the bodies.
    func publish(_ sizes: [Int], to places: [Int], over link: Int) -> (number: Int, bodies: [ByteBuffer]) {
        let first = messages.count
        for size in sizes {
            var body = "\(messages.count);"
            while body.utf8.count < size { body += "\(messages.count * 7_919)\n" }
            messages.append(Message(publish: publishes.count, body: body))
        }
        publishes.append(Publish(link: link, places: places, messages: first..<messages.count))
        for place in places {
            for message in first..<messages.count { queues[place].expect(message, from: link, crashes: crashes) }
        }
        return (publishes.count - 1, messages[first...].map { ByteBuffer(string: $0.body) })
    }

    func confirm(_ publish: Int) { publishes[publish].state = .confirmed }

    func refuse(_ publish: Int) { publishes[publish].state = .refused }

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
        guard publish.places.contains(place.number) else {
            complain("\(place.name) delivered message \(number), which was not sent there")
            return nil
        }
        if publish.state == .refused { complain("message \(number) was refused, and \(place.name) delivered it") }
        return number
    }

    /// - Returns: whether it is a message that can be.
    func receive(_ body: ByteBuffer, _ reception: Reception, of place: Place) -> Bool {
        guard let message = identify(body, in: place) else { return false }
        reception.message = message
        reception.place = place.number
        let link = publishes[messages[message].publish].link
        queues[place.number].receive(reception, publishedOver: link, crashes: crashes).map(complain)
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
        case .queue: queues[place.number].learn(offset, of: message).map(complain)
        case .topic: topics[place.number].see(message, at: offset).map(complain)
        }
    }

    /// Somebody asked to purge a queue, or does not wait for it any more: what was sent until then may be gone.
    func purge(_ place: Int, begins: Bool) { queues[place].purge(begins: begins) }

    func serverDied(_ life: Int) { crashes += 1 }

    // MARK: The end

    /// Everything that was left has been delivered and acknowledged.
    func finish() {
        for topic in topics where topic.place.kind == .topic {
            for sentence in topic.finish() { complain(sentence) }
            checkOrder(of: topic)
        }
        for index in publishes.indices { checkWhole(index) }
        checkHoles()
        for queue in queues where queue.place.kind == .queue { for sentence in queue.finish() { complain(sentence) } }
    }

    private enum Presence { case there, missing, unknown }

    private func presence(of message: Int, in place: Int) -> Presence {
        switch queues[place].place.kind {
        case .topic: topics[place].holds(message) ? .there : .missing
        case .queue:
            queues[place].wasSeen(message) ? .there : queues[place].mayBeGone(message) ? .unknown : .missing
        }
    }

    private func presences(of publish: Publish) -> [Presence] {
        publish.messages.flatMap { message in publish.places.map { presence(of: message, in: $0) } }
    }

    /// G1 and G2.
    private func checkWhole(_ index: Int) {
        let publish = publishes[index]
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
        for (index, publish) in publishes.enumerated() where publish.state != .refused {
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
