/// What a headers exchange compares with a message's headers: the arguments of a binding, read.
///
/// A message's headers are text, so values are compared as text: the number 1 in a binding is the header `1`, whatever
/// type that had in the protocol it came by.
///
/// Source: AMQP 0-9-1, section 3.1.3.4, "The Headers Exchange Type"; RabbitMQ for arguments that begin with `x-`, and
/// for the two ways of matching that do not pass them over
package struct HeadersMatch: Hashable, Sendable {
    package struct Header: Hashable, Sendable {
        package var name: String
        /// Nil: the header need only be there.
        package var value: String?

        package init(name: String, value: String?) {
            self.name = name
            self.value = value
        }
    }

    /// The argument that says how to match.
    package static let argument = "x-match"

    /// What it may say.
    package enum Mode: String, CaseIterable, Sendable {
        case all
        case any
        case allWithX = "all-with-x"
        case anyWithX = "any-with-x"

        var isAny: Bool { self == .any || self == .anyWithX }
        var includesX: Bool { self == .allWithX || self == .anyWithX }
    }

    /// Whether one of the headers is enough; otherwise all must match.
    package var isAny: Bool
    /// Sorted by name.
    package var headers: [Header]

    package init(isAny: Bool = false, headers: [Header] = []) {
        self.isAny = isAny
        self.headers = headers
    }

    init(_ arguments: ArgumentTable) {
        let mode = arguments[Self.argument]?.asText.flatMap(Mode.init) ?? .all
        isAny = mode.isAny
        headers = arguments.entries.compactMap { entry in
            guard entry.name != Self.argument, mode.includesX || !entry.name.hasPrefix("x-") else { return nil }
            return Header(name: entry.name, value: entry.value.text)
        }
    }

    /// The arguments that say this, in the one way in which Cola's own clients say it.
    package var arguments: ArgumentTable {
        guard self != Self() else { return [:] }
        let hasX = headers.contains { $0.name.hasPrefix("x-") }
        let mode: Mode = isAny ? (hasX ? .anyWithX : .any) : (hasX ? .allWithX : .all)
        var arguments: ArgumentTable = [:]
        for header in headers { arguments[header.name] = header.value.map { .text($0) } ?? .nothing }
        arguments[Self.argument] = .text(mode.rawValue)
        return arguments
    }

    /// What is wrong with the arguments of a binding to a headers exchange, as a sentence; nil if nothing is.
    static func problem(of arguments: ArgumentTable) -> String? {
        if let value = arguments[argument], value.asText.flatMap(Mode.init) == nil {
            return "Invalid \(argument) field value '\(value.text ?? "")'; expected all, any, all-with-x, or any-with-x"
        }
        for header in HeadersMatch(arguments).headers where header.value == nil {
            guard arguments[header.name] != .nothing else { continue }
            return "the binding compares header '\(header.name)' with a value that is no text; text, numbers, truth "
                + "values and times can be compared"
        }
        return nil
    }
}
