/// What is wrong with one field of one worker's definition.
package struct DefinitionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The worker's name, as it was written; empty if the list of workers itself is wrong.
    package let worker: String
    /// The path of the field with dots: `limits.memory`; empty if it is the worker as a whole.
    package let field: String
    /// What was found, and what must be there: "is '12X'; it must be a size from 1M to 1T".
    package let problem: String

    package var description: String {
        let place = worker.isEmpty ? "workers:" : "worker \(worker):"
        return field.isEmpty ? "\(place) \(problem)" : "\(place) \(field) \(problem)"
    }
}

/// All that is wrong with the definitions of workers, in the order in which it was written.
package struct DefinitionErrors: Error, Equatable, Sendable, CustomStringConvertible {
    package let errors: [DefinitionError]

    /// One line for each.
    package var description: String { errors.map(\.description).joined(separator: "\n") }
}
