internal import OrderedCollections

/// The bindings of a headers exchange: a message takes those whose headers it has, all of them or any.
///
/// A message asks only for the bindings that one of its headers could satisfy, not for all there are. A binding that
/// wants all of no headers takes every message, one that wants any of none takes none. A value that is not UTF-8 equals
/// no binding's, but its header is there.
///
/// Source: AMQP 0-9-1, section 3.1.3.4, "The Headers Exchange Type"; RabbitMQ for what the specification leaves open: a
/// header without a value in a binding asks for its presence.
final class HeadersTable: BindingTable {
    private typealias Header = HeadersMatch.Header

    private var unconditional: OrderedSet<Binding> = []
    /// A binding for any of its headers stands under each of them, one for all under one, as it needs that too. Looked
    /// up, never walked.
    private var byHeader: [Header: OrderedSet<Binding>] = [:]

    var isOfKeyAlone: Bool { false }

    func insert(_ binding: Binding) {
        let match = binding.match
        if match.headers.isEmpty, !match.isAny { unconditional.append(binding) }
        for header in Self.places(of: match) { byHeader[header, default: []].append(binding) }
    }

    func remove(_ binding: Binding) {
        let match = binding.match
        if match.headers.isEmpty, !match.isAny { unconditional.removeSwapping(binding) }
        for header in Self.places(of: match) {
            byHeader[header]?.removeSwapping(binding)
            if byHeader[header]?.isEmpty == true { byHeader[header] = nil }
        }
    }

    func match(key: String, headers: RecordHeaders, _ found: (Binding) -> Void) {
        for binding in unconditional { found(binding) }
        guard !byHeader.isEmpty, headers.count > 0 else { return }
        let present = Self.offers(of: headers)
        for header in present {
            guard let candidates = byHeader[header] else { continue }
            for binding in candidates {
                let match = binding.match
                if match.isAny || match.headers.allSatisfy(present.contains) { found(binding) }
            }
        }
    }

    private static func places(of match: HeadersMatch) -> some Sequence<Header> {
        // A header with a value tells more bindings apart than one that need only be there.
        let one = match.headers.first { $0.value != nil } ?? match.headers.first
        return match.isAny ? match.headers : one.map { [$0] } ?? []
    }

    /// All that a binding could ask for and find in a message: each header with its value, and that it is there.
    private static func offers(of headers: RecordHeaders) -> OrderedSet<Header> {
        let fields = headers.encoded.withUnsafeBytes { RecordHeaders.decode($0) } ?? []
        var offers = OrderedSet<Header>(minimumCapacity: 2 * fields.count)
        for field in fields {
            guard let name = String(validating: field.name, as: UTF8.self) else { continue }
            offers.append(Header(name: name, value: nil))
            if let value = field.value.flatMap({ String(validating: $0, as: UTF8.self) }) {
                offers.append(Header(name: name, value: value))
            }
        }
        return offers
    }
}
