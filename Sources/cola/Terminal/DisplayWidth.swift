/// How many columns of a terminal a text takes: East Asian letters and emoji take two, accents none of their own.
///
/// The C library's `wcwidth` would say it too, but only in a UTF-8 locale.
///
/// Source: Unicode Standard Annex 11, East Asian Width
enum DisplayWidth {
    static func of(_ text: some StringProtocol) -> Int {
        if isASCII(text) { return text.utf8.count }
        return text.reduce(0) { $0 + of($1) }
    }

    /// As much of the beginning as fits into so many columns.
    static func prefix(of text: String, columns: Int) -> Substring {
        if isASCII(text) { return text.prefix(columns) }
        var left = columns
        return text.prefix { character in
            left -= of(character)
            return left >= 0
        }
    }

    /// The text, or as much of it as leaves room for a … behind it.
    static func shortened(_ text: String, to columns: Int) -> String {
        of(text) <= columns ? text : prefix(of: text, columns: max(0, columns - 1)) + "…"
    }

    private static func isASCII(_ text: some StringProtocol) -> Bool { text.utf8.allSatisfy { $0 < 0x80 } }

    private static func of(_ character: Character) -> Int {
        var width = 0
        for scalar in character.unicodeScalars {
            if isWide(scalar) { return 2 }
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .format: break
            default: width = 1
            }
        }
        return width
    }

    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case ..<0x1100: false
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18DFF, 0x1AFF0...0x1B2FF,
            0x20000...0x3FFFD:
            true
        // Behind a sign that is narrow by itself it asks for the picture.
        case 0xFE0F: true
        default: scalar.properties.isEmojiPresentation
        }
    }
}
