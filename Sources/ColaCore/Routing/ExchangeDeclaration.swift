/// What a client says of an exchange that it wants to be there.
package struct ExchangeDeclaration: Equatable, Sendable {
    package var name: String
    package var kind: ExchangeDefinition.Kind
    package var isDurable: Bool
    package var isAutoDelete: Bool
    package var isInternal: Bool
    package var isDelayed: Bool
    /// Whether it only asks if there is one of the name; all else counts for nothing then.
    package var isPassive: Bool
    package var alternate: String?
    package var arguments: ArgumentTable

    package init(
        name: String, kind: ExchangeDefinition.Kind, isDurable: Bool = true, isAutoDelete: Bool = false,
        isInternal: Bool = false, isDelayed: Bool = false, isPassive: Bool = false, alternate: String? = nil,
        arguments: ArgumentTable = [:]
    ) {
        self.name = name
        self.kind = kind
        self.isDurable = isDurable
        self.isAutoDelete = isAutoDelete
        self.isInternal = isInternal
        self.isDelayed = isDelayed
        self.isPassive = isPassive
        self.alternate = alternate
        self.arguments = arguments
    }

    /// Why a type with its arguments is none.
    package enum Refusal: Error, Equatable, Sendable {
        case unknownType(String)
        /// A sentence about an argument.
        case badArgument(String)
    }

    /// A durable exchange as RabbitMQ's clients say it: by the name of its type, with everything else in the arguments.
    package init(name: String, type: String, arguments: ArgumentTable) throws(Refusal) {
        var others = arguments
        var alternate: String?
        if let value = arguments[ExchangeArgument.alternate] {
            guard let text = value.asText else {
                throw .badArgument("\(ExchangeArgument.alternate) is the name of an exchange")
            }
            alternate = text
            others[ExchangeArgument.alternate] = nil
        }
        let isDelayed = type == ExchangeDefinition.delayedType
        var routing = type
        if isDelayed {
            let kinds = ExchangeDefinition.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            guard let text = arguments[ExchangeArgument.delayedType]?.asText,
                ExchangeDefinition.Kind(rawValue: text) != nil
            else {
                throw .badArgument(
                    "an exchange of type \(type) says in \(ExchangeArgument.delayedType) how it routes: \(kinds)")
            }
            routing = text
            others[ExchangeArgument.delayedType] = nil
        }
        guard let kind = ExchangeDefinition.Kind(rawValue: routing) else { throw .unknownType(type) }
        self.init(name: name, kind: kind, isDelayed: isDelayed, alternate: alternate, arguments: others)
    }

    func definition(in host: String) -> ExchangeDefinition {
        ExchangeDefinition(
            host: host, name: name, kind: kind, isDurable: isDurable, isAutoDelete: isAutoDelete,
            isInternal: isInternal, isDelayed: isDelayed, alternate: alternate, arguments: arguments)
    }
}

extension ExchangeDefinition {
    /// The first property in which it differs from what a client declares, in RabbitMQ's words; nil if there is none.
    ///
    /// Arguments that mean nothing here are not compared, as RabbitMQ does not compare them.
    func difference(from other: ExchangeDefinition) -> String? {
        func difference(_ property: String, _ received: String?, _ current: String?) -> String? {
            guard received != current else { return nil }
            return "inequivalent arg '\(property)' for exchange '\(name)' in vhost '\(host)': received "
                + "\(received.map { "'\($0)'" } ?? "none") but current is \(current.map { "'\($0)'" } ?? "none")"
        }
        func truth(_ property: String, _ received: Bool, _ current: Bool) -> String? {
            difference(property, "\(received)", "\(current)")
        }
        func argument(_ name: String) -> String? {
            difference(name, other.allArguments[name]?.text, allArguments[name]?.text)
        }
        return difference("type", other.type, type) ?? truth("durable", other.isDurable, isDurable)
            ?? truth("auto_delete", other.isAutoDelete, isAutoDelete)
            ?? truth("internal", other.isInternal, isInternal) ?? argument(ExchangeArgument.alternate)
            ?? argument(ExchangeArgument.delayedType) ?? argument(ExchangeArgument.hashHeader)
            ?? argument(ExchangeArgument.hashProperty) ?? argument(ExchangeArgument.historyLength)
    }
}
