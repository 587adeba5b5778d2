internal import OrderedCollections

extension DefinitionNode {
    /// YAML to paste under a key: each line is indented by `indent` blanks and ends with a line feed.
    package func yaml(indent: Int) -> String {
        guard case .mapping(let fields) = self else { return String(repeating: " ", count: indent) + inline + "\n" }
        let margin = String(repeating: " ", count: indent)
        return fields.map { key, value in
            if case .mapping(let inner) = value, !inner.isEmpty {
                "\(margin)\(Self.quoted(key)):\n" + value.yaml(indent: indent + 2)
            } else {
                "\(margin)\(Self.quoted(key)): \(value.inline)\n"
            }
        }
        .joined()
    }

    private var inline: String {
        switch self {
        case .scalar(let text): Self.quoted(text)
        case .sequence(let nodes): "[" + nodes.map(\.inline).joined(separator: ", ") + "]"
        case .mapping(let fields):
            "{" + fields.map { "\(Self.quoted($0.key)): \($0.value.inline)" }.joined(separator: ", ") + "}"
        }
    }

    /// Bare where no reader of YAML could take it for anything but this text or a number; else between quotation marks.
    private static func quoted(_ text: String) -> String {
        let words: Set = ["yes", "no", "on", "off", "true", "false", "null", "y", "n", "~"]
        let isPlain =
            text.utf8.allSatisfy { byte in
                let character = Character(UnicodeScalar(byte))
                return character.isASCII && (character.isLetter || character.isNumber || "_./%- ".contains(character))
            }
        if isPlain, let first = text.first, let last = text.last, first != "-", first != "%", first != " ", last != " ",
            !words.contains(text.lowercased())
        {
            return text
        }
        if !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f || $0.value == 0x85 }) {
            return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
        }
        let escaped = text.unicodeScalars.map { scalar in
            switch scalar {
            case "\"": "\\\""
            case "\\": "\\\\"
            case "\n": "\\n"
            case "\t": "\\t"
            default:
                scalar.value < 0x20 || scalar.value == 0x7f || scalar.value == 0x85
                    ? "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16) : String(scalar)
            }
        }
        return "\"" + escaped.joined() + "\""
    }
}
