import ColaClient
import ColaCore
import ColaNative
import NIOCore

/// One line of `cola export`, and what `cola import` makes of it.
///
/// Shape:  `{"offset":0,"partition":1,"timestamp":MS,"key":"…","priority":5,"expiration":MS,"message_id":"…",
///         "reply_to":"…","correlation_id":"…","exchange":"…","routing_key":"…","headers":{"name":"value"},
///         "amqp":{…},"body":"…"}`; what a message does not have is not there. `key` and `body` that are not UTF-8
///         stand under the name with `_base64`; `"body":null` has no value; `headers` are as ``HeaderRecord`` has
///         them, `amqp` is as ``AMQPRecord`` has it. Members may be added, never renamed.
enum MessageRecord {
    /// What is wrong with a line, as the end of a sentence.
    struct Malformed: Error {
        var sentence: String
    }

    /// What is published for a line.
    struct Published {
        var body: ByteBuffer
        var key: [UInt8]?
        var headers: [(name: String, value: [UInt8])] = []
        var properties: PublishProperties
    }

    /// The broker's headers that are properties of their own, and the members they become.
    private static let texts = [
        ("cola-message-id", "message_id"), ("cola-reply-to", "reply_to"), ("cola-correlation-id", "correlation_id"),
        ("cola-exchange", "exchange"), ("cola-routing-key", "routing_key"),
    ]

    // MARK: Out

    /// Appends the message as one line with its line feed.
    /// - Parameter partitioned: whether it is of a topic, so that its partition belongs to it.
    static func append(_ message: StoredMessage, partitioned: Bool, to bytes: inout [UInt8]) {
        var members: [JSONValue.Member] = [.init(name: "offset", value: .number("\(message.offset)"))]
        func add(_ name: String, _ value: JSONValue) { members.append(.init(name: name, value: value)) }
        if partitioned { add("partition", .number("\(message.partition)")) }
        if let timestamp = message.timestampMilliseconds { add("timestamp", .number("\(timestamp)")) }
        if let key = message.key { members.append(member("key", key)) }
        if let priority = first("cola-priority", of: message) { add("priority", .number(priority)) }
        if let expires = first("cola-expires", of: message).flatMap({ Int64($0) }) {
            // Kept as the time that it may wait, so that it does not expire before it is imported.
            add("expiration", .number("\(max(0, expires - (message.timestampMilliseconds ?? expires)))"))
        }
        for (header, name) in texts { if let text = first(header, of: message) { add(name, .text(text)) } }
        let mapped = Set(texts.map(\.0) + ["cola-priority", "cola-expires", "cola-amqp"])
        let headers = message.headers.filter { !mapped.contains($0.name) }
        if !headers.isEmpty { add("headers", HeaderRecord.object(of: headers)) }
        if let amqp = message.headers.first(where: { $0.name == "cola-amqp" }) {
            add("amqp", AMQPRecord.value(of: amqp.bytes, expires: first("cola-death", of: message) == nil))
        }
        members.append(message.isNull ? .init(name: "body", value: .null) : member("body", Array(buffer: message.body)))
        JSONValue.object(members).append(to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
    }

    private static func first(_ header: String, of message: StoredMessage) -> String? {
        message.headers.first { $0.name == header }?.value
    }

    private static func member(_ name: String, _ bytes: [UInt8]) -> JSONValue.Member {
        if let text = String(validating: bytes, as: UTF8.self) { return .init(name: name, value: .text(text)) }
        return .init(name: name + "_base64", value: .text(String(decoding: JSONText.base64(bytes), as: UTF8.self)))
    }

    // MARK: In

    private static let known: Set = [
        "offset", "partition", "timestamp", "key", "key_base64", "priority", "expiration", "message_id", "reply_to",
        "correlation_id", "exchange", "routing_key", "headers", "body", "body_base64", "redelivered",
        "failed_deliveries", "amqp",
    ]

    /// Reads a line. What only the broker gives, `cola-…` headers, offset and time, is left out, and so is the exchange
    /// that a message once came through.
    static func parse(_ line: [UInt8]) throws(Malformed) -> Published {
        let value: JSONValue
        do {
            value = try JSONParser.parse(line)
        } catch {
            throw Malformed(sentence: "is no JSON at byte \(error.column): \(error.sentence)")
        }
        guard case .object(let members) = value else { throw Malformed(sentence: "is no JSON object") }
        if let unknown = members.first(where: { !known.contains($0.name) }) {
            throw Malformed(sentence: "has a member '\(unknown.name)', which no message has")
        }
        var properties = PublishProperties()
        properties.priority = try number("priority", of: value, in: 0...255).flatMap { UInt8(exactly: $0) }
        properties.timeToLive = try number("expiration", of: value, in: 0...Int64.max)
        properties.partition = try number("partition", of: value, in: 0...999).map { Int($0) }
        properties.id = try text("message_id", of: value)
        properties.replyTo = try text("reply_to", of: value)
        properties.correlationID = try text("correlation_id", of: value)
        if let amqp = amqp(of: value) { properties.amqp = try AMQPRecord.bytes(of: amqp) }
        properties.isNull = members.contains { $0.name == "body" && $0.value == .null }
        let body = try bytes("body", of: value)
        guard body != nil || properties.isNull else {
            throw Malformed(sentence: "has no body; write \"body\" or \"body_base64\"")
        }
        var published = Published(
            body: ByteBuffer(bytes: body ?? []), key: try bytes("key", of: value), properties: properties)
        published.headers = try HeaderRecord.parse(value["headers"])
        return published
    }

    /// Beside the others, or, as `cola consume --json` prints it, among the headers.
    private static func amqp(of value: JSONValue) -> JSONValue? {
        [value["amqp"], value["headers"]["cola-amqp"]].first { $0 != .null }
    }

    private static func number(
        _ name: String, of value: JSONValue, in range: ClosedRange<Int64>
    ) throws(Malformed) -> Int64? {
        if value[name] == .null { return nil }
        guard let number = value[name].integer, range.contains(number) else {
            throw Malformed(
                sentence: "has '\(name)' \(value[name].json), which is no number from \(range.lowerBound) to "
                    + "\(range.upperBound)")
        }
        return number
    }

    private static func text(_ name: String, of value: JSONValue) throws(Malformed) -> String? {
        if value[name] == .null { return nil }
        guard let text = value[name].text else { throw Malformed(sentence: "has '\(name)', which is no text") }
        return text
    }

    private static func bytes(_ name: String, of value: JSONValue) throws(Malformed) -> [UInt8]? {
        if let text = try text(name, of: value) { return Array(text.utf8) }
        guard let text = try text(name + "_base64", of: value) else { return nil }
        guard let bytes = JSONText.bytes(base64: text) else {
            throw Malformed(sentence: "has '\(name)_base64', which is not base64")
        }
        return bytes
    }
}
