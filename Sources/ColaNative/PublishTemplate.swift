package import NIOCore

/// A `pub` request with everything filled in but the body: what a publisher that sends many alike keeps.
///
/// The texts are escaped once; for each message three pieces and two numbers are copied, in one reservation of the
/// buffer.
///
/// Shape:  `pub KEY ` SIZE ` x=… key=… h.…=… mandatory=no` ` t=`TAG LF body LF
/// Source: `protocol/native.md` section 3.3
package struct PublishTemplate: Equatable, Sendable {
    /// Up to the size, with the space before it.
    @usableFromInline let prefix: ByteBuffer
    /// What follows the size, up to the tag.
    @usableFromInline let suffix: ByteBuffer

    package init(
        routingKey: String, exchange: String? = nil, key: [UInt8]? = nil,
        headers: [(name: String, value: [UInt8])] = [],
        isMandatory: Bool = true
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
        self.prefix = prefix
        self.suffix = suffix
    }

    /// Appends the request with its body.
    package func write(body: UnsafeRawBufferPointer, tag: Int64? = nil, to buffer: inout ByteBuffer) {
        // 19 digits twice, ` t=`, two LFs.
        let most = prefix.readableBytes + suffix.readableBytes + body.count + 48
        buffer.reserveCapacity(minimumWritableBytes: most)
        buffer.writeImmutableBuffer(prefix)
        Decimal.write(body.count, to: &buffer)
        if suffix.readableBytes > 0 { buffer.writeImmutableBuffer(suffix) }
        if let tag {
            buffer.writeStaticString(" t=")
            Decimal.write(tag, to: &buffer)
        }
        buffer.writeInteger(UInt8(ascii: "\n"))
        buffer.writeBytes(body)
        buffer.writeInteger(UInt8(ascii: "\n"))
    }

    package func write(body: ByteBuffer, tag: Int64? = nil, to buffer: inout ByteBuffer) {
        body.withUnsafeReadableBytes { write(body: $0, tag: tag, to: &buffer) }
    }

}
