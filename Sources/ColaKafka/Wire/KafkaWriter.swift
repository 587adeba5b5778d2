package import NIOCore

/// Writes the values of Kafka one after the other into a buffer.
///
/// Shape and source: as ``KafkaReader``
package struct KafkaWriter {
    package private(set) var buffer: ByteBuffer
    /// Whether strings, bytes and arrays are compact, and structs end with tagged fields.
    var isFlexible = false

    package init(_ buffer: ByteBuffer = ByteBuffer()) {
        self.buffer = buffer
    }

    // MARK: Integers

    mutating func integer(_ value: some FixedWidthInteger) { buffer.writeInteger(value) }
    mutating func int8(_ value: Int8) { buffer.writeInteger(value) }
    mutating func int16(_ value: Int16) { buffer.writeInteger(value) }
    mutating func int32(_ value: Int32) { buffer.writeInteger(value) }
    mutating func int64(_ value: Int64) { buffer.writeInteger(value) }
    mutating func bool(_ value: Bool) { buffer.writeInteger(value ? 1 : 0 as UInt8) }
    mutating func error(_ value: ErrorCode) { buffer.writeInteger(value.rawValue) }
    mutating func uuid(_ value: Uuid) { buffer.writeMultipleIntegers(value.high, value.low) }

    mutating func unsignedVarint(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            buffer.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        buffer.writeInteger(UInt8(truncatingIfNeeded: rest))
    }

    // MARK: Strings and bytes

    /// What is longer than a reader takes is cut at the end of a character: texts of errors may be, names never are.
    mutating func string(_ text: String) {
        let count = text.utf8.count
        guard count <= KafkaReader.stringBytesMax else { return string(Self.cut(text)) }
        if isFlexible { unsignedVarint(UInt32(count) + 1) } else { int16(Int16(count)) }
        buffer.writeString(text)
    }

    mutating func nullableString(_ text: String?) {
        guard let text else { return isFlexible ? unsignedVarint(0) : int16(-1) }
        string(text)
    }

    mutating func classicNullableString(_ text: String?) {
        let flexible = isFlexible
        isFlexible = false
        nullableString(text)
        isFlexible = flexible
    }

    private static func cut(_ text: String) -> String {
        // A place within a character counts as its beginning.
        let end = text.utf8.index(text.startIndex, offsetBy: KafkaReader.stringBytesMax)
        return String(text[..<end])
    }

    mutating func bytes(_ bytes: [UInt8]) {
        length(bytes.count)
        buffer.writeBytes(bytes)
    }

    mutating func nullableBytes(_ bytes: [UInt8]?) {
        guard let bytes else { return null() }
        self.bytes(bytes)
    }

    /// One piece after the other, with the length of all of them before.
    mutating func records(_ records: WireRecords) {
        length(records.byteCount)
        for piece in records.pieces { buffer.writeBytes(piece) }
    }

    mutating func nullableRecords(_ records: WireRecords?) {
        guard let records else { return null() }
        self.records(records)
    }

    /// The length of bytes or the count of an array.
    private mutating func length(_ count: Int) {
        precondition(count < Int32.max, "\(count) bytes or elements do not fit into a message")
        if isFlexible { unsignedVarint(UInt32(count) + 1) } else { int32(Int32(count)) }
    }

    private mutating func null() {
        if isFlexible { unsignedVarint(0) } else { int32(-1) }
    }

    // MARK: Arrays

    mutating func array(_ elements: [some WireElement], version: Int16) {
        length(elements.count)
        for element in elements { element.write(to: &self, version: version) }
    }

    mutating func nullableArray(_ elements: [some WireElement]?, version: Int16) {
        guard let elements else { return null() }
        array(elements, version: version)
    }

    mutating func array(_ elements: [some FixedWidthInteger]) {
        length(elements.count)
        for element in elements { buffer.writeInteger(element) }
    }

    mutating func nullableArray(_ elements: [some FixedWidthInteger]?) {
        guard let elements else { return null() }
        array(elements)
    }

    mutating func strings(_ elements: [String]) {
        length(elements.count)
        for element in elements { string(element) }
    }

    mutating func nullableStrings(_ elements: [String]?) {
        guard let elements else { return null() }
        strings(elements)
    }

    // MARK: Structs

    /// A struct with a mark before it that says whether it is there.
    ///
    /// Source: KIP-893
    mutating func nullableStruct(_ value: (some WireStruct)?, version: Int16) {
        guard let value else { return int8(-1) }
        int8(1)
        value.write(to: &self, version: version)
    }

    /// Says how many tagged fields follow, which is said in flexible versions alone.
    mutating func taggedFields(_ count: Int) {
        if isFlexible { unsignedVarint(UInt32(count)) }
    }

    /// A tag and what `write` writes. Fields are written in the order of their tags, and only where they differ from
    /// their defaults.
    mutating func tagged(_ tag: UInt32, _ write: (inout KafkaWriter) -> Void) {
        var value = KafkaWriter()
        value.isFlexible = isFlexible
        write(&value)
        unsignedVarint(tag)
        unsignedVarint(UInt32(value.buffer.readableBytes))
        buffer.writeBuffer(&value.buffer)
    }

    // MARK: Frames

    /// Makes room for what comes, so that large records are not copied again as the buffer grows.
    mutating func reserve(_ count: Int) {
        buffer.reserveCapacity(minimumWritableBytes: count)
    }

    /// Leaves four bytes for the size of a frame.
    ///
    /// - Returns: where they are, for ``endFrame(_:)``.
    mutating func beginFrame() -> Int {
        defer { int32(0) }
        return buffer.writerIndex
    }

    mutating func endFrame(_ start: Int) {
        let size = buffer.writerIndex - start - FrameScanner.sizeBytes
        precondition(size <= Int32.max, "\(size) bytes do not fit into a frame")
        buffer.setInteger(Int32(size), at: start)
    }
}
