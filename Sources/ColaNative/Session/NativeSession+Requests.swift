internal import ColaCore
internal import NIOCore

// From lines to requests. One function per verb; each returns where the next line begins, or nil if its body has not
// arrived, in which case it has changed nothing.
extension NativeSession {
    /// - Parameters:
    ///   - start: where the line begins.
    ///   - end: where its content ends.
    ///   - body: where what follows the line begins.
    mutating func readRequest(
        _ bytes: UnsafeRawBufferPointer, of burst: [UInt8], from start: Int, to end: Int, body: Int
    ) -> Int? {
        guard scanner.split(bytes, from: start, to: end) else {
            if bytes[start..<end].starts(with: "pub".utf8) {
                // A body follows whose length nobody knows.
                refuseAndClose(
                    code: "syntax", sentence: "pub needs a routing key and the size of its body: pub NAME SIZE")
                return body
            }
            return refuse(
                "syntax", "a line is a verb in lower case, then words and options with one space between them", body)
        }
        if scanner.field(0, is: "pub", in: bytes) { return readPublish(bytes, of: burst, from: start, body: body) }
        var reader = RequestReader(scanner: scanner, bytes: bytes)
        guard let verb = Verb(rawValue: reader.verb) else {
            return refuse(
                "unknown_command", "there is no command '\(reader.verb)'; protocol/native.md has them all", body)
        }
        guard reader.readTag(behind: verb.wordCount) else {
            return refuse("syntax", "t= must be a number from 0 to \(Int64.max)", body)
        }
        guard state.isOpen || verb.isAllowedBeforeHello else {
            refuseAndClose(code: "unauthenticated", sentence: Configuration.helloFirst, reader.tag)
            return body
        }
        do throws(RequestReader.Malformed) {
            return try perform(verb, &reader, of: burst, from: start, body: body)
        } catch {
            return refuse("syntax", error.sentence, body, reader.tag)
        }
    }

    private mutating func perform(
        _ verb: Verb, _ reader: inout RequestReader, of burst: [UInt8], from start: Int, body: Int
    ) throws(RequestReader.Malformed) -> Int? {
        switch verb {
        case .hello: try hello(&reader)
        case .ping:
            try reader.end()
            if isAttached {
                request(.barrier, reader.tag)
            } else {
                write(.done, for: reader.tag)
                flushTags()
            }
        case .beat: try reader.end()
        case .quit:
            try reader.end()
            quit(reader.tag)
        case .pubs: return try readBatch(&reader, of: burst, from: start, body: body)
        case .ack: try settle(&reader, .acknowledge)
        case .nack: try settle(&reader, .release)
        case .reject: try settle(&reader, .reject)
        case .declare, .delete: try define(verb, &reader)
        case .bind, .unbind:
            let source = try reader.text("EXCHANGE")
            let destination = try reader.text("NAME")
            let key = try reader.option("key") ?? ""
            try reader.end()
            let binding = BindingDefinition(source: source, destination: destination, routingKey: key)
            request(verb == .bind ? .bind(binding) : .unbind(binding), reader.tag)
        case .purge:
            let name = try reader.text("NAME")
            try reader.end()
            request(.purge(name: name), reader.tag)
        case .consume: try consume(&reader)
        case .credit:
            let consumer = try reader.number("CONSUMER", in: 1...4_294_967_295)
            let count = try reader.number("N", in: 0...2_147_483_647)
            try reader.end()
            request(.grant(ConsumerTag(UInt64(consumer)), count: Int(count)), reader.tagOrSilent)
        case .cancel:
            let consumer = try reader.number("CONSUMER", in: 1...4_294_967_295)
            try reader.end()
            request(.cancel(ConsumerTag(UInt64(consumer))), reader.tag)
        case .get:
            let name = try reader.text("NAME")
            let isAutoAck = try reader.choice("ack", ["auto": true, "manual": false]) ?? true
            try reader.end()
            request(.get(name: name, isAutoAck: isAutoAck), reader.tag)
        case .peek:
            let name = try reader.text("NAME")
            let from = try reader.optionNumber("from", in: 0...Int64.max) ?? 0
            let count = try reader.optionNumber("count", in: 1...1_000) ?? 1
            try reader.end()
            request(.peek(name: name, partition: 0, from: Offset(from), count: Int(count)), reader.tag)
        case .commit:
            let topic = try reader.text("NAME")
            let group = try reader.text("GROUP")
            let next = try reader.number("OFFSET", in: 0...Int64.max)
            try reader.end()
            request(.commitOffset(topic: topic, partition: 0, group: group, next: Offset(next)), reader.tag)
        case .list:
            let word = try reader.text("WHAT")
            try reader.end()
            guard let listing = Listing(rawValue: word) else {
                let known = Listing.allCases.map(\.rawValue).joined(separator: ", ")
                throw RequestReader.Malformed("there is no list of '\(word)', but of \(known)")
            }
            request(.list(listing), reader.tag)
        case .stat:
            try reader.end()
            request(.statistics, reader.tag)
        }
        return body
    }

    mutating func request(_ request: Request, _ tag: RequestID) {
        commands.append(.request(channel, tag, request))
    }

    // MARK: The connection

    private mutating func hello(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let version = try reader.number("VERSION", in: 0...Int64.max)
        let user = try reader.option("user")
        let password = try reader.option("password")
        let client = try reader.option("client") ?? ""
        let heartbeat = try reader.optionNumber("heartbeat", in: 0...3_600) ?? 0
        let need = try reader.option("need") ?? ""
        try reader.end()
        guard version == 1 else {
            let sentence = "this server speaks version 1 of the native protocol, not \(version)"
            return refuseAndClose(code: "unsupported_version", sentence: sentence, reader.tag)
        }
        guard !hasSaidHello else { throw RequestReader.Malformed("hello was said before on this connection") }
        let missing = need.split(separator: ",").first { !Configuration.features.contains(String($0)) }
        if let missing {
            let known = Configuration.features.joined(separator: ",")
            let sentence = "this server does not know the feature '\(missing)', but \(known)"
            _ = refuse("unsupported_feature", sentence, 0, reader.tag)
            return
        }
        let wasAttached = isAttached
        if user != nil || identity == nil {
            guard let admitted = access.admit(user: user ?? "guest", password: password ?? "", from: peer) else {
                let sentence = "wrong name or password, or the user may not come from \(peer.description)"
                return refuseAndClose(code: "unauthenticated", sentence: sentence, reader.tag)
            }
            identity = admitted
        }
        guard let identity else { return }
        hasSaidHello = true
        state = .open
        heartbeatMilliseconds = heartbeat * 1_000
        commands.append(.attach(channel, info(of: identity, client: client)))
        pendingHello = (reader.tag, heartbeat)
        // Answers come in order: one who was known before hello may have asked for other things first.
        if wasAttached { request(.barrier, .hello) } else { answerHello() }
    }

    mutating func answerHello() {
        guard let (tag, heartbeat) = pendingHello, let identity else { return }
        pendingHello = nil
        flushTags()
        writeTagged("ok", tag)
        output.writeString(
            " version=1 server=\(configuration.server) user=\(escaped(identity.user))"
                + " admin=\(identity.isAdministrator ? "yes" : "no") heartbeat=\(heartbeat)"
                + " line=\(Configuration.lineBytesMax) body=\(configuration.bodyBytesMax)"
                + " features=\(Configuration.features.joined(separator: ","))\n")
    }

    private mutating func quit(_ tag: RequestID) {
        guard isAttached else {
            write(.done, for: tag)
            state = .closed
            return
        }
        quitTag = tag
        request(.barrier, .quit)
        state = .draining
    }

    // MARK: Queues, topics, consumers

    private mutating func define(_ verb: Verb, _ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let kind = try reader.text("queue, topic or exchange")
        let name = try reader.text("NAME")
        switch (verb, kind) {
        case (.declare, "queue"):
            try reader.end()
            request(.declareQueue(QueueDeclaration(name: name)), reader.tag)
        case (.declare, "topic"):
            try reader.end()
            request(.declareTopic(name: name, partitions: nil, Arguments()), reader.tag)
        case (.declare, "exchange"):
            guard let type = try reader.choice("type", ["direct": ExchangeDefinition.Kind.direct, "fanout": .fanout])
            else {
                throw RequestReader.Malformed("an exchange needs type=direct or type=fanout")
            }
            try reader.end()
            request(.declareExchange(name: name, kind: type, alternate: nil), reader.tag)
        case (_, "queue"):
            try reader.end()
            request(.deleteQueue(name: name, ifUnused: false, ifEmpty: false), reader.tag)
        case (_, "topic"):
            try reader.end()
            request(.deleteTopic(name: name), reader.tag)
        case (_, "exchange"):
            try reader.end()
            request(.deleteExchange(name: name, ifUnused: false), reader.tag)
        default: throw RequestReader.Malformed("'\(kind)' is none of queue, topic and exchange")
        }
    }

    private mutating func consume(_ reader: inout RequestReader) throws(RequestReader.Malformed) {
        let name = try reader.text("NAME")
        guard let consumer = try reader.optionNumber("c", in: 1...4_294_967_295) else {
            throw RequestReader.Malformed("consume needs c=NUMBER, by which its messages are told apart")
        }
        let prefetch = try reader.optionNumber("prefetch", in: 1...65_535)
        let credit = try reader.optionNumber("credit", in: 0...2_147_483_647)
        guard prefetch == nil || credit == nil else {
            throw RequestReader.Malformed("a consumer has prefetch or credit, not both")
        }
        let isAutoAck = try reader.choice("ack", ["auto": true, "manual": false]) ?? false
        var consume = Consume(
            name: name, consumer: ConsumerTag(UInt64(consumer)),
            flow: credit.map { .credit(Int($0)) } ?? .prefetch(Int(prefetch ?? 100)), isAutoAck: isAutoAck)
        consume.group = try reader.option("group")
        consume.position = try position(try reader.option("from"))
        try reader.end()
        request(.consume(consume), reader.tag)
    }

    private func position(_ text: String?) throws(RequestReader.Malformed) -> Consume.Position? {
        switch text {
        case nil: return nil
        case "first": return .first
        case "last": return .last
        case "next": return .next
        case .some(let text):
            let number = Array(text.utf8).withUnsafeBytes { Decimal.parse($0) }
            guard let number else { throw RequestReader.Malformed("from= must be first, last, next or an offset") }
            return .offset(Offset(number))
        }
    }

    private mutating func settle(
        _ reader: inout RequestReader, _ settlement: Settlement
    ) throws(RequestReader.Malformed) {
        let range = try reader.range("DELIVERIES")
        try reader.end()
        request(
            .settle(
                first: DeliveryTag(UInt64(range.lowerBound)), last: DeliveryTag(UInt64(range.upperBound)), settlement),
            reader.tagOrSilent)
    }

    // MARK: Refusing

    mutating func refuseBody(of size: Int, start: Int) -> Int {
        let sentence =
            "a body of \(size) bytes is over the limit of \(configuration.bodyBytesMax) (setting body-max); "
            + "send it in parts, or raise the limit"
        refuseAndClose(code: "too_large", sentence: sentence)
        return start
    }

    /// An error in its turn; the connection goes on.
    mutating func refuse(_ code: String, _ sentence: String, _ next: Int, _ tag: RequestID = .untagged) -> Int {
        let refusal = BrokerRefusal(code: code, sentence: sentence)
        if isAttached { request(.refuse(refusal), tag) } else { write(.refusedBySession(refusal), for: tag) }
        return next
    }

    /// An error in its turn, and then the end.
    mutating func refuseAndClose(code: String, sentence: String, _ tag: RequestID = .untagged) {
        let refusal = BrokerRefusal(code: code, sentence: sentence)
        guard isAttached else {
            write(.refusedBySession(refusal), for: tag)
            close(code: code, sentence: sentence)
            return
        }
        request(.refuse(refusal), tag)
        request(.refuse(refusal), .closing)
        state = .draining
    }
}
