import ColaAMQP
import ColaTesting
import NIOCore
import Testing

/// What is written is read as what it was; what is random is read or refused, and costs no more than its size allows.
@Suite struct CodecPropertyTests {
    private struct Generator {
        var random: SplitMix64

        init(seed: UInt64) { random = SplitMix64(seed: seed) }

        /// One of the ends or anything between, the ends often.
        mutating func integer<Integer: FixedWidthInteger>(_: Integer.Type) -> Integer {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: .min
            case 1: .max
            default: .random(in: .min ... .max, using: &random)
            }
        }

        mutating func bool() -> Bool { .random(using: &random) }

        mutating func bytes(_ max: Int) -> [UInt8] {
            let count = Int.random(in: 0...8, using: &random) == 0 ? max : Int.random(in: 0...8, using: &random)
            return (0..<count).map { _ in .random(in: 0...255, using: &random) }
        }

        mutating func short() -> String {
            let count = Int.random(in: 0...8, using: &random) == 0 ? 85 : Int.random(in: 0...8, using: &random)
            return String((0..<count).map { _ in "aä€.*#"[.random(in: 0..<6, using: &random)] })
        }

        mutating func value(depth: Int) -> FieldValue {
            switch Int.random(in: 0..<(depth == 0 ? 15 : 17), using: &random) {
            case 0: .bool(bool())
            case 1: .int8(integer(Int8.self))
            case 2: .uint8(integer(UInt8.self))
            case 3: .int16(integer(Int16.self))
            case 4: .uint16(integer(UInt16.self))
            case 5: .int32(integer(Int32.self))
            case 6: .uint32(integer(UInt32.self))
            case 7: .int64(integer(Int64.self))
            case 8: .float(Float(integer(Int32.self)) / 3)
            case 9: .double(Double(integer(Int64.self)) / 3)
            case 10: .decimal(scale: integer(UInt8.self), value: integer(Int32.self))
            case 11: .longString(bytes(5_000))
            case 12: .timestamp(integer(UInt64.self))
            case 13: .void
            case 14: .bytes(bytes(5_000))
            case 15: .array((0..<Int.random(in: 0...4, using: &random)).map { _ in value(depth: depth - 1) })
            default: .table(table(depth: depth - 1))
            }
        }

        mutating func table(depth: Int = 5) -> FieldTable {
            FieldTable(
                (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    FieldTable.Field(name: short(), value: value(depth: depth))
                })
        }

        mutating func method() -> Method {
            switch Int.random(in: 0..<6, using: &random) {
            case 0:
                .connectionStart(
                    versionMajor: integer(UInt8.self), versionMinor: integer(UInt8.self), serverProperties: table(),
                    mechanisms: bytes(70_000), locales: bytes(300))
            case 1:
                .queueDeclare(
                    queue: short(), passive: bool(), durable: bool(), exclusive: bool(), autoDelete: bool(),
                    noWait: bool(), arguments: table())
            case 2:
                .basicDeliver(
                    consumerTag: short(), deliveryTag: integer(UInt64.self), redelivered: bool(), exchange: short(),
                    routingKey: short())
            case 3: .basicNack(deliveryTag: integer(UInt64.self), multiple: bool(), requeue: bool())
            case 4:
                .accessRequest(
                    realm: short(), exclusive: bool(), passive: bool(), active: bool(), write: bool(), read: bool())
            default:
                .connectionTune(
                    channelMax: integer(UInt16.self), frameMax: integer(UInt32.self), heartbeat: integer(UInt16.self))
            }
        }

        mutating func properties() -> BasicProperties {
            var properties = BasicProperties()
            if bool() { properties.contentType = short() }
            if bool() { properties.contentEncoding = short() }
            if bool() { properties.headers = table() }
            if bool() { properties.deliveryMode = integer(UInt8.self) }
            if bool() { properties.priority = integer(UInt8.self) }
            if bool() { properties.correlationID = short() }
            if bool() { properties.replyTo = short() }
            if bool() { properties.expiration = short() }
            if bool() { properties.messageID = short() }
            if bool() { properties.timestamp = integer(UInt64.self) }
            if bool() { properties.type = short() }
            if bool() { properties.userID = short() }
            if bool() { properties.appID = short() }
            if bool() { properties.clusterID = short() }
            return properties
        }
    }

    @Test(.timeLimit(.minutes(5)), arguments: Seeds.of(10))
    func whatIsWrittenIsReadAsWhatItWas(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<100 {
            var buffer = ByteBuffer()
            let table = generator.table()
            buffer.writeFieldTable(table)
            #expect(buffer.readableBytes == table.encodedBytes)
            #expect(try buffer.withUnsafeReadableBytes { try FieldTable.decode($0) } == table)

            buffer.clear()
            let method = generator.method()
            method.write(to: &buffer)
            #expect(try buffer.withUnsafeReadableBytes { try Method.decode($0) } == method)

            buffer.clear()
            let properties = generator.properties()
            properties.write(to: &buffer)
            #expect(try buffer.withUnsafeReadableBytes { try BasicProperties.decode($0) } == properties)
        }
    }

    /// Method frames, content and heartbeats in one stream, cut anywhere.
    @Test(.timeLimit(.minutes(5)), arguments: Seeds.of(10))
    func aStreamIsReadAsItWasWrittenWhereverItIsCut(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        var stream = ByteBuffer()
        var written: [String] = []
        let frameMax = Int.random(in: 9...200, using: &generator.random)
        for _ in 0..<20 {
            let channel = generator.integer(UInt16.self)
            switch Int.random(in: 0..<3, using: &generator.random) {
            case 0:
                let method = generator.method()
                stream.writeMethod(method, channel: channel)
                written.append("\(channel) \(method)")
            case 1:
                let body = generator.bytes(1_000)
                stream.writeContent(channel: channel, properties: [], body: body, frameMax: frameMax)
                written.append("\(channel) header \(body.count)")
                for start in stride(from: 0, to: body.count, by: frameMax - 8) {
                    written.append("\(channel) body \(body[start..<min(start + frameMax - 8, body.count)])")
                }
            default:
                stream.writeHeartbeat()
                written.append("heartbeat")
            }
        }
        let bytes = Array(stream.readableBytesView)
        var read: [String] = []
        var start = 0
        var end = 0
        while start < bytes.count {
            let scan = bytes[..<end].withUnsafeBytes { FrameScanner.scan($0, from: start, payloadMax: 1 << 20) }
            switch scan {
            case .incomplete(let needed):
                #expect(start + needed > end && start + needed <= bytes.count)
                end = min(bytes.count, end + .random(in: 1...100, using: &generator.random))
            case .frame(let frame, let next):
                read.append(try spell(frame, bytes))
                start = next
            case .malformed(let error):
                Issue.record("\(error)")
                return
            }
        }
        #expect(read == written)
    }

    private func spell(_ frame: Frame, _ bytes: [UInt8]) throws -> String {
        let payload = bytes[frame.payload]
        switch frame.kind {
        case .method: return "\(frame.channel) \(try payload.withUnsafeBytes { try Method.decode($0) })"
        case .header:
            return "\(frame.channel) header \(try payload.withUnsafeBytes { try ContentHeader.decode($0) }.bodySize)"
        case .body: return "\(frame.channel) body \(Array(payload))"
        case .heartbeat: return "heartbeat"
        }
    }

    /// Bytes that begin as something and go on as anything; some of them are right, and those are written again as they
    /// were read.
    @Test(.timeLimit(.minutes(5)), arguments: Seeds.of(10))
    func randomBytesAreReadOrRefused(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<200 {
            var buffer = ByteBuffer()
            generator.method().write(to: &buffer)
            buffer.writeBytes(generator.bytes(10))
            var bytes = Array(buffer.readableBytesView)
            for _ in 0..<Int.random(in: 0...3, using: &generator.random) {
                bytes[.random(in: 0..<bytes.count, using: &generator.random)] = generator.integer(UInt8.self)
            }
            for start in [0, 4, 5, 6] where start < bytes.count {
                try bytes[start...].withUnsafeBytes { bytes in
                    if let method = try? Method.decode(bytes) { try sameAgain(method) }
                    if let table = try? FieldTable.decode(bytes) { #expect(values(table) <= bytes.count) }
                    _ = try? ContentHeader.decode(bytes)
                    _ = try? BasicProperties.decode(bytes)
                    _ = try? PublishArguments.decode(bytes)
                    _ = FrameScanner.scan(bytes, from: 0, payloadMax: 100)
                    _ = ProtocolHeader.scan(bytes)
                }
            }
        }
    }

    private func sameAgain(_ method: Method) throws {
        var buffer = ByteBuffer()
        method.write(to: &buffer)
        let again = try buffer.withUnsafeReadableBytes { try Method.decode($0) }
        // A number that is none is not equal to itself.
        #expect("\(again)" == "\(method)")
    }

    private func values(_ table: FieldTable) -> Int {
        table.fields.reduce(0) { $0 + values($1.value) }
    }

    private func values(_ value: FieldValue) -> Int {
        switch value {
        case .array(let values): values.reduce(1) { $0 + self.values($1) }
        case .table(let table): 1 + values(table)
        default: 1
        }
    }

    /// The smallest fields there are: as many of them as there are bytes.
    @Test func smallFieldsTakeNoMoreThanTheirShareOfMemory() throws {
        let count = 60_000
        let array: [UInt8] = [0, 0x41, 0, 0, 0xEA, 0x60] + Array(repeating: 0x56, count: count)
        let bytes: [UInt8] = [0, 0, 0xEA, 0x66] + array
        let table = try bytes.withUnsafeBytes { try FieldTable.decode($0) }
        guard case .array(let values) = table.fields.first?.value else {
            Issue.record("no array")
            return
        }
        #expect(values.count == count)
        #expect(values.capacity * MemoryLayout<FieldValue>.stride <= 17 * bytes.count)
        #expect(MemoryLayout<FieldTable.Field>.stride <= 40)
    }
}

extension String {
    fileprivate subscript(_ offset: Int) -> Character { self[index(startIndex, offsetBy: offset)] }
}
