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
    /// A node's place in the list of nodes. A match goes through numbers in half the time that references take, and no
    /// depth of nodes is too deep to be freed.
    private typealias Place = Int32

    private struct Node {
        /// Stays while words go by: it ends a path with `#`.
        let isHash: Bool
        var star: Place?
        var hash: Place?
        /// The last step of a match that entered it.
        var step: UInt64 = 0
        /// Looked up, never walked.
        var words: [String: Place] = [:]
        var bindings: OrderedSet<Binding> = []

        init(isHash: Bool) { self.isHash = isHash }

        var isEmpty: Bool { bindings.isEmpty && words.isEmpty && star == nil && hash == nil }

        subscript(word: String) -> Place? {
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

    private static let root: Place = 0
    private var nodes = [Node(isHash: false)]
    private var unused: [Place] = []
    private var step: UInt64 = 0
    /// Where the message could be before the next word, and after it; kept for their memory.
    private var current: [Place] = []
    private var next: [Place] = []
    /// How many nodes all matches together have entered: what a match costs, whatever the machine.
    private(set) var visits = 0

    /// How many nodes there are, the root not counted.
    var nodeCount: Int { nodes.count - 1 - unused.count }

    var takesEachKey: Bool { true }

    func insert(_ binding: Binding) {
        var place = Self.root
        for word in Self.path(of: binding.definition.routingKey) {
            if let child = nodes[Int(place)][word] {
                place = child
            } else {
                let child = add(Node(isHash: word == "#"))
                nodes[Int(place)][word] = child
                place = child
            }
        }
        nodes[Int(place)].bindings.append(binding)
    }

    func remove(_ binding: Binding) {
        let path = Self.path(of: binding.definition.routingKey)
        var places = [Self.root]
        for word in path {
            guard let child = nodes[Int(places[places.count - 1])][word] else { return }
            places.append(child)
        }
        nodes[Int(places[places.count - 1])].bindings.removeSwapping(binding)
        while let place = places.popLast(), let parent = places.last, nodes[Int(place)].isEmpty {
            nodes[Int(parent)][path[places.count - 1]] = nil
            nodes[Int(place)] = Node(isHash: false)
            unused.append(place)
        }
        if nodeCount == 0 { (nodes, unused) = ([nodes[Int(Self.root)]], []) }
    }

    private func add(_ node: Node) -> Place {
        if let place = unused.popLast() {
            nodes[Int(place)] = node
            return place
        }
        nodes.append(node)
        return Place(nodes.count - 1)
    }

    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void) {
        Self.match(key, &nodes, &current, &next, &step, &visits)
        for place in next {
            for binding in nodes[Int(place)].bindings { found(binding) }
        }
        next.removeAll(keepingCapacity: true)
    }

    /// Leaves the nodes where the key ends in `next`. All the state comes as arguments, as it is checked for exclusive
    /// access at each use otherwise.
    private static func match(
        _ key: String, _ nodes: inout [Node], _ current: inout [Place], _ next: inout [Place], _ step: inout UInt64,
        _ visits: inout Int
    ) {
        step += 1
        enter(root, step, &nodes, &next)
        visits += next.count
        forEachWord(of: key) { word in
            swap(&current, &next)
            step += 1
            for place in current {
                if nodes[Int(place)].isHash { enter(place, step, &nodes, &next) }
                if let child = nodes[Int(place)].words[word] { enter(child, step, &nodes, &next) }
                if let child = nodes[Int(place)].star { enter(child, step, &nodes, &next) }
            }
            current.removeAll(keepingCapacity: true)
            visits += next.count
            return !next.isEmpty
        }
    }

    /// The message may be at `place` now, and so at the `#` below it, which stands for no words too.
    private static func enter(_ place: Place, _ step: UInt64, _ nodes: inout [Node], _ next: inout [Place]) {
        guard nodes[Int(place)].step != step else { return }
        nodes[Int(place)].step = step
        next.append(place)
        // No further: below a `#` there is no second one.
        if let hash = nodes[Int(place)].hash { enter(hash, step, &nodes, &next) }
    }

    /// The words of a pattern; of several `#` in a row one is left, as they mean the same.
    private static func path(of pattern: String) -> [String] {
        var path: [String] = []
        forEachWord(of: pattern) { word in
            if word != "#" || path.last != "#" { path.append(word) }
            return true
        }
        return path
    }

    /// Calls `body` with each word, as long as it returns true. Without an array of them, as this is done for every
    /// message.
    private static func forEachWord(of key: String, _ body: (String) -> Bool) {
        guard !key.isEmpty else { return }
        var key = key
        key.withUTF8 { bytes in
            var start = 0
            while start <= bytes.count {
                var end = start
                while end < bytes.count, bytes[end] != UInt8(ascii: ".") { end += 1 }
                let word = UnsafeBufferPointer(rebasing: bytes[start..<end])
                guard body(String(decoding: word, as: UTF8.self)) else { return }
                start = end + 1
            }
        }
    }
}
