/// Kafka's variable-length integers: zigzag, then seven bits a byte, lowest first, the high bit meaning "more follows".
///
/// Source: Kafka protocol guide, "Protocol Primitive Types", VARINT and VARLONG (the encoding of Protocol Buffers).
package enum Varint {
    /// The longest encoding of a 64-bit value.
    package static let bytesMax = 10

    @inlinable package static func zigzag(_ value: Int64) -> UInt64 {
        UInt64(bitPattern: (value << 1) ^ (value >> 63))
    }

    @inlinable package static func size(_ value: Int64) -> Int {
        let significant = 64 - zigzag(value).leadingZeroBitCount
        return max(1, (significant + 6) / 7)
    }

    /// Writes `value` at `position` of `target`, which has room, and returns the position after it.
    @inlinable package static func write(_ value: Int64, to target: UnsafeMutableRawPointer, at position: Int) -> Int {
        var rest = zigzag(value)
        var next = position
        while rest >= 0x80 {
            target.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: next, as: UInt8.self)
            rest >>= 7
            next += 1
        }
        target.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: next, as: UInt8.self)
        return next + 1
    }

    @inlinable package static func append(_ value: Int64, to bytes: inout [UInt8]) {
        var rest = zigzag(value)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Reads the value at `position` and moves it past the value.
    ///
    /// - Returns: nil if the bytes end before the value does, or it is longer than ten bytes; `position` is then
    /// anywhere.
    @inlinable package static func read(_ bytes: UnsafeRawBufferPointer, at position: inout Int) -> Int64? {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        while position < bytes.count, shift < 64 {
            let byte = bytes[position]
            position += 1
            result |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { return Int64(bitPattern: (result >> 1)) ^ -Int64(bitPattern: result & 1) }
            shift += 7
        }
        return nil
    }
}
