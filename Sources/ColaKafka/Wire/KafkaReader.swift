/// Reads the values of Kafka one after the other out of bytes that anybody may have sent.
///
/// It allocates only for what it returns, and never more than in proportion to what is there: a length is believed once
/// that many bytes are seen to follow, a count once there are bytes for as many elements. It points into memory that
/// its maker keeps alive, and must not be kept.
///
/// Shape:  classic: strings with an int16 before them, bytes and arrays with an int32, -1 for null; compact (flexible
///         versions): with an unsigned varint that is one larger than the length, 0 for null
/// Source: Kafka protocol guide, "Protocol Primitive Types"; KIP-482 for compact values and tagged fields
package struct KafkaReader {
    /// What a string may have, compact ones too: no client could be told of it in a classic version otherwise.
    package static let stringBytesMax = 32_767
    /// How many elements all arrays of a message may have together. An element in memory can be sixteen times what it
    /// is on the wire; with this a message that is large and full of the smallest stays below a hundred megabytes.
    package static let elementsMax = 1_000_000

    private let source: UnsafeRawBufferPointer
    /// Where the next value begins.
    package private(set) var position: Int
    private var elementsLeft = elementsMax
    /// Whether strings, bytes and arrays are compact, and structs end with tagged fields.
    var isFlexible = false

    package init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0) {
        source = bytes
        self.position = position
    }

    package var remaining: Int { source.count - position }

    package var isAtEnd: Bool { remaining == 0 }

    /// - Throws: if something is left.
    package func finish() throws(Malformed) {
        guard isAtEnd else { throw Malformed("\(remaining) bytes behind the end of the message") }
    }

    // MARK: Integers

    mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
        _: Integer.Type
    ) throws(Malformed) -> Integer {
        let size = MemoryLayout<Integer>.size
        guard remaining >= size else { throw .cutOff }
        defer { position += size }
        return Integer(bigEndian: source.loadUnaligned(fromByteOffset: position, as: Integer.self))
    }

    package mutating func int8() throws(Malformed) -> Int8 { try integer(Int8.self) }
    package mutating func int16() throws(Malformed) -> Int16 { try integer(Int16.self) }
    package mutating func int32() throws(Malformed) -> Int32 { try integer(Int32.self) }
    package mutating func int64() throws(Malformed) -> Int64 { try integer(Int64.self) }

    /// Everything but 0 is true, as in Kafka.
    mutating func bool() throws(Malformed) -> Bool { try integer(UInt8.self) != 0 }

    mutating func error() throws(Malformed) -> ErrorCode { ErrorCode(rawValue: try int16()) ?? .unknownServerError }

    mutating func uuid() throws(Malformed) -> Uuid {
        Uuid(high: try integer(UInt64.self), low: try integer(UInt64.self))
    }

    /// At most five bytes, seven bits in each, the lowest first.
    mutating func unsignedVarint() throws(Malformed) -> UInt32 {
        var value: UInt32 = 0
        for shift: UInt32 in [0, 7, 14, 21] {
            let byte = try integer(UInt8.self)
            value |= UInt32(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        let byte = try integer(UInt8.self)
        guard byte < 0x10 else { throw .varintTooLong }
        return value | UInt32(byte) << 28
    }

    // MARK: Strings and bytes

    mutating func string() throws(Malformed) -> String {
        guard let text = try nullableString() else { throw .null }
        return text
    }

    mutating func nullableString() throws(Malformed) -> String? {
        isFlexible ? try text(compactLength()) : try classicNullableString()
    }

    /// A string as it stands in headers of every version.
    mutating func classicNullableString() throws(Malformed) -> String? {
        try text(classicLength(Int(int16())))
    }

    mutating func bytes() throws(Malformed) -> [UInt8] {
        guard let bytes = try nullableBytes() else { throw .null }
        return bytes
    }

    mutating func nullableBytes() throws(Malformed) -> [UInt8]? {
        guard let count = try length() else { return nil }
        return Array(try take(count))
    }

    mutating func records() throws(Malformed) -> WireRecords {
        WireRecords(try bytes())
    }

    mutating func nullableRecords() throws(Malformed) -> WireRecords? {
        try nullableBytes().map { WireRecords($0) }
    }

    private mutating func text(_ count: Int?) throws(Malformed) -> String? {
        guard let count else { return nil }
        guard count <= Self.stringBytesMax else { throw .stringTooLong }
        guard let string = String(validating: try take(count), as: UTF8.self) else { throw .notUTF8 }
        return string
    }

    private mutating func take(_ count: Int) throws(Malformed) -> UnsafeRawBufferPointer {
        guard count <= remaining else { throw .cutOff }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: source[position..<position + count])
    }

    /// The length of bytes or the count of an array; nil for null.
    private mutating func length() throws(Malformed) -> Int? {
        isFlexible ? try compactLength() : try classicLength(Int(int32()))
    }

    private mutating func compactLength() throws(Malformed) -> Int? {
        let length = Int(try unsignedVarint())
        return length == 0 ? nil : length - 1
    }

    private func classicLength(_ length: Int) throws(Malformed) -> Int? {
        guard length >= -1 else { throw .negativeLength }
        return length == -1 ? nil : length
    }

    // MARK: Arrays

    /// How many elements an array has, of which each takes at least `minimumBytes`; nil if it is null.
    private mutating func count(minimumBytes: Int) throws(Malformed) -> Int? {
        guard let count = try length() else { return nil }
        guard count <= remaining / minimumBytes else { throw .countBeyondEnd }
        guard count <= elementsLeft else { throw .tooManyElements }
        elementsLeft -= count
        return count
    }

    private mutating func elements<Element>(
        minimumBytes: Int, _ read: (inout KafkaReader) throws(Malformed) -> Element
    ) throws(Malformed) -> [Element]? {
        guard let count = try count(minimumBytes: minimumBytes) else { return nil }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try read(&self)) }
        return elements
    }

    private func given<Element>(_ elements: [Element]?) throws(Malformed) -> [Element] {
        guard let elements else { throw .null }
        return elements
    }

    mutating func nullableArray<Element: WireElement>(version: Int16) throws(Malformed) -> [Element]? {
        try elements(minimumBytes: Element.minimumBytes) { reader throws(Malformed) in
            try Element(from: &reader, version: version)
        }
    }

    mutating func array<Element: WireElement>(version: Int16) throws(Malformed) -> [Element] {
        try given(nullableArray(version: version))
    }

    mutating func nullableArray<Element: FixedWidthInteger & BitwiseCopyable>() throws(Malformed) -> [Element]? {
        try elements(minimumBytes: MemoryLayout<Element>.size) { reader throws(Malformed) in
            try reader.integer(Element.self)
        }
    }

    mutating func array<Element: FixedWidthInteger & BitwiseCopyable>() throws(Malformed) -> [Element] {
        try given(nullableArray())
    }

    mutating func nullableStrings() throws(Malformed) -> [String]? {
        try elements(minimumBytes: isFlexible ? 1 : 2) { reader throws(Malformed) in try reader.string() }
    }

    mutating func strings() throws(Malformed) -> [String] {
        try given(nullableStrings())
    }

    // MARK: Structs

    /// A struct with a mark before it that says whether it is there.
    ///
    /// Source: KIP-893
    mutating func nullableStruct<Value: WireStruct>(version: Int16) throws(Malformed) -> Value? {
        switch try int8() {
        case -1: return nil
        case 1: return try Value(from: &self, version: version)
        default: throw .nullMark
        }
    }

    /// What is read of the tagged fields at the end of a struct.
    struct TaggedFields {
        fileprivate var left: UInt32
        fileprivate var lastTag: UInt32?
        /// Where the field that was begun ends.
        fileprivate var end: Int
    }

    /// Begins the tagged fields; outside of flexible versions there are none.
    mutating func taggedFields() throws(Malformed) -> TaggedFields {
        let count = isFlexible ? try unsignedVarint() : 0
        // Each has a tag and a size.
        guard count <= remaining / 2 else { throw .countBeyondEnd }
        return TaggedFields(left: count, lastTag: nil, end: position)
    }

    /// The tag of the next field, whose value begins at ``position``; nil if there is none any more.
    mutating func nextTag(_ fields: inout TaggedFields) throws(Malformed) -> UInt32? {
        guard position == fields.end else { throw .tagSize }
        guard fields.left > 0 else { return nil }
        fields.left -= 1
        let tag = try unsignedVarint()
        if let last = fields.lastTag, tag <= last { throw .tagOrder }
        fields.lastTag = tag
        let size = Int(try unsignedVarint())
        guard size <= remaining else { throw .tagBeyondEnd }
        fields.end = position + size
        return tag
    }

    /// Passes over the value of a tag that nobody here knows.
    mutating func skip(_ fields: TaggedFields) {
        position = fields.end
    }

    /// Passes over tagged fields of which none is known.
    mutating func skipTaggedFields() throws(Malformed) {
        var fields = try taggedFields()
        while try nextTag(&fields) != nil { skip(fields) }
    }
}
