/// The payload of a header frame: how large the body is that follows, and where its properties stand.
///
/// Shape:  class (2 bytes), weight (2, always 0), size of the body (8), flags of the properties, the properties
/// Source: AMQP 0-9-1, section 2.3.5.2
package struct ContentHeader: Hashable, Sendable {
    package let classID: UInt16
    /// In bytes. Anybody may have sent any number.
    package let bodySize: UInt64
    /// Where flags and list of the properties stand in the payload; whether they are well formed ``PropertyScanner``
    /// says.
    package let properties: Range<Int>

    package static func decode(_ payload: UnsafeRawBufferPointer) throws(Malformed) -> ContentHeader {
        guard payload.count >= 14 else {
            throw Malformed("a content header of \(payload.count) bytes; the least there is takes 14")
        }
        let weight = UInt16(bigEndian: payload.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        guard weight == 0 else { throw Malformed("a content header with a weight of \(weight), which must be 0") }
        return ContentHeader(
            classID: UInt16(bigEndian: payload.loadUnaligned(as: UInt16.self)),
            bodySize: UInt64(bigEndian: payload.loadUnaligned(fromByteOffset: 4, as: UInt64.self)),
            properties: 12..<payload.count)
    }
}
