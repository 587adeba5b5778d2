internal import ColaAMQP
internal import ColaNative
internal import DequeModule
internal import NIOCore

/// One channel of an AMQP connection as its client sees it: what it asked and was not answered, what it published and
/// was not confirmed, what it consumes, what it holds.
///
/// It checks what holds for any client: answers come in the order of the requests, confirms without a gap, deliveries
/// counted one by one and no more than were asked for, and nothing at all after the end.
final class AMQPClientChannel {
    enum Mode { case plain, confirming, transactional }

    private enum State {
        case open
        /// The client has said that it ends.
        case leaving
        case over
    }

    private struct Pending {
        var name: String
        /// One of these is the answer.
        var answers: [MethodID]
        /// How many settlements and publishes were sent before: the answer stands for them too.
        var settledBefore: Int
        var publishedBefore: Int
        var heard: (Method, Content?) -> Void
    }

    /// A message as it comes: what its header says, and its body.
    struct Content {
        var properties: BasicProperties
        var body: ByteBuffer
    }

    struct Consumer {
        var tag: String
        var number: Int64
        var place: Place
        var isAutoAck: Bool
        var prefetch: Int
        /// For a topic: what it has read so far is told to.
        var reader: TopicReader?
        /// Whether its end was heard.
        var hasEnded = false
        var isCancelling = false
    }

    /// What was published and is not answered.
    struct Unanswered {
        /// As the ledger counts.
        var publish: Int
        var settledBefore: Int
        /// The body, if it leads nowhere and is to come back before its answer.
        var returns: ByteBuffer?
    }

    /// What it has done wrong on purpose.
    private struct Mistake {
        var codes: [ReplyCode]
        /// How many publishes were sent before: they are answered, and those behind it are not taken.
        var publishedBefore: Int
    }

    let number: UInt16
    /// As the ledger counts what stands in one order.
    let lane: Int
    let mode: Mode
    unowned let session: AMQPClientSession
    private var state = State.open
    private var isConfirmed = false
    private var pending: Deque<Pending> = []
    private var mistake: Mistake?
    private var mayFailWith: [ReplyCode] = []
    /// A method whose content is to come, and what of it came.
    private var expected: (method: Method, properties: BasicProperties?, bodySize: Int, body: ByteBuffer)?

    var unanswered: Deque<Unanswered> = []
    var publishedCount = 0
    private var answeredCount = 0
    var consumers: [Consumer] = []
    /// Of the consumers that come.
    var prefetch = 0
    /// Of all consumers together; 0: any number.
    var prefetchOfAll = 0
    private var lastDelivery: UInt64 = 0
    /// Deliveries that it has and has not settled, in their order.
    var held: [(delivery: UInt64, reception: Reception)] = []
    /// Whether all of that is on its way back.
    var isRecovering = false
    private var settled: Deque<Reception> = []
    private var settledCount = 0
    private var certainCount = 0
    /// The queues that it asked to purge and heard no answer of, oldest first.
    var purging: [Int] = []
    /// What waits for a commit.
    var transaction = Draft()
    /// The transactions whose commit is not answered.
    var committing: Deque<Int> = []

    struct Draft {
        var publishes: [Int] = []
        var settlements: [(delivery: UInt64, reception: Reception, settlement: Reception.Settlement)] = []
        var isEmpty: Bool { publishes.isEmpty && settlements.isEmpty }
    }

    init(number: UInt16, lane: Int, mode: Mode, of session: AMQPClientSession) {
        self.number = number
        self.lane = lane
        self.mode = mode
        self.session = session
    }

    var world: World { session.world }
    var link: Link { session.link }
    var name: String { "channel \(number) of link \(link.number)" }
    var isOpen: Bool { state == .open }
    var pendingCount: Int { pending.count + unanswered.count }
    var isIdle: Bool { pending.isEmpty && (unanswered.isEmpty || mode == .plain) }

    // MARK: Beginning and ending

    func begin() {
        ask("open", .channelOpen, [.channelOpenOk])
        switch mode {
        case .plain: break
        case .confirming: ask("confirm", .confirmSelect(noWait: false), [.confirmSelectOk])
        case .transactional: ask("tx", .txSelect, [.txSelectOk])
        }
        // A prefetch of the whole channel is said before anything comes.
        if world.isOne(in: 4) {
            prefetchOfAll = world.draw(1...6)
            ask(
                "qos", .basicQos(prefetchSize: 0, prefetchCount: UInt16(prefetchOfAll), global: true), [.basicQosOk])
        }
    }

    /// Leaves in order: what it asked before is answered first, and what it holds comes back.
    func close() {
        guard state == .open else { return }
        let close = Method.channelClose(replyCode: 200, replyText: "", classID: 0, methodID: 0)
        ask("close", close, [.channelCloseOk]) { [unowned self] _, _ in
            checkAnswered("its end")
            end()
        }
        state = .leaving
    }

    /// Confirms come before the end.
    func checkAnswered(_ what: String) {
        guard state != .over, mode == .confirming, mistake == nil, let first = unanswered.first else { return }
        world.complain("publish \(first.publish) on \(name) was not confirmed before \(what)")
    }

    /// Nothing of it is there any more.
    func end() {
        guard state != .over else { return }
        state = .over
        for place in purging { world.ledger.purge(place, begins: false) }
        purging = []
        session.forget(self)
    }

    func complainAboutPending() {
        for request in pending { world.complain("\(request.name) on \(name) is not answered") }
        if mode == .confirming, let first = unanswered.first {
            world.complain("publish \(first.publish) on \(name) is not confirmed")
        }
    }

    // MARK: Asking

    /// Sends a request; `heard` is told its answer.
    func ask(
        _ name: String, _ method: Method, _ answers: [MethodID],
        _ heard: @escaping (Method, Content?) -> Void = { _, _ in }
    ) {
        guard state == .open else { return }
        pending.append(
            Pending(
                name: name, answers: answers, settledBefore: settledCount, publishedBefore: publishedCount,
                heard: heard))
        tell(name, method)
    }

    /// Sends what has no answer.
    func tell(_ name: String, _ method: Method) {
        guard state == .open else { return }
        world.note("\(self.name) asks \(name)")
        session.send(method, on: number)
    }

    /// What is asked now is wrong: an error with one of these codes ends the channel.
    func expect(_ codes: [ReplyCode]) {
        if mistake == nil { mistake = Mistake(codes: codes, publishedBefore: publishedCount) }
    }

    /// What was asked may be wrong: then an error with one of these codes ends the channel.
    func mayFail(_ codes: [ReplyCode]) { mayFailWith += codes }

    var isMistaken: Bool { mistake != nil }

    func didSettle(_ reception: Reception) {
        settled.append(reception)
        settledCount += 1
        world.tally.acknowledged += 1
    }

    /// A publish goes out that is to be answered.
    func didPublish(_ publish: Int, returns: ByteBuffer? = nil) {
        publishedCount += 1
        unanswered.append(Unanswered(publish: publish, settledBefore: settledCount, returns: returns))
    }

    // MARK: Hearing

    func hear(_ line: AMQPFrames.Line) {
        switch line {
        case .method(let method):
            guard expected == nil else { return world.complain("\(name) got \(method.id) inside of a message") }
            guard method.hasContent else { return hear(method, nil) }
            expected = (method, nil, 0, ByteBuffer())
        case .header(let bodySize, let properties):
            guard let method = expected?.method, expected?.properties == nil else {
                return world.complain("\(name) got a content header that belongs to nothing")
            }
            expected = (method, properties, bodySize, ByteBuffer())
            finishContent()
        case .body(var bytes):
            guard expected?.properties != nil else {
                return world.complain("\(name) got a body that belongs to nothing")
            }
            expected?.body.writeBuffer(&bytes)
            finishContent()
        case .heartbeat: world.complain("\(name) got a heartbeat")
        }
    }

    private func finishContent() {
        guard let content = expected, let properties = content.properties,
            content.body.readableBytes >= content.bodySize
        else { return }
        expected = nil
        if content.body.readableBytes > content.bodySize {
            return world.complain("\(name) got a body of more than the \(content.bodySize) bytes that were said")
        }
        hear(content.method, Content(properties: properties, body: content.body))
    }

    private func hear(_ method: Method, _ content: Content?) {
        switch (method, content) {
        case (.basicDeliver(let consumer, let delivery, let isRedelivered, _, _), let content?):
            take(content, delivery, isRedelivered, of: consumer)
        case (.basicReturn, let content?): hearReturn(content)
        case (.basicAck(let last, let isMultiple), _): hearConfirm(last, isMultiple, isTaken: true)
        case (.basicNack(let last, let isMultiple, _), _): hearConfirm(last, isMultiple, isTaken: false)
        case (.basicCancel(let tag, _), _): hearCancel(tag)
        case (.channelClose(let code, let text, _, _), _): hearClose(code, text)
        default: hearAnswer(method, content)
        }
    }

    private func hearAnswer(_ method: Method, _ content: Content?) {
        world.note("\(name) hears \(method.id)")
        guard let request = pending.popFirst() else {
            return world.complain("\(name) got \(method.id), and asked for nothing")
        }
        guard request.answers.contains(method.id) else {
            return world.complain("\(name) got \(method.id) where the answer to \(request.name) is next")
        }
        makeCertain(request.settledBefore)
        if mode != .confirming { confirm(request.publishedBefore - answeredCount) }
        request.heard(method, content)
    }

    /// The first `count` of what it ever settled is on the disk.
    private func makeCertain(_ count: Int) {
        while certainCount < count, let reception = settled.popFirst() {
            certainCount += 1
            // What a commit refused was not settled.
            if reception.settlement != nil { world.ledger.makeCertain(reception, at: world.time) }
        }
    }

    // MARK: Confirms

    private func hearConfirm(_ last: UInt64, _ isMultiple: Bool, isTaken: Bool) {
        world.note("\(name) hears \(isTaken ? "ack" : "nack") \(last)\(isMultiple ? " and before" : "")")
        guard mode == .confirming else { return world.complain("\(name) got a confirm that it did not ask for") }
        let count = Int(clamping: last) - answeredCount
        guard count > 0, count <= unanswered.count, isMultiple || count == 1 else {
            return world.complain(
                "\(name) got the confirm \(last) when \(answeredCount) of \(publishedCount) had been confirmed")
        }
        if isTaken { confirm(count) } else { for _ in 0..<count { refuseFirst() } }
    }

    private func confirm(_ count: Int) {
        for _ in 0..<max(0, count) {
            guard let first = unanswered.popFirst() else { return }
            answeredCount += 1
            if first.returns != nil {
                world.complain("\(name) was confirmed what leads nowhere, and it did not come back")
            }
            let publish = world.ledger.publishes[first.publish]
            makeCertain(first.settledBefore)
            world.tally.confirmed += 1
            // Nobody says whether it was taken for a duplicate, or, if no confirm was asked for, whether it was taken.
            let mayBeGone = mode == .plain && publish.places.contains { world.places[$0].mayRefuse }
            if publish.terms.id == nil, !mayBeGone {
                world.ledger.answer(first.publish, .confirmed, at: world.time)
            }
        }
    }

    private func refuseFirst() {
        guard let first = unanswered.popFirst() else { return }
        answeredCount += 1
        let places = world.ledger.publishes[first.publish].places
        world.ledger.answer(first.publish, .refused, at: world.time)
        if !places.contains(where: { world.places[$0].mayRefuse }) {
            world.complain("publish \(first.publish) on \(name) was refused")
        }
    }

    private func hearReturn(_ content: Content) {
        guard let index = unanswered.firstIndex(where: { $0.returns != nil }),
            unanswered[index].returns == content.body
        else {
            return world.complain("\(name) got back '\(String(buffer: content.body).prefix(40))', which is not next")
        }
        unanswered[index].returns = nil
    }

    // MARK: Messages

    private func take(_ content: Content, _ delivery: UInt64, _ isRedelivered: Bool, of tag: String) {
        guard let consumer = consumers.first(where: { $0.tag == tag }), !consumer.hasEnded else {
            return world.complain("\(name) got a message for consumer \(tag), which is not")
        }
        if let reader = consumer.reader {
            return read(content, delivery, isRedelivered, with: reader, isAutoAck: consumer.isAutoAck)
        }
        take(content, delivery, isRedelivered, of: consumer.place, isAutoAck: consumer.isAutoAck, consumer.number)
        guard !consumer.isAutoAck else { return }
        let identity = [Int64(lane), consumer.number]
        let count = holding.filter { $0.consumer == identity }.count
        if consumer.prefetch > 0, count > consumer.prefetch {
            world.complain("\(name) holds \(count) for \(tag), which asked for \(consumer.prefetch) at most")
        }
        let all = holding.filter { $0.consumer[1] > 0 }.count
        if prefetchOfAll > 0, all > prefetchOfAll {
            world.complain("\(name) holds \(all), and asked for \(prefetchOfAll) at most")
        }
    }

    /// What it has and has not settled for good.
    private var holding: [Reception] { held.map(\.reception) + transaction.settlements.map(\.reception) }

    /// A message of a queue is here.
    ///
    /// - Parameter consumer: its number; 0: it was asked for alone.
    func take(
        _ content: Content, _ delivery: UInt64, _ isRedelivered: Bool, of place: Place, isAutoAck: Bool,
        _ consumer: Int64
    ) {
        world.tally.delivered += 1
        world.tally.overAMQP += 1
        world.note(
            "\(name) hears \(delivery) of \(place.name)\(isRedelivered ? " again" : ""): "
                + "\(String(buffer: content.body).prefix(6))")
        count(delivery)
        let headers = content.properties.headers
        let count = place.isQuorum ? headers?["x-delivery-count"]?.integer : nil
        if place.isQuorum, count == nil { world.complain("\(place.name) does not say how often a message came back") }
        let reception = Reception(
            link: link.number, life: link.life, time: session.writtenAt, offset: nil, isRedelivered: isRedelivered,
            failures: isRedelivered ? count : nil, isAutoAck: isAutoAck, isAnswer: consumer == 0)
        reception.consumer = [Int64(lane), consumer]
        if case .array(let deaths)? = headers?["x-death"], case .table(let last)? = deaths.first {
            (reception.death, reception.deathPlace) = (last["reason"]?.text, last["queue"]?.text)
        }
        guard world.ledger.receive(content.body, reception, of: place), !isAutoAck else { return }
        if holding.contains(where: { $0.message == reception.message && $0.place == reception.place }) {
            world.complain("\(name) got message \(reception.message) of \(place.name), and holds it already")
        }
        held.append((delivery, reception))
        let isAtOnce = session.client.isPrompt && world.phase == .open && !world.isOne(in: 5)
        if isAtOnce, state == .open, !isMistaken, !isRecovering { settle(held.count - 1, isMultiple: false, .ack) }
    }

    /// A record of a topic is here.
    private func read(
        _ content: Content, _ delivery: UInt64, _ isRedelivered: Bool, with reader: TopicReader, isAutoAck: Bool
    ) {
        world.tally.records += 1
        world.tally.overAMQP += 1
        count(delivery)
        guard let offset = content.properties.headers?["x-stream-offset"]?.integer else {
            return world.complain("\(reader.name) of \(reader.topic.place.name) is not told the offset")
        }
        world.note("\(name) reads \(delivery) of \(reader.topic.place.name) at \(offset)")
        if isRedelivered { world.complain("\(reader.name) got a record that was redelivered") }
        reader.receive(content.body, at: offset)
        // What comes while all is on its way back is given back as well.
        if !isAutoAck, !isRecovering { tell("ack \(delivery)", .basicAck(deliveryTag: delivery, multiple: false)) }
    }

    private func count(_ delivery: UInt64) {
        if delivery != lastDelivery + 1 { world.complain("\(name) got delivery \(delivery) after \(lastDelivery)") }
        lastDelivery = delivery
    }

    // MARK: What the server ends

    private func hearCancel(_ tag: String) {
        if world.plan.readFaults == 0 { world.complain("\(name) lost its consumer \(tag)") }
        for index in consumers.indices where consumers[index].tag == tag { consumers[index].hasEnded = true }
    }

    private func hearClose(_ code: UInt16, _ text: String) {
        world.note("\(name) hears its end: \(code) \(text)")
        world.tally.mistakes += 1
        if let mistake, let known = ReplyCode(rawValue: code), mistake.codes.contains(known) {
            if mode == .confirming, answeredCount < mistake.publishedBefore, let first = unanswered.first {
                world.complain("publish \(first.publish) on \(name) was not confirmed before its error")
            }
        } else if !mayFailWith.contains(where: { $0.rawValue == code }) {
            world.complain("\(name) was ended: \(code) \(text)")
        }
        // What was sent behind the mistake is as if it had not been.
        if mode == .confirming {
            for left in unanswered { world.ledger.answer(left.publish, .refused, at: world.time) }
        }
        for number in committing { world.ledger.answerCommit(number, isDone: false, at: world.time) }
        let isLeaving = state == .leaving
        session.send(.channelCloseOk, on: number)
        mistake = mistake ?? Mistake(codes: [], publishedBefore: 0)
        if isLeaving {
            // The server answers to that, too, and to nothing else that was asked.
            settled = []
            pending.removeAll { $0.answers != [.channelCloseOk] }
            unanswered = []
        } else {
            end()
        }
    }
}
