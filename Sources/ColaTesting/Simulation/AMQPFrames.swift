internal import ColaAMQP
internal import NIOCore

/// What the server says to a client that speaks AMQP, frame for frame.
struct AMQPFrames {
    enum Line {
        case method(Method)
        case header(bodySize: Int, BasicProperties)
        case body(ByteBuffer)
        case heartbeat
    }

    private var input = ByteBuffer()
    /// What was agreed on. Bytes.
    var frameMax = 131_072

    mutating func feed(_ bytes: ByteBuffer) {
        var bytes = bytes
        input.writeBuffer(&bytes)
    }

    /// - Returns: the next frame and its channel; nil if it is not whole yet.
    mutating func next() throws -> (channel: UInt16, Line)? {
        let payloadMax = frameMax - Frame.overhead
        let found: (used: Int, channel: UInt16, Line)? = try input.withUnsafeReadableBytes { bytes in
            switch FrameScanner.scan(bytes, from: 0, payloadMax: payloadMax) {
            case .incomplete: return nil
            case .malformed(let error): throw NotOfTheProtocol(reason: error.description)
            case .frame(let frame, let next):
                let payload = UnsafeRawBufferPointer(rebasing: bytes[frame.payload])
                return (next, frame.channel, try Self.line(frame, payload))
            }
        }
        guard let found else { return nil }
        input.moveReaderIndex(forwardBy: found.used)
        input.discardReadBytes()
        return (found.channel, found.2)
    }

    private static func line(_ frame: Frame, _ payload: UnsafeRawBufferPointer) throws -> Line {
        switch frame.kind {
        case .method:
            do throws(MethodError) {
                return .method(try Method.decode(payload))
            } catch {
                throw NotOfTheProtocol(reason: "\(error)")
            }
        case .header:
            do throws(Malformed) {
                let header = try ContentHeader.decode(payload)
                let properties = UnsafeRawBufferPointer(rebasing: payload[header.properties])
                return .header(bodySize: Int(header.bodySize), try BasicProperties.decode(properties))
            } catch {
                throw NotOfTheProtocol(reason: error.reason)
            }
        case .body: return .body(ByteBuffer(bytes: payload))
        case .heartbeat: return .heartbeat
        }
    }

    struct NotOfTheProtocol: Error {
        var reason: String
    }
}
