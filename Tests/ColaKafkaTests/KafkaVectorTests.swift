import ColaKafka
import ColaTesting
import NIOCore
import Testing

/// The bytes that other libraries write are read as what they mean, and written the same.
///
/// Source: `protocol/vectors/README.md`
@Suite struct KafkaVectorTests {
    private func name(_ vector: MessageVector) -> Comment { Comment(rawValue: vector.name) }

    @Test func messagesMeanWhatTheirLibrariesMean() throws {
        for vector in try MessageVector.all() {
            let message = try vector.type.decode(vector.bytes[vector.body()...], version: vector.version)
            let fields = Spelling.fields(message)
            #expect(Spelling.covers(fields, vector.fields), "\(vector.name): \(fields) is not \(vector.fields)")
            var buffer = ByteBuffer()
            if let request = message as? any KafkaRequest {
                buffer.writeRequest(
                    request, correlationID: 0x0102_0304, version: vector.version, clientID: "client-ä")
            } else if let response = message as? any KafkaResponse {
                buffer.writeResponse(response, correlationID: 0x0102_0304, version: vector.version)
            }
            #expect(Array(buffer.readableBytesView) == vector.bytes, name(vector))
        }
    }

    @Test func headersMeanWhatTheirLibrariesMean() throws {
        for vector in try MessageVector.all() {
            try vector.bytes.withUnsafeBytes { bytes in
                var reader = KafkaReader(bytes, from: FrameScanner.sizeBytes)
                if vector.isRequest {
                    let expected = RequestHeader(
                        apiKey: vector.key.rawValue, version: vector.version, correlationID: 0x0102_0304,
                        clientID: "client-ä")
                    #expect(try RequestHeader(from: &reader) == expected, name(vector))
                } else {
                    let header = try ResponseHeader(from: &reader, key: vector.key, version: vector.version)
                    #expect(header.correlationID == 0x0102_0304, name(vector))
                }
            }
        }
    }

    /// One byte at a time: there is no frame before its last byte is there.
    @Test func framesAreFoundAtTheirLastByte() throws {
        let vectors = try MessageVector.all()
        let stream = vectors.flatMap(\.bytes)
        var start = 0
        var found: [Range<Int>] = []
        var needed = 0
        stream.withUnsafeBytes { stream in
            for count in 0...stream.count {
                let bytes = UnsafeRawBufferPointer(rebasing: stream[..<count])
                switch FrameScanner.scan(bytes, from: start, sizeMax: 10_000) {
                case .incomplete(let least):
                    #expect(least > count - start)
                    needed = start + least
                case .frame(let frame):
                    #expect(count >= needed && frame.upperBound == count)
                    found.append(frame)
                    start = count
                    needed = start
                case .malformed(let error): Issue.record("\(error) at \(count)")
                }
            }
        }
        #expect(start == stream.count && found.count == vectors.count)
        for (frame, vector) in zip(found, vectors) {
            #expect(stream[frame].elementsEqual(vector.bytes[4...]), name(vector))
        }
    }

    @Test func everyVersionOfEveryMessageHasVectors() throws {
        let there = Set(try MessageVector.all().map { "\($0.message) \($0.version)" })
        for key in ApiKey.allCases {
            for type in [key.request, key.response] as [any KafkaMessage.Type] {
                #expect(type.apiKey == key)
                for version in type.versions { #expect(there.contains("\(type) \(version)")) }
            }
            #expect(key.request.versions == key.response.versions)
            guard let served = key.served, let advertised = key.advertised else { continue }
            #expect(served.clamped(to: key.request.versions) == served)
            #expect(advertised.upperBound == served.upperBound && advertised.lowerBound <= served.lowerBound)
        }
    }

    /// No byte can be missing, and none can be left over.
    @Test func aBodyThatIsCutOffIsRefused() throws {
        for vector in try MessageVector.all() {
            let body = vector.bytes[try vector.body()...]
            for end in body.indices {
                let read = try? vector.type.decode(body[..<end], version: vector.version)
                if let read { Issue.record("\(vector.name) without its end is \(read)") }
            }
            #expect(throws: Malformed.self, name(vector)) {
                try vector.type.decode(body + [0], version: vector.version)
            }
        }
    }

    /// What one version says is written in all others as far as they can say it.
    @Test func whatAVersionDoesNotHaveIsLeftOut() throws {
        for vector in try MessageVector.all() where vector.name.hasSuffix("full") {
            let message = try vector.type.decode(vector.bytes[vector.body()...], version: vector.version)
            for version in vector.type.versions {
                let bytes = message.bytes(version: version)
                let again = try vector.type.decode(bytes, version: version)
                #expect(again.bytes(version: version) == bytes, "\(vector.name) in \(version)")
                if version == vector.version { #expect(again.equals(message), name(vector)) }
            }
        }
    }
}
