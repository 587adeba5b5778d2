import ColaAMQP
import ColaCore
import ColaTesting
import NIOCore
import Testing

/// How a connection begins and ends.
@Suite struct HandshakeTests {
    private func code(_ methods: [Method]) -> UInt16? {
        methods.compactMap { method -> UInt16? in
            switch method {
            case .connectionClose(let code, _, _, _), .channelClose(let code, _, _, _): code
            default: nil
            }
        }.first
    }

    @Test(arguments: [false, true]) func aConnectionOpens(byteByByte: Bool) {
        let bench = AMQPBench()
        bench.isByteByByte = byteByByte
        bench.handshake()
        let methods = bench.methods()
        #expect(methods.map(\.id) == [.connectionStart, .connectionTune, .connectionOpenOk])
        guard case .connectionStart(0, 9, let properties, let mechanisms, _) = methods[0] else {
            Issue.record("\(methods[0])")
            return
        }
        #expect(properties["product"]?.text == "Cola")
        #expect(String(decoding: mechanisms, as: UTF8.self).contains("PLAIN"))
    }

    @Test func anotherProtocolIsToldWhichOneIsSpoken() {
        let bench = AMQPBench()
        bench.send(Array("GET / HTTP/1.1\r\n".utf8))
        #expect(bench.hear() == [.raw(ProtocolHeader.bytes)])
        #expect(bench.session.isClosed)
    }

    @Test(arguments: [true, false]) func aWrongPasswordIsToldToWhoUnderstandsIt(understands: Bool) {
        let bench = AMQPBench()
        bench.send(ProtocolHeader.bytes)
        _ = bench.hear()
        bench.send(
            .connectionStartOk(
                clientProperties: ["capabilities": .table(["authentication_failure_close": .bool(understands)])],
                mechanism: "PLAIN", response: Array("\0guest\0wrong".utf8), locale: ""), on: 0)
        #expect(code(bench.methods()) == (understands ? 403 : nil))
        if understands { bench.send(.connectionCloseOk, on: 0) }
        #expect(bench.session.isClosed)
    }

    @Test func amqplainIsUnderstood() {
        let bench = AMQPBench()
        bench.send(ProtocolHeader.bytes)
        let response: [UInt8] =
            [5] + Array("LOGIN".utf8) + [0x53, 0, 0, 0, 5] + Array("guest".utf8)
            + [8] + Array("PASSWORD".utf8) + [0x53, 0, 0, 0, 5] + Array("guest".utf8)
        bench.send(
            .connectionStartOk(clientProperties: [:], mechanism: "AMQPLAIN", response: response, locale: ""), on: 0)
        #expect(bench.methods().last?.id == .connectionTune)
    }

    private static let ana = PeerCertificate(subject: "CN=ana,O=Example", commonName: "ana")

    @Test(
        arguments: [
            (PeerCertificate.Part.distinguishedName, ana, "CN=ana,O=Example"), (.commonName, ana, "ana"),
            (.commonName, PeerCertificate(subject: "O=Example", commonName: nil), nil),
            (.commonName, PeerCertificate(subject: "CN=uid:0", commonName: "uid:0"), nil),
            (.distinguishedName, PeerCertificate(subject: "", commonName: nil), nil),
            (.commonName, nil, nil),
        ] as [(PeerCertificate.Part, PeerCertificate?, String?)])
    func aCertificateNamesItsUser(part: PeerCertificate.Part, certificate: PeerCertificate?, user: String?) {
        let peer = Peer.secured("10.0.0.1:5000", isLoopback: false, certificate: certificate)
        let bench = AMQPBench(peer: peer) { $0.certificateName = part }
        bench.send(ProtocolHeader.bytes)
        guard case .connectionStart(_, _, _, let mechanisms, _)? = bench.methods().first else {
            Issue.record("no connection.start")
            return
        }
        #expect(String(decoding: mechanisms, as: UTF8.self).contains("EXTERNAL") == (certificate != nil))
        bench.send(
            .connectionStartOk(
                clientProperties: ["capabilities": .table(["authentication_failure_close": .bool(true)])],
                mechanism: "EXTERNAL", response: Array("guest".utf8), locale: ""), on: 0)
        #expect(Credentials(certificateOf: peer, by: part)?.user == user)
        #expect(bench.methods().last?.id == (user == nil ? .connectionClose : .connectionTune))
    }

    @Test(arguments: [(0, 131_072), (2_048, 131_072), (10, 4_095), (10, 131_073), (10, 0)])
    func whatIsAgreedOnKeepsToWhatWasOffered(channelMax: UInt16, frameMax: UInt32) {
        let bench = AMQPBench()
        bench.send(ProtocolHeader.bytes)
        bench.send(
            .connectionStartOk(
                clientProperties: [:], mechanism: "PLAIN", response: Array("\0guest\0guest".utf8), locale: ""), on: 0)
        bench.send(.connectionTuneOk(channelMax: channelMax, frameMax: frameMax, heartbeat: 0), on: 0)
        #expect(code(bench.methods()) == 530)
    }

    @Test func aVirtualHostThatIsNotThereIsRefused() {
        let bench = AMQPBench()
        bench.handshake(virtualHost: "nowhere")
        let methods = bench.methods()
        guard case .connectionClose(530, let text, 10, 40)? = methods.last else {
            Issue.record("\(methods)")
            return
        }
        #expect(text.hasPrefix("NOT_ALLOWED - vhost nowhere not found"))
    }

    @Test func whoIsSilentTooLongIsClosed() {
        let bench = AMQPBench()
        bench.handshake(heartbeat: 2)
        _ = bench.hear()
        bench.pass(milliseconds: 1_000)
        #expect(bench.hear() == [.heartbeat])
        bench.pass(milliseconds: 3_000)
        #expect(bench.session.isClosed && bench.session.isPeerGone)
    }

    @Test func aHandshakeThatDoesNotGoOnIsClosed() {
        let bench = AMQPBench()
        bench.send(ProtocolHeader.bytes)
        bench.pass(milliseconds: 10_000)
        #expect(bench.session.isClosed)
    }

    @Test func aClientLeaves() {
        let bench = AMQPBench(open: 1, 2)
        bench.publish("a", to: "nowhere", on: 1)
        bench.send(.connectionClose(replyCode: 200, replyText: "bye", classID: 0, methodID: 0), on: 0)
        #expect(bench.methods() == [.connectionCloseOk])
        #expect(bench.session.hasQuit)
        // The stream is for the client to end; it has not forever for that.
        #expect(!bench.session.isClosed)
        bench.pass(milliseconds: 10_000)
        #expect(bench.session.isClosed)
    }

    @Test func aClientLeavesAndEndsTheStream() {
        let bench = AMQPBench(open: 1)
        bench.send(.connectionClose(replyCode: 200, replyText: "bye", classID: 0, methodID: 0), on: 0)
        #expect(bench.methods() == [.connectionCloseOk])
        bench.session.receiveEnd()
        #expect(bench.session.isClosed)
    }

    @Test func whatFollowsTheOpeningIsAnsweredBehindIt() {
        let bench = AMQPBench()
        var bytes = ByteBuffer(bytes: ProtocolHeader.bytes)
        bytes.writeMethod(
            .connectionStartOk(
                clientProperties: [:], mechanism: "PLAIN", response: Array("\0guest\0guest".utf8), locale: ""),
            channel: 0)
        bytes.writeMethod(.connectionTuneOk(channelMax: 10, frameMax: 4_096, heartbeat: 0), channel: 0)
        bytes.writeMethod(.connectionOpen(virtualHost: "/"), channel: 0)
        bytes.writeMethod(.channelOpen, channel: 1)
        bytes.writeMethod(.confirmSelect(noWait: false), channel: 1)
        bench.send(Array(buffer: bytes))
        #expect(bench.methods().suffix(3) == [.connectionOpenOk, .channelOpenOk, .confirmSelectOk])
    }

    @Test func closesThatCrossEndBoth() {
        let bench = AMQPBench(open: 1)
        bench.send(.channelOpen, on: 1)
        #expect(code(bench.methods()) == 504)
        bench.send(.connectionClose(replyCode: 200, replyText: "", classID: 0, methodID: 0), on: 0)
        #expect(bench.methods() == [.connectionCloseOk])
        bench.send(.connectionCloseOk, on: 0)
        #expect(bench.session.isClosed)
    }

    @Test func whatIsWrongWithTheConnectionEndsIt() {
        func end(_ code: UInt16, _ act: (AMQPBench) -> Void, line: Int = #line) {
            let bench = AMQPBench(open: 1)
            act(bench)
            #expect(self.code(bench.methods()) == code, "line \(line)")
            // Nothing more is heard but the answer to it.
            bench.send(
                .queueDeclare(
                    queue: "q", passive: false, durable: false, exclusive: false, autoDelete: false, noWait: false,
                    arguments: [:]), on: 1)
            #expect(bench.hear().isEmpty, "line \(line)")
            bench.send(.connectionCloseOk, on: 0)
            #expect(bench.session.isClosed, "line \(line)")
        }
        end(501) { $0.send([9, 0, 1, 0, 0, 0, 0, 0xCE]) }
        end(501) { $0.send([1, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0]) }
        end(501) { $0.send([8, 0, 0, 0, 0, 0, 0, 0xCD]) }
        end(505) { $0.send([8, 0, 1, 0, 0, 0, 0, 0xCE]) }
        end(505) { $0.send([3, 0, 1, 0, 0, 0, 1, 0x61, 0xCE]) }
        end(504) { $0.send(.queuePurge(queue: "q", noWait: false), on: 2) }
        end(503) { $0.send(.basicQosOk, on: 1) }
        end(540) { $0.send([1, 0, 1, 0, 0, 0, 4, 0, 99, 0, 99, 0xCE]) }
        end(502) { $0.send([1, 0, 1, 0, 0, 0, 5, 0, 50, 0, 10, 0, 0xCE]) }
        end(540) { $0.send(.basicPublish(exchange: "", routingKey: "", mandatory: false, immediate: true), on: 1) }
        end(530) { bench in
            for _ in 0..<2 {
                bench.send(
                    .queueDeclare(
                        queue: "q", passive: false, durable: false, exclusive: false, autoDelete: false, noWait: true,
                        arguments: [:]), on: 1)
                bench.send(
                    .basicConsume(
                        queue: "q", consumerTag: "c", noLocal: false, noAck: false, exclusive: false, noWait: true,
                        arguments: [:]), on: 1)
            }
        }
    }
}
