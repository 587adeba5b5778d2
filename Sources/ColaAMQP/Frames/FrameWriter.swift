/// How a body is cut into frames.
struct BodySplit {
    /// Bytes of payload in each frame but the last, which has the rest.
    let payloadMax: Int
    /// What all frames take together; a body of no bytes has none.
    let bytes: Int

    init(_ count: Int, frameMax: Int) {
        payloadMax = frameMax == 0 ? Int(UInt32.max) : max(1, frameMax - Frame.overhead)
        // A division takes longer than all the rest, and nearly every body fits into one frame.
        let frames = count <= payloadMax ? count.signum() : (count - 1) / payloadMax + 1
        bytes = count + frames * Frame.overhead
    }
}

/// Puts frames into memory that has room for all of them: one reservation for a message instead of one for each of the
/// twenty values that it is made of.
struct FrameWriter {
    private let room: UnsafeMutableRawBufferPointer
    private let channel: UInt16
    /// How many bytes were written.
    private(set) var count = 0

    init(_ room: UnsafeMutableRawBufferPointer, channel: UInt16) {
        self.room = room
        self.channel = channel
    }

    /// What a header frame takes.
    static func headerBytes(_ properties: UnsafeRawBufferPointer) -> Int {
        Frame.overhead + 12 + max(2, properties.count)
    }

    mutating func write(_ integer: some FixedWidthInteger & BitwiseCopyable) {
        room.storeBytes(of: integer.bigEndian, toByteOffset: count, as: type(of: integer))
        count += integer.bitWidth / 8
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= room.count - count, "\(bytes.count) bytes more than there is room for")
        guard let source = bytes.baseAddress, let base = room.baseAddress else { return }
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    /// Writes a short string, as far as 255 bytes.
    mutating func writeShort(_ bytes: UnsafeRawBufferPointer) {
        let cut = UnsafeRawBufferPointer(rebasing: bytes.prefix(255))
        write(UInt8(cut.count))
        write(cut)
    }

    mutating func begin(_ kind: Frame.Kind, payload: Int) {
        write(kind.rawValue)
        write(channel)
        write(UInt32(payload))
    }

    mutating func writeHeader(_ properties: UnsafeRawBufferPointer, bodySize: Int) {
        begin(.header, payload: 12 + max(2, properties.count))
        write(60 as UInt16)
        write(0 as UInt16)
        write(UInt64(bodySize))
        if properties.isEmpty { write(0 as UInt16) } else { write(properties) }
        write(Frame.end)
    }

    mutating func writeBody(_ body: UnsafeRawBufferPointer, _ split: BodySplit) {
        var position = 0
        while position < body.count {
            let size = min(split.payloadMax, body.count - position)
            begin(.body, payload: size)
            write(UnsafeRawBufferPointer(rebasing: body[position..<position + size]))
            write(Frame.end)
            position += size
        }
    }
}
