/// One binding as the router holds it: the definition, and the endpoint it leads to.
///
/// An object, because the exchange's list, its table and the endpoint all refer to it; equal to another by its
/// definition.
final class Binding: Hashable {
    let definition: BindingDefinition
    /// The router owns the endpoint for as long as a binding leads to it.
    unowned let endpoint: Endpoint
    /// What a headers exchange compares.
    let match: HeadersMatch

    init(_ definition: BindingDefinition, endpoint: Endpoint) {
        self.definition = definition
        self.endpoint = endpoint
        match = definition.match
    }

    static func == (left: Binding, right: Binding) -> Bool {
        left === right || left.definition == right.definition
    }

    /// Without the parts that are the same, or nearly always the same, in all the bindings of a virtual host.
    func hash(into hasher: inout Hasher) {
        hasher.combine(definition.source)
        hasher.combine(definition.destination)
        hasher.combine(definition.routingKey)
        hasher.combine(definition.arguments)
    }
}
