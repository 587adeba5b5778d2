/// What can be described.
package enum Subject: Equatable, Sendable {
    case queue(String)
    case topic(String)
    case exchange(String)
    case group(topic: String, group: String)
    case policy(String)
    case virtualHost(String)
    case user(String)
}

/// Everything about one thing, as names and values in an order that suits a reader. Each protocol writes it down in its
/// own way, so a field that is added here is seen everywhere.
package struct Description: Equatable, Sendable {
    package indirect enum Value: Equatable, Sendable {
        case none
        case number(Int)
        case truth(Bool)
        case text(String)
        case list([Value])
        case fields(Description)
    }

    package struct Field: Equatable, Sendable {
        package var name: String
        package var value: Value
    }

    package private(set) var fields: [Field] = []

    package init() {}

    package mutating func add(_ name: String, _ value: Value) { fields.append(Field(name: name, value: value)) }
    package mutating func add(_ name: String, _ number: Int) { add(name, .number(number)) }
    package mutating func add(_ name: String, _ text: String) { add(name, .text(text)) }
    package mutating func add(_ name: String, _ truth: Bool) { add(name, .truth(truth)) }
    package mutating func add(_ name: String, _ number: Int?) { add(name, number.map { .number($0) } ?? .none) }
    package mutating func add(_ name: String, _ text: String?) { add(name, text.map { .text($0) } ?? .none) }

    package subscript(_ name: String) -> Value? { fields.first { $0.name == name }?.value }
}
