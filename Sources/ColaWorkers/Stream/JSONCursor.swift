internal import ColaCore

/// Goes through one JSON text from front to back, without making a tree of it.
///
/// What is read is checked as strictly as what is passed over; any bytes are safe.
///
/// Source: RFC 8259
struct JSONCursor {
    /// What is wrong where.
    struct Malformed: Error {
        let sentence: String
    }

    /// Deeper than anything that a program means, and far from the end of the stack.
    private static let depthMax = 64

    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }
    var isAtEnd: Bool { position == bytes.count }

    func malformed(_ sentence: String) -> Malformed { Malformed(sentence: "\(sentence) (at byte \(position + 1))") }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    /// Passes over it, if it is there.
    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// The member's name that comes next; `isFirst`: no comma stands before it. Nil: the object ends here.
    mutating func memberName(isFirst: Bool) throws(Malformed) -> [UInt8]? {
        skipSpace()
        if take("}") { return nil }
        if !isFirst {
            guard take(",") else { throw malformed("a comma or the end of the object should stand here") }
            skipSpace()
        }
        guard next == UInt8(ascii: "\"") else { throw malformed("a member's name in quotes should stand here") }
        let name = try text()
        skipSpace()
        guard take(":") else { throw malformed("a colon should stand here") }
        skipSpace()
        return name
    }

    /// The bytes of a text, which are UTF-8.
    mutating func text() throws(Malformed) -> [UInt8] {
        guard take("\"") else { throw malformed("a text in quotes should stand here") }
        var text: [UInt8] = []
        var plainFrom = position
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                text.append(contentsOf: bytes[plainFrom..<position])
                guard JSONText.isText(text) else { throw malformed("the text before this is not UTF-8") }
                position += 1
                return text
            case UInt8(ascii: "\\"):
                text.append(contentsOf: bytes[plainFrom..<position])
                position += 1
                try escape(into: &text)
                plainFrom = position
            case 0..<0x20: throw malformed("a control byte stands in a text")
            default: position += 1
            }
        }
        throw malformed("a text has no closing quote")
    }

    private mutating func escape(into text: inout [UInt8]) throws(Malformed) {
        guard let byte = next else { throw malformed("a text has no closing quote") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code) {
                guard take("\\"), take("u") else { throw malformed("the second half of a surrogate pair is missing") }
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw malformed("a surrogate pair is wrong") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw malformed("half of a surrogate pair is missing") }
            text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        default: throw malformed("there is no such escape")
        }
    }

    private mutating func hexadecimal() throws(Malformed) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else {
                throw malformed("four hexadecimal digits should stand here")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }

    /// A whole number without a sign; nil where another value, or a number of another kind, stands.
    mutating func wholeNumber() -> UInt64? {
        let start = position
        var number: UInt64 = 0
        while let byte = next, (0x30...0x39).contains(byte) {
            let (product, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = product.addingReportingOverflow(UInt64(byte - 0x30))
            guard !isTooLarge, !overflow else { return nil }
            number = sum
            position += 1
        }
        let length = position - start
        guard length > 0, length == 1 || bytes[start] != 0x30 else { return nil }
        if let byte = next, byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e") { return nil }
        return number
    }

    /// Passes over any value.
    mutating func skipValue(depth: Int = 0) throws(Malformed) {
        guard depth < Self.depthMax else { throw malformed("it is nested more than \(Self.depthMax) deep") }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"):
            position += 1
            var isFirst = true
            while try memberName(isFirst: isFirst) != nil {
                isFirst = false
                try skipValue(depth: depth + 1)
            }
        case UInt8(ascii: "["):
            position += 1
            skipSpace()
            if take("]") { return }
            repeat {
                try skipValue(depth: depth + 1)
                skipSpace()
            } while take(",")
            guard take("]") else { throw malformed("a comma or the end of the array should stand here") }
        case UInt8(ascii: "\""): _ = try text()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        case .some(UInt8(ascii: "-")), .some(0x30...0x39): try skipNumber()
        case nil: throw malformed("it ends where a value should stand")
        default: throw malformed("no value begins like this")
        }
    }

    /// Passes over `true`, for example.
    mutating func word(_ word: StaticString) throws(Malformed) {
        for index in 0..<word.utf8CodeUnitCount {
            guard next == word.utf8Start[index] else { throw malformed("no value begins like this") }
            position += 1
        }
    }

    private mutating func skipNumber() throws(Malformed) {
        _ = take("-")
        if !take("0") { try skipDigits() }
        if take(".") { try skipDigits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try skipDigits()
        }
    }

    private mutating func skipDigits() throws(Malformed) {
        let start = position
        while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
        guard position > start else { throw malformed("a digit should stand here") }
    }
}
