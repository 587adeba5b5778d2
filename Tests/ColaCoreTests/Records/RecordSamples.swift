import ColaCore

/// Records for the tests, built from text and numbers so that a test reads like the bytes it expects.
enum RecordSamples {
    static func message(
        key: String? = nil, _ value: String, headers: [(name: String, value: String?)] = []
    ) -> Message {
        var list = RecordHeaders()
        for header in headers { list.append(name: header.name.utf8, value: header.value.map { $0.utf8 }) }
        return Message(key: key.map { ArraySlice($0.utf8) }, value: ArraySlice(value.utf8), headers: list)
    }

    /// Records of `size` bytes each at the offsets from `base` on.
    static func segment(count: Int, size: Int = 10, from base: Int64 = 0) -> RecordSegment {
        var segment = RecordSegment()
        for index in 0..<Int64(count) {
            let message = Message(value: ArraySlice(repeating: UInt8(truncatingIfNeeded: index), count: size))
            segment.append(message, at: Offset(base + index), timestamp: Timestamp(1_000 + index))
        }
        return segment
    }

    /// What a reader sees of `segment`, so that segments can be compared whose bytes lie elsewhere.
    static func contents(_ segment: RecordSegment) -> [Content] {
        segment.entries.map { entry in
            func bytes(_ part: RecordSegment.Part) -> [UInt8]? { part.isNull ? nil : Array(segment.data[part.range]) }
            return Content(
                offset: entry.offset.rawValue, timestamp: entry.timestamp.rawValue, key: bytes(entry.key),
                value: bytes(entry.value), headers: bytes(entry.headers), headerCount: Int(entry.headerCount))
        }
    }

    struct Content: Equatable {
        var offset: Int64
        var timestamp: Int64
        var key: [UInt8]?
        var value: [UInt8]?
        var headers: [UInt8]?
        var headerCount: Int
    }

    /// The bytes that `digits` stand for; white space is skipped.
    static func bytes(hex digits: String) -> [UInt8] {
        let nibbles = digits.compactMap { $0.isWhitespace ? nil : UInt8($0.hexDigitValue!) }
        precondition(nibbles.count % 2 == 0, "half a byte in \(digits)")
        return stride(from: 0, to: nibbles.count, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
    }
}
