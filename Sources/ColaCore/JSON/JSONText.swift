/// Writes texts and bytes into JSON without trees or Foundation: a consumer may print a million messages.
///
/// Source: RFC 8259 section 7, RFC 4648 section 4
package enum JSONText {
    package static func append(_ text: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        let done: Void? = text.withContiguousStorageIfAvailable {
            appendEscaped(UnsafeRawBufferPointer($0), to: &bytes)
        }
        if done == nil { Array(text).withUnsafeBytes { appendEscaped($0, to: &bytes) } }
        bytes.append(UInt8(ascii: "\""))
    }

    /// What stands between the quotation marks. Runs without anything to escape are copied in one piece.
    private static func appendEscaped(_ text: UnsafeRawBufferPointer, to bytes: inout [UInt8]) {
        var plainFrom = 0
        for index in text.indices {
            let byte = text[index]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F else {
                continue
            }
            bytes.append(contentsOf: text[plainFrom..<index])
            plainFrom = index + 1
            bytes.append(UInt8(ascii: "\\"))
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
            case 0x0A: bytes.append(UInt8(ascii: "n"))
            case 0x0D: bytes.append(UInt8(ascii: "r"))
            case 0x09: bytes.append(UInt8(ascii: "t"))
            default:
                bytes.append(contentsOf: "u00".utf8)
                bytes.append(hexDigits[Int(byte >> 4)])
                bytes.append(hexDigits[Int(byte & 15)])
            }
        }
        bytes.append(contentsOf: text[plainFrom...])
    }

    /// A member with its name: `"name":"text"` if the bytes are UTF-8, else `"name_base64":"…"`.
    package static func appendMember(_ name: String, _ value: some Collection<UInt8>, to bytes: inout [UInt8]) {
        if isText(value) {
            append(name.utf8, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            append(value, to: &bytes)
        } else {
            append((name + "_base64").utf8, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            append(base64(value), to: &bytes)
        }
    }

    /// Whether the bytes are UTF-8.
    package static func isText(_ bytes: some Sequence<UInt8>) -> Bool {
        let isASCII = bytes.withContiguousStorageIfAvailable { $0.allSatisfy { $0 < 0x80 } }
        return isASCII ?? false || String(validating: Array(bytes), as: UTF8.self) != nil
    }

    /// Source: RFC 4648 section 4
    package static func base64(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let bytes = Array(bytes)
        var encoded: [UInt8] = []
        encoded.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var group = UInt32(bytes[start]) << 16
            if count > 1 { group |= UInt32(bytes[start + 1]) << 8 }
            if count > 2 { group |= UInt32(bytes[start + 2]) }
            for place in 0..<4 {
                encoded.append(place <= count ? base64Digits[Int(group >> (18 - 6 * UInt32(place)) & 63)] : 0x3D)
            }
        }
        return encoded
    }

    /// What the text stands for; nil if it is not base64 with its padding.
    package static func bytes(base64 text: String) -> [UInt8]? { bytes(base64: Array(text.utf8)) }

    /// What the text stands for; nil if it is not base64 with its padding.
    package static func bytes(base64 characters: [UInt8]) -> [UInt8]? {
        guard characters.count.isMultiple(of: 4) else { return nil }
        let padding = characters.suffix(2).filter { $0 == UInt8(ascii: "=") }.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 4 * 3)
        var group: UInt32 = 0
        for (index, character) in characters.dropLast(padding).enumerated() {
            let value = base64Values[Int(character)]
            guard value < 64 else { return nil }
            group = group << 6 | UInt32(value)
            if index % 4 == 3 {
                bytes.append(UInt8(group >> 16 & 255))
                bytes.append(UInt8(group >> 8 & 255))
                bytes.append(UInt8(group & 255))
            }
        }
        if padding == 1 { bytes += [UInt8(group >> 10 & 255), UInt8(group >> 2 & 255)] }
        if padding == 2 { bytes.append(UInt8(group >> 4 & 255)) }
        return bytes
    }

    /// The value of each digit of base64, 64 for every other byte.
    private static let base64Values: [UInt8] = {
        var values = [UInt8](repeating: 64, count: 256)
        for (value, digit) in base64Digits.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()

    private static let hexDigits = Array("0123456789abcdef".utf8)
    private static let base64Digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
}
