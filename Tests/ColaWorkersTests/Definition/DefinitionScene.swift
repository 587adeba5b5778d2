import ColaWorkers
import OrderedCollections
import Testing

/// Writes definitions as the file has them: `["limits": ["memory": "1G"]]`.
enum Written: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, Sendable {
    case text(String)
    case list([Written])
    case map([(String, Written)])

    init(stringLiteral value: String) { self = .text(value) }
    init(arrayLiteral elements: Written...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, Written)...) { self = .map(elements) }

    var node: DefinitionNode {
        switch self {
        case .text(let text): .scalar(text)
        case .list(let items): .sequence(items.map(\.node))
        case .map(let fields): .mapping(OrderedDictionary(uniqueKeysWithValues: fields.map { ($0.0, $0.1.node) }))
        }
    }

    /// With `fields` added, or put in the place of those that are there.
    func with(_ other: Written) -> Written {
        guard case .map(var fields) = self, case .map(let added) = other else { return other }
        for (key, value) in added {
            fields.removeAll { $0.0 == key }
            fields.append((key, value))
        }
        return .map(fields)
    }
}

/// A worker named `w` with these settings besides what it needs.
func definition(_ fields: Written = [:]) throws -> WorkerDefinition {
    let standard: Written = ["queue": "jobs", "command": ["./run"]]
    let all = try WorkerDefinition.all(from: Written.map([("w", standard.with(fields))]).node)
    return try #require(all.first)
}

/// What is said of such a worker.
func complaint(_ fields: Written) -> String {
    do {
        _ = try definition(fields)
        return ""
    } catch {
        return "\(error)"
    }
}
