internal import NIOCore

/// A text of at most 255 bytes with its length in one byte before it.
///
/// What is longer is cut, at the end of a character: the texts of errors may be, and names never are.
enum ShortString {
    static let bytesMax = 255

    /// How many bytes of `text` are written.
    static func size(_ text: String) -> Int {
        let utf8 = text.utf8
        guard utf8.count > bytesMax else { return utf8.count }
        var end = utf8.index(utf8.startIndex, offsetBy: bytesMax)
        while utf8[end] & 0xC0 == 0x80 { utf8.formIndex(before: &end) }
        return utf8.distance(from: utf8.startIndex, to: end)
    }
}

extension ByteBuffer {
    mutating func writeShortString(_ text: String) {
        let size = ShortString.size(text)
        writeInteger(UInt8(size))
        if size == text.utf8.count { writeString(text) } else { writeBytes(text.utf8.prefix(size)) }
    }

    mutating func writeLongString(_ bytes: [UInt8]) {
        writeInteger(UInt32(bytes.count))
        writeBytes(bytes)
    }

    /// Bits that follow one another share an octet, the first in its lowest bit.
    mutating func writeBits(_ bits: Bool...) {
        var octet: UInt8 = 0
        for (position, bit) in bits.enumerated() where bit { octet |= 1 << position }
        writeInteger(octet)
    }
}
