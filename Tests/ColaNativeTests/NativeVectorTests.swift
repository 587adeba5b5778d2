import ColaNative
import Foundation
import NIOCore
import Testing

/// The shared vectors, as far as they concern a client: what it must write, what it must understand, what it must
/// refuse.
@Suite struct NativeVectorTests {
    /// A vector of a kind that this test was not taught.
    private struct Unknown: Error { let what: String }

    private struct Vectors {
        let file: [String: Any]

        init() throws {
            let path = URL(filePath: #filePath).appending(path: "../../../protocol/vectors/native.json").standardized
            let json = try JSONSerialization.jsonObject(with: Data(contentsOf: path))
            file = try #require(json as? [String: Any])
        }

        func list(_ name: String) throws -> [[String: Any]] { try #require(file[name] as? [[String: Any]]) }
    }

    @Test func requestsAreWrittenByteForByte() throws {
        let vectors = try Vectors().list("requests")
        #expect(vectors.count > 50)
        for vector in vectors {
            let fields = try #require(vector["request"] as? [String: Any])
            var buffer = ByteBuffer()
            try write(fields, to: &buffer)
            #expect(Array(buffer.readableBytesView) == bytes(vector), "\(vector["name"] ?? "")")
        }
    }

    @Test func answersAreUnderstoodHoweverTheyAreCut() throws {
        let vectors = try Vectors().list("answers")
        #expect(vectors.count > 30)
        for vector in vectors {
            let bytes = bytes(vector)
            let expected = try line(#require(vector["answer"] as? [String: Any]))
            let name = "\(vector["name"] ?? "")"
            #expect(try decode([bytes[...]]) == [expected], "\(name)")
            if bytes.count < 5_000 {
                #expect(try decode(bytes.indices.map { bytes[$0...$0] }) == [expected], "\(name)")
                for cut in bytes.indices {
                    #expect(try decode([bytes[..<cut], bytes[cut...]]) == [expected], "\(name)")
                }
            }
        }
    }

    @Test func brokenAnswersAreRefused() throws {
        let vectors = try Vectors().list("broken_answers")
        #expect(vectors.count > 10)
        for vector in vectors {
            #expect(throws: ClientDecoder.Malformed.self, "\(vector["name"] ?? "")") {
                try decode([bytes(vector)[...]])
            }
        }
    }

    @discardableResult private func decode(_ pieces: [ArraySlice<UInt8>]) throws -> [ServerLine] {
        var decoder = ClientDecoder()
        var lines: [ServerLine] = []
        for piece in pieces {
            decoder.feed(ByteBuffer(bytes: piece))
            while let line = try decoder.next() { lines.append(line) }
        }
        return lines
    }

    // MARK: Reading the file

    /// `text`, `hex` or `parts`; a bare string is its UTF-8.
    private func bytes(_ value: Any?) -> [UInt8] {
        if let text = value as? String { return Array(text.utf8) }
        guard let object = value as? [String: Any] else { return [] }
        var bytes: [UInt8] = []
        if let text = object["text"] as? String { bytes = Array(text.utf8) }
        if let hex = object["hex"] as? String {
            let digits = Array(hex.filter { $0 != " " })
            bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
                UInt8(String(digits[$0..<$0 + 2]), radix: 16)
            }
        }
        if let parts = object["parts"] as? [Any] { bytes = parts.flatMap { self.bytes($0) } }
        let times = (object["repeat"] as? NSNumber)?.intValue ?? 1
        return times == 1 ? bytes : Array(repeatElement(bytes, count: times).joined())
    }

    private func text(_ value: Any?) -> String? { value == nil ? nil : String(decoding: bytes(value), as: UTF8.self) }
    private func number(_ value: Any?) -> Int64? { (value as? NSNumber)?.int64Value }

    private func pairs(_ value: Any?) -> [ServerLine.Option] {
        (value as? [[Any]] ?? []).map { ServerLine.Option(name: text($0[0]) ?? "", value: bytes($0[1])) }
    }

    private func write(_ fields: [String: Any], to buffer: inout ByteBuffer) throws {
        let tag = number(fields["t"])
        if fields["verb"] as? String == "pub" {
            let template = PublishTemplate(
                routingKey: text(fields["routing_key"]) ?? "", exchange: text(fields["x"]),
                key: fields["key"].map { bytes($0) }, headers: pairs(fields["headers"]).map { ($0.name, $0.value) },
                isMandatory: fields["mandatory"] as? Bool ?? true)
            bytes(fields["body"]).withUnsafeBytes { template.write(body: $0, tag: tag, to: &buffer) }
        } else {
            try request(fields).write(to: &buffer, tag: tag)
        }
    }

    private func request(_ fields: [String: Any]) throws -> ClientRequest {
        let verb = try #require(fields["verb"] as? String)
        let name = text(fields["name"]) ?? ""
        switch verb {
        case "hello":
            var hello = ClientRequest.Hello()
            hello.user = text(fields["user"])
            hello.password = text(fields["password"])
            hello.client = text(fields["client"])
            hello.heartbeat = Int(number(fields["heartbeat"]) ?? 0)
            hello.need = fields["need"] as? [String] ?? []
            return .hello(hello)
        case "ping": return .ping
        case "beat": return .beat
        case "quit": return .quit
        case "stat": return .stat
        case "declare":
            switch fields["kind"] as? String {
            case "queue": return .declareQueue(name)
            case "topic": return .declareTopic(name)
            default: return .declareExchange(name, type: text(fields["type"]) ?? "")
            }
        case "delete": return .delete(kind: text(fields["kind"]) ?? "", name: name)
        case "bind": return .bind(exchange: text(fields["exchange"]) ?? "", to: name, key: text(fields["key"]))
        case "unbind": return .unbind(exchange: text(fields["exchange"]) ?? "", from: name, key: text(fields["key"]))
        case "purge": return .purge(name)
        case "pubs":
            return .publishBatch(
                routingKey: text(fields["routing_key"]) ?? "", exchange: text(fields["x"]),
                isMandatory: fields["mandatory"] as? Bool ?? true,
                bodies: (fields["bodies"] as? [Any] ?? []).map { ByteBuffer(bytes: bytes($0)) })
        case "consume":
            var consume = ClientRequest.Consume(name: name, consumer: number(fields["c"]) ?? 0)
            consume.from = text(fields["from"])
            consume.group = text(fields["group"])
            if let count = number(fields["prefetch"]) { consume.flow = .prefetch(Int(count)) }
            if let count = number(fields["credit"]) { consume.flow = .credit(Int(count)) }
            consume.ack = text(fields["ack"])
            return .consume(consume)
        case "credit": return .credit(consumer: number(fields["consumer"]) ?? 0, count: Int(number(fields["n"]) ?? 0))
        case "cancel": return .cancel(consumer: number(fields["consumer"]) ?? 0)
        case "ack", "nack", "reject":
            let range = try #require(number(fields["first"]))...(#require(number(fields["last"])))
            return .acknowledge(try #require(ClientRequest.Acknowledgement(rawValue: verb)), range)
        case "get": return .get(name, ack: text(fields["ack"]))
        case "peek":
            return .peek(
                name, from: text(fields["from"]).flatMap { Int64($0) }, count: number(fields["count"]).map { Int($0) })
        case "commit":
            return .commit(topic: name, group: text(fields["group"]) ?? "", offset: number(fields["offset"]) ?? 0)
        case "list": return .list(text(fields["of"]) ?? "")
        default: throw Unknown(what: verb)
        }
    }

    private func line(_ fields: [String: Any]) throws -> ServerLine {
        let sentence = text(fields["sentence"]) ?? ""
        switch fields["kind"] as? String {
        case "ok":
            var answer = ServerLine.Answer(options: pairs(fields["options"]).filter { $0.name != "size" })
            if let first = number(fields["t"]) { answer.tags = first...(number(fields["t_last"]) ?? first) }
            if fields["body"] != nil { answer.body = ByteBuffer(bytes: bytes(fields["body"])) }
            return .ok(answer)
        case "err":
            return .error(
                ServerLine.Refusal(
                    tag: number(fields["t"]), consumer: number(fields["c"]), code: text(fields["code"]) ?? "",
                    isRetryable: try #require(fields["retry"] as? Bool), sentence: sentence))
        case "msg":
            var arrival = ServerLine.Arrival(
                consumer: number(fields["consumer"]) ?? -1, delivery: number(fields["delivery"]) ?? -1,
                offset: number(fields["offset"]) ?? -1)
            arrival.failedDeliveries = number(fields["r"])
            arrival.timestamp = number(fields["ts"])
            arrival.key = fields["key"].map { bytes($0) }
            arrival.headers = pairs(fields["headers"])
            arrival.body = ByteBuffer(bytes: bytes(fields["body"]))
            return .message(arrival)
        case "bye": return .bye(code: text(fields["code"]) ?? "", sentence: sentence)
        case "blocked": return .blocked(sentence: sentence)
        case "unblocked": return .unblocked
        case "beat": return .beat
        default: throw Unknown(what: "\(fields)")
        }
    }
}
