/// Where each property of a message stands in the bytes of its content header.
///
/// Making one goes through the whole list once, and refuses what is malformed; nothing is allocated, and each property
/// is looked at by who needs it. It holds offsets alone, so it may be kept, beside the bytes.
///
/// Shape:  flags (2 bytes; 2 more as long as the lowest bit says so), the properties that they name
package struct PropertyScanner: Sendable {
    /// Offset and count; no property begins at 0, where the flags are.
    private struct Place {
        var start: UInt32 = 0
        var count: UInt32 = 0

        var range: Range<Int>? { start == 0 ? nil : Int(start)..<Int(start) + Int(count) }
    }

    package private(set) var deliveryMode: UInt8?
    package private(set) var priority: UInt8?
    /// Seconds since 1970.
    package private(set) var timestamp: UInt64?

    private var contentTypePlace = Place()
    private var contentEncodingPlace = Place()
    private var headersPlace = Place()
    private var correlationIDPlace = Place()
    private var replyToPlace = Place()
    private var expirationPlace = Place()
    private var messageIDPlace = Place()
    private var typePlace = Place()
    private var userIDPlace = Place()
    private var appIDPlace = Place()
    private var clusterIDPlace = Place()

    // Where the bytes of a text stand; they may be anything, for nobody checks that they are UTF-8.
    package var contentType: Range<Int>? { contentTypePlace.range }
    package var contentEncoding: Range<Int>? { contentEncodingPlace.range }
    package var correlationID: Range<Int>? { correlationIDPlace.range }
    package var replyTo: Range<Int>? { replyToPlace.range }
    package var expiration: Range<Int>? { expirationPlace.range }
    package var messageID: Range<Int>? { messageIDPlace.range }
    package var type: Range<Int>? { typePlace.range }
    package var userID: Range<Int>? { userIDPlace.range }
    package var appID: Range<Int>? { appIDPlace.range }
    package var clusterID: Range<Int>? { clusterIDPlace.range }
    /// Where the table stands, with its length, as ``FieldTable/decode(_:)`` takes it.
    package var headers: Range<Int>? { headersPlace.range }

    /// - Throws: ``Malformed``; also for a table that ``FieldTable/decode(_:)`` would refuse, for flags that no
    ///   property is known for, and for bytes behind the list.
    package init(_ properties: UnsafeRawBufferPointer) throws(Malformed) {
        var reader = ByteReader(properties)
        let flags = try Self.flags(from: &reader)
        if flags > PropertyFlag.continuation {
            try read(flags, from: &reader)
        }
        guard reader.remaining == 0 else { throw Malformed("\(reader.remaining) bytes stand behind the properties") }
    }

    private mutating func read(_ flags: UInt16, from reader: inout ByteReader) throws(Malformed) {
        if flags & PropertyFlag.contentType != 0 { contentTypePlace = try Self.text(from: &reader) }
        if flags & PropertyFlag.contentEncoding != 0 { contentEncodingPlace = try Self.text(from: &reader) }
        if flags & PropertyFlag.headers != 0 {
            let start = reader.position
            try FieldTable.validate(reader.longBytes())
            headersPlace = Place(start: UInt32(start), count: UInt32(reader.position - start))
        }
        if flags & PropertyFlag.deliveryMode != 0 { deliveryMode = try reader.integer(UInt8.self) }
        if flags & PropertyFlag.priority != 0 { priority = try reader.integer(UInt8.self) }
        // Most messages have none of the others.
        guard flags & 0x07FC != 0 else { return }
        if flags & PropertyFlag.correlationID != 0 { correlationIDPlace = try Self.text(from: &reader) }
        if flags & PropertyFlag.replyTo != 0 { replyToPlace = try Self.text(from: &reader) }
        if flags & PropertyFlag.expiration != 0 { expirationPlace = try Self.text(from: &reader) }
        if flags & PropertyFlag.messageID != 0 { messageIDPlace = try Self.text(from: &reader) }
        if flags & PropertyFlag.timestamp != 0 { timestamp = try reader.integer(UInt64.self) }
        if flags & PropertyFlag.type != 0 { typePlace = try Self.text(from: &reader) }
        if flags & PropertyFlag.userID != 0 { userIDPlace = try Self.text(from: &reader) }
        if flags & PropertyFlag.appID != 0 { appIDPlace = try Self.text(from: &reader) }
        if flags & PropertyFlag.clusterID != 0 { clusterIDPlace = try Self.text(from: &reader) }
    }

    /// The first word of the flags. Those that continue it must name nothing: 0-9-1 has no property for them, so nobody
    /// knows how long what they name is.
    private static func flags(from reader: inout ByteReader) throws(Malformed) -> UInt16 {
        let flags = try reader.integer(UInt16.self)
        var word = flags
        while word & PropertyFlag.continuation != 0 {
            word = try reader.integer(UInt16.self)
            guard word <= PropertyFlag.continuation else { throw Malformed("flags of properties that there are not") }
        }
        return flags
    }

    private static func text(from reader: inout ByteReader) throws(Malformed) -> Place {
        let text = try reader.take(Int(reader.integer(UInt8.self)))
        return Place(start: UInt32(reader.position - text.count), count: UInt32(text.count))
    }
}
