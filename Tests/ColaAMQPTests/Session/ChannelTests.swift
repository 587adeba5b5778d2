import ColaAMQP
import ColaCore
import ColaTesting
import NIOCore
import Testing

/// What happens on a channel.
@Suite struct AMQPChannelTests {
    private func declare(_ name: String, exclusive: Bool = false, passive: Bool = false) -> Method {
        .queueDeclare(
            queue: name, passive: passive, durable: true, exclusive: exclusive, autoDelete: false, noWait: false,
            arguments: [:])
    }

    private func consume(_ queue: String, _ tag: String, noAck: Bool = false) -> Method {
        .basicConsume(
            queue: queue, consumerTag: tag, noLocal: false, noAck: noAck, exclusive: false, noWait: false,
            arguments: [:])
    }

    private func delivery(_ tag: UInt64) -> Method {
        .basicDeliver(consumerTag: "c", deliveryTag: tag, redelivered: false, exchange: "", routingKey: "q")
    }

    @Test(arguments: [false, true]) func aMessageComesAsItWent(byteByByte: Bool) {
        let bench = AMQPBench(open: 1)
        bench.isByteByByte = byteByByte
        bench.send(declare("q"), on: 1)
        let properties: [UInt8] = [0x80, 0, 4] + Array("text".utf8)
        let body = String(repeating: "a long body ", count: 3_000)
        bench.publish(body, to: "q", properties: properties, on: 1, frameMax: 4_096)
        bench.publish("", to: "q", on: 1)
        bench.send(consume("q", "c"), on: 1)
        let heard = bench.hear()
        #expect(
            heard.map(\.description) == [
                "1: \(Method.queueDeclareOk(queue: "q", messageCount: 0, consumerCount: 0))",
                "1: \(Method.basicConsumeOk(consumerTag: "c"))",
                "1: \(delivery(1))",
                "1: \(properties) \(body)",
                "1: \(delivery(2))",
                "1: [16, 0, 2] ",
            ])
    }

    @Test func requestsThatComeTogetherAreAnsweredInOrder() {
        let bench = AMQPBench(open: 1)
        var bytes: [UInt8] = []
        func add(_ method: Method) {
            var buffer = ByteBuffer()
            buffer.writeMethod(method, channel: 1)
            bytes += Array(buffer.readableBytesView)
        }
        add(declare("a"))
        add(.basicQos(prefetchSize: 0, prefetchCount: 1, global: false))
        add(.basicGet(queue: "a", noAck: true))
        add(.confirmSelect(noWait: false))
        add(.queueDelete(queue: "a", ifUnused: false, ifEmpty: false, noWait: false))
        bench.send(bytes)
        #expect(
            bench.methods().map(\.id) == [
                .queueDeclareOk, .basicQosOk, .basicGetEmpty, .confirmSelectOk, .queueDeleteOk,
            ])
    }

    @Test func confirmsAreMergedAndReturnsComeFirst() {
        let bench = AMQPBench(open: 1)
        bench.send(declare("q"), on: 1)
        bench.send(.confirmSelect(noWait: false), on: 1)
        _ = bench.hear()
        bench.publish("a", to: "nowhere", isMandatory: true, on: 1)
        #expect(
            bench.hear() == [
                .method(1, .basicReturn(replyCode: 312, replyText: "NO_ROUTE", exchange: "", routingKey: "nowhere")),
                .content(1, [16, 0, 2], Array("a".utf8)),
                .method(1, .basicAck(deliveryTag: 1, multiple: false)),
            ])
        var bytes = ByteBuffer()
        for _ in 0..<3 {
            bytes.writeMethod(
                .basicPublish(exchange: "", routingKey: "q", mandatory: false, immediate: false), channel: 1)
            bytes.writeContent(channel: 1, properties: [0x10, 0, 2] as [UInt8], body: [1] as [UInt8], frameMax: 4_096)
        }
        bench.send(Array(bytes.readableBytesView))
        #expect(bench.methods() == [.basicAck(deliveryTag: 4, multiple: true)])
    }

    @Test func whatIsGivenBackIsConfirmedByItself() {
        let bench = AMQPBench(open: 1)
        bench.send(declare("q"), on: 1)
        bench.send(.confirmSelect(noWait: false), on: 1)
        _ = bench.hear()
        var bytes = ByteBuffer()
        for key in ["q", "q", "nowhere", "nowhere", "q", "q"] {
            bytes.writeMethod(
                .basicPublish(exchange: "", routingKey: key, mandatory: true, immediate: false), channel: 1)
            bytes.writeContent(channel: 1, properties: [0x10, 0, 2] as [UInt8], body: [1] as [UInt8], frameMax: 4_096)
        }
        bench.send(Array(bytes.readableBytesView))
        let returned = Method.basicReturn(
            replyCode: 312, replyText: "NO_ROUTE", exchange: "", routingKey: "nowhere")
        #expect(
            bench.methods() == [
                .basicAck(deliveryTag: 2, multiple: true),
                returned, .basicAck(deliveryTag: 3, multiple: false),
                returned, .basicAck(deliveryTag: 4, multiple: false),
                .basicAck(deliveryTag: 6, multiple: true),
            ])
    }

    @Test func anErrorEndsTheChannelAlone() {
        let bench = AMQPBench(open: 1, 2)
        bench.send(declare("nowhere", passive: true), on: 1)
        guard case .channelClose(404, let text, 50, 10)? = bench.methods().first else {
            Issue.record("not closed")
            return
        }
        #expect(text == "NOT_FOUND - no queue 'nowhere' in vhost '/'")
        // What it says until it has heard is dropped.
        bench.send(declare("q"), on: 1)
        #expect(bench.hear().isEmpty)
        bench.send(.channelCloseOk, on: 1)
        bench.send(declare("q", passive: true), on: 2)
        #expect(bench.methods().map(\.id) == [.channelClose])
        bench.send(.channelOpen, on: 1)
        bench.send(declare("q"), on: 1)
        #expect(bench.methods().map(\.id) == [.channelOpenOk, .queueDeclareOk])
    }

    @Test func whatAChannelHeldComesAgainWhenItEnds() {
        let bench = AMQPBench(open: 1, 2)
        bench.send(declare("q"), on: 1)
        bench.publish("a", to: "q", on: 1)
        bench.send(consume("q", "c"), on: 1)
        bench.send(.basicAck(deliveryTag: 7, multiple: false), on: 1)
        #expect(bench.methods().last?.id == .channelClose)
        bench.send(.basicGet(queue: "q", noAck: true), on: 2)
        #expect(
            bench.methods() == [
                .basicGetOk(deliveryTag: 1, redelivered: true, exchange: "", routingKey: "q", messageCount: 0)
            ])
    }

    /// What the broker had handed out before it took the cancel is sent.
    @Test func whatWasHandedOutBeforeACancelComes() {
        let bench = AMQPBench(open: 1)
        bench.send(declare("q"), on: 1)
        bench.publish("a", to: "q", on: 1)
        bench.publish("b", to: "q", on: 1)
        bench.send(.basicQos(prefetchSize: 0, prefetchCount: 1, global: false), on: 1)
        bench.send(consume("q", "c"), on: 1)
        #expect(bench.bodies() == ["a"])
        var bytes = ByteBuffer()
        bytes.writeMethod(.basicAck(deliveryTag: 1, multiple: false), channel: 1)
        bytes.writeMethod(.basicCancel(consumerTag: "c", noWait: false), channel: 1)
        bench.send(Array(bytes.readableBytesView))
        let heard = bench.hear()
        let isDelivered = heard.contains { if case .content = $0 { true } else { false } }
        bench.send(.basicRecover(requeue: true), on: 1)
        bench.send(.basicGet(queue: "q", noAck: true), on: 1)
        #expect(isDelivered || bench.bodies() == ["b"])
        #expect(heard.contains(.method(1, .basicCancelOk(consumerTag: "c"))))
    }

    /// A connection that ends while one of its channels fails is answered all the same.
    @Test func aConnectionEndsThoughAChannelFails() {
        let bench = AMQPBench(open: 1, 2)
        var bytes = ByteBuffer()
        bytes.writeMethod(.basicAck(deliveryTag: 99, multiple: false), channel: 1)
        bytes.writeMethod(.connectionClose(replyCode: 200, replyText: "", classID: 0, methodID: 0), channel: 0)
        bench.send(Array(bytes.readableBytesView))
        #expect(bench.methods().last == .connectionCloseOk)
    }

    @Test func whatAChannelStillHasToSayComesBeforeTheEndOfItsConnection() {
        let bench = AMQPBench(open: 1)
        bench.send(declare("q"), on: 1)
        bench.send(.confirmSelect(noWait: true), on: 1)
        _ = bench.hear()
        var bytes = ByteBuffer()
        bytes.writeMethod(.basicPublish(exchange: "", routingKey: "q", mandatory: false, immediate: false), channel: 1)
        bytes.writeContent(channel: 1, properties: [0x10, 0, 2] as [UInt8], body: [1] as [UInt8], frameMax: 4_096)
        bytes.writeMethod(.channelClose(replyCode: 200, replyText: "", classID: 0, methodID: 0), channel: 1)
        bytes.writeMethod(.connectionClose(replyCode: 200, replyText: "", classID: 0, methodID: 0), channel: 0)
        bench.send(Array(bytes.readableBytesView))
        #expect(
            bench.methods() == [.basicAck(deliveryTag: 1, multiple: false), .channelCloseOk, .connectionCloseOk])
    }

    @Test func unfinishedBodiesOfAllChannelsAreBounded() {
        let bench = AMQPBench(TestBroker()) { $0.bodyBytesMax = 20_000 }
        bench.handshake()
        for channel in 1...3 as ClosedRange<UInt16> {
            bench.send(.channelOpen, on: channel)
            bench.send(.basicPublish(exchange: "", routingKey: "q", mandatory: false, immediate: false), on: channel)
            var bytes = ByteBuffer()
            bytes.writeContent(
                channel: channel, properties: [0x10, 0, 2] as [UInt8], body: [UInt8](repeating: 1, count: 20_000),
                frameMax: 4_096)
            bench.send(Array(bytes.readableBytesView.dropLast(3_648 + 8)))
        }
        let codes = bench.methods().compactMap { method -> UInt16? in
            if case .connectionClose(let code, _, _, _) = method { code } else { nil }
        }
        #expect(codes == [506])
    }

    @Test func aDeletedQueueCancelsItsConsumers() {
        let bench = AMQPBench(open: 1, 2)
        bench.send(declare("q"), on: 1)
        bench.send(consume("q", "c"), on: 1)
        _ = bench.hear()
        bench.send(.queueDelete(queue: "q", ifUnused: false, ifEmpty: false, noWait: true), on: 2)
        #expect(bench.hear() == [.method(1, .basicCancel(consumerTag: "c", noWait: true))])
    }

    @Test func exclusiveQueuesAreLockedForOtherConnections() {
        let first = AMQPBench(open: 1)
        let second = AMQPBench(open: 1, broker: first.broker, connection: 2)
        first.send(declare("q", exclusive: true), on: 1)
        second.send(declare("q", exclusive: true), on: 1)
        guard case .channelClose(405, let text, 50, 10)? = second.methods().first else {
            Issue.record("not closed")
            return
        }
        #expect(text.hasPrefix("RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'"))
    }

    @Test func aTransactionIsDoneWithItsCommit() {
        let bench = AMQPBench(open: 1, 2)
        bench.send(declare("q"), on: 1)
        bench.send(.txSelect, on: 1)
        bench.publish("a", to: "q", on: 1)
        bench.publish("b", to: "nowhere", isMandatory: true, on: 1)
        bench.send(.txRollback, on: 1)
        bench.publish("c", to: "q", on: 1)
        bench.publish("d", to: "nowhere", isMandatory: true, on: 1)
        #expect(bench.methods().map(\.id) == [.queueDeclareOk, .txSelectOk, .txRollbackOk])
        bench.send(.txCommit, on: 1)
        #expect(bench.methods().map(\.id) == [.basicReturn, .txCommitOk])
        bench.send(.basicGet(queue: "q", noAck: true), on: 2)
        #expect(bench.bodies() == ["c"])
        bench.send(.confirmSelect(noWait: false), on: 1)
        guard case .channelClose(406, _, 85, 10)? = bench.methods().first else {
            Issue.record("not closed")
            return
        }
    }

    @Test func repliesComeDirectly() {
        let server = AMQPBench(open: 1)
        let client = AMQPBench(open: 1, broker: server.broker, connection: 2)
        server.send(declare("rpc"), on: 1)
        server.send(consume("rpc", "s", noAck: true), on: 1)
        client.send(consume("amq.rabbitmq.reply-to", "r", noAck: true), on: 1)
        #expect(client.methods() == [.basicConsumeOk(consumerTag: "r")])
        let name = Array("amq.rabbitmq.reply-to".utf8)
        client.publish("question", to: "rpc", properties: [0x02, 0, UInt8(name.count)] + name, on: 1)
        server.settle()
        let heard = server.hear()
        guard case .content(1, let properties, _)? = heard.last else {
            Issue.record("\(heard)")
            return
        }
        let reply = String(decoding: properties[3...], as: UTF8.self)
        #expect(reply.hasPrefix("amq.rabbitmq.reply-to.") && properties[2] == reply.utf8.count)
        server.publish("answer", to: reply, on: 1)
        client.settle()
        #expect(client.bodies() == ["answer"])
    }

    @Test func aBodyThatIsTooLargeIsRefusedAtItsHeader() {
        let broker = TestBroker()
        let bench = AMQPBench(broker) { $0.bodyBytesMax = 100 }
        bench.handshake()
        bench.send(.channelOpen, on: 1)
        _ = bench.hear()
        bench.send(.basicPublish(exchange: "", routingKey: "q", mandatory: false, immediate: false), on: 1)
        bench.send([2, 0, 1, 0, 0, 0, 14, 0, 60, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0xCE])
        guard case .channelClose(406, let text, 60, 40)? = bench.methods().first else {
            Issue.record("not closed")
            return
        }
        #expect(text.contains("larger than configured max size 100"))
    }
}
