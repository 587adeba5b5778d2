/// A Procfile, as Heroku, foreman and honcho have it: `NAME: COMMAND` in each line, for a shell.
///
/// Blank lines and those that begin with `#` are skipped. What it starts feeds itself, so each line becomes a worker in
/// client mode, with no queue until somebody gives it one.
package struct Procfile: Equatable, Sendable {
    package let workers: [WorkerDefinition]

    /// - Throws: all that is wrong in it; nothing is taken then.
    package init(_ text: String) throws(DefinitionErrors) {
        var workers: [WorkerDefinition] = []
        var errors: [DefinitionError] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = Self.trimmed(line)
            guard !line.isEmpty, line.first != "#" else { continue }
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(Self.trimmed(parts[0]))
            guard parts.count == 2, let worker = WorkerName(name) else {
                let problem =
                    "is '\(line)'; it must be `NAME: COMMAND`, with a name of letters, digits, '.', '_' and '-'"
                errors.append(DefinitionError(worker: "", field: "line \(index + 1) of the Procfile", problem: problem))
                continue
            }
            let command = String(Self.trimmed(parts[1]))
            guard !command.isEmpty, !command.utf8.contains(0) else {
                let problem = "in line \(index + 1) of the Procfile is empty; write what to start behind the colon"
                errors.append(DefinitionError(worker: name, field: "command", problem: problem))
                continue
            }
            guard !workers.contains(where: { $0.name == worker }) else {
                let problem = "is in line \(index + 1) of the Procfile for the second time; give it another name"
                errors.append(DefinitionError(worker: name, field: "", problem: problem))
                continue
            }
            workers.append(WorkerDefinition(name: worker, queue: nil, command: ["sh", "-c", command], mode: .client))
        }
        guard errors.isEmpty else { throw DefinitionErrors(errors: errors) }
        self.workers = workers
    }

    /// The workers as `cola.yaml` has them.
    package var yaml: String {
        workers.isEmpty ? "workers: {}\n" : "workers:\n" + WorkerDefinition.node(of: workers).yaml(indent: 2)
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let head = text.drop(while: \.isWhitespace)
        return head[..<(head.lastIndex { !$0.isWhitespace }.map(head.index(after:)) ?? head.startIndex)]
    }
}
