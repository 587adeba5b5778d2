/// Why a text is not a pattern: what is wrong, at which of its characters, and what to write instead.
package struct PatternError: Error, Equatable, Sendable, CustomStringConvertible {
    package let pattern: String
    /// Counted from 1; one after the last where something is missing at the end.
    package let position: Int
    package let reason: String

    package init(pattern: String, position: Int, reason: String) {
        self.pattern = pattern
        self.position = position
        self.reason = reason
    }

    package var description: String { "the pattern '\(pattern)' is wrong at character \(position): \(reason)" }
}
