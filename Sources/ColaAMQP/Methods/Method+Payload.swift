extension Method {
    /// Reads the payload of a method frame. Bytes behind the arguments are an error, as in RabbitMQ.
    ///
    /// - Throws: ``MethodError``; a field table that it holds is bounded as ``FieldTable/decode(_:)`` says.
    package static func decode(_ payload: UnsafeRawBufferPointer) throws(MethodError) -> Method {
        guard let id = MethodID(payload) else {
            throw .malformed("a method frame of \(payload.count) bytes; class and method take 4")
        }
        var reader = ByteReader(payload, from: 4)
        let method: Method?
        do {
            method = try read(id, from: &reader)
        } catch {
            throw .malformed("the arguments of \(id): \(error.reason)")
        }
        guard let method else { throw .unknown(id) }
        guard reader.remaining == 0 else {
            throw .malformed("\(reader.remaining) bytes stand behind the arguments of \(id)")
        }
        return method
    }

    /// Whether a content header and a body follow it.
    package var hasContent: Bool { id.hasContent }
}
