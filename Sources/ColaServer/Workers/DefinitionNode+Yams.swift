internal import ColaWorkers
internal import OrderedCollections
internal import Yams

extension DefinitionNode {
    /// - Throws: ``Settings/Wrong``: a key that is no text, or one that stands there twice.
    init(_ node: Node, in path: String) throws {
        switch node {
        case .scalar(let scalar):
            // Nothing at all, but not an empty text between quotation marks.
            self = .scalar(scalar.style == .plain && ["~", "null"].contains(scalar.string) ? "" : scalar.string)
        case .sequence(let sequence): self = .sequence(try sequence.map { try DefinitionNode($0, in: path) })
        case .mapping(let mapping):
            var fields: OrderedDictionary<String, DefinitionNode> = [:]
            for (key, value) in mapping {
                guard let name = key.string else {
                    throw Settings.Wrong(description: "\(path): under workers: stands a key that is no text")
                }
                fields[name] = try DefinitionNode(value, in: path)
            }
            self = .mapping(fields)
        case .alias: throw Settings.Wrong(description: "\(path): workers: cannot hold aliases; write it out")
        }
    }
}
