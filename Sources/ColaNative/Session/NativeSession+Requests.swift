internal import ColaCore
internal import NIOCore

// From lines to requests: which verb a line has, and what is answered if it has none.
extension NativeSession {
    /// - Parameters:
    ///   - start: where the line begins.
    ///   - end: where its content ends.
    ///   - body: where what follows the line begins.
    /// - Returns: where the next line begins, or nil if its body has not arrived, in which case nothing has changed.
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
            // How many words it has nobody knows; one of them may look like a tag.
            _ = reader.readTag(behind: 0)
            return refuse(
                "unknown_command", "there is no command '\(reader.verb)'; protocol/native.md has them all", body,
                reader.tag)
        }
        let isOfGroup = scanner.count > 1 && scanner.field(1, is: "group", in: bytes)
        guard reader.readTag(behind: verb.wordCount(isOfGroup: isOfGroup)) else {
            return refuse("syntax", "t= must be a number from 0 to \(Int64.max)", body)
        }
        guard state.isOpen || verb.isAllowedBeforeHello else {
            refuseAndClose(code: "unauthenticated", sentence: Configuration.helloFirst, reader.tag)
            return body
        }
        do throws(RequestReader.Malformed) {
            return try perform(verb, &reader, of: burst, from: start, body: body)
        } catch {
            return refuse(error.code, error.sentence, body, reader.tag)
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
        case .declare: try declare(&reader)
        case .delete: try delete(&reader)
        case .alter: try alter(&reader)
        case .policy: try setPolicy(&reader)
        case .unpolicy:
            let name = try reader.name()
            try reader.end()
            request(.clearPolicy(name: name), reader.tag)
        case .user: try setUser(&reader)
        case .permit: try permit(&reader)
        case .unpermit: try unpermit(&reader)
        case .bind, .unbind: try bind(verb, &reader)
        case .purge:
            let name = try reader.name()
            try reader.end()
            request(.purge(name: name), reader.tag)
        case .redrive: try redrive(&reader)
        case .consume: try consume(&reader)
        case .credit, .cancel, .seek: try steer(verb, &reader)
        case .ack, .nack, .reject: try settle(verb, &reader)
        case .fail: try fail(&reader)
        case .get, .peek: try look(verb, &reader)
        case .commit: try commit(&reader)
        case .list, .describe, .why, .stat: try inspect(verb, &reader)
        case .backup: try backUp(&reader)
        case .worker: try control(&reader)
        case .reload: try reload(&reader)
        case .child: try askForChild(&reader)
        case .logs: try readOutput(&reader)
        }
        return body
    }

    mutating func request(_ request: Request, _ tag: RequestID) {
        hasAsked = true
        commands.append(.request(channel, tag, request))
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
