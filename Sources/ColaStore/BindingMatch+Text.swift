internal import ColaCore

extension BindingDefinition.Match {
    /// What stands in the table; part of a binding's identity, so equal matches have equal texts.
    ///
    /// Shape: empty for one that says nothing; or `all` or `any`, and for each header ` LENGTH:NAME`, followed by
    /// `=LENGTH:VALUE` if it has one. Lengths are in bytes of UTF-8.
    var text: String {
        guard self != Self() else { return "" }
        return headers.reduce(isAny ? "any" : "all") { text, header in
            text + " \(header.name.utf8.count):\(header.name)"
                + (header.value.map { "=\($0.utf8.count):\($0)" } ?? "")
        }
    }

    /// - Returns: nil if it is not of the form above.
    init?(text: String) {
        self.init()
        guard !text.isEmpty else { return }
        var rest = text.utf8[...]
        guard rest.starts(with: "any".utf8) || rest.starts(with: "all".utf8) else { return nil }
        isAny = rest.starts(with: "any".utf8)
        rest = rest.dropFirst(3)
        while let separator = rest.first {
            guard separator == UInt8(ascii: " "), let name = Self.takeText(&rest) else { return nil }
            var value: String?
            if rest.first == UInt8(ascii: "=") {
                value = Self.takeText(&rest)
                if value == nil { return nil }
            }
            headers.append(Header(name: name, value: value))
        }
    }

    /// Takes `XLENGTH:TEXT` from the front.
    private static func takeText(_ rest: inout Substring.UTF8View) -> String? {
        rest = rest.dropFirst()
        let digits = rest.prefix { $0 != UInt8(ascii: ":") }
        guard let length = Int(Substring(digits)), length >= 0 else { return nil }
        rest = rest.dropFirst(digits.count + 1)
        guard rest.count >= length else { return nil }
        defer { rest = rest.dropFirst(length) }
        return String(Substring(rest.prefix(length)))
    }
}
