/// Reads the values of AMQP one after the other out of bytes that anybody may have sent.
///
/// It allocates only for what it returns, and never more than what is there: a length is believed once that many bytes
/// are seen to follow. It points into memory that its maker keeps alive, and must not be kept.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    /// Where the next value begins.
    private(set) var position: Int

    init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var remaining: Int { bytes.count - position }

    mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
        _: Integer.Type
    ) throws(Malformed) -> Integer {
        let size = MemoryLayout<Integer>.size
        guard remaining >= size else { throw .cutOff }
        defer { position += size }
        return Integer(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: Integer.self))
    }

    mutating func take(_ count: Int) throws(Malformed) -> UnsafeRawBufferPointer {
        guard count <= remaining else { throw .cutOff }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    /// A short string, as RabbitMQ takes it: valid UTF-8.
    mutating func shortString() throws(Malformed) -> String {
        let text = try take(Int(integer(UInt8.self)))
        guard let string = String(validating: text, as: UTF8.self) else {
            throw .notUTF8
        }
        return string
    }

    /// Where the bytes of a short string stand.
    mutating func shortRange() throws(Malformed) -> Range<Int> {
        let text = try take(Int(integer(UInt8.self)))
        // Nearly all are ASCII, and that is seen without making a string.
        guard text.allSatisfy({ $0 < 0x80 }) || String(validating: text, as: UTF8.self) != nil else {
            throw .notUTF8
        }
        return position - text.count..<position
    }

    /// The bytes of a long string, where they stand.
    mutating func longBytes() throws(Malformed) -> UnsafeRawBufferPointer {
        try take(Int(integer(UInt32.self)))
    }

    mutating func longString() throws(Malformed) -> [UInt8] {
        Array(try longBytes())
    }

    mutating func table() throws(Malformed) -> FieldTable {
        try FieldTable.read(longBytes(), depth: 1)
    }
}
