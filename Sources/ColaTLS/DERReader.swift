/// Reads values of ASN.1 in DER one after the other, out of bytes that a client sent.
///
/// Source: ITU-T X.690
struct DERReader {
    /// The numbers of the types that a certificate's head is made of.
    enum Tag {
        static let integer: UInt8 = 0x02
        static let objectIdentifier: UInt8 = 0x06
        static let sequence: UInt8 = 0x30
        static let set: UInt8 = 0x31
        /// The first optional field of a sequence.
        static let context0: UInt8 = 0xA0
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    var isAtEnd: Bool { rest.isEmpty }
    /// The tag of the value that comes next.
    var nextTag: UInt8? { rest.first }

    /// The next value; nil if its bytes are not all there.
    mutating func next() -> (tag: UInt8, content: ArraySlice<UInt8>)? {
        var bytes = rest
        guard let tag = bytes.popFirst(), let first = bytes.popFirst() else { return nil }
        var count = Int(first)
        if first >= 0x80 {
            let size = Int(first & 0x7F)
            guard (1...4).contains(size), bytes.count >= size else { return nil }
            count = bytes.prefix(size).reduce(0) { $0 << 8 | Int($1) }
            bytes.removeFirst(size)
        }
        guard bytes.count >= count else { return nil }
        rest = bytes.dropFirst(count)
        return (tag, bytes.prefix(count))
    }

    /// The content of the next value; nil if it is of another type.
    mutating func next(_ tag: UInt8) -> ArraySlice<UInt8>? {
        guard let value = next(), value.tag == tag else { return nil }
        return value.content
    }
}
