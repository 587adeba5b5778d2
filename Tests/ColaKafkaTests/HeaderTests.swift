import ColaKafka
import NIOCore
import Testing

/// Which headers go with which versions, ApiVersions above all, whose answer must be readable for clients of any age.
///
/// Source: KIP-482, KIP-511
@Suite struct HeaderTests {
    private let header: [UInt8] = [0, 0, 0, 7, 0, 1, 0x61]  // correlation id 7, client id "a"

    private func request(_ bytes: [UInt8]) throws -> (RequestHeader, rest: Int) {
        try bytes.withUnsafeBytes { bytes in
            var reader = KafkaReader(bytes)
            let header = try RequestHeader(from: &reader)
            return (header, reader.remaining)
        }
    }

    private func response(_ key: ApiKey, _ version: Int16) -> [UInt8] {
        var writer = KafkaWriter()
        ResponseHeader(correlationID: 7).write(to: &writer, key: key, version: version)
        return Array(writer.buffer.readableBytesView)
    }

    @Test func classicVersionsHaveNoTaggedFields() throws {
        let (read, rest) = try request([0, 0, 0, 8] + header + [0, 0])
        #expect(read == RequestHeader(apiKey: 0, version: 8, correlationID: 7, clientID: "a"))
        #expect(rest == 2)
        #expect(response(.produce, 8) == [0, 0, 0, 7])
    }

    @Test func flexibleVersionsHaveTaggedFieldsAndAClassicClientID() throws {
        let (read, rest) = try request([0, 0, 0, 9] + header + [1, 5, 2, 0xAB, 0xCD, 9])
        #expect(read == RequestHeader(apiKey: 0, version: 9, correlationID: 7, clientID: "a"))
        #expect(rest == 1)
        #expect(response(.produce, 9) == [0, 0, 0, 7, 0])
        #expect(throws: Malformed.self) { try request([0, 0, 0, 9] + header) }
    }

    @Test func whatIsNeverFlexibleHasNone() throws {
        #expect(try request([0, 17, 0, 1] + header).rest == 0)
        #expect(response(.saslHandshake, 1) == [0, 0, 0, 7])
    }

    @Test(arguments: 0...4 as ClosedRange<Int16>)
    func theAnswerToApiVersionsHasTheOldestHeader(version: Int16) throws {
        let tags: [UInt8] = version >= 3 ? [0] : []
        #expect(try request([0, 18, 0, UInt8(version)] + header + tags).rest == 0)
        #expect(response(.apiVersions, version) == [0, 0, 0, 7])
    }

    /// As a client of a later Kafka asks; it is answered in version 0.
    @Test func anApiVersionsOfTheFutureCanBeAnswered() throws {
        let read = try request([0, 18, 0, 99] + header + [0, 2, 0x62, 2, 0x63, 0]).0
        #expect(read.apiKey == ApiKey.apiVersions.rawValue && read.version == 99 && read.correlationID == 7)
        #expect(!ApiKey.apiVersions.serves(99) && ApiKey.apiVersions.serves(4))
        let answer = ApiVersionsResponse(
            errorCode: .unsupportedVersion,
            apiKeys: [ApiVersionsResponse.ApiVersion(apiKey: 18, minVersion: 0, maxVersion: 4)])
        var buffer = ByteBuffer()
        buffer.writeResponse(answer, correlationID: 7, version: 0)
        #expect(
            Array(buffer.readableBytesView)
                == [0, 0, 0, 16, 0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4])
    }

    @Test func anUnknownAPIIsReadAsFarAsItCanBe() throws {
        let (read, rest) = try request([0x7F, 0xFF, 0x80, 0] + header + [1, 2, 3])
        #expect(read == RequestHeader(apiKey: 32_767, version: -32_768, correlationID: 7, clientID: "a"))
        #expect(rest == 3)
    }

    @Test func aClientNeedNotSayWhoItIs() throws {
        #expect(try request([0, 3, 0, 0, 0, 0, 0, 7, 255, 255]).0.clientID == nil)
        #expect(throws: Malformed.self) { try request([0, 3, 0, 0, 0, 0, 0, 7, 255, 254]) }
        #expect(throws: Malformed.self) { try request([0, 3, 0, 0, 0, 0, 0, 7, 0, 1, 0xC3]) }
    }

    /// Whatever was written before it.
    @Test func aClientIDIsNeverCompact() {
        var writer = KafkaWriter()
        MetadataRequest().write(to: &writer, version: 9)
        let start = writer.buffer.readableBytes
        RequestHeader(apiKey: 3, version: 9, correlationID: 7, clientID: "a").write(to: &writer)
        let written: [UInt8] = Array(writer.buffer.readableBytesView.dropFirst(start))
        #expect(written == [0, 3, 0, 9] + header + [0])
    }

    /// Everything before the last byte is no header.
    @Test func aHeaderThatIsCutOffIsRefused() throws {
        let bytes: [UInt8] = [0, 0, 0, 9] + header + [1, 5, 2, 0xAB, 0xCD]
        for count in bytes.indices { #expect(throws: Malformed.self) { try request(Array(bytes[..<count])) } }
    }

    @Test func whatIsWrittenIsReadAsWhatItWas() throws {
        for version: Int16 in [3, 9] {
            var buffer = ByteBuffer()
            buffer.writeRequest(MetadataRequest(), correlationID: -1, version: version, clientID: "ä")
            let bytes = Array(buffer.readableBytesView)
            let (read, _) = try request(Array(bytes[4...]))
            #expect(read == RequestHeader(apiKey: 3, version: version, correlationID: -1, clientID: "ä"))
            buffer.clear()
            buffer.writeResponse(MetadataResponse(), correlationID: -1, version: version)
            try buffer.withUnsafeReadableBytes { bytes in
                var reader = KafkaReader(bytes, from: 4)
                let header = try ResponseHeader(from: &reader, key: .metadata, version: version)
                #expect(header == ResponseHeader(correlationID: -1))
                #expect(try MetadataResponse(from: &reader, version: version) == MetadataResponse())
                try reader.finish()
            }
        }
    }
}
