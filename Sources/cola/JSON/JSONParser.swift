/// Reads one JSON text, strictly: what follows it, a comma too many or a number with a leading zero is an error.
///
/// Source: RFC 8259
struct JSONParser {
    /// Why the text is none. `column` counts bytes from 1.
    struct Malformed: Error, Equatable {
        var sentence: String
        var column: Int
    }

    /// Deeper than anything that is written by hand, and far from the end of the stack.
    private static let depthMax = 64

    private let bytes: [UInt8]
    private var position = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    static func parse(_ bytes: [UInt8]) throws(Malformed) -> JSONValue {
        var parser = JSONParser(bytes)
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.position == bytes.count else { throw parser.malformed("something follows the value") }
        return value
    }

    static func parse(_ text: String) throws(Malformed) -> JSONValue { try parse(Array(text.utf8)) }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func malformed(_ sentence: String) -> Malformed { Malformed(sentence: sentence, column: position + 1) }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(Malformed) -> JSONValue {
        guard depth < Self.depthMax else { throw malformed("it is nested more than \(Self.depthMax) deep") }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try list(depth: depth)
        case UInt8(ascii: "\""): return .text(try text())
        case UInt8(ascii: "t"): return try word("true", .truth(true))
        case UInt8(ascii: "f"): return try word("false", .truth(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case .some(UInt8(ascii: "-")), .some(0x30...0x39): return try number()
        case nil: throw malformed("it ends where a value should stand")
        default: throw malformed("no value begins like this")
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(Malformed) -> JSONValue {
        guard bytes[position...].starts(with: word.utf8) else { throw malformed("no value begins like this") }
        position += word.utf8.count
        return value
    }

    private mutating func object(depth: Int) throws(Malformed) -> JSONValue {
        position += 1
        var members: [JSONValue.Member] = []
        skipSpace()
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw malformed("a member's name in quotes should stand here") }
            let name = try text()
            skipSpace()
            guard take(":") else { throw malformed("a colon should stand here") }
            members.append(JSONValue.Member(name: name, value: try value(depth: depth + 1)))
            skipSpace()
        } while take(",")
        guard take("}") else { throw malformed("a comma or the end of the object should stand here") }
        return .object(members)
    }

    private mutating func list(depth: Int) throws(Malformed) -> JSONValue {
        position += 1
        var values: [JSONValue] = []
        skipSpace()
        if take("]") { return .list(values) }
        repeat {
            values.append(try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("]") else { throw malformed("a comma or the end of the array should stand here") }
        return .list(values)
    }

    private mutating func number() throws(Malformed) -> JSONValue {
        let start = position
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
        }
        return .number(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private mutating func digits() throws(Malformed) {
        let start = position
        while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
        guard position > start else { throw malformed("a digit should stand here") }
    }

    private mutating func text() throws(Malformed) -> String {
        position += 1
        var text: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                guard let valid = String(validating: text, as: UTF8.self) else {
                    throw malformed("the text before this is not UTF-8")
                }
                position += 1
                return valid
            case UInt8(ascii: "\\"):
                position += 1
                try escape(into: &text)
            case 0..<0x20: throw malformed("a control byte stands in a text; write it as \\u and four digits")
            default:
                text.append(byte)
                position += 1
            }
        }
        throw malformed("a text has no closing quote")
    }

    private mutating func escape(into text: inout [UInt8]) throws(Malformed) {
        let plain: [UInt8: UInt8] = [
            0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F, 0x62: 0x08, 0x66: 0x0C, 0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09,
        ]
        guard let byte = next else { throw malformed("a text has no closing quote") }
        position += 1
        if let meant = plain[byte] { return text.append(meant) }
        guard byte == UInt8(ascii: "u") else { throw malformed("there is no such escape") }
        var code = try hexadecimal()
        if (0xD800..<0xDC00).contains(code) {
            guard take("\\"), take("u") else { throw malformed("the second half of a surrogate pair is missing") }
            let low = try hexadecimal()
            guard (0xDC00..<0xE000).contains(low) else { throw malformed("a surrogate pair is wrong") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw malformed("half of a surrogate pair is missing") }
        text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    private mutating func hexadecimal() throws(Malformed) -> UInt32 {
        guard position + 4 <= bytes.count, bytes[position..<position + 4].allSatisfy({ $0 != 0x2B && $0 != 0x2D }),
            let code = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw malformed("four hexadecimal digits should stand here") }
        position += 4
        return code
    }
}

extension JSONValue {
    /// What the broker said.
    /// - Throws: ``Failure`` if it is not JSON, which is a bug.
    init(answer: String) throws {
        do {
            self = try JSONParser.parse(answer)
        } catch {
            throw Failure(
                .internalError,
                "the broker's answer cannot be read: \(error.sentence) (byte \(error.column)); it may be newer than "
                    + "this command")
        }
    }
}
