package import NIOCore

/// Text as it stands in a line: any bytes, those that would end a word or a line written as `%` and two hex digits.
///
/// Nearly every name, key and header is plain, so both directions look first whether there is anything to do and then
/// copy in one piece. Hex digits are written in upper case and read in either.
///
/// Source: `protocol/native.md` section 2, `text` and `escape`
package enum Escape {
    /// Where a text stands, as far as its spelling depends on it.
    package enum Place: Sendable {
        /// Between two spaces: it cannot be of no bytes, so an empty text is written as a lone `%`.
        case word
        /// The value of an option: an empty text is nothing at all.
        case optionValue
        /// The name of a header, after `h.`: it ends at the first `=`, so that one is escaped too.
        case headerName
    }

    /// Whether a byte of a text stands for itself everywhere: neither space, control byte, DEL nor `%`.
    @inlinable package static func isPlain(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte != 0x25 && byte != 0x7F
    }

    /// Whether the bytes stand for themselves and may be used as they are.
    @inlinable package static func isPlain(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes where !isPlain(byte) { return false }
        return true
    }

    package static func write(_ text: UnsafeRawBufferPointer, to buffer: inout ByteBuffer, as place: Place) {
        if text.isEmpty {
            if place == .word { buffer.writeInteger(percent) }
            return
        }
        var plainFrom = 0
        for index in text.indices {
            let byte = text[index]
            if isPlain(byte), place != .headerName || byte != equals { continue }
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: text[plainFrom..<index]))
            buffer.writeInteger(percent)
            buffer.writeInteger(hexDigit(byte >> 4))
            buffer.writeInteger(hexDigit(byte & 15))
            plainFrom = index + 1
        }
        buffer.writeBytes(UnsafeRawBufferPointer(rebasing: text[plainFrom...]))
    }

    package static func write(_ text: some StringProtocol, to buffer: inout ByteBuffer, as place: Place) {
        let done: Void? = text.utf8.withContiguousStorageIfAvailable { bytes in
            write(UnsafeRawBufferPointer(bytes), to: &buffer, as: place)
        }
        if done == nil { Array(text.utf8).withUnsafeBytes { write($0, to: &buffer, as: place) } }
    }

    package static func write(_ text: ArraySlice<UInt8>, to buffer: inout ByteBuffer, as place: Place) {
        text.withUnsafeBytes { write($0, to: &buffer, as: place) }
    }

    /// Appends the bytes that `text` stands for.
    ///
    /// - Returns: false if an escape is cut short or not of two hex digits; what was appended until then stays.
    package static func decode(_ text: UnsafeRawBufferPointer, to bytes: inout [UInt8], as place: Place) -> Bool {
        if isPlain(text) {
            bytes.append(contentsOf: text)
            return true
        }
        if text.count == 1, text[0] == percent { return place == .word }
        var index = 0
        while index < text.count {
            let byte = text[index]
            if byte == percent {
                guard text.count - index > 2, let high = hexValue(text[index + 1]), let low = hexValue(text[index + 2])
                else { return false }
                bytes.append(high << 4 | low)
                index += 3
            } else {
                guard isPlain(byte) else { return false }
                bytes.append(byte)
                index += 1
            }
        }
        return true
    }

    /// The bytes that `text` stands for, or nil if it is not a text.
    package static func decode(_ text: UnsafeRawBufferPointer, as place: Place) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        return decode(text, to: &bytes, as: place) ? bytes : nil
    }

    private static let percent = UInt8(ascii: "%")
    private static let equals = UInt8(ascii: "=")

    private static func hexDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "A") + (nibble - 10)
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
