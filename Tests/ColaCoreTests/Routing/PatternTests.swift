import ColaCore
import ColaTesting
import Testing

@Suite struct PatternTests {
    /// A pattern, the texts in which it is found, and those in which it is not; texts are parted by a slash.
    @Test(
        arguments: [
            ("", "/a", nil),
            ("a", "a/ba/bab", "/b/A"),
            ("^a", "a/ab", "/ba"),
            ("a$", "a/ba", "/ab"),
            ("^$", "", "a"),
            ("^a|b$", "ac/cb", "c/ba c"),
            ("^(a|b)$", "a/b", "ab/"),
            ("^a*$", "/a/aaa", "b/ab"),
            ("^a+$", "a/aaa", "/ab"),
            ("^ab?$", "a/ab", "abb/b"),
            ("^a{3}$", "aaa", "aa/aaaa"),
            ("^a{2,}$", "aa/aaaaa", "a"),
            ("^a{1,3}$", "a/aa/aaa", "/aaaa"),
            ("^a{0}b$", "b", "ab"),
            ("^(ab){2}c$", "ababc", "abc/abababc"),
            ("^(?:a|bc)+$", "a/bc/abca/bcbc", "b/ab"),
            ("^a+?b*?c??$", "ab/aabbc", "b"),
            ("^.$", "a/é/日/\u{1F600}", "/ab/\n"),
            ("^[a-c]+$", "abc", "abd/-"),
            ("^[^a-c]+$", "xyz/\n/é", "xay"),
            ("^[a-]+$", "a-/-a", "b"),
            ("^[-a]+$", "a-", "b"),
            ("^[a^]+$", "a^", "b"),
            ("^[.*+?(){}|$]+$", ".*+?(){}|$", "a"),
            ("^[\\]\\[\\\\^-]+$", "][\\^-", "a"),
            ("^[\\d_]+$", "1_2", "a"),
            ("^[\\D]$", "a", "1"),
            ("^[\\d-z]$", "1/-/z", "b"),
            ("^[\\t-\\r]$", "\n", "a"),
            ("^\\d\\D\\w\\W\\s\\S$", "1ab- x/9-_é\tx", "aaaaaa"),
            ("^a\\.b$", "a.b", "axb"),
            ("\\\\", "a\\b", "ab"),
            ("^]}$", "]}", "x"),
            ("^[à-ü]+$", "é", "e"),
            ("^(|a)*$", "/aaa", "b"),
            ("^(a*)*$", "/aaa", "b"),
            ("^(a||b)c$", "ac/bc/c", "abc"),
            ("a^b", nil, "ab/a^b"),
            ("a$b", nil, "ab/a$b"),
            ("^amq\\.", "amq.direct", "xamq.direct/amqx"),
            ("^(orders|invoices)\\.[a-z]{2}\\.\\d+$", "orders.de.7/invoices.fr.120", "orders.deu.7/orders.de."),
        ] as [(String, String?, String?)])
    func itIsFoundWhereTheLanguageSays(source: String, found: String?, notFound: String?) throws {
        let pattern = try Pattern(source)
        for text in found.map({ $0.split(separator: "/", omittingEmptySubsequences: false) }) ?? [] {
            #expect(pattern.matches(String(text)), "\(source) in \(text)")
        }
        for text in notFound.map({ $0.split(separator: "/", omittingEmptySubsequences: false) }) ?? [] {
            #expect(!pattern.matches(String(text)), "\(source) in \(text)")
        }
    }

    @Test(arguments: [
        ("a(b", 2, "this '(' is not closed; write '\\(' for a parenthesis"),
        ("a(?:b|c", 2, "this '(' is not closed; write '\\(' for a parenthesis"),
        ("ab)", 3, "there is no '(' for this ')'; write '\\)' for a parenthesis"),
        ("*a", 1, "there is nothing here to repeat; write '\\' before the sign itself"),
        ("a|+", 3, "there is nothing here to repeat; write '\\' before the sign itself"),
        ("^*", 2, "there is nothing here to repeat; write '\\' before the sign itself"),
        ("(?i)a", 1, "of groups with '(?' there is only '(?: )': no options, no names, no looking ahead or behind"),
        ("a(?=b)", 2, "of groups with '(?' there is only '(?: )': no options, no names, no looking ahead or behind"),
        ("(?", 1, "of groups with '(?' there is only '(?: )': no options, no names, no looking ahead or behind"),
        ("a**", 3, "a repeat of a repeat; put the inner one into '(?: )', or write '\\*' for the sign itself"),
        ("a*+", 3, "a repeat of a repeat; put the inner one into '(?: )', or write '\\+' for the sign itself"),
        ("a{2}{3}", 5, "a repeat of a repeat; put the inner one into '(?: )', or write '\\{' for the sign itself"),
        ("a{x}", 2, "a repeat is written {2}, {2,} or {2,5}; write '\\{' for a brace"),
        ("a{,3}", 2, "a repeat is written {2}, {2,} or {2,5}; write '\\{' for a brace"),
        ("a{2", 2, "a repeat is written {2}, {2,} or {2,5}; write '\\{' for a brace"),
        ("a{3,2}", 2, "a repeat from 3 to 2; put the smaller number first"),
        ("a{101}", 3, "a repeat counts to 100 at most"),
        ("a{1,99999999999999999999}", 5, "a repeat counts to 100 at most"),
        ("x[]", 2, "this set is empty; write '[\\]]' for a bracket"),
        ("x[^]", 2, "this set is empty; write '[\\]]' for a bracket"),
        ("x[a", 2, "this '[' is not closed; write '\\[' for a bracket"),
        ("x[a-", 2, "this '[' is not closed; write '\\[' for a bracket"),
        ("[[:alpha:]]", 2, "there are no named sets like [:alpha:]; write [A-Za-z], \\d, \\w or \\s"),
        ("[c-a]", 2, "this range runs backwards; put the character that comes first in the alphabet first"),
        ("[a-\\d]", 2, "a range ends with a character; write '\\-' for a minus sign"),
        ("a\\", 2, "a '\\' at the end; write '\\\\' for the sign itself"),
        ("[\\", 2, "a '\\' at the end; write '\\\\' for the sign itself"),
        ("(a)\\1", 4, "there are no references back to groups"),
        ("\\bword", 1, "there is no '\\b'; letters that mean something are \\d \\w \\s \\D \\W \\S \\t \\n \\r"),
    ])
    func whatIsNoPatternIsRefusedWithASentence(source: String, position: Int, reason: String) {
        let error = #expect(throws: PatternError.self) { try Pattern(source) }
        #expect(error == PatternError(pattern: source, position: position, reason: reason))
        #expect(error?.description == "the pattern '\(source)' is wrong at character \(position): \(reason)")
    }

    // MARK: Bounds

    @Test func aPatternHasAtMost255Bytes() throws {
        let longest = try Pattern(String(repeating: "é", count: 127) + "a")
        #expect(longest.matches(String(repeating: "é", count: 127) + "a"))
        let error = #expect(throws: PatternError.self) { try Pattern(String(repeating: "a", count: 1_000_000)) }
        #expect(error?.reason == "it has 1000000 bytes, and a pattern has at most 255; make it shorter")
        #expect((error?.description.utf8.count ?? 0) < 200)
    }

    @Test func groupsAreAtMost32Deep() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "(", count: depth) + "a" + String(repeating: ")", count: depth)
        }
        #expect(try Pattern("^\(nested(32))$").matches("a"))
        let error = #expect(throws: PatternError.self) { try Pattern(nested(33)) }
        #expect(error?.position == 33)
        #expect(error?.reason == "groups are at most 32 deep")
        #expect(throws: PatternError.self) { try Pattern(String(repeating: "(", count: 255)) }
        #expect(try Pattern(String(repeating: "(a)", count: 80)).matches(String(repeating: "a", count: 80)))
        #expect(try Pattern(String(repeating: "|", count: 255)).matches(""))
    }

    @Test func repeatsOfRepeatsAreBounded() throws {
        #expect(try Pattern("^(a{10}){10}$").matches(String(repeating: "a", count: 100)))
        for source in ["(a{100}){100}", "((a{100}){100}){100}", "(((a?){99}){99}){99}", "((a*){0,100}){0,100}"] {
            let error = #expect(throws: PatternError.self) { try Pattern(source) }
            #expect(error?.reason == "its repeats make more than 2000 steps of it; repeat less often")
        }
        // Nothing, a hundred times a hundred times and so on.
        let nothing = String(repeating: "(", count: 30) + "()" + String(repeating: "{100})", count: 30)
        #expect(try Pattern(nothing).matches("a"))
    }

    /// The patterns that other engines take forever for. What they cost here is counted, not timed.
    @Test(arguments: [
        "(a+)+$", "^(a+)+$", "(a*)*b", "^(a|a)*$", "^(a|aa)+$", "(.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$",
        "a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaa$", "^(a?){50}(a){50}$", "(.*){1,20}x", "((a{1,9}){1,9}){1,9}$",
    ])
    func theCostIsAtMostPatternTimesText(source: String) throws {
        let pattern = try Pattern(source)
        // No pattern of these has more steps than this, so that the bound means something.
        let steps = 2_000
        for length in [10, 100, 1_000] {
            let text = String(repeating: "a", count: length) + "!"
            let (isFound, work) = pattern.search(text)
            #expect(!isFound)
            #expect(work <= steps * (length + 2))
        }
        // Ten times the text is about ten times the work.
        let short = pattern.search(String(repeating: "a", count: 200) + "!").work
        let long = pattern.search(String(repeating: "a", count: 2_000) + "!").work
        #expect(long < 11 * short)
    }

    // MARK: Against another engine

    private static let letters: [Character] = ["a", "b", "c", ".", "-", "1", " "]

    private static func source(_ depth: Int, _ random: inout SplitMix64) -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            switch Int.random(in: 0..<12, using: &random) {
            case 0 where depth > 0: text += "(" + source(depth - 1, &random) + ")"
            case 1 where depth > 0: text += "(?:" + source(depth - 1, &random) + "|" + source(depth - 1, &random) + ")"
            case 2: text += ["[ab]", "[^a]", "[a-c]", "[^b-c1]", "[\\d.]", "[a\\-]"].randomElement(using: &random)!
            case 3: text += ["\\d", "\\w", "\\s", "\\D", "\\W", "\\S", "\\.", "\\-"].randomElement(using: &random)!
            case 4: text += "."
            case 5:
                text += ["^", "$"].randomElement(using: &random)!
                continue  // an anchor is not repeated
            default: text.append(["a", "b", "c", "1"].randomElement(using: &random)!)
            }
            if Int.random(in: 0..<3, using: &random) == 0 {
                text += ["*", "+", "?", "{2}", "{1,}", "{0,2}", "*?", "+?", "??"].randomElement(using: &random)!
            }
        }
        return Int.random(in: 0..<8, using: &random) == 0 ? text + "|" + source(0, &random) : text
    }

    @Test(arguments: Seeds.of(20)) func itFindsWhatSwiftsOwnFinds(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var found = 0
        var notFound = 0
        for _ in 0..<60 {
            let source = Self.source(2, &random)
            let pattern = try Pattern(source)
            let other = try Regex(source).matchingSemantics(.unicodeScalar)
            for _ in 0..<20 {
                let text = String(
                    (0..<Int.random(in: 0...7, using: &random)).map { _ in Self.letters.randomElement(using: &random)! }
                )
                let expected = text.firstMatch(of: other) != nil
                #expect(pattern.matches(text) == expected, "'\(source)' in '\(text)'")
                if expected { found += 1 } else { notFound += 1 }
            }
        }
        #expect(found > 100 && notFound > 100)
    }

    /// Whatever is sent as a pattern, it is read or refused, and neither takes long.
    @Test(arguments: Seeds.of(20)) func anyTextIsReadOrRefused(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let signs = Array("ab01(((())))[]{}*+?|^$.\\-,:d=é")
        var readable = 0
        for _ in 0..<500 {
            let count = Int.random(in: 0...12, using: &random)
            let source = String((0..<count).map { _ in signs.randomElement(using: &random)! })
            do {
                _ = try Pattern(source).matches("ab01")
                readable += 1
            } catch {
                #expect((1...source.unicodeScalars.count + 1).contains(error.position), "\(source)")
            }
        }
        #expect(readable > 20 && readable < 480)
    }
}
