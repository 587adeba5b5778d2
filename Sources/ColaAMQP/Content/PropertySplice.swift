/// Properties with something put into their headers table, or taken out of it, and all the rest as it came.
struct PropertySplice {
    private let properties: UnsafeRawBufferPointer
    private let places: PropertyScanner

    init(_ properties: UnsafeRawBufferPointer, _ places: PropertyScanner) {
        self.properties = properties
        self.places = places
    }

    /// - Parameters:
    ///   - isDropped: whether a field of this name goes.
    ///   - fields: encoded ones, which come behind the others.
    ///   - expires: whether the expiration stays.
    func bytes(
        dropping isDropped: (UnsafeRawBufferPointer) -> Bool, adding fields: [UInt8] = [], expires: Bool = true
    ) -> [UInt8] {
        let start = listStart
        var flags = UInt16(bigEndian: properties.loadUnaligned(as: UInt16.self)) & ~PropertyFlag.continuation
        let table = places.headers ?? insertion(from: start)
        var expiration = places.expiration
        if expires { expiration = nil }
        // A short string has its length before it.
        let rest = expiration.map { $0.lowerBound - 1 } ?? properties.count
        flags |= PropertyFlag.headers
        if expiration != nil { flags &= ~PropertyFlag.expiration }

        var bytes: [UInt8] = []
        bytes.reserveCapacity(properties.count + fields.count + 8)
        bytes.append(UInt8(flags >> 8))
        bytes.append(UInt8(flags & 0xFF))
        bytes.append(contentsOf: properties[start..<table.lowerBound])
        let length = bytes.count
        bytes.append(contentsOf: [0, 0, 0, 0])
        TableFields.each(of: UnsafeRawBufferPointer(rebasing: properties[table].dropFirst(4))) { field in
            if !isDropped(field.name) { bytes.append(contentsOf: field.bytes) }
        }
        bytes.append(contentsOf: fields)
        bytes.setLength(at: length)
        bytes.append(contentsOf: properties[table.upperBound..<rest])
        if let expiration { bytes.append(contentsOf: properties[expiration.upperBound...]) }
        return bytes
    }

    /// Behind the flags, of which there may be several words.
    private var listStart: Int {
        var position = 2
        while properties[position - 1] & 1 != 0 { position += 2 }
        return position
    }

    /// Where a table would stand, if there was one.
    private func insertion(from start: Int) -> Range<Int> {
        let place = places.contentEncoding?.upperBound ?? places.contentType?.upperBound ?? start
        return place..<place
    }
}

extension [UInt8] {
    /// Writes how many bytes follow the four at `position` into these.
    mutating func setLength(at position: Int) {
        let count = UInt32(self.count - position - 4)
        for index in 0..<4 { self[position + index] = UInt8(truncatingIfNeeded: count >> (24 - 8 * UInt32(index))) }
    }

    mutating func appendBigEndian(_ integer: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: integer.bigEndian) { append(contentsOf: $0) }
    }

    /// A name in a table, or any short string; what is longer than 255 bytes is cut.
    mutating func appendShort(_ text: some Collection<UInt8>) {
        append(UInt8(Swift.min(text.count, 255)))
        append(contentsOf: text.prefix(255))
    }

    mutating func appendField(_ name: String, _ number: Int64) {
        appendShort(name.utf8)
        append(FieldType.int64.rawValue)
        appendBigEndian(number)
    }

    mutating func appendField(_ name: some Collection<UInt8>, text: some Collection<UInt8>) {
        appendShort(name)
        appendString(text)
    }

    /// A long string with its type.
    mutating func appendString(_ text: some Collection<UInt8>) {
        append(FieldType.longString.rawValue)
        appendBigEndian(UInt32(text.count))
        append(contentsOf: text)
    }

    /// A table or an array with its type and length, which holds what `body` appends.
    mutating func appendNested(_ type: FieldType, _ body: (inout [UInt8]) -> Void) {
        append(type.rawValue)
        let length = count
        append(contentsOf: [0, 0, 0, 0])
        body(&self)
        setLength(at: length)
    }
}
