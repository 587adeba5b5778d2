import ColaTesting
import ColaWorkers
import OrderedCollections
import Testing

@testable import ColaServer

@Suite struct YAMLReaderTests {
    @Test func scalarsStayAsTheyAreWritten() throws {
        let text = """
            number: 007
            flag: yes
            quoted: "null"
            single: 'it''s'
            nothing:
            tilde: ~
            folded: >-
              one
              two
            accents: "naïve \\u00e9"
            """
        #expect(
            try YAMLReader.read(text)
                == .mapping([
                    "number": .scalar("007"), "flag": .scalar("yes"), "quoted": .scalar("null"),
                    "single": .scalar("it's"), "nothing": .scalar(""), "tilde": .scalar(""),
                    "folded": .scalar("one two"), "accents": .scalar("naïve é"),
                ]))
    }

    @Test func mappingsAndSequencesNestInTheirOrder() throws {
        #expect(
            try YAMLReader.read("b: [x, {y: 1}]\na:\n  - z\n")
                == .mapping([
                    "b": .sequence([.scalar("x"), .mapping(["y": .scalar("1")])]), "a": .sequence([.scalar("z")]),
                ]))
    }

    @Test(arguments: ["", "# a comment\n", "---\n", "   \n"])
    func nothingIsNothing(text: String) throws {
        let node = try YAMLReader.read(text)
        #expect(node == nil || node == .scalar(""))
    }

    @Test func anAliasIsWhatItsAnchorMarks() throws {
        #expect(
            try YAMLReader.read("a: &limits {memory: 1M}\nb: *limits\nc: &name x\nd: *name")
                == .mapping([
                    "a": .mapping(["memory": .scalar("1M")]), "b": .mapping(["memory": .scalar("1M")]),
                    "c": .scalar("x"), "d": .scalar("x"),
                ]))
    }

    @Test(arguments: [
        ("a: [", "line 2, column 1: "), ("a: 1\na: 2\n", "line 2, column 1: 'a' stands there twice"),
        ("a: 1\nb: *c\n", "line 2, column 4: nothing above is marked with &c"),
        ("a: 1\n---\nb: 2\n", "line 3, column 1: a second document"),
        ("? [a]\n: 1\n", "line 1, column 3: a key that is no text"), ("a: \"\\q\"", "line 1, column 5: "),
        ("a: b: c", "line 1, column 5: "), ("\tx: 1", "line 1, column 1: "), ("a: \u{7}", "line 1, column 1: "),
    ])
    func whatIsWrongIsToldWithItsPlace(text: String, complaint: String) throws {
        let problem = try #require(throws: YAMLReader.Problem.self) { try YAMLReader.read(text) }
        #expect(problem.description.hasPrefix(complaint), "\(problem)")
    }

    @Test func aTextThatGrowsWithoutEndIsRefused() throws {
        let levels = (1...9).map { "a\($0): &a\($0) [\(String(repeating: "*a\($0 - 1), ", count: 10))x]" }
        let bomb = (["a0: &a0 x"] + levels).joined(separator: "\n")
        let tooMuch = try #require(throws: YAMLReader.Problem.self) { try YAMLReader.read(bomb) }
        #expect(tooMuch.sentence.contains("more than 100000 values"))
        let deep = String(repeating: "[", count: 5_000)
        let tooDeep = try #require(throws: YAMLReader.Problem.self) { try YAMLReader.read(deep) }
        #expect(tooDeep.sentence.contains("deeper than 64"))
    }

    @Test(arguments: 0..<200)
    func anyTextIsReadOrRefusedWithAPlaceInIt(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        let alphabet = Array("ab:-[]{}&*?|>'\"\\ \n\t#%@`,~0")
        let text = String((0..<Int(random.next() % 80)).map { _ in alphabet[Int(random.next() % 26)] })
        do {
            _ = try YAMLReader.read(text)
        } catch let problem as YAMLReader.Problem {
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(1...lines.count + 1 ~= problem.line && !problem.sentence.isEmpty, "\(problem) in \(text)")
        } catch {
            Issue.record("\(error)")
        }
    }
}
