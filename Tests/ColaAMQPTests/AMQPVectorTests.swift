import ColaAMQP
import ColaTesting
import Foundation
import NIOCore
import Testing

/// The bytes that other libraries write are read as what they mean, and written the same.
///
/// Source: `protocol/vectors/README.md`
@Suite struct AMQPVectorTests {
    private static let payloadMax = 131_064

    private func name(_ vector: [String: Any]) -> Comment { Comment(rawValue: vector["name"] as? String ?? "?") }

    private func bytes(_ vector: [String: Any]) -> [UInt8] { Vectors.bytes(["hex": vector["hex"]]) }

    /// The frames in `bytes`, which come one byte at a time: there is none before its last byte is there.
    private func frames(_ bytes: [UInt8], _ name: Comment) throws -> [Frame] {
        var frames: [Frame] = []
        var start = 0
        var needed = 0
        for count in 0...bytes.count {
            let scan = bytes[..<count].withUnsafeBytes {
                FrameScanner.scan($0, from: start, payloadMax: Self.payloadMax)
            }
            switch scan {
            case .incomplete(let least):
                #expect(least > count - start && start + least <= bytes.count + 7, name)
                needed = start + least
            case .frame(let frame, let next):
                #expect(count >= needed && next == count, name)
                frames.append(frame)
                start = next
            case .malformed(let error):
                Issue.record("\(name) at \(count): \(error)")
                return frames
            }
        }
        #expect(start == bytes.count, name)
        return frames
    }

    private func decode(_ payload: ArraySlice<UInt8>) throws -> Method {
        try payload.withUnsafeBytes { bytes throws(MethodError) in try Method.decode(bytes) }
    }

    @Test func tablesMeanWhatTheirLibrariesMean() throws {
        for vector in try Vectors("amqp").list("tables") {
            let bytes = bytes(vector)
            let table = try bytes.withUnsafeBytes { try FieldTable.decode($0) }
            #expect(Spelling.fields(table) == vector["fields"] as? NSArray, name(vector))
            guard vector["read_only"] == nil else { continue }
            var buffer = ByteBuffer()
            buffer.writeFieldTable(table)
            #expect(Array(buffer.readableBytesView) == bytes, name(vector))
            #expect(table.encodedBytes == bytes.count, name(vector))
        }
    }

    @Test func methodsMeanWhatTheirLibrariesMean() throws {
        for vector in try Vectors("amqp").list("methods") {
            let bytes = bytes(vector)
            let frame = try #require(try frames(bytes, name(vector)).first)
            #expect(frame.kind == .method && Vectors.number(vector["channel"]) == Int64(frame.channel))
            let method = try decode(bytes[frame.payload])
            #expect(method.id.name == vector["method"] as? String, name(vector))
            #expect(Spelling.arguments(method) == vector["arguments"] as? NSDictionary, name(vector))
            var buffer = ByteBuffer()
            buffer.writeMethod(method, channel: frame.channel)
            #expect(Array(buffer.readableBytesView) == bytes, name(vector))
            for end in frame.payload where end > frame.payload.lowerBound {
                #expect(throws: MethodError.self, name(vector)) { try decode(bytes[frame.payload.lowerBound..<end]) }
            }
            guard case .basicPublish(let exchange, let routingKey, let mandatory, let immediate) = method else {
                continue
            }
            let payload = bytes[frame.payload]
            let arguments = try payload.withUnsafeBytes { try PublishArguments.decode($0) }
            let start = payload.startIndex
            #expect(payload[(start + arguments.exchange.lowerBound)...].starts(with: exchange.utf8))
            #expect(arguments.exchange.count == exchange.utf8.count)
            #expect(payload[(start + arguments.routingKey.lowerBound)...].starts(with: routingKey.utf8))
            #expect(arguments.routingKey.count == routingKey.utf8.count)
            #expect(arguments.mandatory == mandatory && arguments.immediate == immediate)
        }
    }

    @Test func everyMethodHasVectors() throws {
        let names = Set(try Vectors("amqp").list("methods").compactMap { $0["method"] as? String })
        for number in 0..<(100 << 8) {
            let id = MethodID(classID: UInt16(number >> 8), methodID: UInt16(number & 255))
            if !id.name.contains(/^\d/) { #expect(names.contains(id.name)) }
        }
        #expect(names.count == 66)
    }

    @Test func propertiesMeanWhatTheirLibrariesMean() throws {
        for vector in try Vectors("amqp").list("properties") {
            let bytes = bytes(vector)
            let properties = try bytes.withUnsafeBytes { try BasicProperties.decode($0) }
            #expect(Spelling.properties(properties) == vector["properties"] as? NSDictionary, name(vector))
            for end in bytes.indices {
                #expect(throws: Malformed.self, name(vector)) {
                    try bytes[..<end].withUnsafeBytes { bytes throws(Malformed) in try PropertyScanner(bytes) }
                }
            }
            guard vector["read_only"] == nil else { continue }
            var buffer = ByteBuffer()
            properties.write(to: &buffer)
            #expect(Array(buffer.readableBytesView) == bytes, name(vector))
        }
    }

    @Test func messagesAreCutIntoFramesAsTheirLibrariesDo() throws {
        for vector in try Vectors("amqp").list("messages") {
            let bytes = bytes(vector)
            let frames = try frames(bytes, name(vector))
            let channel = UInt16(try #require(Vectors.number(vector["channel"])))
            #expect(frames.allSatisfy { $0.channel == channel })
            let body = Vectors.bytes(["hex": vector["body"]])
            #expect(frames.dropFirst(2).flatMap { bytes[$0.payload] } == body, name(vector))

            let payload = bytes[frames[1].payload]
            let header = try payload.withUnsafeBytes { try ContentHeader.decode($0) }
            #expect(header.classID == 60 && header.bodySize == UInt64(body.count))
            let properties = Array(payload)[header.properties]
            let decoded = try properties.withUnsafeBytes { try BasicProperties.decode($0) }
            #expect(Spelling.properties(decoded) == vector["properties"] as? NSDictionary, name(vector))

            let method = try decode(bytes[frames[0].payload])
            guard case .basicDeliver(let tag, let number, let redelivered, let exchange, let routingKey) = method else {
                Issue.record("\(name(vector)) is \(method.id)")
                continue
            }
            #expect(tag == vector["consumer_tag"] as? String && exchange == vector["exchange"] as? String)
            #expect(number == (vector["delivery_tag"] as? NSNumber)?.uint64Value)
            #expect(redelivered == vector["redelivered"] as? Bool && routingKey == vector["routing_key"] as? String)

            let frameMax = Int(try #require(Vectors.number(vector["frame_max"])))
            var buffer = ByteBuffer()
            buffer.writeMethod(method, channel: channel)
            buffer.writeContent(channel: channel, properties: properties, body: body, frameMax: frameMax)
            #expect(Array(buffer.readableBytesView) == bytes, name(vector))
            buffer.clear()
            buffer.writeDeliver(
                channel: channel, consumerTag: Array(tag.utf8), deliveryTag: number, redelivered: redelivered,
                exchange: Array(exchange.utf8), routingKey: Array(routingKey.utf8), properties: Array(properties),
                body: body,
                frameMax: frameMax)
            #expect(Array(buffer.readableBytesView) == bytes, name(vector))
        }
    }

    @Test func whatIsMalformedIsRefused() throws {
        for vector in try Vectors("amqp").list("refusals") {
            let bytes = bytes(vector)
            switch vector["what"] as? String {
            case "frame":
                let scan = bytes.withUnsafeBytes { FrameScanner.scan($0, from: 0, payloadMax: Self.payloadMax) }
                guard case .malformed = scan else {
                    Issue.record("\(name(vector)) is \(scan)")
                    continue
                }
            case "method": #expect(throws: MethodError.self, name(vector)) { try decode(bytes[...]) }
            case "header":
                #expect(throws: Malformed.self, name(vector)) {
                    try bytes.withUnsafeBytes { bytes throws(Malformed) in try ContentHeader.decode(bytes) }
                }
            case "properties":
                #expect(throws: Malformed.self, name(vector)) {
                    try bytes.withUnsafeBytes { bytes throws(Malformed) in try BasicProperties.decode(bytes) }
                }
            default: throw Vectors.Unknown(what: "\(vector)")
            }
        }
    }
}
