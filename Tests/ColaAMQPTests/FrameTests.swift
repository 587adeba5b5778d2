import ColaAMQP
import NIOCore
import Testing

@Suite struct FrameTests {
    private func scan(_ bytes: [UInt8], from start: Int = 0, payloadMax: Int = 100) -> FrameScanner.Scan {
        bytes.withUnsafeBytes { FrameScanner.scan($0, from: start, payloadMax: payloadMax) }
    }

    @Test func aFrameIsFoundWhereItStands() {
        let bytes: [UInt8] = [9, 9, 3, 1, 2, 0, 0, 0, 1, 7, 0xCE, 8]
        #expect(
            scan(bytes, from: 2) == .frame(Frame(kind: .body, channel: 258, payload: 9..<10), next: 11))
        #expect(scan(bytes, from: 11) == .incomplete(needed: 7))
        #expect(scan(bytes, from: 12) == .incomplete(needed: 7))
    }

    @Test func aFrameThatIsTooLargeIsRefusedBeforeItsPayloadIsThere() {
        let header: [UInt8] = [3, 0, 1, 0, 0, 0, 101]
        #expect(scan(header) == .malformed(.tooLarge(size: 101, max: 100)))
        #expect(scan(header, payloadMax: 101) == .incomplete(needed: 109))
        #expect(scan([3, 0, 1, 255, 255, 255, 255]) == .malformed(.tooLarge(size: 4_294_967_295, max: 100)))
    }

    @Test func aFrameThatEndsOtherwiseOrIsOfNoTypeIsRefused() {
        #expect(scan([8, 0, 0, 0, 0, 0, 0, 0]) == .malformed(.wrongEnd(0)))
        #expect(scan([4]) == .malformed(.unknownType(4)))
        #expect(scan([4, 0, 0, 0, 0, 0, 0, 0xCE]) == .malformed(.unknownType(4)))
    }

    @Test func aHeartbeatIsEightBytes() {
        var buffer = ByteBuffer()
        buffer.writeHeartbeat()
        #expect(Array(buffer.readableBytesView) == [8, 0, 0, 0, 0, 0, 0, 0xCE])
    }

    @Test(arguments: [true, false], [true, false])
    func aConfirmIsTheMethodThatItStandsFor(multiple: Bool, isAck: Bool) {
        var quick = ByteBuffer()
        quick.writeConfirm(channel: 258, deliveryTag: .max, multiple: multiple, isAck: isAck)
        var whole = ByteBuffer()
        whole.writeMethod(
            isAck
                ? .basicAck(deliveryTag: .max, multiple: multiple)
                : .basicNack(deliveryTag: .max, multiple: multiple, requeue: false), channel: 258)
        #expect(quick == whole)
    }

    @Test(arguments: [[0, 0, 9, 1], [1, 1, 0, 9]] as [[UInt8]])
    func theVersionsWeSpeakAreKnown(version: [UInt8]) {
        let header = Array("AMQP".utf8) + version
        for count in 0..<8 {
            #expect(header[..<count].withUnsafeBytes { ProtocolHeader.scan($0) } == .incomplete)
        }
        #expect((header + [1]).withUnsafeBytes { ProtocolHeader.scan($0) } == .matches)
    }

    @Test(arguments: [
        [0x16], Array("GET ".utf8), Array("AMQP".utf8) + [3, 1, 0, 0], Array("AMQP".utf8) + [0, 1],
        Array("AMQP".utf8) + [1, 1, 8, 0],
    ])
    func anotherProtocolIsSeenAtOnce(bytes: [UInt8]) {
        #expect(bytes.withUnsafeBytes { ProtocolHeader.scan($0) } == .other)
    }

    @Test func aMessageWithoutPropertiesHasEmptyFlags() {
        var buffer = ByteBuffer()
        buffer.writeContent(channel: 1, properties: [], body: [1, 2], frameMax: 0)
        #expect(
            Array(buffer.readableBytesView) == [
                2, 0, 1, 0, 0, 0, 14, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0xCE,
                3, 0, 1, 0, 0, 0, 2, 1, 2, 0xCE,
            ])
    }

    @Test func namesThatAreTooLongForADeliveryAreCut() throws {
        let name = [UInt8](repeating: 0x61, count: 300)
        var buffer = ByteBuffer()
        buffer.writeDeliver(
            channel: 1, consumerTag: name, deliveryTag: 1, redelivered: false, exchange: name, routingKey: name,
            properties: [], body: [], frameMax: 4096)
        let bytes = Array(buffer.readableBytesView)
        guard case .frame(let frame, _) = scan(bytes, payloadMax: 4096) else {
            Issue.record("no frame")
            return
        }
        let cut = String(repeating: "a", count: 255)
        let method = try bytes[frame.payload].withUnsafeBytes { try Method.decode($0) }
        #expect(
            method
                == .basicDeliver(consumerTag: cut, deliveryTag: 1, redelivered: false, exchange: cut, routingKey: cut))
    }
}
