/// The first thing in which a queue or topic differs from what somebody declares who takes it for the same.
///
/// Source: RabbitMQ, `rabbit_misc:assert_args_equivalence`, for the words of the sentence
package struct Inequivalence: Equatable, Sendable {
    package var kind: BrokerError.Kind
    package var name: String
    package var host: String
    /// Nil: a property of the queue that cannot change.
    package var argument: Argument?
    private var property: String
    /// Nil: not said.
    private var received: String?
    private var current: String?

    init(_ property: String, ofQueue name: String, in host: String, received: Bool, current: Bool) {
        kind = .queue
        self.name = name
        self.host = host
        self.property = property
        self.received = "\(received)"
        self.current = "\(current)"
    }

    package init(
        _ argument: Argument, of kind: BrokerError.Kind, named name: String, in host: String, received: Arguments,
        current: Arguments
    ) {
        self.kind = kind
        self.name = name
        self.host = host
        self.argument = argument
        property = argument.rawValue
        self.received = argument.text(in: received)
        self.current = argument.text(in: current)
    }

    /// Whether one of the two belongs to its connection alone and the other does not.
    package var isExclusivity: Bool { property == "exclusive" }

    /// - Parameter spelling: how the protocol of whoever declares it spells the name of an argument.
    package func sentence(_ spelling: (Argument) -> String = \.rawValue) -> String {
        let spelled = argument.map(spelling) ?? property
        let (received, current) = (Self.quoted(received), Self.quoted(current))
        return "inequivalent arg '\(spelled)' for \(kind.rawValue) '\(name)' in vhost '\(host)': received \(received) "
            + "but current is \(current); \(advice)"
    }

    private var advice: String {
        guard let argument else { return "choose another name, or delete the queue first" }
        let change = received.map { "--\(argument.rawValue) \($0)" } ?? "--clear \(argument.rawValue)"
        return "`cola set \(kind.rawValue) \(name) \(change)` changes it, and the setting redeclare=adopt takes what "
            + "is declared last"
    }

    private static func quoted(_ text: String?) -> String { text.map { "'\($0)'" } ?? "none" }
}
