/// What follows a header: the body of a request or of a response.
package protocol KafkaMessage: WireStruct {
    static var apiKey: ApiKey { get }
    /// The versions that can be read and written. Which of them are served, ``ApiKey`` says.
    static var versions: ClosedRange<Int16> { get }
}

/// The body of a request.
package protocol KafkaRequest: KafkaMessage {
    associatedtype Response: KafkaResponse
}

/// The body of a response.
package protocol KafkaResponse: KafkaMessage {}

extension KafkaMessage {
    /// Reads the whole of `bytes` as one body.
    ///
    /// - Throws: `Malformed` also if bytes are left behind it.
    package static func decode(_ bytes: UnsafeRawBufferPointer, version: Int16) throws(Malformed) -> Self {
        var reader = KafkaReader(bytes)
        let message = try Self(from: &reader, version: version)
        try reader.finish()
        return message
    }
}
