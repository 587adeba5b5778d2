/// Which offsets of one chunk are settled.
///
/// Consumers finish out of order, so a floor alone would either lose work or repeat it. In memory it is a bitmap;
/// stored it is a bitmap or a list of ranges, whichever is shorter: work is mostly settled in runs.
///
/// Shape:  stored: `0 | bitmap`, bit i (least significant first, byte 0 first) is offset base + i, trailing zero bytes
///         cut; or `1 | (gap varint, length varint)…`, each gap counted from the end of the range before it
/// Source: ARCHITECTURE.md, section 8, "Floors and sets"
package struct SettledSet: Equatable, Sendable {
    /// The number of offsets in the set.
    package private(set) var count = 0
    private var words: [UInt64] = []

    package init() {}

    package var isEmpty: Bool { count == 0 }

    /// - Parameter index: the offset's distance from its chunk's base; not negative.
    package func contains(_ index: Int) -> Bool {
        let word = index >> 6
        return word < words.count && words[word] & (1 << UInt64(index & 63)) != 0
    }

    /// - Returns: false if it was in the set before; the set is then unchanged.
    @discardableResult
    package mutating func insert(_ index: Int) -> Bool {
        let word = index >> 6
        if word >= words.count {
            words.append(contentsOf: repeatElement(0, count: word + 1 - words.count))
        }
        let bit = UInt64(1) << UInt64(index & 63)
        guard words[word] & bit == 0 else { return false }
        words[word] |= bit
        count += 1
        return true
    }

    /// The indices at or above `distance`, counted from there.
    package func shifted(by distance: Int) -> SettledSet {
        var shifted = SettledSet()
        for index in distance..<max(distance, words.count << 6) where contains(index) {
            shifted.insert(index - distance)
        }
        return shifted
    }

    /// The first index at or after `start` that is not in the set.
    package func firstMissing(from start: Int) -> Int {
        var index = start
        while index >> 6 < words.count {
            let rest = ~words[index >> 6] >> UInt64(index & 63)
            if rest != 0 { return index + rest.trailingZeroBitCount }
            index = (index | 63) + 1
        }
        return index
    }

    /// Whether any index at or after `start` is in the set.
    package func containsAny(from start: Int) -> Bool {
        var word = start >> 6
        guard word < words.count else { return false }
        if words[word] >> UInt64(start & 63) != 0 { return true }
        word += 1
        while word < words.count {
            if words[word] != 0 { return true }
            word += 1
        }
        return false
    }
}

extension SettledSet {
    private static let bitmapKind: UInt8 = 0
    private static let rangesKind: UInt8 = 1
    /// No chunk spans more offsets than this, so no stored set can ask for more memory.
    package static let indexMax = 1 << 26

    package func encoded() -> [UInt8] {
        var bitmap = [Self.bitmapKind]
        for word in words { withUnsafeBytes(of: word.littleEndian) { bitmap.append(contentsOf: $0) } }
        while bitmap.count > 1, bitmap.last == 0 { bitmap.removeLast() }
        var ranges = [Self.rangesKind]
        var end = 0
        var start = firstPresent(from: 0)
        while let found = start, ranges.count < bitmap.count {
            let next = firstMissing(from: found)
            Varint.append(Int64(found - end), to: &ranges)
            Varint.append(Int64(next - found), to: &ranges)
            end = next
            start = firstPresent(from: next)
        }
        return start == nil && ranges.count < bitmap.count ? ranges : bitmap
    }

    /// - Returns: nil if `bytes` are not the form above.
    package init?(encoded bytes: [UInt8]) {
        guard let kind = bytes.first else { return nil }
        switch kind {
        case Self.bitmapKind:
            guard bytes.count - 1 <= Self.indexMax / 8 else { return nil }
            for (index, byte) in bytes.dropFirst().enumerated() {
                for bit in 0..<8 where byte & (1 << bit) != 0 { insert(index * 8 + bit) }
            }
        case Self.rangesKind:
            var position = 1
            var end = 0
            while position < bytes.count {
                let found = bytes.withUnsafeBytes { buffer -> (gap: Int64, length: Int64)? in
                    guard let gap = Varint.read(buffer, at: &position), let length = Varint.read(buffer, at: &position)
                    else { return nil }
                    return (gap, length)
                }
                guard let found, found.gap >= 0, found.length > 0, found.gap <= Int64(Self.indexMax),
                    found.length <= Int64(Self.indexMax), end + Int(found.gap) + Int(found.length) <= Self.indexMax
                else { return nil }
                let start = end + Int(found.gap)
                end = start + Int(found.length)
                for index in start..<end { insert(index) }
            }
        default: return nil
        }
    }

    private func firstPresent(from start: Int) -> Int? {
        var index = start
        while index >> 6 < words.count {
            let rest = words[index >> 6] >> UInt64(index & 63)
            if rest != 0 { return index + rest.trailingZeroBitCount }
            index = (index | 63) + 1
        }
        return nil
    }
}
