/// A regular expression that is looked for in names: how policies say which queues and exchanges they are for.
///
/// It is a part of the common language for which time is bounded: whatever pattern and text somebody sends, each
/// character of the text is held against each step of the pattern at most once, so `(a+)+$` costs no more than it looks
/// like. What would need trying out ways one by one (back references, looking ahead and behind) is refused with a
/// sentence.
///
/// Shape:  characters are Unicode scalars. Literals, `.` (all but a line feed), `[a-z]`, `[^a-z]`, `\d \w \s` and
///         `\D \W \S` (of ASCII), `\t \n \r`, `\` before a sign for itself, `* + ? {n} {n,} {n,m}` and the same with
///         `?` behind, `|`, `( )`, `(?: )`, `^` and `$` (begin and end of the text). Found anywhere in the text unless
///         anchored. At most 255 bytes, groups 32 deep, repeats up to 100, 2,000 steps.
/// Source: Ken Thompson, "Regular Expression Search Algorithm", 1968; Russ Cox, "Regular Expression Matching: the
///         Virtual Machine Approach", 2009
package struct Pattern: Hashable, Sendable, CustomStringConvertible {
    package static let bytesMax = 255
    package static let depthMax = 32
    package static let repeatMax = 100
    package static let stepsMax = 2_000

    /// What one step of the compiled pattern does. Numbers are places in the list of steps.
    enum Step: Equatable, Sendable {
        /// Takes one character.
        case take(PatternSet)
        /// Goes on at both.
        case split(Int, Int)
        case jump(Int)
        case begin
        case end
        case found
    }

    package let source: String
    private let steps: [Step]

    /// - Throws: with `source` and what is wrong with it.
    package init(_ source: String) throws(PatternError) {
        self.source = source
        var parser = PatternParser(source)
        let tree = try parser.parse()
        var steps: [Step] = []
        guard tree.compile(into: &steps), steps.count < Self.stepsMax else {
            throw PatternError(
                pattern: source, position: 1,
                reason: "its repeats make more than \(Self.stepsMax) steps of it; repeat less often")
        }
        self.steps = steps + [.found]
    }

    package static func == (lhs: Pattern, rhs: Pattern) -> Bool { lhs.source == rhs.source }
    package func hash(into hasher: inout Hasher) { hasher.combine(source) }
    package var description: String { source }

    /// Whether the pattern is found in `text`.
    package func matches(_ text: String) -> Bool { search(text).isFound }

    /// - Returns: also how often a step was looked at, which is what it costs: at most as many as there are steps, for
    ///   each character of `text` and for its end.
    package func search(_ text: String) -> (isFound: Bool, work: Int) {
        var current = Places(steps.count)
        var next = Places(steps.count)
        var work = 0
        var isBegin = true
        var characters = text.unicodeScalars.makeIterator()
        var character = characters.next()
        while true {
            // The search may begin here, too.
            current.add(0)
            var index = 0
            while index < current.count {
                let place = current[index]
                index += 1
                work += 1
                switch steps[place] {
                case .take(let set): if let character, set.contains(character) { next.add(place + 1) }
                case .split(let one, let other):
                    current.add(one)
                    current.add(other)
                case .jump(let target): current.add(target)
                case .begin: if isBegin { current.add(place + 1) }
                case .end: if character == nil { current.add(place + 1) }
                case .found: return (true, work)
                }
            }
            guard character != nil else { return (false, work) }
            swap(&current, &next)
            next.removeAll()
            character = characters.next()
            isBegin = false
        }
    }

    var stepCount: Int { steps.count }

    /// The steps at which the search stands: each once, in the order in which they were reached.
    private struct Places {
        private var list: [Int] = []
        private var isListed: [Bool]

        init(_ count: Int) {
            isListed = Array(repeating: false, count: count)
            list.reserveCapacity(count)
        }

        var count: Int { list.count }
        subscript(index: Int) -> Int { list[index] }

        mutating func add(_ place: Int) {
            guard !isListed[place] else { return }
            isListed[place] = true
            list.append(place)
        }

        mutating func removeAll() {
            for place in list { isListed[place] = false }
            list.removeAll(keepingCapacity: true)
        }
    }
}
