import ColaNative
import ColaTesting
import Foundation
import NIOCore
import Testing

/// The shared vectors, as far as they concern a client: what it must write, what it must understand, what it must
/// refuse.
@Suite struct NativeVectorTests {
    @Test func requestsAreWrittenByteForByte() throws {
        let vectors = try Vectors().list("requests")
        #expect(vectors.count > 150)
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

    private func bytes(_ value: Any?) -> [UInt8] { Vectors.bytes(value) }
    private func text(_ value: Any?) -> String? { Vectors.text(value) }
    private func number(_ value: Any?) -> Int64? { Vectors.number(value) }

    private func pairs(_ value: Any?) -> [ServerLine.Option] {
        (value as? [[Any]] ?? []).map { ServerLine.Option(name: text($0[0]) ?? "", value: bytes($0[1])) }
    }

    private func write(_ fields: [String: Any], to buffer: inout ByteBuffer) throws {
        let tag = number(fields["t"])
        if fields["verb"] as? String == "pub" {
            let template = PublishTemplate(
                routingKey: text(fields["routing_key"]) ?? "", exchange: text(fields["x"]),
                key: fields["key"].map { bytes($0) }, headers: pairs(fields["headers"]).map { ($0.name, $0.value) },
                isMandatory: fields["mandatory"] as? Bool ?? true, properties: VectorClientRequest.properties(fields))
            bytes(fields["body"]).withUnsafeBytes { template.write(body: $0, tag: tag, to: &buffer) }
        } else {
            try VectorClientRequest(fields).request().write(to: &buffer, tag: tag)
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
            arrival.partition = number(fields["p"]) ?? 0
            arrival.isNull = fields["null"] as? Bool ?? false
            arrival.failedDeliveries = number(fields["r"])
            arrival.timestamp = number(fields["ts"])
            arrival.key = fields["key"].map { bytes($0) }
            arrival.headers = pairs(fields["headers"])
            arrival.body = ByteBuffer(bytes: bytes(fields["body"]))
            return .message(arrival)
        case "assigned":
            let places = try #require(fields["partitions"] as? [[NSNumber]])
            return .assigned(
                ServerLine.Assigned(
                    consumer: number(fields["c"]) ?? -1, generation: number(fields["generation"]) ?? -1,
                    partitions: places.map { .init(partition: $0[0].int64Value, next: $0[1].int64Value) }))
        case "bye": return .bye(code: text(fields["code"]) ?? "", sentence: sentence)
        case "blocked": return .blocked(sentence: sentence)
        case "unblocked": return .unblocked
        case "beat": return .beat
        default: throw Vectors.Unknown(what: "\(fields)")
        }
    }
}
