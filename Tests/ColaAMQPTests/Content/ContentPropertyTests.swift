import ColaAMQP
import ColaCore
import ColaTesting
import Testing

/// Whatever is sent comes back as it was, and nothing that anybody can send or store is a trap.
@Suite struct ContentPropertyTests {
    private typealias Bench = ContentBench

    private func seeds() -> Range<UInt64> { 1..<400 }

    @Test func propertiesComeBackByteForByte() throws {
        for seed in seeds() {
            var random = SplitMix64(seed: seed)
            let properties = Bench.bytes(Self.properties(&random))
            let content = try Bench.content(properties)
            #expect(Bench.out(content.message) == properties, "seed \(seed)")
        }
    }

    /// What is added changes nothing besides.
    @Test func whatTheBrokerAddsStandsBehindTheRest() throws {
        for seed in seeds() {
            var random = SplitMix64(seed: seed)
            var properties = Self.properties(&random)
            let content = try Bench.content(Bench.bytes(properties))
            let count = Int.random(in: 0...3, using: &random)
            let out = Bench.out(Bench.delivery(content.message, redelivered: count), from: .quorum)
            var headers = properties.headers ?? [:]
            headers.fields.append(.init(name: "x-delivery-count", value: .int64(Int64(count))))
            if count > 0 { headers.fields.append(.init(name: "x-acquired-count", value: .int64(Int64(count)))) }
            properties.headers = headers
            #expect(out == Bench.bytes(properties), "seed \(seed)")
        }
    }

    @Test func randomBytesAreTakenOrRefusedAndWhatIsTakenComesBack() {
        for seed in 1..<4_000 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            var bytes = Bench.bytes(Self.properties(&random))
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(.random(in: 0...255, using: &random), at: place)
                }
            }
            guard let content = try? Bench.content(bytes) else { continue }
            let isBlind = (try? Bench.decoded(bytes))?.headers?["BCC"] != nil
            if !isBlind { #expect(Bench.out(content.message) == bytes, "seed \(seed)") }
            for source in [DeliveryContent.Source.quorum, .stream] {
                #expect((try? Bench.decoded(Bench.out(content.message, from: source))) != nil, "seed \(seed)")
            }
        }
    }

    /// Records may be damaged, or of a later version.
    @Test func randomHeadersOfARecordAreNoTrap() {
        let names = ["cola-amqp", "cola-death", "cola-exchange", "cola-priority", "k", "cola-reply-to", ""]
        for seed in 1..<2_000 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            var message = Message(value: nil)
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let value = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                message.headers.append(
                    name: names[Int.random(in: 0..<names.count, using: &random)].utf8,
                    value: Bool.random(using: &random) ? value : nil)
            }
            var delivery = Bench.delivery(message)
            for source in [DeliveryContent.Source.classic, .quorum, .stream] { _ = Bench.out(delivery, from: source) }
            guard !delivery.entry.headers.range.isEmpty else { continue }
            delivery.data[Int.random(in: delivery.entry.headers.range, using: &random)] ^= 0x41
            for source in [DeliveryContent.Source.classic, .quorum, .stream] { _ = Bench.out(delivery, from: source) }
        }
    }

    // MARK: Random values

    private static func properties(_ random: inout SplitMix64) -> BasicProperties {
        var properties = BasicProperties()
        func text() -> String? {
            guard Int.random(in: 0..<3, using: &random) == 0 else { return nil }
            return String(
                (0..<Int.random(in: 0...90, using: &random)).map { _ in "aä€.-"[.random(in: 0..<5, using: &random)] })
        }
        properties.contentType = text()
        properties.contentEncoding = text()
        if Bool.random(using: &random) { properties.headers = table(&random, depth: 3) }
        if Bool.random(using: &random) { properties.deliveryMode = .random(in: 1...2, using: &random) }
        if Bool.random(using: &random) { properties.priority = .random(in: 0...255, using: &random) }
        properties.correlationID = text()
        properties.replyTo = text()
        if Bool.random(using: &random) { properties.expiration = "\(Int.random(in: 0...100_000, using: &random))" }
        properties.messageID = text()
        if Bool.random(using: &random) { properties.timestamp = .random(in: 0 ... .max, using: &random) }
        properties.type = text()
        if Int.random(in: 0..<4, using: &random) == 0 { properties.userID = "guest" }
        properties.appID = text()
        properties.clusterID = text()
        return properties
    }

    private static func table(_ random: inout SplitMix64, depth: Int) -> FieldTable {
        let names = ["", "a", "x-delay", "CC", "x-thing", "cola-amqp", "größe", "k"]
        var table = FieldTable()
        for _ in 0..<Int.random(in: 0...5, using: &random) {
            let name = names[.random(in: 0..<names.count, using: &random)]
            let value = name == "CC" ? .array([.string("key"), .int8(1)]) : value(&random, depth: depth)
            table.fields.append(.init(name: name, value: value))
        }
        return table
    }

    private static func value(_ random: inout SplitMix64, depth: Int) -> FieldValue {
        switch Int.random(in: 0..<(depth == 0 ? 10 : 12), using: &random) {
        case 0: .bool(.random(using: &random))
        case 1: .int8(.random(in: .min ... .max, using: &random))
        case 2: .int64(.random(in: .min ... .max, using: &random))
        case 3: .uint32(.random(in: .min ... .max, using: &random))
        case 4: .double(Double(Int.random(in: -1_000...1_000, using: &random)) / 8)
        case 5: .decimal(scale: .random(in: 0...255, using: &random), value: .random(in: .min ... .max, using: &random))
        case 6:
            .longString((0..<Int.random(in: 0...40, using: &random)).map { _ in .random(in: 0...255, using: &random) })
        case 7: .timestamp(.random(in: 0 ... .max, using: &random))
        case 8: .void
        case 9: .bytes([0, 255])
        case 10: .table(table(&random, depth: depth - 1))
        default: .array((0..<Int.random(in: 0...3, using: &random)).map { _ in value(&random, depth: depth - 1) })
        }
    }
}

extension String {
    fileprivate subscript(_ index: Int) -> Character { self[self.index(startIndex, offsetBy: index)] }
}
