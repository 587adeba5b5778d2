#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Finds one line in received bytes and splits it at its spaces, without allocating and without making any text.
///
/// It knows the form of a line and no verb: how many of the fields are words is the verb's business, since a word may
/// hold an `=` of its own. So a reader takes as many fields as its verb has words, then the rest as options. The
/// scanner is kept and used again; its table grows to the longest line met, which the limit of a line bounds. Any bytes
/// are safe.
///
/// Shape:  `fields[0]` is the verb; all positions are offsets in the buffer that was split
/// Source: `protocol/native.md` section 2
package struct LineScanner: Sendable {
    /// What stands between two spaces.
    package struct Field: Equatable, Sendable {
        package var start: Int
        package var end: Int
        /// Where its first `=` stands, or -1.
        package var equals: Int
        /// Whether there is an escape in it; if not, its bytes are the text.
        package var isEscaped: Bool

        @inlinable package init(start: Int, end: Int, equals: Int, isEscaped: Bool) {
            self.start = start
            self.end = end
            self.equals = equals
            self.isEscaped = isEscaped
        }
    }

    package enum Line: Equatable, Sendable {
        /// The line with its LF ends before `next`, and its content before `end`.
        case found(end: Int, next: Int)
        /// No LF so far, and the limit is not reached.
        case incomplete
        /// No LF within the limit.
        case tooLong
    }

    /// Verb, words and options of the line that was split last; only the first ``count`` are of it.
    @usableFromInline package private(set) var fields: [Field]
    /// How many fields the line that was split last has, its verb included.
    @usableFromInline package private(set) var count: Int

    package init() {
        fields = Array(repeating: Field(start: 0, end: 0, equals: -1, isEscaped: false), count: 64)
        count = 0
    }

    /// Where the line that begins at `start` ends.
    ///
    /// - Parameters:
    ///   - searched: up to where an earlier call found no LF, so that nothing is looked at twice.
    ///   - limit: bytes a line may have, with its LF.
    package static func findLine(
        in bytes: UnsafeRawBufferPointer, from start: Int, searched: Int = 0, limit: Int
    ) -> Line {
        let reach = min(bytes.count, limit > Int.max - start ? Int.max : start + limit)
        let from = max(start, searched)
        guard let base = bytes.baseAddress, from < reach,
            let found = memchr(base + from, 0x0A, reach - from)
        else { return bytes.count - start >= limit ? .tooLong : .incomplete }
        let lineFeed = UnsafeRawPointer(found) - base
        let hasReturn = lineFeed > start && bytes[lineFeed - 1] == 0x0D
        return .found(end: hasReturn ? lineFeed - 1 : lineFeed, next: lineFeed + 1)
    }

    /// Splits the content of one line, without its end, into ``fields``.
    ///
    /// The caller passes over empty lines (`start == end`); here they are no line.
    ///
    /// - Returns: false if it is not a line: no verb, two spaces in a row, one at either end, or a control byte.
    ///   Whether escapes are well formed is seen when they are decoded.
    package mutating func split(_ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Bool {
        count = 0
        guard start >= 0, start < end, end <= bytes.count else { return false }
        var position = start
        while true {
            var field = Field(start: position, end: end, equals: -1, isEscaped: false)
            scan: while position < end {
                let byte = bytes[position]
                if byte <= 0x20 {
                    guard byte == 0x20 else { return false }
                    break scan
                }
                if byte == 0x3D {
                    if field.equals < 0 { field.equals = position }
                } else if byte == 0x25 {
                    field.isEscaped = true
                } else if byte == 0x7F {
                    return false
                }
                position += 1
            }
            guard position > field.start else { return false }
            field.end = position
            if count == fields.count { fields.append(field) } else { fields[count] = field }
            count += 1
            if position == end { break }
            position += 1
        }
        return isVerb(bytes)
    }

    private func isVerb(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for index in fields[0].start..<fields[0].end where !(0x61...0x7A ~= bytes[index]) { return false }
        return true
    }
}

// What a reader of one verb asks. `bytes` is always the buffer that was split.
extension LineScanner {
    /// The bytes of a field as they stand there, escapes and all.
    @inlinable package func raw(_ index: Int, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[fields[index].start..<fields[index].end])
    }

    /// Whether a field is exactly this. `scanner.field(0, is: "pub", in: bytes)`: is it this verb?
    @inlinable package func field(_ index: Int, is text: StaticString, in bytes: UnsafeRawBufferPointer) -> Bool {
        Self.matches(bytes, from: fields[index].start, to: fields[index].end, text)
    }

    /// Whether a field is an option of this name.
    @inlinable package func option(_ index: Int, is name: StaticString, in bytes: UnsafeRawBufferPointer) -> Bool {
        fields[index].equals >= 0 && Self.matches(bytes, from: fields[index].start, to: fields[index].equals, name)
    }

    /// Whether a field is an option, and its name in the form that section 2 gives: `t`, `need`, `h.anything`.
    package func isOption(_ index: Int, in bytes: UnsafeRawBufferPointer) -> Bool {
        let field = fields[index]
        guard field.equals > field.start else { return false }
        if isHeader(index, in: bytes) { return true }
        for position in field.start..<field.equals {
            switch bytes[position] {
            case 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E: continue
            default: return false
            }
        }
        return true
    }

    /// Whether a field is `h.NAME=…`, with at least one byte of a name.
    @inlinable package func isHeader(_ index: Int, in bytes: UnsafeRawBufferPointer) -> Bool {
        let field = fields[index]
        return field.equals - field.start > 2 && bytes[field.start] == 0x68 && bytes[field.start + 1] == 0x2E
    }

    /// What stands before the `=` of an option; of a header without its `h.`. Empty if there is no `=`.
    @inlinable package func name(_ index: Int, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let field = fields[index]
        let start = isHeader(index, in: bytes) ? field.start + 2 : field.start
        return UnsafeRawBufferPointer(rebasing: bytes[start..<max(start, field.equals)])
    }

    /// What stands after the `=` of an option, escapes and all. Empty if there is no `=`.
    @inlinable package func value(_ index: Int, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let field = fields[index]
        return UnsafeRawBufferPointer(rebasing: bytes[(field.equals < 0 ? field.end : field.equals + 1)..<field.end])
    }

    /// The number that a word is, or nil.
    @inlinable package func number(_ index: Int, in bytes: UnsafeRawBufferPointer) -> Int64? {
        Decimal.parse(raw(index, in: bytes))
    }

    /// The number that the value of an option is, or nil.
    @inlinable package func optionNumber(_ index: Int, in bytes: UnsafeRawBufferPointer) -> Int64? {
        Decimal.parse(value(index, in: bytes))
    }

    /// The `N` or `N-M` that a word is, or nil; also nil where M is below N.
    package func numbers(_ index: Int, in bytes: UnsafeRawBufferPointer) -> ClosedRange<Int64>? {
        Decimal.parseRange(raw(index, in: bytes))
    }

    @inlinable static func matches(
        _ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int, _ text: StaticString
    ) -> Bool {
        let length = text.utf8CodeUnitCount
        guard end - start == length else { return false }
        for offset in 0..<length where bytes[start + offset] != text.utf8Start[offset] { return false }
        return true
    }
}
