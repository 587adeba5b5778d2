internal import OrderedCollections

extension WorkerDefinition {
    /// The keys of a worker, in the order in which they are written.
    package static let keys = [
        "queue", "vhost", "command", "mode", "format", "ready", "processes", "prefetch", "directory", "user", "group",
        "umask", "nice",
        "environment", "pass-environment", "limits", "restart", "backoff", "stop", "time-limit", "exit-codes", "retry",
        "result-queue", "start-limit", "autoscale",
    ]

    /// Workers a server can have.
    package static let workersMost = 10_000

    /// - Parameter node: what stands behind `workers:`: names, and behind each its settings.
    /// - Throws: all that is wrong in it.
    package static func all(from node: DefinitionNode) throws(DefinitionErrors) -> [WorkerDefinition] {
        if case .scalar("") = node { return [] }
        guard case .mapping(let workers) = node, workers.count <= workersMost else {
            let problem = "must be a mapping of at most \(workersMost) names of workers to their settings"
            throw DefinitionErrors(errors: [DefinitionError(worker: "", field: "", problem: problem)])
        }
        var definitions: [WorkerDefinition] = []
        var errors: [DefinitionError] = []
        for (name, node) in workers {
            var reader = DefinitionReader(worker: name)
            if let definition = read(name, node, with: &reader) { definitions.append(definition) }
            errors += reader.errors
        }
        guard errors.isEmpty else { throw DefinitionErrors(errors: errors) }
        return definitions
    }

    private static func read(
        _ text: String, _ node: DefinitionNode, with reader: inout DefinitionReader
    ) -> WorkerDefinition? {
        let name = WorkerName(text)
        if name == nil {
            reader.fail(
                "",
                "is no name for a worker; it must be 1 to 64 letters, digits, '.', '_' or '-', "
                    + "and begin with a letter, digit or '_'")
        }
        guard let section = reader.section(node, path: "", keys: keys) else { return nil }
        let command = command(of: section, with: &reader)
        guard let name, let command else { return nil }
        let mode = reader.choice("mode", of: section, as: Mode.self) ?? .exec
        var definition = WorkerDefinition(name: name, queue: nil, command: command, mode: mode)
        definition.readFeeding(section, with: &reader)
        definition.readProcess(section, with: &reader)
        definition.readSupervision(section, with: &reader)
        definition.check(section, with: &reader)
        return definition
    }

    private static func command(
        of section: DefinitionReader.Section, with reader: inout DefinitionReader
    ) -> [String]? {
        var words: [String]?
        switch section["command"] {
        case nil:
            reader.fail("command", "is missing; it names the program and its arguments, such as [./resize.sh, --fast]")
            return nil
        case .sequence:
            words = reader.texts("command", of: section)
            if words == nil { return nil }
        case .scalar(let text):
            do throws(CommandWords.Problem) {
                words = try CommandWords.split(text)
            } catch {
                reader.fail("command", "is '\(text)'\(error.description)")
                return nil
            }
        case .mapping: break
        }
        guard let words, let program = words.first, !program.isEmpty, !words.contains(where: { $0.utf8.contains(0) })
        else {
            let given = section["command"] ?? .scalar("")
            reader.fail("command", given, mustBe: "a program and its arguments, such as [./resize.sh, --fast]")
            return nil
        }
        return words
    }

    // MARK: What does not go together

    private func check(_ section: DefinitionReader.Section, with reader: inout DefinitionReader) {
        if queue == nil, section["queue"] == nil, mode != .client || isScaled {
            let reason = isScaled && mode == .client ? "its number of processes follows a queue" : "it is fed from one"
            reader.fail("queue", "is missing; the worker needs it, because \(reason)")
        }
        let foreign: [(key: String, modes: [Mode])] = [
            ("prefetch", [.stream, .client]), ("start-limit", [.stream, .client]), ("restart", [.stream, .client]),
            ("exit-codes", [.exec]), ("result-queue", [.exec, .stream]), ("format", [.stream]), ("ready", [.stream]),
        ]
        for (key, modes) in foreign where section[key] != nil && !modes.contains(mode) {
            let names = modes.map(\.rawValue).joined(separator: " and ")
            reader.fail(
                key, "is for mode \(names); the mode is \(mode.rawValue), so remove the line or change the mode")
        }
        if section["autoscale"] != nil, section["processes"] == nil || !isScaled {
            reader.fail("autoscale", "needs a range of processes, such as processes: 1-8")
        }
    }
}
