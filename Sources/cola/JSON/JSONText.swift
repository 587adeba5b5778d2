/// Writes JSON without trees or Foundation: a consumer may print a million messages.
///
/// Source: RFC 8259 section 7
enum JSONText {
    static func append(_ text: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0x0A: bytes.append(contentsOf: "\\n".utf8)
            case 0x0D: bytes.append(contentsOf: "\\r".utf8)
            case 0x09: bytes.append(contentsOf: "\\t".utf8)
            case 0x00..<0x20, 0x7F:
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(hexDigits[Int(byte >> 4)])
                bytes.append(hexDigits[Int(byte & 15)])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// A member with its name: `"name":"text"` if the bytes are UTF-8, else `"name_base64":"…"`.
    static func appendMember(_ name: String, _ value: [UInt8], to bytes: inout [UInt8]) {
        if String(validating: value, as: UTF8.self) != nil {
            append(name.utf8, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            append(value, to: &bytes)
        } else {
            append((name + "_base64").utf8, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            append(base64(value), to: &bytes)
        }
    }

    /// Source: RFC 4648 section 4
    static func base64(_ bytes: [UInt8]) -> [UInt8] {
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
    static func bytes(base64 text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
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
                bytes += [UInt8(group >> 16 & 255), UInt8(group >> 8 & 255), UInt8(group & 255)]
                group = 0
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
