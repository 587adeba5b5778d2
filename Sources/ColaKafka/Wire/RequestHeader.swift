/// What stands before the body of a request: which one it is, and how its response is known.
///
/// Shape:  API key (int16), version (int16), correlation id (int32), client id (nullable string, never compact), in
///         flexible versions of the API tagged fields (header 2, otherwise 1)
/// Source: Kafka protocol guide, "Request Header"; KIP-482
package struct RequestHeader: Hashable, Sendable {
    /// As it came: ``ApiKey`` may not know it.
    package var apiKey: Int16
    package var version: Int16
    package var correlationID: Int32
    package var clientID: String?

    package init(apiKey: Int16, version: Int16, correlationID: Int32, clientID: String? = nil) {
        self.apiKey = apiKey
        self.version = version
        self.correlationID = correlationID
        self.clientID = clientID
    }

    /// Leaves the reader where the body begins. Of an API that nobody here knows, nor where its flexible versions
    /// begin, the tagged fields are left in front of it.
    package init(from reader: inout KafkaReader) throws(Malformed) {
        apiKey = try reader.int16()
        version = try reader.int16()
        correlationID = try reader.int32()
        clientID = try reader.classicNullableString()
        guard isFlexible else { return }
        reader.isFlexible = true
        try reader.skipTaggedFields()
    }

    package func write(to writer: inout KafkaWriter) {
        writer.int16(apiKey)
        writer.int16(version)
        writer.int32(correlationID)
        writer.classicNullableString(clientID)
        if isFlexible { writer.unsignedVarint(0) }
    }

    private var isFlexible: Bool { ApiKey(rawValue: apiKey)?.isFlexible(version) ?? false }
}
