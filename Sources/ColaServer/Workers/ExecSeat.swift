internal import ColaCore
internal import ColaWorkers
internal import NIOCore

/// An instance of an `exec` worker, as the broker sees it: a channel with a consumer that holds one message at most,
/// and for each message a process that has its body as standard input.
final class ExecSeat: WorkerSeat, SocketlessConnection {
    let id: ChannelID
    var isFlushPending = false
    let instance: InstanceID
    private unowned let host: WorkerHost
    var definition: WorkerDefinition
    private let queue: String
    private var held: Held?
    private var consumer = ConsumerTag(0)
    private var isAttached = false
    private var isFed = false
    private var isConsuming = false
    /// Requests for a consumer that are not answered: what is said of any but the last concerns nobody any more.
    private var consumesAsked = 0
    private var isLeaving = false

    /// A message, and what is known of the process that was started for it.
    struct Held {
        let delivery: Delivery
        let began: Timestamp
        let since: Instant
        var process: Int32 = 0
        var errors = OutputTail(bytesMax: Attempt.outputBytesMax)
        /// What it wrote to standard output: kept whole if that is a result.
        var output: ByteBuffer
        var openPipes = 0
        var ending: Ending?
        /// Its result is on its way to its queue.
        var isPublishing = false
    }

    private enum Question {
        static let consume = RequestID(1)
        static let result = RequestID(2)
        static let settle = RequestID(3)
    }

    init(_ instance: InstanceID, of definition: WorkerDefinition, host: WorkerHost) {
        id = host.broker.takeChannelID()
        self.instance = instance
        self.definition = definition
        // A worker of this mode is not defined without one.
        queue = definition.queue ?? ""
        self.host = host
    }

    /// The message in hand, for people who look.
    var heldMessage: HeldMessage? {
        held.map { HeldMessage(queue: queue, offset: $0.delivery.entry.offset, since: $0.since) }
    }

    // MARK: Messages

    func feed() {
        isFed = true
        attach()
        consume()
    }

    private func attach() {
        guard !isAttached else { return }
        isAttached = true
        host.broker.add(self)
        var info = ChannelInfo(
            protocolName: "worker", host: definition.virtualHost, peer: "worker", user: "",
            client: "\(definition.name) \(instance)", since: host.now.wall)
        info.authority = .messages
        submit([.attach(id, info)])
    }

    /// Not while it still has a message: a second consumer would bring a second one.
    private func consume() {
        guard isFed, !isConsuming, held == nil else { return }
        isConsuming = true
        consumer = ConsumerTag(consumer.rawValue + 1)
        var consume = Consume(name: queue, consumer: consumer, flow: .prefetch(1))
        consume.timeout = 0  // its process has a time limit of its own
        consumesAsked += 1
        submit([.request(id, Question.consume, .consume(consume))])
    }

    func stopFeeding() {
        isFed = false
        guard isConsuming else { return }
        isConsuming = false
        submit([.request(id, .silent, .cancel(consumer))])
    }

    func handle(_ effect: Effect) {
        switch effect {
        case .deliver(_, _, let delivery):
            // One that was on its way when its consumer was ended: no process is to be started for it here.
            guard isFed, held == nil else { return giveBack(delivery) }
            let now = host.now
            held = Held(delivery: delivery, began: now.wall, since: now.monotonic, output: ByteBuffer())
            host.took(instance)
        case .reply(_, let question, let reply): answered(question, reply)
        case .consumerFailed(_, _, let error):
            isConsuming = false
            host.cannotFeed(instance, error.description)
        default: break
        }
    }

    private func answered(_ question: RequestID, _ reply: Reply) {
        if question == Question.consume {
            consumesAsked -= 1
            guard consumesAsked == 0 else { return }
        }
        switch (question, reply) {
        case (Question.consume, .refused(let error)):
            isConsuming = false
            host.cannotFeed(instance, error.description)
        case (Question.consume, _): host.canFeed(instance)
        case (Question.result, .refused(let error)):
            settle(retried(.refused, "its result was not taken: \(error.description)"))
        case (Question.result, _): settle(.acknowledge)
        // Its consumer, or its queue, has gone meanwhile; that is told in another way.
        case (.silent, _): break
        case (_, .refused(let error)): host.report("\(definition.name)", error.description)
        default: break
        }
    }

    private func submit(_ commands: [Command]) { host.broker.submit(commands, from: self, at: host.now) }

    // MARK: The process

    func provide() throws(ProgramResolution.Problem) -> Provision {
        guard let delivery = held?.delivery else {
            throw .init(sentence: "there is no message to start it for")
        }
        let value = delivery.entry.value
        let streams = try ProcessStreams(input: value.isNull ? [] : delivery.data[value.range])
        let attempt = OutputLine.Message(
            queue: queue, offset: delivery.entry.offset, attempt: (delivery.redelivered ?? 0) + 1)
        let process = host.beginOutput(of: instance, definition.name, for: attempt)
        // A result is no line for people.
        read(streams.output, of: process, as: definition.resultQueue == nil ? .out : nil) { $0.wrote(output: $1) }
        read(streams.errors, of: process, as: .err) { $0.wrote(error: $1) }
        return Provision(
            descriptors: streams.passed,
            environment: MessageEnvironment(queue: queue, delivery: delivery).variables)
    }

    /// - Parameter stream: nil: its lines are not kept.
    private func read(
        _ descriptor: Int32, of process: ProcessOutput, as stream: ProgramStream?,
        _ take: @escaping (ExecSeat, ByteBuffer) -> Void
    ) {
        let message = held?.delivery.tag
        held?.openPipes += 1
        host.read(descriptor, of: process, isResult: stream == nil) { [weak self] bytes in
            if let stream { process.append(bytes, stream) }
            // What is left of the process before is not this message's affair.
            if let self, held?.delivery.tag == message { take(self, bytes) }
        } ended: { [weak self] in
            if let stream { process.end(stream) }
            if let self, held?.delivery.tag == message { pipeEnded() }
        }
    }

    func started(_ process: Int32) { held?.process = process }

    private func wrote(error bytes: ByteBuffer) { held?.errors.append(bytes.readableBytesView) }

    private func wrote(output bytes: ByteBuffer) {
        guard definition.resultQueue != nil else { return wrote(error: bytes) }
        var bytes = bytes
        let room = host.settings.bodyBytesMax + 1 - (held?.output.readableBytes ?? 0)
        if var part = bytes.readSlice(length: min(bytes.readableBytes, max(0, room))) {
            held?.output.writeBuffer(&part)
        }
    }

    private func pipeEnded() {
        held?.openPipes -= 1
        settleIfDone()
    }

    /// The process has ended. What it wrote may still be on its way: those that it started hold the pipes open, and are
    /// about to be killed.
    func ended(_ ending: Ending) {
        held?.ending = ending
        settleIfDone()
        guard let tag = held?.delivery.tag else { return }
        host.later(milliseconds: Self.outputPatience) { [weak self] in
            if let self, held?.delivery.tag == tag { settleNow() }
        }
    }

    /// What its last process has decided is said now, with the output that has been read; if that is a result, it is
    /// waited for.
    func leave() {
        settleNow()
        stopFeeding()
        isLeaving = true
        host.leaving[id] = self
        departIfDone()
    }

    private func departIfDone() {
        guard isLeaving, held?.isPublishing != true else { return }
        isLeaving = false
        if isAttached { host.broker.remove(self) }
        host.hasLeft(id)
    }

    private func settleNow() {
        held?.openPipes = 0
        settleIfDone()
    }

    /// How long after its end a process's output is waited for. Milliseconds.
    private static let outputPatience: Int64 = 500

    private func settleIfDone() {
        guard let held, let ending = held.ending, held.openPipes <= 0, !held.isPublishing else { return }
        switch ending {
        case .exited(let status): settle(held, by: status)
        // It was told to end, and said all the same what became of its message.
        case .stopped(let status?, _) where !definition.exitCodes.isCrash(status): settle(held, by: status)
        case .timedOut: settle(retried(.timedOut, "\(ending)"))
        case .stopped: settle(.failed(attempt(.cancelled, "\(ending)"), .giveBack))
        case .startFailed(let sentence): settle(.failed(attempt(.notStarted, sentence), .giveBack))
        case .keeperLost: settle(.failed(attempt(.cancelled, "\(ending)"), .giveBack))
        }
    }

    private func settle(_ held: Held, by status: ExitStatus) {
        switch definition.exitCodes.outcome(of: status) {
        case .ack: finish(held)
        case .retry: settle(retried(host.end(of: instance, by: status), "\(status)"))
        case .reject: settle(.failed(attempt(host.end(of: instance, by: status), "\(status)"), .bury))
        }
    }

    private func finish(_ held: Held) {
        guard let target = definition.resultQueue else { return settle(.acknowledge) }
        guard held.output.readableBytes <= host.settings.bodyBytesMax else {
            let sentence =
                "it wrote more than the \(host.settings.bodyBytesMax) bytes that a message may have (body-max)"
            return settle(.failed(attempt(.refused, sentence), .bury))
        }
        var message = Message(value: Array(held.output.readableBytesView)[...])
        let correlation = MessageEnvironment(queue: queue, delivery: held.delivery).correlationID
        if let correlation {
            message.headers.append(name: BrokerHeader.correlationID.rawValue.utf8, value: correlation)
        }
        self.held?.isPublishing = true
        let publish = Publish(routingKey: target, message: message)
        submit([.request(id, Question.result, .publish(publish))])
    }

    private func retried(_ end: Attempt.End, _ detail: String) -> Settlement {
        let failures = (held?.delivery.redelivered ?? 0) + 1
        let delay = definition.retry.delay(after: failures, random: UInt64.random(in: .min ... .max))
        return .failed(
            attempt(end, detail),
            .retry(
                milliseconds: delay ?? 0, attemptsMax: definition.retry.attempts,
                isDefault: definition.ownRetry == nil))
    }

    private func attempt(_ end: Attempt.End, _ detail: String) -> Attempt {
        Attempt(
            began: held?.began ?? Timestamp(0), ended: host.now.wall, end: end, worker: "\(definition.name)",
            process: held?.process ?? 0, detail: detail, output: held?.errors.text ?? [])
    }

    private func settle(_ settlement: Settlement) {
        guard let delivery = held?.delivery else { return }
        held = nil
        host.didSettle(definition.name)
        settle(delivery, settlement)
        consume()
        departIfDone()
    }

    private func giveBack(_ delivery: Delivery) {
        settle(delivery, .failed(attempt(.cancelled, "the worker was stopped"), .giveBack))
    }

    private func settle(_ delivery: Delivery, _ settlement: Settlement) {
        submit(
            [.request(id, Question.settle, .settle(first: delivery.tag, last: delivery.tag, settlement))])
    }

    // MARK: What a socket would do

    func reportWhenWritable() {
        let id = id
        host.later(milliseconds: 0) { [weak host] in host?.broker.windowOpened(id) }
    }
}
