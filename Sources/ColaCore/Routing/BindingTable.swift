/// The bindings of one exchange, arranged so that those that take a message are found without walking all of them.
///
/// One table for each type of exchange. It decides what matches, and nothing else: what a binding leads to, and that
/// each destination gets one copy, is the router's business.
protocol BindingTable: AnyObject {
    /// Whether the same key leads to the same bindings every time, whatever else the message has.
    var isOfKeyAlone: Bool { get }
    /// Whether a message with several routing keys is matched with each of them; otherwise with the first.
    var takesEachKey: Bool { get }

    /// The binding is not there yet.
    func insert(_ binding: Binding)

    /// The binding is there.
    func remove(_ binding: Binding)

    /// Calls `found` with each binding that takes the message; with one that does so for two reasons, perhaps twice.
    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void)
}

extension BindingTable {
    var isOfKeyAlone: Bool { true }
    var takesEachKey: Bool { false }
}
