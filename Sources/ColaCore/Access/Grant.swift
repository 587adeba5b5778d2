internal import OrderedCollections

/// What one user may do in one virtual host, with its patterns ready.
struct Grant {
    let definition: PermissionDefinition
    private let configure: Pattern
    private let write: Pattern
    private let read: Pattern
    /// By exchange.
    private(set) var topics: OrderedDictionary<String, TopicPermissionDefinition> = [:]

    /// - Throws: which of the patterns cannot be used.
    init(_ definition: PermissionDefinition) throws(PatternError) {
        self.definition = definition
        configure = try Self.pattern(definition.configure)
        write = try Self.pattern(definition.write)
        read = try Self.pattern(definition.read)
    }

    mutating func put(_ topic: TopicPermissionDefinition) { topics[topic.exchange] = topic }
    mutating func removeTopic(of exchange: String) { topics[exchange] = nil }
    mutating func takeTopics(of other: Grant?) { topics = other?.topics ?? [:] }

    /// An empty pattern fits the empty name alone.
    static func pattern(_ text: String) throws(PatternError) -> Pattern { try Pattern(text.isEmpty ? "^$" : text) }

    func allows(_ operation: Need.Operation, _ resource: Need.Resource) -> Bool {
        switch operation {
        case .configure: configure.matches(resource.name)
        case .write: write.matches(resource.name)
        case .read: read.matches(resource.name)
        }
    }

    /// - Parameter client: what the client calls itself; empty: nothing.
    func allows(_ operation: Need.Operation, exchange: String, routingKey: String, client: String) -> Bool {
        guard let topic = topics[exchange] else { return true }
        let text = operation == .write ? topic.write : topic.read
        let names = ["{username}": topic.user, "{vhost}": topic.host, "{client_id}": client]
        guard let pattern = try? Self.pattern(Self.expand(text, names)) else { return false }
        return pattern.matches(routingKey)
    }

    /// Puts names into a pattern, as text: what stands in a name means nothing in there.
    static func expand(_ pattern: String, _ names: [String: String]) -> String {
        var expanded = ""
        var rest = pattern[...]
        while let brace = rest.firstIndex(of: "{") {
            expanded += rest[..<brace]
            rest = rest[brace...]
            guard let end = rest.firstIndex(of: "}"), let name = names[String(rest[...end])] else {
                expanded.append("{")
                rest = rest.dropFirst()
                continue
            }
            for character in name.unicodeScalars {
                if signs.contains(character) { expanded.append("\\") }
                expanded.unicodeScalars.append(character)
            }
            rest = rest[end...].dropFirst()
        }
        return expanded + rest
    }

    private static let signs = Array(#"\.[]{}()*+?|^$-"#.unicodeScalars)
}

extension Grant {
    /// - Throws: which of its patterns cannot be used, whatever stands in the names.
    static func check(_ topic: TopicPermissionDefinition) throws(PatternError) {
        let names = ["{username}": topic.user, "{vhost}": topic.host, "{client_id}": ""]
        _ = try pattern(expand(topic.write, names))
        _ = try pattern(expand(topic.read, names))
    }
}
