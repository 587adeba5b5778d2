/// What a producer hands in: the parts of a record that do not depend on where it ends up.
package struct Message: Equatable, Sendable {
    /// Kafka's record key; nil is "no key", which is not the same as an empty one.
    package var key: ArraySlice<UInt8>?
    /// Nil is "no value": in a compacted topic it says that the key is gone.
    package var value: ArraySlice<UInt8>?
    package var headers: RecordHeaders

    package init(key: ArraySlice<UInt8>? = nil, value: ArraySlice<UInt8>?, headers: RecordHeaders = RecordHeaders()) {
        self.key = key
        self.value = value
        self.headers = headers
    }

    /// What it counts against limits and budgets. Bytes.
    package var byteCount: Int { (value?.count ?? 0) + (key?.count ?? 0) + headers.encoded.count }
}

/// The headers of a record, kept as they are stored: most messages have none, and most readers only copy them on.
///
/// Shape:  per header `keyLength varint | key UTF-8 | valueLength varint (-1: null) | value`, in the order given
/// Source: Kafka protocol guide, "Record Header"
package struct RecordHeaders: Equatable, Sendable {
    package private(set) var count: Int
    package private(set) var encoded: [UInt8]

    package init() {
        count = 0
        encoded = []
    }

    package mutating func append(name: some Collection<UInt8>, value: (some Collection<UInt8>)?) {
        Varint.append(Int64(name.count), to: &encoded)
        encoded.append(contentsOf: name)
        if let value {
            Varint.append(Int64(value.count), to: &encoded)
            encoded.append(contentsOf: value)
        } else {
            Varint.append(-1, to: &encoded)
        }
        count += 1
    }

    /// The headers in `bytes`, one after the other, or nil where they are cut short or malformed.
    package static func decode(_ bytes: UnsafeRawBufferPointer) -> [(
        name: ArraySlice<UInt8>, value: ArraySlice<UInt8>?
    )]? {
        var headers: [(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>?)] = []
        var position = 0
        while position < bytes.count {
            guard let nameLength = Varint.read(bytes, at: &position), nameLength >= 0,
                nameLength <= Int64(bytes.count - position)
            else { return nil }
            let name = ArraySlice(bytes[position..<position + Int(nameLength)])
            position += Int(nameLength)
            guard let valueLength = Varint.read(bytes, at: &position), valueLength >= -1,
                valueLength <= Int64(bytes.count - position)
            else { return nil }
            if valueLength == -1 {
                headers.append((name, nil))
            } else {
                headers.append((name, ArraySlice(bytes[position..<position + Int(valueLength)])))
                position += Int(valueLength)
            }
        }
        return headers
    }
}
