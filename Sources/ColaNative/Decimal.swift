package import NIOCore

/// Numbers as they stand in a line: decimal digits, no sign, no leading zeros, at most `Int64.max`.
///
/// Source: `protocol/native.md` section 2
package enum Decimal {
    /// What the longest one takes. Bytes.
    @inlinable package static var digitsMax: Int { 19 }

    /// The number that the bytes are, or nil if they are anything else.
    @inlinable package static func parse(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        guard let first = bytes.first, bytes.count <= 19, first != 0x30 || bytes.count == 1 else { return nil }
        var number: UInt64 = 0
        for byte in bytes {
            let digit = byte &- 0x30
            guard digit <= 9 else { return nil }
            number = number &* 10 &+ UInt64(digit)  // 19 digits fit: 10^19 < 2^64
        }
        return Int64(exactly: number)
    }

    /// `N` or `N-M` with N <= M, or nil.
    package static func parseRange(_ bytes: UnsafeRawBufferPointer) -> ClosedRange<Int64>? {
        guard let dash = bytes.firstIndex(of: 0x2D) else { return parse(bytes).map { $0...$0 } }
        guard let first = parse(UnsafeRawBufferPointer(rebasing: bytes[..<dash])),
            let last = parse(UnsafeRawBufferPointer(rebasing: bytes[(dash + 1)...])), first <= last
        else { return nil }
        return first...last
    }

    /// Writes a number that is not negative.
    @inlinable package static func write(_ number: Int, to buffer: inout ByteBuffer) {
        write(Int64(number), to: &buffer)
    }

    /// Writes a number that is not negative.
    @inlinable package static func write(_ number: Int64, to buffer: inout ByteBuffer) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: digitsMax) { bytes in write(number, to: bytes) }
    }

    /// Writes a number that is not negative to the front of memory that has room for 19 digits.
    ///
    /// - Returns: how many digits it has.
    @inlinable package static func write(_ number: Int64, to bytes: UnsafeMutableRawBufferPointer) -> Int {
        precondition(number >= 0, "the protocol has no negative numbers: \(number)")
        var length = 1
        var bound: Int64 = 10
        while length < 19, number >= bound {
            length += 1
            bound = length < 19 ? bound &* 10 : bound
        }
        precondition(bytes.count >= length, "\(length) digits do not fit in \(bytes.count) bytes")
        var rest = UInt64(number)
        var position = length
        while position > 0 {
            position -= 1
            bytes[position] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        return length
    }
}
