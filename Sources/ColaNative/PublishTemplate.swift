package import NIOCore

/// A `pub` request with everything filled in but the body: what a publisher that sends many alike keeps.
///
/// The texts are escaped once; for each message three pieces and two numbers are copied, in one reservation of the
/// buffer.
///
/// Shape:  `pub KEY ` SIZE ` t=`TAG ` x=… key=… h.…=… mandatory=no prio=… …` LF body LF
/// Source: `protocol/native.md` section 3.3
package struct PublishTemplate: Equatable, Sendable {
    /// Up to the size, with the space before it.
    private let prefix: [UInt8]
    /// What follows the tag, up to the end of the line.
    private let suffix: [UInt8]

    package init(
        routingKey: String, exchange: String? = nil, key: [UInt8]? = nil,
        headers: [(name: String, value: [UInt8])] = [],
        isMandatory: Bool = true, properties: PublishProperties = PublishProperties()
    ) {
        var prefix = ByteBuffer(staticString: "pub ")
        Escape.write(routingKey, to: &prefix, as: .word)
        prefix.writeStaticString(" ")
        var suffix = ByteBuffer()
        if let exchange {
            suffix.writeStaticString(" x=")
            Escape.write(exchange, to: &suffix, as: .optionValue)
        }
        if let key {
            suffix.writeStaticString(" key=")
            Escape.write(key[...], to: &suffix, as: .optionValue)
        }
        for header in headers {
            suffix.writeStaticString(" h.")
            Escape.write(header.name, to: &suffix, as: .headerName)
            suffix.writeStaticString("=")
            Escape.write(header.value[...], to: &suffix, as: .optionValue)
        }
        if !isMandatory { suffix.writeStaticString(" mandatory=no") }
        properties.write(to: &suffix)
        self.prefix = Array(prefix.readableBytesView)
        self.suffix = Array(suffix.readableBytesView)
    }

    /// Appends the request with its body.
    package func write(body: UnsafeRawBufferPointer, tag: Int64? = nil, to buffer: inout ByteBuffer) {
        // Two numbers of up to 19 digits, ` t=`, two LFs.
        let most = prefix.count + suffix.count + body.count + 43
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: most) { room in
            var end = 0
            func append(_ bytes: UnsafeRawBufferPointer) {
                UnsafeMutableRawBufferPointer(rebasing: room[end...]).copyMemory(from: bytes)
                end += bytes.count
            }
            prefix.withUnsafeBytes(append)
            end += Decimal.write(Int64(body.count), to: UnsafeMutableRawBufferPointer(rebasing: room[end...]))
            if let tag {
                room[end] = UInt8(ascii: " ")
                room[end + 1] = UInt8(ascii: "t")
                room[end + 2] = UInt8(ascii: "=")
                end += 3
                end += Decimal.write(tag, to: UnsafeMutableRawBufferPointer(rebasing: room[end...]))
            }
            suffix.withUnsafeBytes(append)
            room[end] = 0x0A
            end += 1
            append(body)
            room[end] = 0x0A
            return end + 1
        }
    }

    package func write(body: ByteBuffer, tag: Int64? = nil, to buffer: inout ByteBuffer) {
        body.withUnsafeReadableBytes { write(body: $0, tag: tag, to: &buffer) }
    }

}
