import ColaTesting
import Testing

@testable import ColaCore

/// Random patterns and keys: the trie takes what a plain matcher takes, at a cost that is bounded.
@Suite struct TopicTriePropertyTests {
    @Test(.timeLimit(.minutes(5)), arguments: Seeds.of(60))
    func theTrieTakesWhatAPlainMatcherTakes(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let trie = TopicTrie()
        let endpoint = Endpoint(Endpoint.Name(target: .queue, name: "q"), .nothing)
        var bindings: [Binding] = []
        for _ in 0..<150 {
            if bindings.count > 40 || (Int.random(in: 0..<4, using: &random) == 0 && !bindings.isEmpty) {
                trie.remove(bindings.remove(at: Int.random(in: 0..<bindings.count, using: &random)))
            } else {
                let pattern = words(of: ["a", "b", "*", "#", "#", ""], most: 7, &random)
                let definition = BindingDefinition(source: "x", destination: "q", routingKey: pattern)
                let binding = Binding(definition, endpoint: endpoint)
                guard !bindings.contains(binding) else { continue }
                trie.insert(binding)
                bindings.append(binding)
            }
            let key = words(of: ["a", "b", "c", "", "*", "#"], most: 8, &random)
            let keyWords = RoutingModel.words(key)
            let expected = bindings.map(\.definition.routingKey)
                .filter { RoutingModel.matches(RoutingModel.words($0)[...], keyWords[...]) }
            let before = trie.visits
            var found: [String] = []
            trie.match(key: key, headers: RecordHeaders()) { found.append($0.definition.routingKey) }
            try #require(found.sorted() == expected.sorted(), "key '\(key)', seed \(seed)")
            try #require(
                trie.visits - before <= (trie.nodeCount + 1) * (keyWords.count + 1), "key '\(key)', seed \(seed)")
        }
        for binding in bindings { trie.remove(binding) }
        #expect(trie.nodeCount == 0)
    }

    private func words(of alphabet: [String], most: Int, _ random: inout SplitMix64) -> String {
        (0..<Int.random(in: 0...most, using: &random))
            .map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
            .joined(separator: ".")
    }
}
