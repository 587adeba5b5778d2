package import NIOCore

extension ByteBuffer {
    /// Writes a response as a frame: size, header and body.
    ///
    /// - Parameter version: that of the request. ApiVersions alone is answered in version 0 where its version is not
    ///   served.
    package mutating func writeResponse(_ response: some KafkaResponse, correlationID: Int32, version: Int16) {
        writeFrame(response, version: version) { writer, key in
            ResponseHeader(correlationID: correlationID).write(to: &writer, key: key, version: version)
        }
    }

    /// Writes a request as a frame: size, header and body.
    package mutating func writeRequest(
        _ request: some KafkaRequest, correlationID: Int32, version: Int16, clientID: String? = nil
    ) {
        writeFrame(request, version: version) { writer, key in
            let header = RequestHeader(
                apiKey: key.rawValue, version: version, correlationID: correlationID, clientID: clientID)
            header.write(to: &writer)
        }
    }

    private mutating func writeFrame<Message: KafkaMessage>(
        _ message: Message, version: Int16, header: (inout KafkaWriter, ApiKey) -> Void
    ) {
        var writer = KafkaWriter(self)
        // Or there were two owners of the memory, and the first write would copy all of it.
        self = ByteBuffer()
        let recordBytes = message.recordBytes
        // With some for what stands around them.
        if recordBytes > 0 { writer.reserve(recordBytes + recordBytes / 16 + 1_024) }
        let start = writer.beginFrame()
        header(&writer, Message.apiKey)
        message.write(to: &writer, version: version)
        writer.endFrame(start)
        self = writer.buffer
    }
}
