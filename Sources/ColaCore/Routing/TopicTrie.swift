internal import OrderedCollections

/// The bindings of a topic exchange, as a trie of the words of their patterns: `*` is one word, `#` any number of them.
///
/// Patterns share the nodes of their common beginning, so that the words of a message decide how many are looked at,
/// not the number of bindings. A message goes through the trie word by word, with all the nodes it could be at;
/// none is entered twice before the same word, so no pattern costs more than (its nodes × the words of the message),
/// however many `#` it has. Words are what stands between dots, an empty one too; an empty key has no words.
///
/// Source: AMQP 0-9-1, section 3.1.3.3, "The Topic Exchange Type"; RabbitMQ for empty words
final class TopicTrie: BindingTable {
    private final class Node {
        /// Stays while words go by: it ends a path with `#`.
        let isHash: Bool
        var bindings: OrderedSet<Binding> = []
        /// Looked up, never walked.
        var words: [String: Node] = [:]
        var star: Node?
        var hash: Node?
        /// The last step of a match that entered it.
        var step: UInt64 = 0

        init(isHash: Bool) { self.isHash = isHash }

        var isEmpty: Bool { bindings.isEmpty && words.isEmpty && star == nil && hash == nil }

        subscript(word: String) -> Node? {
            get {
                switch word {
                case "*": star
                case "#": hash
                default: words[word]
                }
            }
            set {
                switch word {
                case "*": star = newValue
                case "#": hash = newValue
                default: words[word] = newValue
                }
            }
        }
    }

    private let root = Node(isHash: false)
    /// The nodes the message could be at before the next word, and after it; empty between matches.
    private var current: [Node] = []
    private var next: [Node] = []
    private var step: UInt64 = 0
    /// How many nodes all matches together have entered: what a match costs, whatever the machine.
    private(set) var visits = 0
    /// How many nodes there are, the root not counted.
    private(set) var nodeCount = 0

    func insert(_ binding: Binding) {
        var node = root
        for word in Self.path(of: binding.definition.routingKey) {
            if let child = node[word] {
                node = child
            } else {
                let child = Node(isHash: word == "#")
                node[word] = child
                nodeCount += 1
                node = child
            }
        }
        node.bindings.append(binding)
    }

    func remove(_ binding: Binding) {
        let path = Self.path(of: binding.definition.routingKey)
        var nodes = [root]
        for word in path {
            guard let child = nodes[nodes.count - 1][word] else { return }
            nodes.append(child)
        }
        nodes[nodes.count - 1].bindings.removeSwapping(binding)
        for (word, depth) in zip(path, path.indices).reversed() where nodes[depth + 1].isEmpty {
            nodes[depth][word] = nil
            nodeCount -= 1
        }
    }

    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void) {
        step += 1
        enter(root)
        for word in Self.words(of: key) {
            swap(&current, &next)
            guard !current.isEmpty else { return }
            step += 1
            for node in current {
                if node.isHash { enter(node) }
                if let child = node.words[word] { enter(child) }
                if let child = node.star { enter(child) }
            }
            current.removeAll(keepingCapacity: true)
        }
        for node in next {
            for binding in node.bindings { found(binding) }
        }
        next.removeAll(keepingCapacity: true)
    }

    /// The message may be at `node` now, and so at the `#` below it, which stands for no words too.
    private func enter(_ node: Node) {
        guard node.step != step else { return }
        node.step = step
        visits += 1
        next.append(node)
        // No further: below a `#` there is no second one.
        if let hash = node.hash { enter(hash) }
    }

    /// The words of a pattern; of several `#` in a row one is left, as they mean the same.
    private static func path(of pattern: String) -> [String] {
        var path: [String] = []
        for word in words(of: pattern) where word != "#" || path.last != "#" { path.append(word) }
        return path
    }

    private static func words(of key: String) -> [String] {
        guard !key.isEmpty else { return [] }
        return key.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            .map { String(Substring($0)) }
    }
}
