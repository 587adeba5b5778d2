package import OrderedCollections

/// What a definition is read from: the shape of YAML and JSON without a parser of either.
package indirect enum DefinitionNode: Equatable, Sendable {
    /// A value as it was written; nothing at all is the empty text.
    case scalar(String)
    case sequence([DefinitionNode])
    case mapping(OrderedDictionary<String, DefinitionNode>)

    /// In a line, for errors and for what a reload changes.
    package var text: String {
        switch self {
        case .scalar(let text): text
        case .sequence(let nodes): "[" + nodes.map(\.text).joined(separator: ", ") + "]"
        case .mapping(let nodes): "{" + nodes.map { "\($0.key): \($0.value.text)" }.joined(separator: ", ") + "}"
        }
    }
}
