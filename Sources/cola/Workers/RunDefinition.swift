import ColaCore
import ColaWorkers

/// A worker as a command line defines it, and as a configuration file would have it: JSON is YAML.
struct RunDefinition {
    /// What it is called in the story of a message: the program's name, as far as that is one for a worker.
    private let name: String
    private var settings = Tree()

    init(command: [String]) {
        let file = command.first.flatMap { $0.split(separator: "/").last.map(String.init) } ?? ""
        name = WorkerName(file) == nil ? "run" : file
        settings.set(["command"], to: "[\(command.map(Self.quoted).joined(separator: ","))]")
        // Whoever types a command expects it to have what he has.
        settings.set(["pass-environment"], to: "[\"*\"]")
    }

    mutating func set(_ name: String, to text: String) { settings.set([name], to: Self.quoted(text)) }

    /// - Parameter path: `["retry", "attempts"]` for `retry: {attempts: …}`.
    mutating func set(path: [String], toYAML value: String) { settings.set(path, to: value) }

    var yaml: String { "workers: {\(Self.quoted(name)): \(settings.text)}\n" }

    private static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        JSONText.append(text.utf8, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Settings by their paths.
    private struct Tree {
        private var members: [(name: String, value: String?, tree: Tree?)] = []

        mutating func set(_ path: [String], to value: String) {
            guard let name = path.first else { return }
            let index = members.firstIndex { $0.name == name } ?? members.count
            if index == members.count { members.append((name, nil, nil)) }
            if path.count == 1 {
                members[index] = (name, value, nil)
            } else {
                var tree = members[index].tree ?? Tree()
                tree.set(Array(path.dropFirst()), to: value)
                members[index] = (name, nil, tree)
            }
        }

        var text: String {
            let fields = members.map { "\(quoted($0.name)): \($0.value ?? $0.tree?.text ?? "")" }
            return "{\(fields.joined(separator: ", "))}"
        }
    }
}
