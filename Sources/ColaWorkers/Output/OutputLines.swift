internal import Glibc

/// Cuts what a process writes into lines.
///
/// Lines end with a line feed; what is no UTF-8 is repaired; of a line that is too long the beginning is given, once.
package struct OutputLines: Sendable {
    /// The longest line. Bytes.
    package static let lineBytesMax = 4096

    package struct Line: Equatable, Sendable {
        package let text: String
        /// Whether it was longer.
        package let isCut: Bool
    }

    /// The beginning of a line that has not ended yet, and how long that is so far.
    private var rest: [UInt8] = []
    private var restBytes = 0

    package init() {}

    /// Takes the next line out of what was read.
    ///
    /// - Parameter bytes: is left without it. Whoever asks until nothing comes has given all that was read.
    /// - Returns: nil: no line ends there.
    package mutating func next(in bytes: inout Slice<UnsafeRawBufferPointer>) -> Line? {
        guard let feed = Self.lineFeed(in: bytes) else {
            keep(bytes)
            bytes = bytes.suffix(0)
            return nil
        }
        keep(bytes[..<feed])
        bytes = bytes[(feed + 1)...]
        return take()
    }

    /// Passes over all lines that end in what was read, without a look at what is in them.
    ///
    /// - Returns: how many there are.
    package mutating func skip(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
        guard let last = bytes.lastIndex(of: 0x0A) else {
            keep(bytes)
            return 0
        }
        rest.removeAll(keepingCapacity: true)
        restBytes = 0
        keep(bytes[(last + 1)...])
        var count = 0
        for byte in UnsafeRawBufferPointer(rebasing: bytes[...last]) { count &+= byte == 0x0A ? 1 : 0 }
        return count
    }

    /// Nothing more comes: what has not ended is a line as well.
    package mutating func end() -> Line? { restBytes > 0 ? take() : nil }

    private mutating func keep(_ bytes: Slice<UnsafeRawBufferPointer>) {
        restBytes += bytes.count
        // One more, which may be the carriage return before the line feed.
        rest.append(contentsOf: bytes.prefix(Self.lineBytesMax + 1 - rest.count))
    }

    private mutating func take() -> Line {
        if restBytes == rest.count, rest.last == 0x0D {
            rest.removeLast()
            restBytes -= 1
        }
        let isCut = restBytes > Self.lineBytesMax
        if isCut {
            rest.removeLast(max(0, rest.count - Self.lineBytesMax))
            rest.removeLast(Self.lengthOfCutCharacter(rest))
        }
        let line = Line(text: String(decoding: rest, as: UTF8.self), isCut: isCut)
        rest.removeAll(keepingCapacity: true)
        restBytes = 0
        return line
    }

    /// Bytes at the end that begin a character of UTF-8 without all of it.
    private static func lengthOfCutCharacter(_ bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let byte = bytes[bytes.count - length]
            if byte < 0x80 { return 0 }
            guard byte >= 0xC0 else { continue }
            let whole = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
            return whole > length ? length : 0
        }
        return 0
    }

    private static func lineFeed(in bytes: Slice<UnsafeRawBufferPointer>) -> Int? {
        let part = UnsafeRawBufferPointer(rebasing: bytes)
        guard let base = part.baseAddress, let found = memchr(base, 0x0A, part.count) else { return nil }
        return bytes.startIndex + (UnsafeRawPointer(found) - base)
    }
}
