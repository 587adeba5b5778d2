/// Words in one line of text, as some of the broker's headers hold them.
///
/// Shape: words apart by one space; in each word `%`, space and control bytes as `%XX`, an empty word as `%`
enum WordList {
    static func join(_ words: [String]) -> String { words.map(escaped).joined(separator: " ") }

    static func split(_ bytes: ArraySlice<UInt8>) -> [String] {
        bytes.split(separator: 0x20, omittingEmptySubsequences: false).map(plain)
    }

    private static func escaped(_ word: String) -> String {
        if word.isEmpty { return "%" }
        var bytes: [UInt8] = []
        for byte in word.utf8 {
            if byte > 0x20, byte != 0x25, byte != 0x7f {
                bytes.append(byte)
            } else {
                let digits = Array("0123456789ABCDEF".utf8)
                bytes += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func plain(_ word: ArraySlice<UInt8>) -> String {
        if word.elementsEqual("%".utf8) { return "" }
        var bytes: [UInt8] = []
        var rest = word
        while let byte = rest.popFirst() {
            if byte == 0x25, rest.count >= 2,
                let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
