import ColaCore

/// A JSON text as a value whose members keep their order and whose numbers keep their digits.
///
/// What the broker says is in an order that suits a reader, and offsets are larger than what a `Double` holds; both
/// get lost in dictionaries of `Any`.
///
/// Source: RFC 8259
enum JSONValue: Equatable, Sendable {
    struct Member: Equatable, Sendable {
        var name: String
        var value: JSONValue
    }

    case null
    case truth(Bool)
    /// As it was written.
    case number(String)
    case text(String)
    case list([JSONValue])
    case object([Member])

    /// The first member of that name; `.null` if there is none.
    subscript(_ name: String) -> JSONValue {
        guard case .object(let members) = self else { return .null }
        return members.first { $0.name == name }?.value ?? .null
    }

    var integer: Int64? {
        guard case .number(let digits) = self else { return nil }
        return Int64(digits)
    }

    var text: String? {
        guard case .text(let text) = self else { return nil }
        return text
    }

    var list: [JSONValue] {
        guard case .list(let values) = self else { return [] }
        return values
    }

    var members: [Member] {
        guard case .object(let members) = self else { return [] }
        return members
    }

    /// One value on one line, for a cell of a table: null is a dash, and an array or object without anything is none.
    var cell: String {
        switch self {
        case .null: "-"
        case .truth(let truth): truth ? "yes" : "no"
        case .number(let digits): digits
        case .text(let text): text.isEmpty ? "''" : text
        case .list([]), .object([]): "none"
        case .list(let values): values.map(\.cell).joined(separator: ",")
        case .object(let members): members.map { "\($0.name)=\($0.value.cell)" }.joined(separator: " ")
        }
    }

    /// The value as lines of `name: value`, each level indented by two spaces.
    func outline(indent: Int = 0) -> [String] {
        let margin = String(repeating: " ", count: indent)
        switch self {
        case .object(let members):
            return members.flatMap { member -> [String] in
                guard member.value.isNested else { return ["\(margin)\(member.name): \(member.value.cell)"] }
                return ["\(margin)\(member.name):"] + member.value.outline(indent: indent + 2)
            }
        case .list(let values):
            return values.flatMap { value -> [String] in
                guard case .object(let members) = value, !members.isEmpty else { return ["\(margin)- \(value.cell)"] }
                var lines = value.outline(indent: indent + 2)
                lines[0] = "\(margin)- " + lines[0].dropFirst(indent + 2)
                return lines
            }
        default: return [margin + cell]
        }
    }

    /// Whether it takes lines of its own.
    private var isNested: Bool {
        switch self {
        case .object(let members): !members.isEmpty
        case .list(let values): !values.isEmpty
        default: false
        }
    }

    /// Appends the value as JSON on one line.
    func append(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .truth(let truth): bytes.append(contentsOf: (truth ? "true" : "false").utf8)
        case .number(let digits): bytes.append(contentsOf: digits.utf8)
        case .text(let text): JSONText.append(text.utf8, to: &bytes)
        case .list(let values):
            Self.appendAll(values, "[", "]", to: &bytes) { value, bytes in value.append(to: &bytes) }
        case .object(let members):
            Self.appendAll(members, "{", "}", to: &bytes) { member, bytes in
                JSONText.append(member.name.utf8, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                member.value.append(to: &bytes)
            }
        }
    }

    private static func appendAll<Element>(
        _ elements: [Element], _ open: String, _ close: String, to bytes: inout [UInt8],
        _ append: (Element, inout [UInt8]) -> Void
    ) {
        bytes.append(contentsOf: open.utf8)
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            append(element, &bytes)
        }
        bytes.append(contentsOf: close.utf8)
    }

    /// The value as JSON on one line.
    var json: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}
