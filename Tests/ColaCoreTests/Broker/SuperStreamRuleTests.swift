import ColaCore
import ColaTesting
import Testing

/// Topics with several partitions by the names that clients of AMQP know them by.
@Suite(.timeLimit(.minutes(5))) struct SuperStreamRuleTests {
    private let scene = Scene(topic: "t", partitions: 3)

    /// A channel of AMQP, which ends with the first thing that it is refused.
    private func strict() -> ChannelID {
        let channel = ChannelID(of: scene.attach(), number: 1, incarnation: 0)
        scene.broker.attach(channel, isStrict: true)
        return channel
    }

    private func answer(_ request: Request, isStrict: Bool = true) -> Heard.Answer? {
        let channel = isStrict ? strict() : scene.attach()
        scene.broker.send(request, from: channel)
        scene.settle()
        return scene.answers(channel).last
    }

    @Test func theRoutingKeyIsTheKeyUnlessThereIsOne() {
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        let keys = (0..<30).map { "key-\($0)" }
        for key in keys {
            scene.put("routed", to: key, .init(exchange: "t"), from: channel)
            scene.put("keyed", to: "another", .init(exchange: "t", key: key), from: channel)
            scene.put("native", to: "t", .init(key: key), from: channel)
        }
        for _ in 0..<3 { scene.put("round", to: "", .init(exchange: "t"), from: channel) }
        scene.broker.commit()
        scene.read(by: channel)
        scene.settle()
        let records = watcher.take(channel)
        #expect(records.count == 93)
        for key in keys {
            let found = records.filter { $0.key == key }
            #expect(found.map(\.body) == ["routed", "keyed", "native"])
            #expect(Set(found.map(\.partition)) == [Murmur2.partition(ofKey: Array(key.utf8)[...], count: 3)])
        }
        #expect(Set(records.filter { $0.key == nil }.map(\.partition)) == [0, 1, 2])
    }

    @Test func whatCanBeSaidOfAPartitionAlone() {
        let channel = scene.attach()
        for _ in 0..<4 { scene.publish("m", to: "t-1", from: channel) }
        scene.broker.commit()
        scene.read("t-1", by: channel)
        scene.settle()
        #expect(scene.bodies(channel).count == 4)
        var look = QueueDeclaration(name: "t-1")
        look.isPassive = true
        #expect(answer(.declareQueue(look)) == .declared(messages: 4))
        #expect(
            answer(.declareTopic(name: "t-1", partitions: 1, Arguments())) == .declared(messages: 4))
        look.name = "t-0"
        #expect(answer(.declareQueue(look)) == .declared(messages: 0))
        look.name = "t-3"
        #expect(answer(.declareQueue(look)) == .refused(code: "not_found"))
    }

    @Test func whatIsOfTheWholeIsRefused() {
        let requests: [Request] = [
            .declareQueue(QueueDeclaration(name: "t-1")), .declareTopic(name: "t-1", partitions: 2, Arguments()),
            .deleteQueue(name: "t-1", ifUnused: false, ifEmpty: false), .deleteTopic(name: "t-1"),
            .purge(name: "t-1"), .get(name: "t-1", isAutoAck: false), .why(name: "t-1", nil),
            .redrive(name: "t-1", target: nil, count: nil), .alter(name: "t-1", set: Arguments(), clear: []),
            .peek(name: "t-1", partition: 0, from: Offset(0), count: 1),
            .commitOffset(topic: "t-1", partition: 0, group: "g", next: Offset(0)),
            .deleteExchange(name: "t", ifUnused: false),
            .declareExchange(ExchangeDeclaration(name: "t", kind: .direct)),
            .declareExchange(ExchangeDeclaration(name: "t", kind: .superStream, isDurable: false)),
            .bind(BindingDefinition(source: "t", destination: "t-1", routingKey: "0")),
            .bind(BindingDefinition(source: "amq.direct", destination: "t-1", routingKey: "k")),
            .bind(BindingDefinition(source: "amq.direct", target: .exchange, destination: "t", routingKey: "k")),
            .unbind(BindingDefinition(source: "t", destination: "t-1", routingKey: "1")),
        ]
        for request in requests {
            for isStrict in [true, false] {
                #expect(answer(request, isStrict: isStrict) == .refused(code: "mismatch"), "\(request)")
            }
        }
        #expect(
            answer(.declareTopic(name: "t-1", partitions: 1, Arguments()), isStrict: false)
                == .refused(code: "mismatch"))
        #expect(answer(.declareExchange(ExchangeDeclaration(name: "t", kind: .superStream))) == .done)
        #expect(answer(.bind(BindingDefinition(source: "t", destination: "t-1", routingKey: "1"))) == .done)
        var publish = Publish(routingKey: "t-1", message: Message(value: []))
        publish.partition = 2
        #expect(answer(.publish(publish), isStrict: false) == .refused(code: "mismatch"))
        #expect(scene.topic()?.number("messages") == 0)
    }

    @Test func whatWasThereBeforeKeepsItsName() {
        let channel = scene.attach()
        scene.declare(queue: "u-1", from: channel)
        scene.broker.send(.declareExchange(ExchangeDeclaration(name: "v", kind: .fanout)), from: channel)
        scene.declare(topic: "u", partitions: 2, from: channel)
        scene.declare(topic: "v", partitions: 2, from: channel)
        scene.declare(topic: "u", partitions: 1, from: channel)
        scene.declare(queue: "t-3", from: channel)
        scene.broker.commit()
        let mismatch = Heard.Answer.refused(code: "mismatch")
        let made = Heard.Answer.declared(messages: 0)
        #expect(scene.answers(channel) == [made, .done, mismatch, mismatch, made, made])
    }

    @Test func aReaderOfARecordThatIsToComeWaitsForIt() {
        let channel = strict()
        scene.broker.send(
            .consume(
                Consume(
                    name: "t-2", consumer: ConsumerTag(1), flow: .prefetch(10), position: .offset(Offset(2)))),
            from: channel)
        let publisher = scene.attach()
        for body in ["a", "b", "c", "d"] { scene.publish(body, to: "t-2", from: publisher) }
        scene.settle()
        #expect(scene.bodies(channel) == ["c", "d"])
    }

    @Test func streamsAskOfTheirReadersWhatTheyDoAtRabbitMQ() {
        func consume(_ flow: Consume.Flow, isAutoAck: Bool = false, priority: Int = 0) -> Heard.Answer? {
            var consume = Consume(name: "t-0", consumer: ConsumerTag(1), flow: flow, isAutoAck: isAutoAck)
            consume.priority = priority
            return answer(.consume(consume))
        }
        #expect(consume(.prefetch(.max)) == .refused(code: "mismatch"))
        #expect(consume(.prefetch(1), isAutoAck: true) == .refused(code: "mismatch"))
        #expect(consume(.prefetch(1), priority: 1) == .refused(code: "mismatch"))
        #expect(consume(.prefetch(1)) != .refused(code: "mismatch"))
        let channel = strict()
        scene.broker.send(.prefetch(5, .channel), from: channel)
        scene.broker.send(.consume(Consume(name: "t-0", consumer: ConsumerTag(1), flow: .prefetch(1))), from: channel)
        #expect(scene.answers(channel).last == .refused(code: "mismatch"))
    }
}
