/// An exchange: a rule that turns a routing key and headers into the logs a message is appended to.
package struct ExchangeDefinition: Hashable, Sendable {
    /// By the name that clients of RabbitMQ know it by.
    ///
    /// Source: AMQP 0-9-1, section 3.1.3, "Exchange Types"; RabbitMQ and its plugins for those with `x-`
    package enum Kind: String, CaseIterable, Sendable {
        case direct
        case fanout
        case topic
        case headers
        /// To one of its bindings: the routing key, or what else the arguments name, decides which, and goes on doing
        /// so for most keys when bindings come and go.
        case consistentHash = "x-consistent-hash"
        /// To one of its bindings: the hash of the routing key by their number.
        case modulusHash = "x-modulus-hash"
        /// To the binding whose key is the remainder of the routing key's hash by their number, as RabbitMQ's stream
        /// clients hash it.
        case superStream = "x-super-stream"
        /// To one of its bindings, any.
        case random = "x-random"
        case localRandom = "x-local-random"
        /// To all; what is bound later gets the last messages first.
        case recentHistory = "x-recent-history"
    }

    package var host: String
    package var name: String
    package var kind: Kind
    /// Whether it is there after a restart.
    package var isDurable: Bool
    /// Whether it goes with the last binding that leads from it.
    package var isAutoDelete: Bool
    /// Whether only other exchanges and dead letters lead to it, no publisher.
    package var isInternal: Bool
    /// Whether a message with a delay is routed when its time has come, not when it is published. RabbitMQ's type
    /// `x-delayed-message`.
    package var isDelayed: Bool
    /// Where a message goes that no binding takes; nil: it leads nowhere.
    package var alternate: String?
    /// All else that it was declared with.
    package var arguments: ArgumentTable

    package init(
        host: String = VirtualHostDefinition.defaultName, name: String, kind: Kind, isDurable: Bool = true,
        isAutoDelete: Bool = false, isInternal: Bool = false, isDelayed: Bool = false, alternate: String? = nil,
        arguments: ArgumentTable = [:]
    ) {
        self.host = host
        self.name = name
        self.kind = kind
        self.isDurable = isDurable
        self.isAutoDelete = isAutoDelete
        self.isInternal = isInternal
        self.isDelayed = isDelayed
        self.alternate = alternate
        self.arguments = arguments
    }
}

extension ExchangeDefinition {
    /// The type `x-delayed-message`, which is a kind with a delay.
    package static let delayedType = "x-delayed-message"

    /// Its type as RabbitMQ's clients declare and list it.
    package var type: String { isDelayed ? Self.delayedType : kind.rawValue }

    /// Everything that RabbitMQ's clients would have said in the arguments.
    package var allArguments: ArgumentTable {
        var all = arguments
        if let alternate { all[ExchangeArgument.alternate] = .text(alternate) }
        if isDelayed { all[ExchangeArgument.delayedType] = .text(kind.rawValue) }
        return all
    }

    /// How many messages one of the kind `x-recent-history` keeps.
    var historyLength: Int {
        guard case .integer(let length)? = arguments[ExchangeArgument.historyLength] else { return 20 }
        return Int(clamping: length)
    }

    /// What is wrong with the arguments, as a sentence; nil if nothing is.
    var problem: String? {
        switch kind {
        case .consistentHash:
            let header = arguments[ExchangeArgument.hashHeader]
            let property = arguments[ExchangeArgument.hashProperty]
            if header != nil, property != nil {
                return "'\(name)' hashes one thing: \(ExchangeArgument.hashHeader) or "
                    + "\(ExchangeArgument.hashProperty), not both"
            }
            if let header, header.asText == nil { return "\(ExchangeArgument.hashHeader) is the name of a header" }
            if let property, property.asText.flatMap(ConsistentHashTable.Property.init) == nil {
                let known = ConsistentHashTable.Property.allCases.map(\.rawValue).joined(separator: ", ")
                return "\(ExchangeArgument.hashProperty) is one of \(known), not '\(property.text ?? "")'"
            }
            return nil
        case .recentHistory:
            guard let length = arguments[ExchangeArgument.historyLength] else { return nil }
            if case .integer(1...Int64(MessageHistory.lengthMax)) = length { return nil }
            return "\(ExchangeArgument.historyLength) is a number from 1 to \(MessageHistory.lengthMax), not "
                + "'\(length.text ?? "")'"
        case .direct, .fanout, .topic, .headers, .modulusHash, .superStream, .random, .localRandom: return nil
        }
    }
}

/// Names of arguments of exchanges that mean something here. As RabbitMQ has them.
package enum ExchangeArgument {
    package static let alternate = "alternate-exchange"
    package static let delayedType = "x-delayed-type"
    package static let hashHeader = "hash-header"
    package static let hashProperty = "hash-property"
    package static let historyLength = "x-recent-history-length"
}

extension ArgumentTable.Value {
    /// Its text, if it is one.
    package var asText: String? { if case .text(let text) = self { text } else { nil } }
}
