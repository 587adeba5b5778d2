import ColaAMQP
import NIOCore
import Testing

@Suite struct MethodTests {
    private func encode(_ method: Method) -> [UInt8] {
        var buffer = ByteBuffer()
        method.write(to: &buffer)
        return Array(buffer.readableBytesView)
    }

    private func decode(_ bytes: [UInt8]) throws -> Method {
        try bytes.withUnsafeBytes { bytes throws(MethodError) in try Method.decode(bytes) }
    }

    private static let declare = Method.queueDeclare(
        queue: "ä", passive: false, durable: true, exclusive: false, autoDelete: true, noWait: false,
        arguments: ["x-expires": .int32(1)])

    @Test func aMethodIsWrittenAsTheSpecificationSays() throws {
        let bytes: [UInt8] =
            [0, 50, 0, 10, 0, 0, 2, 0xC3, 0xA4, 0b01010, 0, 0, 0, 15, 9] + Array("x-expires".utf8)
            + [0x49, 0, 0, 0, 1]
        #expect(encode(Self.declare) == bytes)
        #expect(try decode(bytes) == Self.declare)
        #expect(Self.declare.id == MethodID.queueDeclare)
        #expect("\(Self.declare.id)" == "queue.declare")
    }

    @Test func aMethodThatIsCutOffIsRefused() {
        let bytes = encode(Self.declare)
        for count in 0..<bytes.count {
            #expect(throws: MethodError.self) { try decode(Array(bytes[..<count])) }
        }
    }

    @Test func aMethodThatThereIsNotIsNamedByItsNumbers() {
        #expect(throws: MethodError.unknown(MethodID(classID: 60, methodID: 99))) { try decode([0, 60, 0, 99]) }
        #expect(MethodID(classID: 60, methodID: 99).name == "60.99")
    }

    @Test func aShortStringThatIsNotUTF8IsRefused() {
        #expect(throws: MethodError.malformed("the arguments of basic.consume-ok: a short string is not valid UTF-8")) {
            try decode([0, 60, 0, 21, 1, 0xFF])
        }
    }

    @Test func aReplyTextThatIsTooLongIsCutAtTheEndOfACharacter() throws {
        let text = "a" + String(repeating: "ä", count: 200)
        let close = Method.channelClose(replyCode: 404, replyText: text, classID: 50, methodID: 10)
        guard case .channelClose(_, let cut, _, _) = try decode(encode(close)) else {
            Issue.record("another method came back")
            return
        }
        #expect(cut == "a" + String(repeating: "ä", count: 127))
    }

    @Test func someMethodsCarryContent() {
        #expect(MethodID.basicPublish.hasContent)
        #expect(MethodID.basicGetOk.hasContent)
        #expect(!MethodID.basicGet.hasContent)
    }
}
