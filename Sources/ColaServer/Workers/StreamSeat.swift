internal import ColaCore
internal import ColaWorkers
internal import Logging
internal import NIOCore

/// An instance of a `stream` worker, as the broker sees it: a channel with a consumer, whose messages a process that
/// lives on gets through a pipe and answers through another.
///
/// It hands out by credit, so that a process never has more than its prefetch, whatever it had before a pause. What the
/// process does not read waits in the pipe, then in a bounded window of the broker's, then in the queue.
final class StreamSeat: WorkerSeat, SocketlessConnection {
    let id: ChannelID
    var isFlushPending = false
    let instance: InstanceID
    unowned let host: WorkerHost
    var definition: WorkerDefinition {
        didSet { grantMore() }
    }
    let queue: String
    /// The one that there is.
    var process: StreamProcess?
    /// Those that have ended, whose messages are not all settled.
    private var past: [StreamProcess] = []
    private var consumer = ConsumerTag(0)
    /// How many more messages the broker may hand out.
    private var credit = 0
    private var isAttached = false
    private var isFed = false
    private var isConsuming = false
    /// Requests for a consumer that are not answered: what is said of any but the last concerns nobody any more.
    private var consumesAsked = 0
    private var isLeaving = false
    private var isHeld = false
    private var reportsWritable = false
    // What a read has led to, until all of it has been read.
    var settlements: [Command] = []
    var acknowledged: ClosedRange<UInt64>?
    var settled = 0
    var saysReady = false

    enum Question {
        static let consume = RequestID(1)
        static let settle = RequestID(2)
        /// And the number of the delivery whose result it is.
        static let results: UInt64 = 16
    }

    init(_ instance: InstanceID, of definition: WorkerDefinition, host: WorkerHost) {
        id = host.broker.takeChannelID()
        self.instance = instance
        self.definition = definition
        // A worker of this mode is not defined without one.
        queue = definition.queue ?? ""
        self.host = host
    }

    /// For people who look, and for the log.
    var name: String { "\(definition.name)/\(instance)" }

    var heldMessage: HeldMessage? {
        process?.holding.oldest.map { HeldMessage(queue: queue, offset: $0.offset, since: $0.since) }
    }

    func submit(_ commands: [Command]) { host.broker.submit(commands, from: self, at: host.now) }

    // MARK: Feeding

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

    private func consume() {
        guard isFed, !isConsuming, let process, process.takesMessages else { return }
        isConsuming = true
        consumer = ConsumerTag(consumer.rawValue + 1)
        credit = max(0, definition.prefetch - process.holding.count)
        var consume = Consume(name: queue, consumer: consumer, flow: .credit(credit))
        consume.timeout = 0  // its process has a time limit of its own
        consumesAsked += 1
        submit([.request(id, Question.consume, .consume(consume))])
    }

    func stopFeeding() {
        isFed = false
        stopConsuming()
    }

    func stopConsuming() {
        guard isConsuming else { return }
        isConsuming = false
        submit([.request(id, .silent, .cancel(consumer))])
    }

    func grantMore() {
        guard isConsuming, let process else { return }
        let more = definition.prefetch - process.holding.count - credit
        guard more > 0 else { return }
        credit += more
        submit([.request(id, .silent, .grant(consumer, count: more))])
    }

    // MARK: From the broker

    func handle(_ effect: Effect) {
        switch effect {
        case .deliver(_, let tag, let delivery):
            // One that was on its way when its consumer was ended, or the process.
            guard tag == consumer, isConsuming, let process, process.takesMessages else { return giveBack(delivery) }
            credit -= 1
            give(delivery, to: process)
        case .reply(_, let question, let reply): answered(question, reply)
        case .consumerFailed(_, _, let error):
            isConsuming = false
            host.cannotFeed(instance, error.description)
        default: break
        }
    }

    private func give(_ delivery: Delivery, to process: StreamProcess) {
        // The clocks are read once a turn, not for each message.
        let now = process.givenAt ?? host.now
        process.givenAt = now
        process.holding.add(
            StreamHolding.Held(
                offset: delivery.entry.offset, began: now.wall, since: now.monotonic,
                failures: delivery.redelivered ?? 0, reply: StreamHolding.Reply(delivery),
                begin: (process.input?.written ?? 0) + process.pending.readableBytes),
            as: delivery.tag)
        process.writer.write(delivery, into: &process.pending)
        process.untold += 1
    }

    private func giveBack(_ delivery: Delivery) {
        let attempt = Attempt(
            began: host.now.wall, ended: host.now.wall, end: .cancelled, worker: "\(definition.name)",
            detail: "the worker was stopped")
        submit([
            .request(
                id, .silent, .settle(first: delivery.tag, last: delivery.tag, .failed(attempt, .giveBack)))
        ])
    }

    private func answered(_ question: RequestID, _ reply: Reply) {
        if question == Question.consume {
            consumesAsked -= 1
            guard consumesAsked == 0 else { return }
        }
        switch (question, reply) {
        case (.silent, .refused(let error)):
            // Its consumer, or its queue, has gone meanwhile; that is told in another way.
            host.logger.debug(
                "the broker refused what a worker's seat asked for",
                metadata: ["instance": "\(name)", "reason": "\(error)"])
        case (.silent, _): break
        case (Question.consume, .refused(let error)):
            isConsuming = false
            host.cannotFeed(instance, error.description)
        case (Question.consume, _): host.canFeed(instance)
        case (Question.settle, .refused(let error)): host.report(name, error.description)
        case (Question.settle, _): break
        case (_, .refused(let error)): resultTaken(DeliveryTag(question.rawValue - Question.results), error)
        default: resultTaken(DeliveryTag(question.rawValue - Question.results), nil)
        }
    }

    private func resultTaken(_ tag: DeliveryTag, _ error: BrokerError?) {
        let all = past + (process.map { [$0] } ?? [])
        guard let owner = all.first(where: { $0.holding[tag] != nil }) else { return }
        resultTaken(tag, of: owner, error)
        submitSettlements(of: owner)
        finishIfOver(owner)
    }

    // MARK: The process

    func provide() throws(ProgramResolution.Problem) -> Provision {
        let streams = try ProcessStreams()
        let process = StreamProcess(definition.format, queue: queue, bodyBytesMax: host.settings.bodyBytesMax)
        self.process = process
        let eventLoop = host.broker.eventLoop
        if let input = streams.input {
            process.input = StreamInput(input, on: eventLoop) { [weak self] in
                self?.reportIfWritable()
            } closed: { [weak self, weak process] in
                if let self, let process { inputClosed(of: process) }
            }
        }
        process.openPipes = 2
        process.output = OutputPipe.open(streams.output, on: eventLoop) { [weak self] bytes in
            self?.receive(bytes, from: process)
        } paused: { [weak self] in
            self?.submitSettlements(of: process)
        } ended: { [weak self] in
            self?.outputEnded(of: process)
        }
        if isHeld { process.output?.setReading(false) }
        let written = host.beginOutput(of: instance, definition.name)
        host.read(streams.errors, of: written) { bytes in
            process.errors.append(bytes.readableBytesView)
            written.append(bytes, .err)
        } ended: { [weak self] in
            written.end(.err)
            process.openPipes -= 1
            self?.finishIfOver(process)
        }
        return Provision(
            descriptors: streams.passed,
            environment: [
                "COLA_QUEUE=\(queue)", "COLA_FORMAT=\(definition.format.rawValue)",
                "COLA_PREFETCH=\(definition.prefetch)",
            ])
    }

    func started(_ number: Int32) {
        process?.number = number
        if definition.ready == .started { host.isReady(instance) }
    }

    /// It reads no more, so what it has not read goes to others. It may be about to end.
    private func inputClosed(of process: StreamProcess) {
        guard process === self.process, process.ending == nil else { return }
        process.hasClosedInput = true
        stopConsuming()
        giveBack(process.holding.leftovers(read: process.input?.read ?? 0).unseen, of: process)
        submitSettlements(of: process)
        endIfDeaf(process)
    }

    /// One that takes no messages and has none is of no use.
    func endIfDeaf(_ process: StreamProcess) {
        guard process.hasClosedInput, process.holding.count == 0 else { return }
        expectEnd(of: process, "it has closed its standard input, so that it can be given nothing any more")
    }

    private func outputEnded(of process: StreamProcess) {
        process.output = nil
        endReading(process)
        submitSettlements(of: process)
        process.openPipes -= 1
        finishIfOver(process)
        expectEnd(of: process, "it has closed its standard output, so that it can answer nothing any more")
    }

    /// A process that ends closes its streams first. One that does so and stays cannot be used.
    private func expectEnd(of process: StreamProcess, _ sentence: String) {
        guard process === self.process, process.ending == nil else { return }
        host.later(milliseconds: Self.endPatience) { [weak self] in
            guard let self, process === self.process, process.ending == nil, !host.hasExited(instance) else { return }
            misbehaved(process, StreamDefect(sentence))
        }
    }

    func misbehaved(_ process: StreamProcess, _ defect: StreamDefect) {
        guard process.defect == nil else { return }
        process.defect = defect
        host.logger.warning(
            "what a worker does is not what its mode asks for",
            metadata: ["instance": "\(name)", "reason": "\(defect)"])
        if process === self.process { host.misbehaved(instance, defect.description) }
    }

    /// How long after it has closed a stream its end is waited for, and after its end its streams'. Milliseconds.
    private static let endPatience: Int64 = 1_000

    func endInput() {
        flush()
        process?.input?.finish()
    }

    /// The process has ended; what it wrote last may still be on its way.
    func ended(_ ending: Ending) {
        guard let process else { return }
        self.process = nil
        past.append(process)
        stopConsuming()
        process.ending = ending
        process.read = process.input?.read ?? 0
        process.input?.close()
        process.output?.setReading(true)
        reportIfWritable()
        finishIfOver(process)
        host.later(milliseconds: Self.endPatience) {
            // Even a stranger may hold them open.
            process.openPipes = 0
            self.finishIfOver(process)
        }
    }

    /// What it was given and did not answer is settled by its end.
    func finishIfOver(_ process: StreamProcess) {
        guard process.isOver, let index = past.firstIndex(where: { $0 === process }) else { return }
        past.remove(at: index)
        settleLeftovers(of: process)
        departIfDone()
    }

    /// Nothing is said any more of what it still holds when it goes; it waits until all is settled.
    func leave() {
        ended(.stopped(nil, why: "the worker is no more"))
        isLeaving = true
        host.leaving[id] = self
        departIfDone()
    }

    private func departIfDone() {
        guard isLeaving, past.isEmpty else { return }
        isLeaving = false
        if isAttached { host.broker.remove(self) }
        host.hasLeft(id)
    }

    // MARK: What a socket would do

    func flush() {
        if let process, process.pending.readableBytes > 0 {
            var pending = ByteBuffer()
            swap(&pending, &process.pending)
            process.input?.write(pending)
            process.givenAt = nil
            let count = process.untold
            process.untold = 0
            host.took(instance, count)
        }
        reportIfWritable()
    }

    func hold() {
        isHeld = true
        process?.output?.setReading(false)
    }

    func release() {
        isHeld = false
        process?.output?.setReading(true)
    }

    func reportWhenWritable() { reportsWritable = true }

    private func reportIfWritable() {
        guard reportsWritable, process?.input?.isWritable ?? true else { return }
        reportsWritable = false
        let id = id
        host.later(milliseconds: 0) { [weak host] in host?.broker.windowOpened(id) }
    }
}
