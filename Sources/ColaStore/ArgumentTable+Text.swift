internal import ColaCore

extension ArgumentTable {
    /// What stands in the tables; part of a binding's identity, so equal arguments have equal texts.
    ///
    /// Shape: the argument `x-match`, if it is text of small letters and `-`; and for each other ` LENGTH:NAME`,
    /// followed by a mark and `LENGTH:VALUE` if it has one. The mark is `=` for text, `i` for an integer, `f` for a
    /// float (its bits, in hexadecimal digits), `t` for a truth, `o` for others (the type and the bytes, in hexadecimal
    /// digits, and behind a colon their text, if they have one). Lengths are in bytes of UTF-8.
    var text: String {
        let first = self[HeadersMatch.argument]?.asText.flatMap { Self.isHead($0) ? $0 : nil }
        return entries.reduce(into: first ?? "") { text, entry in
            if entry.name == HeadersMatch.argument, first != nil { return }
            text += " \(entry.name.utf8.count):\(entry.name)"
            guard let (mark, value) = entry.value.marked else { return }
            text += "\(mark)\(value.utf8.count):\(value)"
        }
    }

    /// - Returns: nil if it is not of the form above.
    init?(text: String) {
        self.init()
        var rest = text.utf8[...]
        let head = String(Substring(rest.prefix { $0 != UInt8(ascii: " ") }))
        rest = rest.dropFirst(head.utf8.count)
        guard Self.isHead(head) || head.isEmpty else { return nil }
        if !head.isEmpty { self[HeadersMatch.argument] = .text(head) }
        while let separator = rest.popFirst() {
            guard separator == UInt8(ascii: " "), let name = Self.takeText(&rest) else { return nil }
            var value = Value.nothing
            if let mark = rest.first, mark != UInt8(ascii: " ") {
                rest = rest.dropFirst()
                guard let text = Self.takeText(&rest), let read = Value(mark: mark, text) else { return nil }
                value = read
            }
            self[name] = value
        }
    }

    private static func isHead(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 == UInt8(ascii: "-") || 0x61...0x7a ~= $0 }
    }

    /// Takes `LENGTH:TEXT` from the front.
    private static func takeText(_ rest: inout Substring.UTF8View) -> String? {
        let digits = rest.prefix { $0 != UInt8(ascii: ":") }
        guard let length = Int(Substring(digits)), length >= 0 else { return nil }
        rest = rest.dropFirst(digits.count + 1)
        guard rest.count >= length else { return nil }
        defer { rest = rest.dropFirst(length) }
        return String(Substring(rest.prefix(length)))
    }
}

extension ArgumentTable.Value {
    /// Nil for nothing.
    fileprivate var marked: (mark: Character, value: String)? {
        switch self {
        case .nothing: nil
        case .text(let text): ("=", text)
        case .integer(let number): ("i", "\(number)")
        case .float(let bits): ("f", String(bits, radix: 16))
        case .truth(let truth): ("t", truth ? "yes" : "no")
        case .opaque(let type, let bytes, let text):
            ("o", ArgumentTable.hexadecimal([type] + bytes) + (text.map { ":\($0)" } ?? ""))
        }
    }

    fileprivate init?(mark: UInt8, _ text: String) {
        switch (mark, text) {
        case (UInt8(ascii: "="), _): self = .text(text)
        case (UInt8(ascii: "i"), _):
            guard let number = Int64(text) else { return nil }
            self = .integer(number)
        case (UInt8(ascii: "f"), _):
            guard let bits = UInt64(text, radix: 16) else { return nil }
            self = .float(bitPattern: bits)
        case (UInt8(ascii: "t"), "yes"): self = .truth(true)
        case (UInt8(ascii: "t"), "no"): self = .truth(false)
        case (UInt8(ascii: "o"), _):
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard let bytes = Self.bytes(parts[0]), let type = bytes.first else { return nil }
            self = .opaque(type: type, Array(bytes.dropFirst()), text: parts.count > 1 ? String(parts[1]) : nil)
        default: return nil
        }
    }

    private static func bytes(_ text: Substring) -> [UInt8]? {
        let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(16 * digits[$0] + digits[$0 + 1]) }
    }
}
