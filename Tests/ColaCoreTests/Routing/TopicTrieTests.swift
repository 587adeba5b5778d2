import Testing

@testable import ColaCore

/// Which keys a pattern takes, and what a match costs, counted in nodes entered.
@Suite struct TopicTrieTests {
    private let trie = TopicTrie()
    private let endpoint = Endpoint(Endpoint.Name(target: .queue, name: "q"), .nothing)

    @discardableResult
    private func insert(_ pattern: String) -> Binding {
        let definition = BindingDefinition(source: "x", destination: "q", routingKey: pattern)
        let binding = Binding(definition, endpoint: endpoint)
        trie.insert(binding)
        return binding
    }

    private func matches(_ key: String) -> [String] {
        var patterns: [String] = []
        trie.match(key: key, headers: RecordHeaders()) { patterns.append($0.definition.routingKey) }
        return patterns.sorted()
    }

    /// - Returns: how many nodes the match of `key` enters.
    private func cost(_ key: String) -> Int {
        let before = trie.visits
        _ = matches(key)
        return trie.visits - before
    }

    @Test(arguments: [
        ("a", ["a"], ["", "b", "a.a", "A", "."]),
        ("a.b", ["a.b"], ["a", "b", "a.b.c", "a.", "ab"]),
        ("", [""], [".", "a", "*", "#"]),
        ("a..b", ["a..b"], ["a.b", "a.x.b", "a...b"]),
        ("*", ["a", "*", "#"], ["", "a.b", "."]),
        ("a.*", ["a.b", "a."], ["a", "a.b.c", "b.b"]),
        ("*.*", ["a.b", ".", "a."], ["a", "", "a.b.c"]),
        ("*.b.*", ["a.b.c", ".b."], ["a.b", "b", "a.c.b", "a.b.c.d"]),
        ("#", ["", "a", "a.b", "a.b.c.d", "..."], []),
        ("a.#", ["a", "a.b", "a.b.c", "a."], ["", "b", "b.a", "ab"]),
        ("#.a", ["a", "b.a", "c.b.a", "a.a", ".a"], ["", "a.b", "ab", "a."]),
        ("a.#.b", ["a.b", "a.x.b", "a.x.y.b", "a.b.b", "a.a.b"], ["a", "b", "ab", "a.b.c", "x.a.b"]),
        ("#.a.#", ["a", "a.b", "b.a", "b.a.b", "a.a.a"], ["", "b", "b.c", "ab"]),
        ("#.*", ["a", "a.b", "."], [""]),
        ("*.#", ["a", "a.b", "."], [""]),
        ("#.*.#.*", ["a.b", "a.b.c"], ["", "a"]),
        ("#.#", ["", "a", "a.b"], []),
        ("a.#.#.b.#.#", ["a.b", "a.x.b.y", "a.b.b"], ["a", "b.a", "a.c"]),
        ("a*.#b", ["a*.#b"], ["ax.b", "a*.b", "ax.xb", "a*.x.b"]),
        ("ä.*", ["ä.ö", "ä.日本"], ["a.ö", "ä"]),
    ])
    func aPatternTakesWhatItSays(pattern: String, taken: [String], others: [String]) {
        let binding = insert(pattern)
        for key in taken { #expect(matches(key) == [pattern], "'\(key)'") }
        for key in others { #expect(matches(key) == [], "'\(key)'") }
        trie.remove(binding)
        for key in taken { #expect(matches(key) == [], "'\(key)' after removal") }
        #expect(trie.nodeCount == 0)
    }

    @Test func patternsShareTheirBeginningAndLeaveNothingBehind() {
        let patterns = ["a.b.c", "a.b", "a.b.*", "a.#", "a.#.#", "a.#.c", "#", "*.b", ""]
        var bindings = patterns.map { insert($0) }
        #expect(trie.nodeCount == 9)  // a, a.b, a.b.c, a.b.*, a.#, a.#.c, #, *, *.b
        #expect(matches("a.b.c") == ["#", "a.#", "a.#.#", "a.#.c", "a.b.*", "a.b.c"])
        while let binding = bindings.popLast() {
            trie.remove(binding)
            let left = bindings.map(\.definition.routingKey)
            #expect(matches("a.b.c") == left.filter { !["a.b", "*.b", ""].contains($0) }.sorted())
        }
        #expect(trie.nodeCount == 0)
    }

    @Test func manyHashesCostTheirNodesTimesTheWords() {
        let hashes = Array(repeating: "#", count: 127).joined(separator: ".") + ".a"
        insert(hashes)
        #expect(trie.nodeCount == 2)
        let words = 128
        let key = Array(repeating: "a", count: words).joined(separator: ".")
        #expect(cost(key) <= 3 * (words + 1))
    }

    @Test func hashesBetweenWordsCostTheirNodesTimesTheWords() throws {
        // Each # can take any part of the key: there are more ways to share a long one out than there are atoms. A
        // short one first, so that a matcher that tries them all fails and does not run for ever.
        for (steps, words) in [(3, 30), (7, 127)] {
            for step in ["#.a.", "#.*."] { insert(String(repeating: step, count: steps) + "#.b") }
            let key = Array(repeating: "a", count: words).joined(separator: ".")
            #expect(matches(key + ".a") == [])
            try #require(cost(key) <= (trie.nodeCount + 1) * (words + 1))
            #expect(matches(key + ".b").count >= 2)
        }
        #expect(matches("a.a.a.b").count == 2)
    }

    @Test func theNumberOfBindingsDoesNotChangeTheCost() {
        for pattern in ["stock.*.10", "stock.#", "#.7.10"] { insert(pattern) }
        func add(_ numbers: Range<Int>) {
            for number in numbers { insert("stock.\(number / 100).\(number % 100)") }
        }
        add(0..<1_000)
        let few = cost("stock.7.10")
        #expect(matches("stock.7.10").count == 4)
        add(1_000..<100_000)
        #expect(cost("stock.7.10") == few)
        #expect(few <= 20)
        #expect(matches("stock.999.99") == ["stock.#", "stock.999.99"])
    }

    @Test func aKeyThatMatchesNothingEndsEarly() {
        insert("a.b.c.d")
        #expect(cost("x" + String(repeating: ".y", count: 126)) == 1)
    }
}
