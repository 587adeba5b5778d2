import ColaAMQP
import ColaCore
import NIOCore

/// The properties of a message of AMQP as one JSON object, in `cola export`, and what `cola import` makes of it.
///
/// Shape:  `{"content_type":"…","content_encoding":"…","headers":{…},"delivery_mode":2,"priority":5,
///         "correlation_id":"…","reply_to":"…","expiration":"…","message_id":"…","timestamp":SECONDS,"type":"…",
///         "user_id":"…","app_id":"…","cluster_id":"…"}`; what is not there has no member. A value of `headers` is a
///         text, true, false, null or an array where it is that in AMQP, and else an object with one member, whose name
///         is the letter that AMQP has for its type: `{"I":5}` (`b B s u I i l`: integers, `f d`: floating point, `T`:
///         seconds since 1970), `{"D":[SCALE,VALUE]}`, `{"x":"BASE64"}`, `{"F":{…}}` (a table), `{"S":"BASE64"}` (a
///         text that is not UTF-8). Properties that this cannot say byte for byte are `{"base64":"…"}`.
enum AMQPRecord {
    typealias Malformed = MessageRecord.Malformed

    // MARK: Out

    /// - Parameter expires: false: it died, and what is left of its expiration is history.
    static func value(of bytes: [UInt8], expires: Bool) -> JSONValue {
        guard var properties = try? bytes.withUnsafeBytes({ try BasicProperties.decode($0) }) else { return raw(bytes) }
        let isExact = Self.bytes(of: properties) == bytes
        if !expires { properties.expiration = nil }
        let value = value(of: properties)
        guard isExact, (try? self.bytes(of: value)) == self.bytes(of: properties) else { return raw(bytes) }
        return value
    }

    private static func raw(_ bytes: [UInt8]) -> JSONValue { tagged("base64", .text(base64(bytes))) }

    private static func base64(_ bytes: [UInt8]) -> String { String(decoding: JSONText.base64(bytes), as: UTF8.self) }

    private static func tagged(_ letter: String, _ value: JSONValue) -> JSONValue {
        .object([.init(name: letter, value: value)])
    }

    private static func bytes(of properties: BasicProperties) -> [UInt8] {
        var buffer = ByteBuffer()
        properties.write(to: &buffer)
        return Array(buffer: buffer)
    }

    private static func value(of properties: BasicProperties) -> JSONValue {
        var members: [JSONValue.Member] = []
        func add(_ name: String, _ value: JSONValue?) {
            if let value { members.append(.init(name: name, value: value)) }
        }
        add("content_type", properties.contentType.map { .text($0) })
        add("content_encoding", properties.contentEncoding.map { .text($0) })
        add("headers", properties.headers.map(object))
        add("delivery_mode", properties.deliveryMode.map { .number("\($0)") })
        add("priority", properties.priority.map { .number("\($0)") })
        add("correlation_id", properties.correlationID.map { .text($0) })
        add("reply_to", properties.replyTo.map { .text($0) })
        add("expiration", properties.expiration.map { .text($0) })
        add("message_id", properties.messageID.map { .text($0) })
        add("timestamp", properties.timestamp.map { .number("\($0)") })
        add("type", properties.type.map { .text($0) })
        add("user_id", properties.userID.map { .text($0) })
        add("app_id", properties.appID.map { .text($0) })
        add("cluster_id", properties.clusterID.map { .text($0) })
        return .object(members)
    }

    private static func object(_ table: FieldTable) -> JSONValue {
        .object(table.fields.map { .init(name: $0.name, value: value(of: $0.value)) })
    }

    private static func value(of field: FieldValue) -> JSONValue {
        switch field {
        case .bool(let truth): .truth(truth)
        case .void: .null
        case .array(let values): .list(values.map(value))
        case .longString(let bytes): field.text.map { .text($0) } ?? tagged("S", .text(base64(bytes)))
        case .bytes(let bytes): tagged("x", .text(base64(bytes)))
        case .table(let table): tagged("F", object(table))
        case .decimal(let scale, let value): tagged("D", .list([.number("\(scale)"), .number("\(value)")]))
        case .int8(let number): tagged("b", .number("\(number)"))
        case .uint8(let number): tagged("B", .number("\(number)"))
        case .int16(let number): tagged("s", .number("\(number)"))
        case .uint16(let number): tagged("u", .number("\(number)"))
        case .int32(let number): tagged("I", .number("\(number)"))
        case .uint32(let number): tagged("i", .number("\(number)"))
        case .int64(let number): tagged("l", .number("\(number)"))
        case .timestamp(let seconds): tagged("T", .number("\(seconds)"))
        // JSON has no infinity; what is read back is not the same then.
        case .float(let number): tagged("f", number.isFinite ? .number("\(number)") : .null)
        case .double(let number): tagged("d", number.isFinite ? .number("\(number)") : .null)
        }
    }

    // MARK: In

    /// Flags and list, as they stand in a content header.
    static func bytes(of value: JSONValue) throws(Malformed) -> [UInt8] {
        if let encoded = value["base64"].text, value.members.count == 1 { return try bytes(encoded, "amqp") }
        guard case .object(let members) = value else { throw wrong("which is no object of properties") }
        var properties = BasicProperties()
        for member in members { try set(member, in: &properties) }
        return bytes(of: properties)
    }

    private static func set(
        _ member: JSONValue.Member, in properties: inout BasicProperties
    ) throws(Malformed) {
        switch member.name {
        case "content_type": properties.contentType = try text(member)
        case "content_encoding": properties.contentEncoding = try text(member)
        case "headers": properties.headers = try table(member.value, "headers")
        case "delivery_mode": properties.deliveryMode = try number(member.value, member.name)
        case "priority": properties.priority = try number(member.value, member.name)
        case "correlation_id": properties.correlationID = try text(member)
        case "reply_to": properties.replyTo = try text(member)
        case "expiration": properties.expiration = try text(member)
        case "message_id": properties.messageID = try text(member)
        case "timestamp": properties.timestamp = try number(member.value, member.name)
        case "type": properties.type = try text(member)
        case "user_id": properties.userID = try text(member)
        case "app_id": properties.appID = try text(member)
        case "cluster_id": properties.clusterID = try text(member)
        default: throw wrong("with a property '\(member.name)' that there is not")
        }
    }

    private static func wrong(_ end: String) -> Malformed { Malformed(sentence: "has 'amqp' \(end)") }

    private static func text(_ member: JSONValue.Member) throws(Malformed) -> String {
        guard let text = member.value.text, text.utf8.count <= 255 else {
            throw wrong("whose '\(member.name)' is no text of at most 255 bytes")
        }
        return text
    }

    private static func number<Number: FixedWidthInteger>(
        _ value: JSONValue, _ name: String
    ) throws(Malformed) -> Number {
        guard case .number(let digits) = value, let number = Number(digits) else {
            throw wrong("whose '\(name)' is no number from \(Number.min) to \(Number.max)")
        }
        return number
    }

    private static func bytes(_ encoded: String, _ name: String) throws(Malformed) -> [UInt8] {
        guard let bytes = JSONText.bytes(base64: encoded) else { throw wrong("whose '\(name)' is not base64") }
        return bytes
    }

    private static func table(_ value: JSONValue, _ name: String) throws(Malformed) -> FieldTable {
        guard case .object(let members) = value else { throw wrong("whose '\(name)' is no object") }
        var table = FieldTable()
        for member in members {
            guard member.name.utf8.count <= 255 else { throw wrong("with a name in '\(name)' of over 255 bytes") }
            table.fields.append(.init(name: member.name, value: try field(member.value, member.name)))
        }
        return table
    }

    private static func field(_ value: JSONValue, _ name: String) throws(Malformed) -> FieldValue {
        switch value {
        case .null: return .void
        case .truth(let truth): return .bool(truth)
        case .text(let text): return .string(text)
        case .list(let values):
            var fields: [FieldValue] = []
            for value in values { fields.append(try field(value, name)) }
            return .array(fields)
        case .number: throw wrong("whose header '\(name)' does not say of which type it is, as {\"I\":5} does")
        case .object(let members):
            guard members.count == 1 else { throw wrong("whose header '\(name)' is not of one type") }
            return try field(members[0].value, ofType: members[0].name, name)
        }
    }

    private static func field(
        _ value: JSONValue, ofType letter: String, _ name: String
    ) throws(Malformed) -> FieldValue {
        switch letter {
        case "b": return .int8(try number(value, name))
        case "B": return .uint8(try number(value, name))
        case "s": return .int16(try number(value, name))
        case "u": return .uint16(try number(value, name))
        case "I": return .int32(try number(value, name))
        case "i": return .uint32(try number(value, name))
        case "l": return .int64(try number(value, name))
        case "T": return .timestamp(try number(value, name))
        case "f": if case .number(let digits) = value, let number = Float(digits) { return .float(number) }
        case "d": if case .number(let digits) = value, let number = Double(digits) { return .double(number) }
        case "D":
            let parts = value.list
            guard parts.count == 2 else { throw wrong("whose header '\(name)' is no decimal [SCALE,VALUE]") }
            return .decimal(scale: try number(parts[0], name), value: try number(parts[1], name))
        case "S": if let text = value.text { return .longString(try bytes(text, name)) }
        case "x": if let text = value.text { return .bytes(try bytes(text, name)) }
        case "F": return .table(try table(value, name))
        default: throw wrong("whose header '\(name)' is of a type '\(letter)' that there is not")
        }
        throw wrong("whose header '\(name)' is no value of type '\(letter)'")
    }
}
