/// A virtual host: a set of names of its own. Routing, dead-lettering and transactions never leave it.
///
/// Source: AMQP 0-9-1, section 1.2, "virtual host"
package struct VirtualHostDefinition: Hashable, Sendable {
    /// The one that always exists.
    package static let defaultName = "/"

    package var name: String

    package init(name: String) { self.name = name }
}
