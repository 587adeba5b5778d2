internal import ColaCore
internal import NIOCore

// `pub` and `pubs`: lines with bodies behind them.
extension NativeSession {
    /// `pub`, the one line that comes a million times a second: it is read in place.
    mutating func readPublish(
        _ bytes: UnsafeRawBufferPointer, of burst: [UInt8], from start: Int, body: Int
    ) -> Int? {
        guard state.isOpen else {
            refuseAndClose(
                code: "unauthenticated", sentence: Configuration.helloFirst, .untagged)
            return body
        }
        // Without a length there is no telling where the next line begins.
        guard scanner.count >= 3, let size = scanner.number(2, in: bytes) else {
            refuseAndClose(code: "syntax", sentence: "pub needs a routing key and the size of its body: pub NAME SIZE")
            return body
        }
        guard size <= configuration.bodyBytesMax else { return refuseBody(of: Int(clamping: size), start: body) }
        let end = body + Int(size)
        guard end < bytes.count else {
            inputNeeded = end + 1 - start
            return nil
        }
        guard bytes[end] == 0x0A else {
            refuseAndClose(code: "body_end", sentence: "a body of \(size) bytes must be followed by a line feed")
            return bytes.count
        }
        var publish = Publish(routingKey: "", message: Message(value: burst[body..<end]))
        var tag = RequestID.untagged
        if scanner.count == 4, scanner.option(3, is: "t", in: bytes), let number = scanner.optionNumber(3, in: bytes),
            readRoutingKey(bytes)
        {
            tag = RequestID(UInt64(number))
            publish.routingKey = lastKey
        } else {
            var reader = RequestReader(scanner: scanner, bytes: bytes)
            guard reader.readTag(behind: 2) else {
                _ = refuse("syntax", "t= must be a number from 0 to \(Int64.max)", end)
                return end + 1
            }
            tag = reader.tag
            do throws(RequestReader.Malformed) {
                publish.routingKey = try reader.text("ROUTING-KEY")
                _ = try reader.number("SIZE", in: 0...Int64.max)
                try readOptions(&reader, of: &publish)
            } catch {
                _ = refuse(error.code, error.sentence, end, tag)
                return end + 1
            }
        }
        request(.publish(publish), tag)
        return end + 1
    }

    /// Brings `lastKey` up to date with the first word of the line.
    private mutating func readRoutingKey(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let raw = scanner.raw(1, in: bytes)
        if raw.count == lastKeyBytes.count, lastKeyBytes.withUnsafeBytes({ $0.elementsEqual(raw) }) { return true }
        guard let decoded = Escape.decode(raw, as: .word), let key = String(validating: decoded, as: UTF8.self) else {
            return false
        }
        lastKeyBytes = Array(raw)
        lastKey = key
        return true
    }

    private func readOptions(
        _ reader: inout RequestReader, of publish: inout Publish
    ) throws(RequestReader.Malformed) {
        publish.exchange = try reader.option("x") ?? ""
        publish.message.key = try reader.bytes("key").map { $0[...] }
        publish.isMandatory = try reader.truth("mandatory") ?? true
        var headers = RecordHeaders()
        try reader.eachHeader { (name, value) throws(RequestReader.Malformed) in
            guard !name.starts(with: BrokerHeader.prefix.utf8) else { throw .reserved(name) }
            headers.append(name: name, value: value)
        }
        // Most publishes that say more than where they go say no more than this.
        if reader.hasMore {
            try readWaiting(&reader, of: &publish)
            publish.id = try reader.optionName("id").map { Array($0.utf8)[...] }
            let (reply, correlation) = (try reader.optionName("reply"), try reader.optionName("corr"))
            if let id = publish.id { headers.append(.messageID, id) }
            if let reply { headers.append(.replyTo, reply.utf8) }
            if let correlation { headers.append(.correlationID, correlation.utf8) }
            if let properties = try reader.bytes("amqp") {
                let mayNameAnybody = identity?.authority == .all || identity?.mayImpersonate == true
                let user = mayNameAnybody ? nil : identity?.user ?? ""
                if let problem = configuration.amqpProblem(properties, user) {
                    throw RequestReader.Malformed("amqp= is not what properties of AMQP 0-9-1 are: \(problem)")
                }
                headers.append(.amqp, properties)
            }
            if try reader.truth("null") ?? false {
                guard publish.message.value?.isEmpty ?? true else {
                    throw RequestReader.Malformed("null=yes is a message without a value: its SIZE is 0")
                }
                publish.message.value = nil
            }
        }
        publish.message.headers = headers
        try reader.end()
    }

    /// What is said of all messages of a `pubs` alike: when they go, and where among others.
    private func readWaiting(
        _ reader: inout RequestReader, of publish: inout Publish
    ) throws(RequestReader.Malformed) {
        publish.priority = UInt8(clamping: try reader.optionNumber("prio", in: 0...255) ?? 0)
        publish.timeToLive = try reader.optionNumber("ttl", in: 0...Argument.millisecondsMax)
        publish.delay = try reader.optionNumber("delay", in: 0...Argument.millisecondsMax) ?? 0
        publish.partition = try reader.optionNumber("partition", in: Self.partitions).map { Int($0) }
    }

    mutating func readBatch(
        _ reader: inout RequestReader, of burst: [UInt8], from start: Int, body: Int
    ) throws(RequestReader.Malformed) -> Int? {
        let bytes = reader.bytes
        let malformed: RequestReader.Malformed?
        var publish = Publish(routingKey: "", message: Message(value: []))
        var count = 0
        do throws(RequestReader.Malformed) {
            publish.routingKey = try reader.text("ROUTING-KEY")
            count = Int(try reader.number("COUNT", in: 1...Int64(Configuration.batchMessagesMax)))
            publish.exchange = try reader.option("x") ?? ""
            publish.isMandatory = try reader.truth("mandatory") ?? true
            if reader.hasMore { try readWaiting(&reader, of: &publish) }
            try reader.end()
            malformed = nil
        } catch {
            malformed = error
        }
        // Without a count there is no telling where the next request begins.
        if let malformed {
            refuseAndClose(code: "syntax", sentence: malformed.sentence, reader.tag)
            return body
        }
        var position = body
        var total = 0
        var values: [ArraySlice<UInt8>] = []
        for _ in 0..<count {
            // A size is at most 19 digits, CR and LF.
            switch LineScanner.findLine(in: bytes, from: position, limit: 21) {
            case .incomplete:
                pendingBatch = PendingBatch(
                    position: position - start, remaining: count - values.count, total: total,
                    bytesMax: configuration.bodyBytesMax)
                return nil
            case .tooLong:
                refuseAndClose(
                    code: "syntax", sentence: "each message of a pubs begins with its size on a line", reader.tag)
                return bytes.count
            case .found(let end, let next):
                guard let size = Decimal.parse(UnsafeRawBufferPointer(rebasing: bytes[position..<end])) else {
                    refuseAndClose(
                        code: "syntax", sentence: "each message of a pubs begins with its size on a line", reader.tag)
                    return bytes.count
                }
                let (sum, overflow) = total.addingReportingOverflow(Int(size))
                guard !overflow, sum <= configuration.bodyBytesMax else {
                    return refuseBody(of: overflow ? .max : sum, start: bytes.count)
                }
                guard next + Int(size) < bytes.count else {
                    pendingBatch = PendingBatch(
                        position: position - start, remaining: count - values.count, total: total,
                        bytesMax: configuration.bodyBytesMax)
                    return nil
                }
                total = sum
                guard bytes[next + Int(size)] == 0x0A else {
                    refuseAndClose(
                        code: "body_end", sentence: "a body of \(size) bytes must be followed by a line feed")
                    return bytes.count
                }
                values.append(burst[next..<next + Int(size)])
                position = next + Int(size) + 1
            }
        }
        publish.message.value = values[0]
        publish.more = values.dropFirst().map { Message(value: $0) }
        request(.publish(publish), reader.tag)
        return position
    }
}

extension RequestReader.Malformed {
    static func reserved(_ name: [UInt8]) -> Self {
        var malformed = Self(
            "the header '\(String(decoding: name, as: UTF8.self))' begins with '\(BrokerHeader.prefix)', which is kept "
                + "for the broker's own; choose another name, or use id=, reply= and corr=")
        malformed.code = "access_refused"
        return malformed
    }
}

extension RecordHeaders {
    fileprivate mutating func append(_ header: BrokerHeader, _ value: some Collection<UInt8>) {
        append(name: header.rawValue.utf8, value: value)
    }
}
