/// The characters that one place of a pattern stands for.
struct PatternSet: Equatable, Sendable {
    /// Neither sorted nor apart; there are few.
    private var ranges: [ClosedRange<UInt32>]
    private var isNegated = false

    init(_ character: Unicode.Scalar) { ranges = [character.value...character.value] }

    init(ranges: [ClosedRange<UInt32>], isNegated: Bool = false) {
        self.ranges = ranges
        self.isNegated = isNegated
    }

    /// All but a line feed.
    static let any = PatternSet(ranges: [10...10], isNegated: true)

    /// - Returns: the set that `\` and `letter` stand for, or nil.
    static func named(_ letter: Unicode.Scalar) -> PatternSet? {
        switch letter {
        case "d": PatternSet(ranges: digits)
        case "D": PatternSet(ranges: complement(digits))
        case "w": PatternSet(ranges: word)
        case "W": PatternSet(ranges: complement(word))
        case "s": PatternSet(ranges: space)
        case "S": PatternSet(ranges: complement(space))
        default: nil
        }
    }

    private static let digits: [ClosedRange<UInt32>] = [0x30...0x39]
    private static let word: [ClosedRange<UInt32>] = [0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a]
    private static let space: [ClosedRange<UInt32>] = [0x09...0x0d, 0x20...0x20]

    /// - Parameter ranges: sorted and apart.
    private static func complement(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var gaps: [ClosedRange<UInt32>] = []
        var start: UInt32 = 0
        for range in ranges {
            gaps.append(start...range.lowerBound - 1)
            start = range.upperBound + 1
        }
        return gaps + [start...0x10_ffff]
    }

    /// The one character that it stands for, where it is one.
    var only: Unicode.Scalar? {
        guard !isNegated, ranges.count == 1, ranges[0].count == 1 else { return nil }
        return Unicode.Scalar(ranges[0].lowerBound)
    }

    mutating func add(_ other: PatternSet) { ranges += other.ranges }

    mutating func add(_ range: ClosedRange<UInt32>) { ranges.append(range) }

    func contains(_ character: Unicode.Scalar) -> Bool {
        var isListed = false
        for range in ranges where range.contains(character.value) {
            isListed = true
            break
        }
        return isListed != isNegated
    }
}
