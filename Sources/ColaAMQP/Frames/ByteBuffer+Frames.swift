// Public, though nothing here is, since what is inlined into other modules may use no other import.
public import NIOCore

extension ByteBuffer {
    /// Writes a method as a frame of its own.
    package mutating func writeMethod(_ method: Method, channel: UInt16) {
        let start = writerIndex
        writeMultipleIntegers(Frame.Kind.method.rawValue, channel, 0 as UInt32)
        method.write(to: &self)
        setInteger(UInt32(writerIndex - start - Frame.headerBytes), at: start + 3)
        writeInteger(Frame.end)
    }

    /// Writes what a publisher waits for, `basic.ack` or `basic.nack`, as ``writeMethod(_:channel:)`` would, in a
    /// tenth of the time.
    package mutating func writeConfirm(channel: UInt16, deliveryTag: UInt64, multiple: Bool, isAck: Bool = true) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: 21) { room in
            var writer = FrameWriter(room, channel: channel)
            writer.begin(.method, payload: 13)
            writer.write((isAck ? MethodID.basicAck : .basicNack).rawValue)
            writer.write(deliveryTag)
            writer.write(multiple ? 1 : 0 as UInt8)
            writer.write(Frame.end)
            return writer.count
        }
    }

    package mutating func writeHeartbeat() {
        writeMultipleIntegers(Frame.Kind.heartbeat.rawValue, 0 as UInt16, 0 as UInt32, Frame.end)
    }

    /// Writes what follows a method that carries content: a header frame, and the body in as many frames as it takes.
    ///
    /// - Parameters:
    ///   - properties: flags and list, as they came; of no bytes: no property.
    ///   - frameMax: bytes a frame may have, all told; 0: any number. The header cannot be split, and is written
    ///     whole.
    @inlinable package mutating func writeContent(
        channel: UInt16, properties: some Collection<UInt8>, body: some Collection<UInt8>, frameMax: Int
    ) {
        withBytes(of: properties) { properties in
            withBytes(of: body) { body in
                writeRawContent(channel: channel, properties: properties, body: body, frameMax: frameMax)
            }
        }
    }

    @usableFromInline package mutating func writeRawContent(
        channel: UInt16, properties: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer, frameMax: Int
    ) {
        let split = BodySplit(body.count, frameMax: frameMax)
        let size = FrameWriter.headerBytes(properties) + split.bytes
        writeWithUnsafeMutableBytes(minimumWritableBytes: size) { room in
            var writer = FrameWriter(room, channel: channel)
            writer.writeHeader(properties, bodySize: body.count)
            writer.writeBody(body, split)
            return writer.count
        }
    }

    /// Writes a message on its way to a consumer: `basic.deliver`, header and body.
    ///
    /// Names are cut after 255 bytes; the rest is as in ``writeContent(channel:properties:body:frameMax:)``.
    package mutating func writeRawDeliver(
        channel: UInt16, consumerTag: UnsafeRawBufferPointer, deliveryTag: UInt64, redelivered: Bool,
        exchange: UnsafeRawBufferPointer, routingKey: UnsafeRawBufferPointer, properties: UnsafeRawBufferPointer,
        body: UnsafeRawBufferPointer, frameMax: Int
    ) {
        let names = min(consumerTag.count, 255) + min(exchange.count, 255) + min(routingKey.count, 255)
        // Class, method, three lengths, tag and bit.
        let method = 4 + 3 + 9 + names
        let split = BodySplit(body.count, frameMax: frameMax)
        let size = Frame.overhead + method + FrameWriter.headerBytes(properties) + split.bytes
        writeWithUnsafeMutableBytes(minimumWritableBytes: size) { room in
            var writer = FrameWriter(room, channel: channel)
            writer.begin(.method, payload: method)
            writer.write(MethodID.basicDeliver.rawValue)
            writer.writeShort(consumerTag)
            writer.write(deliveryTag)
            writer.write(redelivered ? 1 : 0 as UInt8)
            writer.writeShort(exchange)
            writer.writeShort(routingKey)
            writer.write(Frame.end)
            writer.writeHeader(properties, bodySize: body.count)
            writer.writeBody(body, split)
            return writer.count
        }
    }
}

/// The bytes of a collection where they stand, or copied if they do not stand in one piece.
@inlinable func withBytes<Result>(
    of bytes: some Collection<UInt8>, _ body: (UnsafeRawBufferPointer) -> Result
) -> Result {
    if let result = bytes.withContiguousStorageIfAvailable({ body(UnsafeRawBufferPointer($0)) }) { return result }
    return Array(bytes).withUnsafeBytes(body)
}
