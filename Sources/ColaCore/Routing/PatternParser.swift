/// Reads the text of a pattern, and says what is wrong with one that is none.
struct PatternParser {
    private let source: String
    private let characters: [Unicode.Scalar]
    private var position = 0
    private var depth = 0

    init(_ source: String) {
        self.source = source
        characters = Array(source.unicodeScalars.prefix(Pattern.bytesMax + 1))
    }

    mutating func parse() throws(PatternError) -> PatternTree {
        let size = source.utf8.count
        guard size <= Pattern.bytesMax else {
            throw PatternError(
                pattern: "\(source.prefix(40))…", position: 1,
                reason: "it has \(size) bytes, and a pattern has at most \(Pattern.bytesMax); make it shorter")
        }
        let tree = try alternatives()
        // Only a closing parenthesis ends the alternatives before the end.
        if next != nil { throw error("there is no '(' for this ')'; write '\\)' for a parenthesis") }
        return tree
    }

    private var next: Unicode.Scalar? { position < characters.count ? characters[position] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == character else { return false }
        position += 1
        return true
    }

    private func error(_ reason: String, at place: Int? = nil) -> PatternError {
        PatternError(pattern: source, position: (place ?? position) + 1, reason: reason)
    }

    // MARK: From the outside in

    private mutating func alternatives() throws(PatternError) -> PatternTree {
        var ways = [try sequence()]
        while take("|") { ways.append(try sequence()) }
        // In halves, so that many of them do not make a deep tree.
        while ways.count > 1 {
            var pairs: [PatternTree] = []
            for index in stride(from: 0, to: ways.count, by: 2) {
                pairs.append(index + 1 < ways.count ? .either(ways[index], ways[index + 1]) : ways[index])
            }
            ways = pairs
        }
        return ways[0]
    }

    private mutating func sequence() throws(PatternError) -> PatternTree {
        var parts: [PatternTree] = []
        while let character = next, character != "|", character != ")" { parts.append(try repeated()) }
        return .sequence(parts)
    }

    private mutating func repeated() throws(PatternError) -> PatternTree {
        let (part, isRepeatable) = try single()
        let place = position
        guard let (min, max) = try count() else { return part }
        guard isRepeatable else {
            throw error("there is nothing here to repeat; write '\\' before the sign itself", at: place)
        }
        // Fewest or most first finds the same texts.
        _ = take("?")
        if let after = next, "*+?{".unicodeScalars.contains(after) {
            throw error(
                "a repeat of a repeat; put the inner one into '(?: )', or write '\\\(after)' for the sign itself")
        }
        return .repeated(part, min: min, max: max)
    }

    private mutating func count() throws(PatternError) -> (min: Int, max: Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        let place = position
        guard take("{") else { return nil }
        guard let min = try number() else {
            throw error("a repeat is written {2}, {2,} or {2,5}; write '\\{' for a brace", at: place)
        }
        var max: Int? = min
        if take(",") { max = try number() }
        guard take("}") else {
            throw error("a repeat is written {2}, {2,} or {2,5}; write '\\{' for a brace", at: place)
        }
        if let max, max < min { throw error("a repeat from \(min) to \(max); put the smaller number first", at: place) }
        return (min, max)
    }

    private mutating func number() throws(PatternError) -> Int? {
        let place = position
        var number: Int?
        while let digit = next, (0x30...0x39).contains(digit.value) {
            let value = (number ?? 0) * 10 + Int(digit.value - 0x30)
            guard value <= Pattern.repeatMax else {
                throw error("a repeat counts to \(Pattern.repeatMax) at most", at: place)
            }
            number = value
            position += 1
        }
        return number
    }

    // MARK: One thing

    private mutating func single() throws(PatternError) -> (PatternTree, isRepeatable: Bool) {
        guard let character = next else { return (.empty, false) }
        switch character {
        case "*", "+", "?", "{": return (.empty, false)  // the caller says what is wrong with it
        case "(": return (try group(), true)
        case "[": return (.character(try set()), true)
        case "\\": return (.character(try escape()), true)
        default: position += 1
        }
        switch character {
        case ".": return (.character(.any), true)
        case "^": return (.begin, false)
        case "$": return (.end, false)
        default: return (.character(PatternSet(character)), true)
        }
    }

    private mutating func group() throws(PatternError) -> PatternTree {
        let place = position
        position += 1
        if take("?"), !take(":") {
            throw error(
                "of groups with '(?' there is only '(?: )': no options, no names, no looking ahead or behind", at: place
            )
        }
        depth += 1
        guard depth <= Pattern.depthMax else { throw error("groups are at most \(Pattern.depthMax) deep", at: place) }
        let tree = try alternatives()
        depth -= 1
        guard take(")") else { throw error("this '(' is not closed; write '\\(' for a parenthesis", at: place) }
        return tree
    }

    private mutating func set() throws(PatternError) -> PatternSet {
        let place = position
        position += 1
        let isNegated = take("^")
        var set = PatternSet(ranges: [], isNegated: isNegated)
        if next == "]" { throw error("this set is empty; write '[\\]]' for a bracket", at: place) }
        while !take("]") {
            guard let character = next else {
                throw error("this '[' is not closed; write '\\[' for a bracket", at: place)
            }
            if character == "[", position + 1 < characters.count,
                ":.=".unicodeScalars.contains(characters[position + 1])
            {
                throw error("there are no named sets like [:alpha:]; write [A-Za-z], \\d, \\w or \\s")
            }
            try range(into: &set)
        }
        return set
    }

    /// A character, a range of them, or one of the sets like `\d`.
    private mutating func range(into set: inout PatternSet) throws(PatternError) {
        let place = position
        guard let low = try member(of: &set) else { return }
        guard next == "-", position + 1 < characters.count, characters[position + 1] != "]" else {
            set.add(low.value...low.value)
            return
        }
        position += 1
        guard let high = try member(of: &set) else {
            throw error("a range ends with a character; write '\\-' for a minus sign", at: place)
        }
        guard low <= high else {
            throw error(
                "this range runs backwards; put the character that comes first in the alphabet first", at: place)
        }
        set.add(low.value...high.value)
    }

    /// - Returns: a character that stands in a set, or nil for a whole set, which is added.
    private mutating func member(of set: inout PatternSet) throws(PatternError) -> Unicode.Scalar? {
        guard let character = next else { return nil }
        if character == "\\" {
            let name = position + 1 < characters.count ? characters[position + 1] : nil
            let escaped = try escape()
            if name.flatMap(PatternSet.named) == nil { return escaped.only }
            set.add(escaped)
            return nil
        }
        position += 1
        return character
    }

    private mutating func escape() throws(PatternError) -> PatternSet {
        let place = position
        position += 1
        guard let character = next else {
            throw error("a '\\' at the end; write '\\\\' for the sign itself", at: place)
        }
        position += 1
        if let set = PatternSet.named(character) { return set }
        switch character {
        case "t": return PatternSet("\t")
        case "n": return PatternSet("\n")
        case "r": return PatternSet("\r")
        case "1"..."9": throw error("there are no references back to groups", at: place)
        case "0", "a"..."z", "A"..."Z":
            throw error(
                "there is no '\\\(character)'; letters that mean something are \\d \\w \\s \\D \\W \\S \\t \\n \\r",
                at: place)
        default: return PatternSet(character)
        }
    }
}
