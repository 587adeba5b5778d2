internal import OrderedCollections

/// A name that at least one binding leads to, and what stands behind it.
///
/// It spares a route the look-up of each name it reaches, and knows its bindings, so that deleting a queue costs no
/// more than the queue's own bindings.
final class Endpoint {
    /// Queues and topics share one set of names, exchanges have their own.
    struct Name: Hashable {
        var target: BindingDefinition.Target
        var name: String
    }

    enum Content {
        /// Nothing has this name yet; the binding leads nowhere until something does.
        case nothing
        case destination(Router.Destination)
        case exchange(Exchange)
    }

    let name: Name
    var content: Content
    /// The bindings that lead here.
    var incoming: OrderedSet<Binding> = []
    /// The last walk of the router that came by here.
    var walk: UInt64 = 0

    init(_ name: Name, _ content: Content) {
        self.name = name
        self.content = content
    }
}
