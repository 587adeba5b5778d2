package import ColaCore
internal import NIOCore

// From effects to lines.
extension NativeSession {
    /// Writes one effect that names this session's channel; the owner calls `flush` behind the last of a series.
    package mutating func handle(_ effect: Effect) {
        guard !isClosed else { return }
        switch effect {
        case .reply(_, let id, let reply): answer(id, reply)
        case .deliver(_, let consumer, let delivery): deliveries.write(delivery, to: consumer, into: &output)
        case .consumerFailed(_, let consumer, let error):
            flushTags()
            output.writeString("err c=\(consumer) \(error.code) \(error.isRetryable ? "retry" : "final") ")
            output.writeString(Self.oneLine(error.description))
            output.writeString("\n")
        case .blocked(let sentence): tell(blocked: sentence)
        case .assigned(_, let consumer, let assignment): write(assignment, to: consumer)
        case .dismiss(_, let dismissal): close(code: dismissal.code, sentence: dismissal.description)
        // The loop's business.
        case .ask, .windowFull, .read, .fetch, .damaged, .backUp, .cancelBackup, .workers, .hashPassword: break
        }
    }

    /// Why publishers are held back is for those who may publish: a stranger hears of it when he has said hello.
    private mutating func tell(blocked sentence: String?) {
        blocked = sentence
        // Who was told of the beginning is told of the end, even while the last answers are on their way.
        if sentence == nil, knowsBlocked {
            knowsBlocked = false
            output.writeStaticString("unblocked\n")
        }
        guard let sentence, state.isOpen, pendingHello == nil || knowsBlocked else { return }
        writeBlocked(sentence)
    }

    mutating func writeBlocked(_ sentence: String) {
        knowsBlocked = true
        output.writeString("blocked \(Self.oneLine(sentence))\n")
    }

    private mutating func write(_ assignment: Assignment, to consumer: ConsumerTag) {
        let partitions = assignment.partitions.map { "\($0.partition):\($0.next)" }.joined(separator: ",")
        output.writeString("assigned c=\(consumer) generation=\(assignment.generation) partitions=\(partitions)\n")
    }

    /// Nothing more follows for now: what waited to be merged is written.
    package mutating func flush() {
        flushTags()
    }

    private mutating func answer(_ id: RequestID, _ reply: Reply) {
        switch id {
        case .hello: answerHello(reply)
        case .quit:
            write(.done, for: quitTag ?? .untagged)
            flushTags()
            state = .closed
        case .end:
            flushTags()
            state = .closed
        case .closing:
            guard case .refusedBySession(let refusal) = reply else { return }
            close(code: refusal.code, sentence: refusal.sentence)
        default: write(reply, for: id)
        }
    }

    mutating func write(_ reply: Reply, for id: RequestID) {
        if case .done = reply, id.isTag { return merge(id.rawValue) }
        flushTags()
        let isStatistics = isStatistics(id)
        switch reply {
        case .done, .consuming: finish("ok", id, "")
        case .declared(let messages, _): finish("ok", id, " ready=\(messages)")
        case .removed(let messages): finish("ok", id, " messages=\(messages)")
        case .backedUp(let bytes): finish("ok", id, " bytes=\(bytes)")
        case .empty: finish("ok", id, " empty=yes")
        case .message(let delivery, _):
            writeTagged("ok", id)
            output.writeString(" delivery=\(delivery.tag) offset=\(delivery.entry.offset)")
            output.writeString(" size=\(delivery.entry.value.range.count)")
            deliveries.writeRest(of: delivery, into: &output)
        case .peeked(let found, let next):
            for delivery in found { deliveries.write(delivery, to: ConsumerTag(0), into: &output) }
            finish("ok", id, " count=\(found.count)" + (next.map(text) ?? ""))
        case .rows(let rows): writeBody(JSONText(rows), for: id)
        case .description(let description):
            var answer = Description()
            if isStatistics { answer.add("version", configuration.server) }
            for field in description.fields { answer.add(field.name, field.value) }
            writeBody(JSONText(answer), for: id)
        case .named(let name): finish("ok", id, " name=\(escaped(name))")
        case .token(let token): finish("ok", id, " token=\(token)")
        case .duplicate: finish("ok", id, " duplicate=yes")
        // Only what another protocol asks for is answered so.
        case .topic, .group: finish("ok", id, "")
        case .returned(let publish):
            write(.refused(.unroutable(exchange: publish.exchange, routingKey: publish.routingKey)), for: id)
        case .refused(let error):
            writeTagged("err", id)
            output.writeString(" \(error.code) \(error.isRetryable ? "retry" : "final") ")
            output.writeString("\(Self.oneLine(error.description))\n")
        case .refusedBySession(let refusal):
            writeTagged("err", id)
            output.writeString(" \(refusal.code) \(refusal.isRetryable ? "retry" : "final") ")
            output.writeString("\(Self.oneLine(refusal.sentence))\n")
        }
    }

    private func text(_ next: PeekPosition) -> String {
        " next=\(next.offset)" + (next.priority > 0 ? " priority=\(next.priority)" : "")
    }

    private mutating func finish(_ word: String, _ id: RequestID, _ rest: String) {
        writeTagged(word, id)
        output.writeString(rest + "\n")
    }

    private mutating func writeBody(_ text: JSONText, for id: RequestID) {
        writeTagged("ok", id)
        output.writeString(" size=\(text.buffer.readableBytes)\n")
        output.writeImmutableBuffer(text.buffer)
        output.writeStaticString("\n")
    }

    mutating func writeTagged(_ word: String, _ id: RequestID) {
        output.writeString(word)
        guard id.isTag else { return }
        output.writeStaticString(" t=")
        Decimal.write(Int64(id.rawValue), to: &output)
    }

    // MARK: Merging

    private mutating func merge(_ tag: UInt64) {
        if let tags = unwrittenTags, tags.upperBound + 1 == tag {
            unwrittenTags = tags.lowerBound...tag
        } else {
            flushTags()
            unwrittenTags = tag...tag
        }
    }

    mutating func flushTags() {
        guard let tags = unwrittenTags else { return }
        unwrittenTags = nil
        output.writeStaticString("ok t=")
        Decimal.write(Int64(tags.lowerBound), to: &output)
        if tags.count > 1 {
            output.writeStaticString("-")
            Decimal.write(Int64(tags.upperBound), to: &output)
        }
        output.writeStaticString("\n")
    }

    // MARK: Text

    func escaped(_ text: String) -> String {
        var buffer = ByteBuffer()
        Escape.write(text, to: &buffer, as: .optionValue)
        return String(buffer: buffer)
    }

    /// Sentences may quote what a client sent; a line break in them would be a line of its own.
    static func oneLine(_ sentence: String) -> String {
        guard sentence.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else { return sentence }
        return String(sentence.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : Character($0) })
    }
}
