internal import ColaCore

/// Takes the words and options of one line apart, in the order in which a verb asks for them, and sees that none is
/// left.
///
/// Words must be asked for before options. `end` refuses what nobody asked for, so that a misspelt option is not
/// overlooked.
struct RequestReader {
    /// What is wrong with a line, for people.
    struct Malformed: Error {
        var code = "syntax"
        var sentence: String
        init(_ sentence: String) { self.sentence = sentence }
    }

    let scanner: LineScanner
    let bytes: UnsafeRawBufferPointer
    private(set) var tag = RequestID.untagged
    private(set) var next = 1
    /// Fields that were asked for, as far as they are words or options.
    private var used = FieldSet()

    init(scanner: LineScanner, bytes: UnsafeRawBufferPointer) {
        self.scanner = scanner
        self.bytes = bytes
    }

    var verb: String { String(decoding: scanner.raw(0, in: bytes), as: UTF8.self) }

    /// For requests that are answered only if they carry a tag.
    var tagOrSilent: RequestID { tag.isTag ? tag : .silent }

    /// Whether there are options that nobody has asked for.
    var hasMore: Bool { used.count < scanner.count - next }

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

    /// Text that may be of no bytes, which is written `%`.
    mutating func text(_ what: String) throws(Malformed) -> String {
        let index = try word(what)
        guard let decoded = Escape.decode(scanner.raw(index, in: bytes), as: .word),
            let text = String(validating: decoded, as: UTF8.self)
        else { throw Malformed("\(what) is not UTF-8 with %XX for spaces and control bytes") }
        return text
    }

    mutating func name(_ what: String = "NAME") throws(Malformed) -> String {
        let text = try text(what)
        guard !text.isEmpty else { throw Malformed("\(what) is empty; it has at least one byte") }
        return text
    }

    mutating func number(_ what: String, in range: ClosedRange<Int64>) throws(Malformed) -> Int64 {
        try check(scanner.number(try word(what), in: bytes), what, range)
    }

    /// A word that may be left out, and is then followed by options alone.
    mutating func numberIfThere(_ what: String, in range: ClosedRange<Int64>) throws(Malformed) -> Int64? {
        guard next < scanner.count, !used.contains(next), !scanner.isOption(next, in: bytes) else { return nil }
        return try number(what, in: range)
    }

    /// A name that may be left out, and is then followed by options alone.
    mutating func nameIfThere(_ what: String) throws(Malformed) -> String? {
        guard next < scanner.count, !used.contains(next), !scanner.isOption(next, in: bytes) else { return nil }
        return try name(what)
    }

    mutating func range(_ what: String) throws(Malformed) -> ClosedRange<Int64> {
        guard let range = scanner.numbers(try word(what), in: bytes) else {
            throw Malformed("\(what) must be a number N, or a range N-M with N not above M")
        }
        return range
    }

    private func check(_ number: Int64?, _ what: String, _ range: ClosedRange<Int64>) throws(Malformed) -> Int64 {
        guard let number, range.contains(number) else {
            throw Malformed("\(what) must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
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

    /// Text of 1 to 255 bytes: what names something.
    mutating func optionName(_ name: StaticString) throws(Malformed) -> String? {
        guard let text = try option(name) else { return nil }
        guard 1...255 ~= text.utf8.count else { throw Malformed("\(name)= has 1 to 255 bytes") }
        return text
    }

    mutating func optionNumber(_ name: StaticString, in range: ClosedRange<Int64>) throws(Malformed) -> Int64? {
        guard let index = try find(name) else { return nil }
        return try check(scanner.optionNumber(index, in: bytes), "\(name)=", range)
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

    mutating func choice<Value>(_ name: StaticString, of type: Value.Type) throws(Malformed) -> Value?
    where Value: RawRepresentable<String> & CaseIterable {
        guard let text = try option(name) else { return nil }
        guard let value = Value(rawValue: text) else {
            throw Malformed("\(name)= must be \(Value.allCases.map(\.rawValue).joined(separator: " or "))")
        }
        return value
    }

    /// `yes` or `no`.
    mutating func truth(_ name: StaticString) throws(Malformed) -> Bool? {
        try choice(name, ["yes": true, "no": false])
    }

    /// Hands over every `h.NAME=VALUE` in its order.
    mutating func eachHeader(_ take: (_ name: [UInt8], _ value: [UInt8]) throws(Malformed) -> Void) throws(Malformed) {
        for index in next..<max(next, scanner.count) where scanner.isHeader(index, in: bytes) {
            guard let name = Escape.decode(scanner.name(index, in: bytes), as: .headerName),
                let value = Escape.decode(scanner.value(index, in: bytes), as: .optionValue)
            else { throw Malformed("a header is not text with %XX for spaces and control bytes") }
            try take(name, value)
            used.insert(index)
        }
    }

    /// Hands over every option of which `isAsked` says so, by its name.
    mutating func eachOption(
        _ take: (_ name: String, _ value: String) throws(Malformed) -> Bool
    ) throws(Malformed) {
        for index in next..<max(next, scanner.count) where !used.contains(index) {
            guard scanner.isOption(index, in: bytes), !scanner.isHeader(index, in: bytes) else { continue }
            let name = String(decoding: scanner.name(index, in: bytes), as: UTF8.self)
            guard let decoded = Escape.decode(scanner.value(index, in: bytes), as: .optionValue),
                let value = String(validating: decoded, as: UTF8.self)
            else { throw Malformed("\(name)= is not UTF-8 with %XX for spaces and control bytes") }
            if try take(name, value) { used.insert(index) }
        }
    }

    /// Everything on the line was asked for.
    func end() throws(Malformed) {
        guard hasMore else { return }
        for index in next..<max(next, scanner.count) where !used.contains(index) {
            let field = String(decoding: scanner.raw(index, in: bytes), as: UTF8.self)
            if scanner.option(index, is: "t", in: bytes) { throw Malformed("t= stands there twice") }
            throw Malformed(
                scanner.isOption(index, in: bytes)
                    ? "\(verb) has no option '\(field)'" : "\(verb) has no use for '\(field)'")
        }
    }
}
