/// An exchange: a rule that turns a routing key and headers into the logs a message is appended to.
package struct ExchangeDefinition: Hashable, Sendable {
    /// Source: AMQP 0-9-1, section 3.1.3, "Exchange Types"
    package enum Kind: String, CaseIterable, Sendable {
        case direct
        case fanout
        case topic
        case headers
    }

    package var host: String
    package var name: String
    package var kind: Kind
    /// Where a message goes that no binding takes; nil: it leads nowhere.
    package var alternate: String?

    package init(host: String = VirtualHostDefinition.defaultName, name: String, kind: Kind, alternate: String? = nil) {
        self.host = host
        self.name = name
        self.kind = kind
        self.alternate = alternate
    }
}
