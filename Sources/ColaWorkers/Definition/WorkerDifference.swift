internal import OrderedCollections

/// What a reload does to one worker.
package struct WorkerDifference: Equatable, Sendable, CustomStringConvertible {
    package enum Kind: Equatable, Sendable {
        case added
        case removed
        case changed([Change])
        case unchanged
    }

    /// One setting, with its path, as it was and as it will be; nil: as it is by default.
    package struct Change: Equatable, Sendable {
        package let field: String
        package let old: String?
        package let new: String?
        /// Whether processes that run are replaced, one after the other, for it to hold.
        package let needsRestart: Bool
    }

    package let name: WorkerName
    package let kind: Kind

    package var needsRestart: Bool {
        if case .changed(let changes) = kind { changes.contains(where: \.needsRestart) } else { false }
    }

    /// A line for each worker, and one for each setting of it that changes.
    package var description: String {
        switch kind {
        case .added: return "worker \(name): added"
        case .removed: return "worker \(name): removed; its processes are stopped"
        case .unchanged: return "worker \(name): unchanged"
        case .changed(let changes):
            let lines = changes.map { change in
                let effect = change.needsRestart ? "processes are replaced one by one" : "holds at once"
                return "  \(change.field): \(change.old ?? "default") -> \(change.new ?? "default") (\(effect))"
            }
            return (["worker \(name): changed"] + lines).joined(separator: "\n")
        }
    }
}

extension WorkerDefinition {
    /// What it means to go on with `new` in the place of `old`: those of `new` in its order, then those that go.
    package static func difference(_ old: [WorkerDefinition], _ new: [WorkerDefinition]) -> [WorkerDifference] {
        let before = OrderedDictionary(old.map { ($0.name, $0) }) { _, last in last }
        let after = OrderedDictionary(new.map { ($0.name, $0) }) { _, last in last }
        let kept = after.values.map { definition in
            WorkerDifference(
                name: definition.name,
                kind: before[definition.name].map { definition.kind(since: $0) } ?? .added)
        }
        return kept + before.keys.filter { after[$0] == nil }.map { WorkerDifference(name: $0, kind: .removed) }
    }

    /// Whether what runs by `old` has to be replaced for this to hold.
    package func needsRestart(since old: WorkerDefinition) -> Bool {
        WorkerDifference(name: name, kind: kind(since: old)).needsRestart
    }

    private func kind(since old: WorkerDefinition) -> WorkerDifference.Kind {
        guard self != old else { return .unchanged }
        let before = old.leaves
        let after = leaves
        let paths = OrderedSet(before.keys).union(after.keys)
        let changes = paths.compactMap { path -> WorkerDifference.Change? in
            guard before[path] != after[path] else { return nil }
            // The value of a variable may be a secret.
            let isSecret = path.hasPrefix("environment.")
            return WorkerDifference.Change(
                field: path, old: isSecret ? before[path].map { _ in "set" } : before[path],
                new: isSecret ? after[path].map { _ in before[path] == nil ? "set" : "set anew" } : after[path],
                needsRestart: needsRestart(path))
        }
        return .changed(changes)
    }

    /// In exec each message has a process of its own, so the next one has all of the new.
    private func needsRestart(_ path: String) -> Bool {
        let ofFeeding = ["mode", "vhost", "queue", "format"]
        let ofProcess = [
            "command", "directory", "user", "group", "umask", "nice", "environment", "pass-environment", "limits",
        ]
        let key = String(path.prefix { $0 != "." })
        return ofFeeding.contains(key) || mode != .exec && ofProcess.contains(key)
    }

    /// Every setting that is not as it is by default, by its path.
    private var leaves: OrderedDictionary<String, String> {
        var leaves: OrderedDictionary<String, String> = [:]
        func visit(_ node: DefinitionNode, _ path: String) {
            guard case .mapping(let fields) = node else { return leaves[path] = node.text }
            for (key, value) in fields { visit(value, path.isEmpty ? key : "\(path).\(key)") }
        }
        visit(node, "")
        return leaves
    }
}
