import ColaAMQP
import ColaCore
import ColaTesting
import NIOCore
import Testing

/// Messages of AMQP on their way into a record and out of it.
struct ContentBench {
    static func bytes(_ properties: BasicProperties) -> [UInt8] {
        var buffer = ByteBuffer()
        properties.write(to: &buffer)
        return Array(buffer.readableBytesView)
    }

    static func content(
        _ properties: [UInt8], body: String = "body", user: String = "guest"
    ) throws -> Content {
        try properties.withUnsafeBytes { bytes throws(ContentError) in
            try Content(properties: bytes, body: Array(body.utf8)[...], user: user)
        }
    }

    static func content(_ change: (inout BasicProperties) -> Void) throws -> Content {
        var properties = BasicProperties()
        change(&properties)
        return try content(bytes(properties), body: "body")
    }

    /// The record of a message, as it is handed out.
    static func delivery(_ message: Message, redelivered: Int? = nil, offset: Int64 = 7) -> Delivery {
        var segment = RecordSegment()
        segment.append(Message(value: Array("before".utf8)[...]), at: Offset(0), timestamp: Timestamp(0))
        segment.append(message, at: Offset(offset), timestamp: Timestamp(0))
        return Delivery(
            tag: DeliveryTag(1), redelivered: redelivered, entry: segment.entries[1], data: segment.data)
    }

    static func out(_ delivery: Delivery, from source: DeliveryContent.Source = .classic) -> [UInt8] {
        DeliveryContent(delivery, from: source).withProperties(in: delivery.data) { Array($0) }
    }

    static func out(_ message: Message, from source: DeliveryContent.Source = .classic) -> [UInt8] {
        out(delivery(message), from: source)
    }

    static func decoded(_ bytes: [UInt8]) throws -> BasicProperties {
        try bytes.withUnsafeBytes { bytes throws(Malformed) in try BasicProperties.decode(bytes) }
    }

    /// Names and values of the record's headers but the raw one, null as `-`.
    static func headers(_ message: Message) -> [String] {
        let decoded = message.headers.encoded.withUnsafeBytes { RecordHeaders.decode($0) } ?? []
        return decoded.compactMap { name, value in
            let name = String(decoding: name, as: UTF8.self)
            if name == "cola-amqp" { return nil }
            return name + "=" + (value.map { String(decoding: $0, as: UTF8.self) } ?? "-")
        }
    }

    static func hasRaw(_ message: Message) -> Bool {
        let decoded = message.headers.encoded.withUnsafeBytes { RecordHeaders.decode($0) } ?? []
        return decoded.contains { $0.name.elementsEqual("cola-amqp".utf8) }
    }
}
