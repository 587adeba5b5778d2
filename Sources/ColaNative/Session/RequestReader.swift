internal import ColaCore

/// Takes the words and options of one line apart, in the order in which a verb asks for them, and sees that none is
/// left.
///
/// Words must be asked for before options. `end` refuses what nobody asked for, so that a misspelt option is not
/// overlooked.
struct RequestReader {
    /// What is wrong with a line, for people.
    struct Malformed: Error {
        var sentence: String
        init(_ sentence: String) { self.sentence = sentence }
    }

    let scanner: LineScanner
    let bytes: UnsafeRawBufferPointer
    private(set) var tag = RequestID.untagged
    private var next = 1
    /// Options that were asked for.
    private var used: Set<Int> = []

    init(scanner: LineScanner, bytes: UnsafeRawBufferPointer) {
        self.scanner = scanner
        self.bytes = bytes
    }

    var verb: String { String(decoding: scanner.raw(0, in: bytes), as: UTF8.self) }

    /// For requests that are answered only if they carry a tag.
    var tagOrSilent: RequestID { tag.isTag ? tag : .silent }

    /// Reads `t=`, wherever it stands behind the words. - Returns: false if it is no number.
    mutating func readTag(behind words: Int) -> Bool {
        for index in (1 + words)..<max(1 + words, scanner.count) where scanner.option(index, is: "t", in: bytes) {
            guard let number = scanner.optionNumber(index, in: bytes) else { return false }
            tag = RequestID(UInt64(number))
            used.insert(index)
            return true
        }
        return true
    }

    // MARK: Words

    private mutating func word(_ what: String) throws(Malformed) -> Int {
        guard next < scanner.count, !used.contains(next) else {
            throw Malformed("\(verb) needs \(what) as its word number \(next)")
        }
        defer { next += 1 }
        return next
    }

    mutating func text(_ what: String) throws(Malformed) -> String {
        let index = try word(what)
        guard let decoded = Escape.decode(scanner.raw(index, in: bytes), as: .word),
            let text = String(validating: decoded, as: UTF8.self)
        else { throw Malformed("\(what) is not UTF-8 with %XX for spaces and control bytes") }
        return text
    }

    mutating func number(_ what: String, in range: ClosedRange<Int64>) throws(Malformed) -> Int64 {
        guard let number = scanner.number(try word(what), in: bytes), range.contains(number) else {
            throw Malformed("\(what) must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    mutating func range(_ what: String) throws(Malformed) -> ClosedRange<Int64> {
        guard let range = scanner.numbers(try word(what), in: bytes) else {
            throw Malformed("\(what) must be a number N, or a range N-M with N not above M")
        }
        return range
    }

    // MARK: Options

    private mutating func find(_ name: StaticString) throws(Malformed) -> Int? {
        var found: Int?
        for index in next..<max(next, scanner.count) where scanner.option(index, is: name, in: bytes) {
            guard found == nil else { throw Malformed("\(name)= stands there twice") }
            found = index
            used.insert(index)
        }
        return found
    }

    mutating func bytes(_ name: StaticString) throws(Malformed) -> [UInt8]? {
        guard let index = try find(name) else { return nil }
        guard let decoded = Escape.decode(scanner.value(index, in: bytes), as: .optionValue) else {
            throw Malformed("\(name)= is not text with %XX for spaces and control bytes")
        }
        return decoded
    }

    mutating func option(_ name: StaticString) throws(Malformed) -> String? {
        guard let decoded = try bytes(name) else { return nil }
        guard let text = String(validating: decoded, as: UTF8.self) else { throw Malformed("\(name)= is not UTF-8") }
        return text
    }

    mutating func optionNumber(_ name: StaticString, in range: ClosedRange<Int64>) throws(Malformed) -> Int64? {
        guard let index = try find(name) else { return nil }
        guard let number = scanner.optionNumber(index, in: bytes), range.contains(number) else {
            throw Malformed("\(name)= must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    mutating func choice<Value>(
        _ name: StaticString, _ values: KeyValuePairs<String, Value>
    ) throws(Malformed) -> Value? {
        guard let text = try option(name) else { return nil }
        guard let value = values.first(where: { $0.key == text })?.value else {
            throw Malformed("\(name)= must be \(values.map(\.key).joined(separator: " or "))")
        }
        return value
    }

    mutating func headers() throws(Malformed) -> RecordHeaders {
        var headers = RecordHeaders()
        for index in next..<max(next, scanner.count) where scanner.isHeader(index, in: bytes) {
            guard let name = Escape.decode(scanner.name(index, in: bytes), as: .headerName),
                let value = Escape.decode(scanner.value(index, in: bytes), as: .optionValue)
            else { throw Malformed("a header is not text with %XX for spaces and control bytes") }
            headers.append(name: name, value: value)
            used.insert(index)
        }
        return headers
    }

    /// Everything on the line was asked for.
    func end() throws(Malformed) {
        for index in next..<max(next, scanner.count) where !used.contains(index) {
            let field = String(decoding: scanner.raw(index, in: bytes), as: UTF8.self)
            if scanner.option(index, is: "t", in: bytes) { throw Malformed("t= stands there twice") }
            throw Malformed(
                scanner.isOption(index, in: bytes)
                    ? "\(verb) has no option '\(field)'" : "\(verb) has no use for '\(field)'")
        }
    }
}
