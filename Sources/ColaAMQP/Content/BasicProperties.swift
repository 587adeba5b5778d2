package import NIOCore

/// The properties of a message, each as a value of its own; nil for one that is not there.
///
/// What only passes through stays the bytes that came, and is looked at with ``PropertyScanner``; this is for what is
/// made or changed.
package struct BasicProperties: Hashable, Sendable {
    package var contentType: String?
    package var contentEncoding: String?
    package var headers: FieldTable?
    /// 1: need not survive a restart; 2: must.
    package var deliveryMode: UInt8?
    package var priority: UInt8?
    package var correlationID: String?
    package var replyTo: String?
    /// Milliseconds as decimal digits.
    package var expiration: String?
    package var messageID: String?
    /// Seconds since 1970.
    package var timestamp: UInt64?
    package var type: String?
    package var userID: String?
    package var appID: String?
    package var clusterID: String?

    package init() {}

    /// Reads flags and list. Text that is not UTF-8 is repaired.
    package static func decode(_ bytes: UnsafeRawBufferPointer) throws(Malformed) -> BasicProperties {
        let places = try PropertyScanner(bytes)
        func text(_ range: Range<Int>?) -> String? { range.map { String(decoding: bytes[$0], as: UTF8.self) } }
        var properties = BasicProperties()
        properties.contentType = text(places.contentType)
        properties.contentEncoding = text(places.contentEncoding)
        if let headers = places.headers {
            properties.headers = try FieldTable.decode(UnsafeRawBufferPointer(rebasing: bytes[headers]))
        }
        properties.deliveryMode = places.deliveryMode
        properties.priority = places.priority
        properties.correlationID = text(places.correlationID)
        properties.replyTo = text(places.replyTo)
        properties.expiration = text(places.expiration)
        properties.messageID = text(places.messageID)
        properties.timestamp = places.timestamp
        properties.type = text(places.type)
        properties.userID = text(places.userID)
        properties.appID = text(places.appID)
        properties.clusterID = text(places.clusterID)
        return properties
    }

    /// Writes flags and list. A text is cut after 255 bytes.
    package func write(to buffer: inout ByteBuffer) {
        let place = buffer.writerIndex
        buffer.writeInteger(0 as UInt16)
        var flags: UInt16 = 0
        func write(_ text: String?, _ flag: UInt16) {
            guard let text else { return }
            buffer.writeShortString(text)
            flags |= flag
        }
        func write(_ integer: (some FixedWidthInteger)?, _ flag: UInt16) {
            guard let integer else { return }
            buffer.writeInteger(integer)
            flags |= flag
        }
        write(contentType, PropertyFlag.contentType)
        write(contentEncoding, PropertyFlag.contentEncoding)
        if let headers {
            buffer.writeFieldTable(headers)
            flags |= PropertyFlag.headers
        }
        write(deliveryMode, PropertyFlag.deliveryMode)
        write(priority, PropertyFlag.priority)
        write(correlationID, PropertyFlag.correlationID)
        write(replyTo, PropertyFlag.replyTo)
        write(expiration, PropertyFlag.expiration)
        write(messageID, PropertyFlag.messageID)
        write(timestamp, PropertyFlag.timestamp)
        write(type, PropertyFlag.type)
        write(userID, PropertyFlag.userID)
        write(appID, PropertyFlag.appID)
        write(clusterID, PropertyFlag.clusterID)
        buffer.setInteger(flags, at: place)
    }
}
