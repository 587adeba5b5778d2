import ColaCore
import ColaNative
import ColaTesting
import Foundation
import NIOCore
import Testing

/// The shared vectors, as far as they concern a server: what it must understand, refuse, and write.
@Suite struct SessionVectorTests {
    @Test func requestsAreUnderstoodHoweverTheyAreCut() throws {
        let vectors = try Vectors().list("requests")
        #expect(vectors.count > 150)
        for vector in vectors {
            let fields = try #require(vector["request"] as? [String: Any])
            let expected = try Self.expected(fields)
            for form in [vector] + (vector["also"] as? [[String: Any]] ?? []) {
                check(Vectors.bytes(form), fields, expected, "\(vector["name"] ?? "")")
            }
        }
    }

    private func check(_ bytes: [UInt8], _ fields: [String: Any], _ expected: String?, _ name: String) {
        let pieces = [[bytes[...]], bytes.indices.map { bytes[$0...$0] }]
        let cuts = bytes.count < 400 ? bytes.indices.map { [bytes[..<$0], bytes[$0...]] } : []
        for cut in (bytes.count < 5_000 ? pieces : [pieces[0]]) + cuts {
            if fields["verb"] as? String == "hello" { return checkHello(cut, fields, name) }
            var bench = SessionBench()
            for piece in cut.dropLast() { bench.feed(piece) }
            #expect(bench.requests().isEmpty, "\(name): a part was taken for the whole")
            bench.feed(cut[cut.count - 1])
            #expect(bench.requests() == (expected.map { [$0] } ?? []), "\(name)")
        }
    }

    /// Over TCP, on a server whose one user is the vector's.
    private func checkHello(_ pieces: [ArraySlice<UInt8>], _ fields: [String: Any], _ name: String) {
        let user = Vectors.text(fields["user"])
        let account = (name: user ?? "guest", password: Vectors.text(fields["password"]) ?? "")
        let token = Vectors.text(fields["token"])
        var bench = SessionBench(
            SessionBench.loopback, user: account, token: token)
        for piece in pieces { bench.feed(piece) }
        let output = bench.output()
        let tag = Vectors.number(fields["t"]).map { " t=\($0)" } ?? ""
        #expect(output.hasPrefix("ok\(tag) version=1 "), "\(name): \(output)")
        #expect(output.contains(" heartbeat=\(Vectors.number(fields["heartbeat"]) ?? 0) "), "\(name): \(output)")
        guard case .attach(_, let info) = bench.session.commands.first else {
            Issue.record("\(name): nobody came in")
            return
        }
        #expect(info.user == (token != nil && user == nil ? "worker:resize" : account.name), "\(name)")
        #expect(info.worker?.name == token.map { _ in "resize/7" }, "\(name)")
        #expect(info.client == Vectors.text(fields["client"]) ?? "", "\(name)")
        #expect(info.host == Vectors.text(fields["vhost"]) ?? "/", "\(name)")
    }

    /// What the request should be for the broker; nil where it does not get that far, or not as one request.
    private static func expected(_ fields: [String: Any]) throws -> String? {
        let verb = try #require(fields["verb"] as? String)
        let tag = Vectors.number(fields["t"]).map { RequestID(UInt64($0)) }
        guard let request = try request(verb, fields) else { return nil }
        let isQuiet = ["ack", "nack", "reject", "fail", "credit"].contains(verb)
        if verb == "stat", tag == nil { return SessionBench.spell(request, RequestID(.max - 6)) }
        // The tag of quit stays with the session: its answer is the last.
        if verb == "quit" { return SessionBench.spell(request, RequestID(.max - 3)) }
        return SessionBench.spell(request, tag ?? (isQuiet ? .silent : RequestID(.max - 1)))
    }

    private static func request(_ verb: String, _ fields: [String: Any]) throws -> Request? {
        switch verb {
        case "hello", "beat": return nil
        case "pub", "pubs": return .publish(publish(fields))
        case "consume": return .consume(consume(fields))
        default: return try VectorRequest(verb, fields).request()
        }
    }

    private static func publish(_ fields: [String: Any]) -> Publish {
        var bodies = (fields["bodies"] as? [Any] ?? []).map { Vectors.bytes($0) }
        if let body = fields["body"] { bodies = [Vectors.bytes(body)] }
        var messages = bodies.map { Message(value: $0[...]) }
        if fields["null"] as? Bool == true { messages = [Message(value: nil)] }
        messages[0].key = fields["key"].map { Vectors.bytes($0)[...] }
        for pair in fields["headers"] as? [[Any]] ?? [] {
            messages[0].headers.append(name: Vectors.bytes(pair[0]), value: Vectors.bytes(pair[1]))
        }
        for (member, header) in [("id", "message-id"), ("reply", "reply-to"), ("corr", "correlation-id")] {
            guard let value = fields[member] else { continue }
            messages[0].headers.append(name: "cola-\(header)".utf8, value: Vectors.bytes(value))
        }
        var publish = Publish(
            exchange: Vectors.text(fields["x"]) ?? "", routingKey: Vectors.text(fields["routing_key"]) ?? "",
            isMandatory: fields["mandatory"] as? Bool ?? true, message: messages[0], more: Array(messages.dropFirst()))
        publish.priority = UInt8(Vectors.number(fields["prio"]) ?? 0)
        publish.timeToLive = Vectors.number(fields["ttl"])
        publish.delay = Vectors.number(fields["delay"]) ?? 0
        publish.partition = Vectors.number(fields["partition"]).map { Int($0) }
        publish.id = fields["id"].map { Vectors.bytes($0)[...] }
        return publish
    }

    private static func consume(_ fields: [String: Any]) -> Consume {
        let flow =
            Vectors.number(fields["credit"]).map { Consume.Flow.credit(Int($0)) }
            ?? .prefetch(Int(Vectors.number(fields["prefetch"]) ?? 100))
        var consume = Consume(
            name: Vectors.text(fields["name"]) ?? "", consumer: ConsumerTag(UInt64(Vectors.number(fields["c"]) ?? 0)),
            flow: flow, isAutoAck: Vectors.text(fields["ack"]) == "auto",
            position: Vectors.text(fields["from"]).map(VectorRequest.position), group: Vectors.text(fields["group"]))
        if let strategy = fields["join"] as? String {
            consume.strategy = PartitionAssignor(rawValue: strategy)
            #expect(consume.strategy != nil, "\(strategy)")
        }
        consume.partitions = (fields["partitions"] as? [NSNumber])?.map(\.intValue)
        consume.priority = Int(Vectors.number(fields["priority"]) ?? 0)
        consume.isExclusive = fields["exclusive"] as? Bool ?? false
        return consume
    }

    // MARK: Refusals

    @Test func refusalsAreAsTheVectorsSay() throws {
        let vectors = try Vectors().list("refusals")
        #expect(vectors.count > 150)
        for vector in vectors {
            let bytes = Vectors.bytes(vector)
            var pieces = [[bytes[...]]]
            if bytes.count < 300 {
                pieces.append(bytes.indices.map { bytes[$0...$0] })
                pieces += bytes.indices.map { [bytes[..<$0], bytes[$0...]] }
            }
            for cut in pieces { try refuse(vector, cut) }
        }
    }

    private func refuse(_ vector: [String: Any], _ pieces: [ArraySlice<UInt8>]) throws {
        let name = "\(vector["name"] ?? "")"
        var server = SessionServer(vector["state"] as? String == "new" ? SessionBench.loopback : SessionBench.local)
        for setup in vector["setup"] as? [String] ?? [] {
            server.feed(Array(setup.utf8)[...])
            #expect(server.output().hasPrefix("ok"), "\(name)")
        }
        for piece in pieces { server.feed(piece) }
        let code = try #require(vector["code"] as? String)
        let tag = Vectors.number(vector["t"]).map { " t=\($0)" } ?? ""
        let closes = try #require(vector["closes"] as? Bool)
        var lines = server.output().split(separator: "\n")
        // A tag is asked for only where the vector has one: some of the lines are wrong in their tags.
        let words = lines.first?.split(separator: " ").filter { !tag.isEmpty || !$0.hasPrefix("t=") } ?? []
        let again = vector["retry"] as? Bool == true ? "retry" : "final"
        #expect(
            words.prefix(tag.isEmpty ? 3 : 4).joined(separator: " ") == "err\(tag) \(code) \(again)",
            "\(name): \(lines)")
        lines = Array(lines.dropFirst())
        #expect(server.bench.session.isClosed == closes, "\(name): \(lines)")
        if closes {
            #expect(lines.count == 1 && lines[0].hasPrefix("bye \(code) "), "\(name): \(lines)")
        } else {
            #expect(lines.isEmpty, "\(name): \(lines)")
            server.feed(Array("ping t=99\n".utf8)[...])
            #expect(server.output() == "ok t=99\n", "\(name)")
        }
    }

    // MARK: Answers

    @Test func answersAreWrittenByteForByte() throws {
        let vectors = try Vectors().list("answers")
        var checked = 0
        for vector in vectors {
            let answer = try #require(vector["answer"] as? [String: Any])
            var bench = SessionBench()
            guard try write(answer, to: &bench) else { continue }
            checked += 1
            #expect(bench.outputBytes() == Vectors.bytes(vector), "\(vector["name"] ?? "")")
        }
        #expect(checked > 35)
    }

    /// - Returns: false for answers that depend on who asks (hello) or whose sentence is the server's own.
    private func write(_ answer: [String: Any], to bench: inout SessionBench) throws -> Bool {
        let tag = Vectors.number(answer["t"]).map { RequestID(UInt64($0)) } ?? RequestID(.max - 1)
        let sentence = Vectors.text(answer["sentence"]) ?? ""
        let code = Vectors.text(answer["code"]) ?? ""
        switch answer["kind"] as? String {
        case "beat":
            bench.feed("hello 1 heartbeat=1\n")
            _ = bench.output()
            bench.session.tick(at: Instant(500_000_000))
        case "blocked": bench.session.handle(.blocked(sentence))
        case "unblocked":
            bench.session.handle(.blocked("why"))
            _ = bench.output()
            bench.session.handle(.blocked(nil))
        case "assigned":
            let places = try #require(answer["partitions"] as? [[NSNumber]])
            let assignment = Assignment(
                generation: Int(Vectors.number(answer["generation"]) ?? -1),
                partitions: places.map { .init(partition: $0[0].intValue, next: Offset($0[1].int64Value)) })
            let consumer = ConsumerTag(UInt64(Vectors.number(answer["c"]) ?? 0))
            bench.session.handle(.assigned(ChannelID(1), consumer, assignment))
        case "bye": bench.session.close(code: code, sentence: sentence)
        case "err":
            guard answer["c"] == nil else { return false }
            let refusal = BrokerRefusal(
                code: code, isRetryable: answer["retry"] as? Bool ?? false, sentence: sentence)
            bench.reply(.refusedBySession(refusal), to: tag)
        case "msg":
            let consumer = ConsumerTag(UInt64(Vectors.number(answer["consumer"]) ?? 0))
            bench.session.handle(.deliver(ChannelID(1), consumer, delivery(answer)))
        case "ok": return ok(answer, tag, to: &bench)
        default:
            Issue.record("an answer that this test was not taught: \(answer)")
            return false
        }
        return true
    }

    private func ok(_ answer: [String: Any], _ tag: RequestID, to bench: inout SessionBench) -> Bool {
        var options: [String: [UInt8]] = [:]
        for pair in answer["options"] as? [[Any]] ?? [] {
            options[Vectors.text(pair[0]) ?? ""] = Vectors.bytes(pair[1])
        }
        func number(_ name: String) -> Int? { options[name].flatMap { Int(String(decoding: $0, as: UTF8.self)) } }
        if options["version"] != nil { return false }
        if options["delivery"] != nil {
            var fields: [String: Any] = ["body": answer["body"] ?? ""]
            for name in ["delivery", "offset", "p", "r", "ts"] { fields[name] = number(name).map { $0 as NSNumber } }
            if let key = options["key"] { fields["key"] = String(decoding: key, as: UTF8.self) }
            fields["null"] = options["null"] != nil
            fields["headers"] = (answer["options"] as? [[Any]] ?? []).compactMap { pair -> [Any]? in
                guard let name = pair[0] as? String, name.hasPrefix("h.") else { return nil }
                return [String(name.dropFirst(2)), pair[1]]
            }
            bench.reply(.message(delivery(fields), of: QueueState()), to: tag)
        } else if let messages = number("messages") {
            bench.reply(.removed(messages: messages), to: tag)
        } else if let ready = number("ready") {
            bench.reply(.declared(messages: ready, consumers: 0), to: tag)
        } else if options["empty"] != nil {
            bench.reply(.empty, to: tag)
        } else if options["size"] != nil {
            switch Vectors.text(answer["body"]) {
            case "[]": bench.reply(.rows([]), to: tag)
            case let body? where body.hasPrefix("{"): bench.reply(.description(described), to: tag)
            default: return false
            }
        } else if let name = options["name"] {
            bench.reply(.named(String(decoding: name, as: UTF8.self)), to: tag)
        } else if options["duplicate"] != nil {
            bench.reply(.duplicate, to: tag)
        } else if options.isEmpty {
            guard let first = Vectors.number(answer["t"]) else {
                bench.reply(.done, to: tag)
                return true
            }
            for number in first...(Vectors.number(answer["t_last"]) ?? first) {
                bench.reply(.done, to: RequestID(UInt64(number)))
            }
        } else {
            return false
        }
        return true
    }

    /// What the one vector of a description describes.
    private var described: Description {
        var member = Description()
        member.add("durable", true)
        var description = Description()
        description.add("name", "q")
        description.add("policy", Description.Value.none)
        description.add("members", .list([.fields(member)]))
        return description
    }

    private func delivery(_ fields: [String: Any]) -> Delivery {
        let isNull = fields["null"] as? Bool ?? false
        var message = Message(value: isNull ? nil : Vectors.bytes(fields["body"])[...])
        message.key = fields["key"].map { Vectors.bytes($0)[...] }
        for pair in fields["headers"] as? [[Any]] ?? [] {
            message.headers.append(name: Vectors.bytes(pair[0]), value: Vectors.bytes(pair[1]))
        }
        var segment = RecordSegment()
        segment.append(
            message, at: Offset(Vectors.number(fields["offset"]) ?? 0),
            timestamp: Timestamp(Vectors.number(fields["ts"]) ?? -1))
        return Delivery(
            tag: DeliveryTag(UInt64(Vectors.number(fields["delivery"]) ?? 0)),
            redelivered: Vectors.number(fields["r"]).map { Int($0) }, partition: Int(Vectors.number(fields["p"]) ?? 0),
            entry: segment.entries[0], data: segment.data)
    }
}
