/// What stands before the body of a response.
///
/// Shape:  correlation id (int32), in flexible versions of the API tagged fields (header 1, otherwise 0). ApiVersions
///         has none in any version, since its client cannot know yet which versions the server has.
/// Source: Kafka protocol guide, "Response Header"; KIP-482, KIP-511
package struct ResponseHeader: Hashable, Sendable {
    package var correlationID: Int32

    package init(correlationID: Int32) {
        self.correlationID = correlationID
    }

    /// Leaves the reader where the body begins.
    package init(from reader: inout KafkaReader, key: ApiKey, version: Int16) throws(Malformed) {
        correlationID = try reader.int32()
        guard Self.hasTaggedFields(key, version) else { return }
        reader.isFlexible = true
        try reader.skipTaggedFields()
    }

    package func write(to writer: inout KafkaWriter, key: ApiKey, version: Int16) {
        writer.int32(correlationID)
        if Self.hasTaggedFields(key, version) { writer.unsignedVarint(0) }
    }

    private static func hasTaggedFields(_ key: ApiKey, _ version: Int16) -> Bool {
        key != .apiVersions && key.isFlexible(version)
    }
}
