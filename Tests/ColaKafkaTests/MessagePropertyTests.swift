import ColaKafka
import ColaTesting
import NIOCore
import Testing

/// What is written is read as what it was; what is random is read or refused.
@Suite struct MessagePropertyTests {
    private struct Generator {
        var random: SplitMix64

        init(seed: UInt64) { random = SplitMix64(seed: seed) }

        /// One of the ends or anything between, the ends often.
        mutating func integer<Integer: FixedWidthInteger>() -> Integer {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: .min
            case 1: .max
            default: .random(in: .min ... .max, using: &random)
            }
        }

        mutating func count(_ max: Int) -> Int { .random(in: 0...max, using: &random) }

        mutating func text() -> String {
            let count = count(50) == 0 ? 10_900 : count(20)
            return String((0..<count).map { _ in ["a", "ä", "€", "-"].randomElement(using: &random) ?? "a" })
        }

        mutating func text() -> String? { count(3) == 0 ? nil : .some(text()) }

        mutating func uuid() -> Uuid { Uuid(high: integer(), low: integer()) }

        /// Some bytes, in pieces where they are cut.
        mutating func records() -> WireRecords? {
            guard count(4) > 0 else { return nil }
            return WireRecords(
                pieces: (0..<count(3)).map { _ in
                    let bytes = (0..<count(300)).map { _ in UInt8.random(in: 0...255, using: &random) }
                    let start = count(bytes.count)
                    return bytes[start..<start + count(bytes.count - start)]
                })
        }

        mutating func many<Element>(_ make: (inout Generator) -> Element) -> [Element] {
            (0..<count(4)).map { _ in make(&self) }
        }

        mutating func error() -> ErrorCode { ErrorCode.allCases.randomElement(using: &random) ?? .noError }

        mutating func produce() -> ProduceRequest {
            ProduceRequest(
                transactionalID: text(), acks: integer(), timeoutMs: integer(),
                topicData: many {
                    .init(
                        name: $0.text(), topicID: $0.uuid(),
                        partitionData: $0.many { .init(index: $0.integer(), records: $0.records()) })
                })
        }

        mutating func fetched() -> FetchResponse {
            FetchResponse(
                throttleTimeMs: integer(), errorCode: error(), sessionID: integer(),
                responses: many {
                    .init(
                        topic: $0.text(), topicID: $0.uuid(),
                        partitions: $0.many {
                            .init(
                                partitionIndex: $0.integer(), errorCode: $0.error(), highWatermark: $0.integer(),
                                lastStableOffset: $0.integer(), logStartOffset: $0.integer(),
                                divergingEpoch: .init(epoch: $0.integer(), endOffset: -1),
                                currentLeader: .init(leaderID: $0.integer(), leaderEpoch: $0.integer()),
                                abortedTransactions: $0.count(2) == 0
                                    ? nil : $0.many { .init(producerID: $0.integer(), firstOffset: $0.integer()) },
                                preferredReadReplica: $0.integer(), records: $0.records())
                        })
                },
                nodeEndpoints: many { .init(nodeID: $0.integer(), host: $0.text(), port: 1, rack: $0.text()) })
        }

        mutating func metadata() -> MetadataResponse {
            MetadataResponse(
                throttleTimeMs: integer(),
                brokers: many {
                    .init(nodeID: $0.integer(), host: $0.text(), port: $0.integer(), rack: $0.text())
                }, clusterID: text(), controllerID: integer(),
                topics: many {
                    .init(
                        errorCode: $0.error(), name: $0.text(), topicID: $0.uuid(), isInternal: $0.count(1) == 0,
                        partitions: $0.many {
                            .init(
                                partitionIndex: $0.integer(), leaderID: $0.integer(),
                                replicaNodes: $0.many { $0.integer() }, isrNodes: $0.many { $0.integer() })
                        })
                })
        }
    }

    private func check(_ message: some KafkaMessage, version: Int16) throws {
        let bytes = message.bytes(version: version)
        let read = try type(of: message).decode(bytes, version: version)
        #expect(read.bytes(version: version) == bytes)
        if version == type(of: message).versions.upperBound {
            #expect(try type(of: message).decode(read.bytes(version: version), version: version) == read)
        }
    }

    @Test(.timeLimit(.minutes(5)), arguments: Seeds.of(10))
    func whatIsWrittenIsReadAsWhatItWas(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<4 {
            let produce = generator.produce()
            for version in ProduceRequest.versions {
                try check(produce, version: version)
                let read = try ProduceRequest.decode(produce.bytes(version: version), version: version)
                var expected = produce
                for index in expected.topicData.indices {
                    if version <= 12 { expected.topicData[index].topicID = .zero }
                    if version >= 13 { expected.topicData[index].name = "" }
                }
                #expect(read == expected)
            }
            let fetched = generator.fetched()
            for version in FetchResponse.versions { try check(fetched, version: version) }
            let metadata = generator.metadata()
            for version in MetadataResponse.versions { try check(metadata, version: version) }
        }
    }

    /// Messages of every kind of which a few bytes are another. What is still read is written, and read again, as the
    /// same.
    @Test(.timeLimit(.minutes(5)), arguments: Seeds.of(3))
    func damagedMessagesAreReadOrRefused(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        var readable = 0
        for vector in try MessageVector.all() {
            let body = Array(vector.bytes[try vector.body()...])
            for _ in 0..<8 where !body.isEmpty {
                var damaged = body
                for _ in 0...generator.count(2) {
                    let index = Int.random(in: damaged.indices, using: &generator.random)
                    damaged[index] = generator.integer()
                }
                if generator.count(3) == 0 { damaged.removeLast(generator.count(damaged.count)) }
                guard let message = try? vector.type.decode(damaged, version: vector.version) else { continue }
                readable += 1
                let bytes = message.bytes(version: vector.version)
                let again = try vector.type.decode(bytes, version: vector.version)
                #expect(again.equals(message), "\(vector.name): \(damaged)")
                // Unknown tags are gone, and nothing is longer than it was.
                #expect(bytes.count <= damaged.count, "\(vector.name): \(damaged)")
            }
        }
        #expect(readable > 600)
    }

    /// Anything at all, as anything there is.
    @Test(.timeLimit(.minutes(5)), arguments: Seeds.of(10))
    func randomBytesAreReadOrRefused(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for key in ApiKey.allCases {
            for type in [key.request, key.response] as [any KafkaMessage.Type] {
                for _ in 0..<10 {
                    // Small numbers, since large ones are mostly counts that are refused.
                    let bytes = (0..<generator.count(60)).map { _ in UInt8(generator.count(3)) }
                    let version = Int16.random(in: type.versions, using: &generator.random)
                    guard let message = try? type.decode(bytes, version: version) else { continue }
                    let again = try type.decode(message.bytes(version: version), version: version)
                    #expect(again.equals(message), "\(type) \(version): \(bytes)")
                }
            }
        }
    }

    /// Requests one behind the other, cut anywhere.
    @Test(.timeLimit(.minutes(5)), arguments: Seeds.of(10))
    func aStreamIsReadAsItWasWrittenWhereverItIsCut(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        var stream = ByteBuffer()
        var written: [RequestHeader] = []
        for _ in 0..<20 {
            let version = Int16.random(in: ProduceRequest.versions, using: &generator.random)
            let correlationID: Int32 = generator.integer()
            let clientID: String? = generator.text()
            stream.writeRequest(
                generator.produce(), correlationID: correlationID, version: version, clientID: clientID)
            written.append(
                RequestHeader(apiKey: 0, version: version, correlationID: correlationID, clientID: clientID))
        }
        let bytes = Array(stream.readableBytesView)
        var read: [RequestHeader] = []
        var start = 0
        var end = 0
        while start < bytes.count {
            switch bytes[..<end].withUnsafeBytes({ FrameScanner.scan($0, from: start, sizeMax: 1 << 24) }) {
            case .incomplete(let needed):
                #expect(start + needed > end && start + needed <= bytes.count)
                end = min(bytes.count, end + .random(in: 1...5_000, using: &generator.random))
            case .frame(let frame):
                try bytes[frame].withUnsafeBytes { frame in
                    var reader = KafkaReader(frame)
                    let header = try RequestHeader(from: &reader)
                    _ = try ProduceRequest(from: &reader, version: header.version)
                    try reader.finish()
                    read.append(header)
                }
                start = frame.upperBound
            case .malformed(let error):
                Issue.record("\(error)")
                return
            }
        }
        #expect(read == written)
    }
}
