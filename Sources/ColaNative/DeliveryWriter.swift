package import ColaCore
package import NIOCore

/// Writes messages on their way to a consumer: `msg` lines with their bodies.
///
/// Source: `protocol/native.md` section 3.4
package struct DeliveryWriter: Sendable {
    private var lastTimestamp = Timestamp(-1)
    private var lastTimestampText: [UInt8] = []

    package init() {}

    /// A whole `msg`, with its body.
    package mutating func write(_ delivery: Delivery, to consumer: ConsumerTag, into output: inout ByteBuffer) {
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: 4 * Decimal.digitsMax + 8) { room in
            var line = LineWriter(room)
            line.write("msg ")
            line.write(Int64(consumer.rawValue))
            line.write(" ")
            line.write(Int64(delivery.tag.rawValue))
            line.write(" ")
            line.write(delivery.entry.offset.rawValue)
            line.write(" ")
            line.write(Int64(delivery.entry.value.range.count))
            return line.count
        }
        writeRest(of: delivery, into: &output)
    }

    /// The options of a message, and its body.
    mutating func writeRest(of delivery: Delivery, into output: inout ByteBuffer) {
        let entry = delivery.entry
        let isPlain = entry.key.isNull && !entry.value.isNull && entry.headerCount == 0
        let timestamp = text(of: entry.timestamp)
        delivery.data.withUnsafeBytes { data in
            let body = UnsafeRawBufferPointer(rebasing: data[entry.value.range])
            let size = 2 * (4 + Decimal.digitsMax) + timestamp.count + (isPlain ? body.count + 2 : 0)
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { room in
                var line = LineWriter(room)
                if delivery.partition != 0 {
                    line.write(" p=")
                    line.write(Int64(delivery.partition))
                }
                if let redelivered = delivery.redelivered {
                    line.write(" r=")
                    line.write(Int64(redelivered))
                }
                timestamp.withUnsafeBytes { line.write($0) }
                guard isPlain else { return line.count }
                line.write("\n")
                line.write(body)
                line.write("\n")
                return line.count
            }
            if !isPlain { Self.writeRest(of: entry, data, body, into: &output) }
        }
    }

    /// Key, null and headers, and the body.
    private static func writeRest(
        of entry: RecordSegment.Entry, _ data: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer,
        into output: inout ByteBuffer
    ) {
        if !entry.key.isNull {
            output.writeStaticString(" key=")
            Escape.write(UnsafeRawBufferPointer(rebasing: data[entry.key.range]), to: &output, as: .optionValue)
        }
        if entry.value.isNull { output.writeStaticString(" null=yes") }
        if entry.headerCount > 0 {
            writeHeaders(UnsafeRawBufferPointer(rebasing: data[entry.headers.range]), into: &output)
        }
        output.writeStaticString("\n")
        output.writeBytes(body)
        output.writeStaticString("\n")
    }

    /// The option that says when a message came; nothing if that was before 1970, for the protocol has no negative
    /// numbers. Many messages come in the same millisecond.
    private mutating func text(of timestamp: Timestamp) -> [UInt8] {
        guard timestamp.rawValue >= 0 else { return [] }
        if timestamp != lastTimestamp {
            lastTimestamp = timestamp
            lastTimestampText = Array(" ts=\(timestamp.rawValue)".utf8)
        }
        return lastTimestampText
    }

    private static func writeHeaders(_ encoded: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        for header in RecordHeaders.decode(encoded) ?? [] where !header.name.isEmpty {
            output.writeStaticString(" h.")
            Escape.write(header.name, to: &output, as: .headerName)
            output.writeStaticString("=")
            Escape.write(header.value ?? [], to: &output, as: .optionValue)
        }
    }
}
