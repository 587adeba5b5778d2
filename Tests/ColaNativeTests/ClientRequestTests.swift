import ColaNative
import NIOCore
import Testing

@Suite struct ClientRequestTests {
    private func line(_ request: ClientRequest, tag: Int64? = nil) -> String {
        var buffer = ByteBuffer()
        request.write(to: &buffer, tag: tag)
        return String(buffer: buffer)
    }

    @Test func eachRequestIsWrittenAsTheSpecificationSays() {
        var hello = ClientRequest.Hello()
        #expect(line(.hello(hello)) == "hello 1\n")
        hello.user = "ana"
        hello.password = "a b%"
        hello.client = "demo"
        hello.heartbeat = 30
        hello.need = ["batch", "get"]
        #expect(
            line(.hello(hello), tag: 1)
                == "hello 1 t=1 user=ana password=a%20b%25 client=demo heartbeat=30 need=batch,get\n")
        #expect(line(.ping) == "ping\n")
        #expect(line(.beat) == "beat\n")
        #expect(line(.quit, tag: 9_223_372_036_854_775_807) == "quit t=9223372036854775807\n")
        #expect(line(.declareQueue("hello")) == "declare queue hello\n")
        #expect(line(.declareTopic("a b")) == "declare topic a%20b\n")
        #expect(line(.declareExchange("e", .init(type: "fanout"))) == "declare exchange e type=fanout\n")
        #expect(line(.delete(kind: "queue", name: "q")) == "delete queue q\n")
        #expect(line(.bind(.init("e", to: "q"))) == "bind e q\n")
        #expect(line(.bind(.init("e", to: "q", key: "k=1"))) == "bind e q key=k=1\n")
        #expect(line(.unbind(.init("e", to: "q", key: "k"))) == "unbind e q key=k\n")
        #expect(line(.purge("")) == "purge %\n")
        #expect(line(.credit(consumer: 1, count: 50)) == "credit 1 50\n")
        #expect(line(.cancel(consumer: 4_294_967_295)) == "cancel 4294967295\n")
        #expect(line(.acknowledge(.ack, 7...7)) == "ack 7\n")
        #expect(line(.acknowledge(.nack, 7...9), tag: 2) == "nack 7-9 t=2\n")
        #expect(line(.acknowledge(.reject, 1...2)) == "reject 1-2\n")
        #expect(line(.get("q", ack: "auto")) == "get q ack=auto\n")
        #expect(line(.get("q", ack: "manual")) == "get q ack=manual\n")
        #expect(line(.peek("q", from: nil, count: nil)) == "peek q\n")
        #expect(line(.peek("q", from: 7, count: 10)) == "peek q from=7 count=10\n")
        #expect(line(.commit(topic: "t", group: "g 1", offset: 12)) == "commit t g%201 12\n")
        #expect(line(.list("queues"), tag: 3) == "list queues t=3\n")
        #expect(line(.stat) == "stat\n")
    }

    @Test func aConsumerSaysHowMuchItTakes() {
        var consume = ClientRequest.Consume(name: "q", consumer: 1)
        #expect(line(.consume(consume)) == "consume q c=1\n")
        consume.flow = .prefetch(10)
        #expect(line(.consume(consume)) == "consume q c=1 prefetch=10\n")
        consume.flow = .credit(0)
        consume.ack = "auto"
        #expect(line(.consume(consume)) == "consume q c=1 credit=0 ack=auto\n")
        consume.from = "first"
        consume.group = "g"
        #expect(line(.consume(consume), tag: 5) == "consume q t=5 c=1 from=first group=g credit=0 ack=auto\n")
    }

    @Test func aTemplateWritesTheMessageWithItsBody() {
        func written(_ template: PublishTemplate, _ body: String, tag: Int64? = nil) -> String {
            var buffer = ByteBuffer()
            template.write(body: ByteBuffer(string: body), tag: tag, to: &buffer)
            return String(buffer: buffer)
        }
        #expect(written(PublishTemplate(routingKey: "hello"), "world") == "pub hello 5\nworld\n")
        #expect(written(PublishTemplate(routingKey: "hello"), "", tag: 12) == "pub hello 0 t=12\n\n")
        #expect(
            written(PublishTemplate(routingKey: "", exchange: "amq.fanout"), "\n\n") == "pub % 2 x=amq.fanout\n\n\n\n")
        let full = PublishTemplate(
            routingKey: "r k", exchange: "e", key: [0, 32], headers: [("a=b", Array("c=d".utf8)), ("lang", [])],
            isMandatory: false)
        #expect(
            written(full, "x", tag: 1) == "pub r%20k 1 t=1 x=e key=%00%20 h.a%3Db=c=d h.lang= mandatory=no\nx\n")
    }
}
