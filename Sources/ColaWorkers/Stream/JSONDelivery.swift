package import ColaCore

/// Writes what a worker is given in the format `json`: one object a line.
///
/// Shape:  `{"delivery":N,"queue":"…","offset":N,"attempt":N,"redelivered":true,"timestamp":MS,"key":"…",
///         "priority":5,"expiration":MS,"message_id":"…","reply_to":"…","correlation_id":"…","exchange":"…",
///         "routing_key":"…","headers":{"name":"value"},"body":"…"}`, with what the message has, under the names that
///         `cola export` has. Bytes that are not UTF-8 stand in `key_base64` and `body_base64`, in headers as
///         `{"base64":"…"}`; a header that repeats is an array; a message without a body has `"body":null`.
/// Source: `protocol/workers.md`, "Messages"
package struct JSONDelivery: Sendable {
    /// `,"queue":"…","offset":`, which is the same in each.
    private let queue: [UInt8]
    private var lastTimestamp = Timestamp(-1)
    private var lastTimestampText: [UInt8] = []

    package init(queue: String) {
        var text = Array(",\"queue\":".utf8)
        JSONText.append(queue.utf8, to: &text)
        text += Array(",\"offset\":".utf8)
        self.queue = text
    }

    /// Appends the line with its line feed.
    package mutating func append(_ delivery: Delivery, to bytes: inout [UInt8]) {
        let entry = delivery.entry
        bytes.append(contentsOf: "{\"delivery\":".utf8)
        Self.append(delivery.tag.rawValue, to: &bytes)
        bytes.append(contentsOf: queue)
        Self.append(UInt64(clamping: entry.offset.rawValue), to: &bytes)
        bytes.append(contentsOf: ",\"attempt\":".utf8)
        Self.append(UInt64(clamping: delivery.redelivered ?? 0) + 1, to: &bytes)
        if delivery.redelivered != nil { bytes.append(contentsOf: ",\"redelivered\":true".utf8) }
        bytes.append(contentsOf: text(of: entry.timestamp))
        delivery.data.withUnsafeBytes { data in
            if !entry.key.isNull { Self.appendMember("key", data[entry.key.range], to: &bytes) }
            if entry.headerCount > 0 {
                Self.append(
                    RecordHeaders.decode(UnsafeRawBufferPointer(rebasing: data[entry.headers.range])) ?? [],
                    of: entry, to: &bytes)
            }
            if entry.value.isNull {
                bytes.append(contentsOf: ",\"body\":null".utf8)
            } else {
                Self.appendMember("body", data[entry.value.range], to: &bytes)
            }
        }
        bytes.append(contentsOf: "}\n".utf8)
    }

    /// Many messages come in the same millisecond.
    private mutating func text(of timestamp: Timestamp) -> [UInt8] {
        if timestamp != lastTimestamp {
            lastTimestamp = timestamp
            lastTimestampText = Array(",\"timestamp\":\(timestamp.rawValue)".utf8)
        }
        return lastTimestampText
    }

    private static func appendMember(_ name: String, _ value: Slice<UnsafeRawBufferPointer>, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: ","))
        JSONText.appendMember(name, UnsafeRawBufferPointer(rebasing: value), to: &bytes)
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        guard number > 9 else { return bytes.append(0x30 + UInt8(number)) }
        let start = bytes.count
        var rest = number
        while rest > 0 {
            bytes.append(0x30 + UInt8(rest % 10))
            rest /= 10
        }
        bytes[start...].reverse()
    }

    // MARK: Headers

    /// The broker's headers that are members of their own, in this order.
    private static let members: [(header: BrokerHeader, name: String, isNumber: Bool)] = [
        (.priority, "priority", true), (.expires, "expiration", true), (.messageID, "message_id", false),
        (.replyTo, "reply_to", false), (.correlationID, "correlation_id", false), (.exchange, "exchange", false),
        (.routingKey, "routing_key", false),
    ]

    private typealias Header = (name: ArraySlice<UInt8>, value: ArraySlice<UInt8>?)

    private static func append(_ headers: [Header], of entry: RecordSegment.Entry, to bytes: inout [UInt8]) {
        // What is in its properties has members, or stands among the headers.
        var rest = headers.filter { BrokerHeader($0.name) != .amqp }
        for (header, name, isNumber) in members {
            guard let value = rest.first(where: { BrokerHeader($0.name) == header })?.value else { continue }
            rest.removeAll { BrokerHeader($0.name) == header }
            var text = value
            if header == .expires {
                // As the time that it may wait, from when it came: so it can be published again.
                guard let expires = Int64(String(decoding: value, as: UTF8.self)) else { continue }
                text = Array("\(max(0, expires - entry.timestamp.rawValue))".utf8)[...]
            }
            bytes.append(contentsOf: ",\"\(name)\":".utf8)
            if isNumber { bytes.append(contentsOf: text) } else { JSONText.append(text, to: &bytes) }
        }
        guard !rest.isEmpty else { return }
        bytes.append(contentsOf: ",\"headers\":{".utf8)
        appendObject(of: rest, to: &bytes)
        bytes.append(UInt8(ascii: "}"))
    }

    private static func appendObject(of headers: [Header], to bytes: inout [UInt8]) {
        for (index, header) in headers.enumerated() {
            // A header that repeats stands with the first of its name.
            guard !headers[..<index].contains(where: { $0.name == header.name }) else { continue }
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            JSONText.append(String(decoding: header.name, as: UTF8.self).utf8, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            let values = headers.filter { $0.name == header.name }.map { $0.value ?? [] }
            if values.count == 1 {
                append(value: values[0], to: &bytes)
                continue
            }
            for (place, value) in values.enumerated() {
                bytes.append(UInt8(ascii: place == 0 ? "[" : ","))
                append(value: value, to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        }
    }

    private static func append(value: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        guard !JSONText.isText(value) else { return JSONText.append(value, to: &bytes) }
        bytes.append(contentsOf: "{\"base64\":".utf8)
        JSONText.append(JSONText.base64(value), to: &bytes)
        bytes.append(UInt8(ascii: "}"))
    }
}
