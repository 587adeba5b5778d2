import ColaCore
import ColaTesting
import Testing

/// What RabbitMQ's kinds of queues and their ways to say things come to.
@Suite(.timeLimit(.minutes(5))) struct QueueTypeTests {
    /// Takes the only message and gives it back.
    private func fail(_ queue: String, _ settlement: Settlement, in scene: Scene) -> Scene.Letter? {
        let channel = scene.attach()
        defer { scene.broker.detach(channel) }
        var letter: Scene.Letter?
        var tag = DeliveryTag(0)
        scene.broker.effectListener = { effect in
            guard case .deliver(_, _, let delivery) = effect else { return }
            letter = Scene.letter(delivery)
            tag = delivery.tag
        }
        scene.consume(queue, prefetch: 1, from: channel)
        scene.rest()
        scene.broker.effectListener = nil
        guard letter != nil else { return nil }
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        scene.broker.send(.settle(first: tag, last: tag, settlement), from: channel)
        scene.rest()
        return letter
    }

    @Test func inAQuorumQueueTwentyDeliveriesMayFailAndNothingIsLost() {
        let scene = Scene()
        scene.declare("q") { $0.queueType = .quorum }
        let channel = scene.attach()
        scene.publish("poison", to: "q", from: channel)
        scene.rest()
        for round in 0...20 {
            let letter = fail("q", .release, in: scene)
            #expect(letter?.body == "poison", "\(round)")
            #expect(letter?.redelivered == (round == 0 ? nil : round))
        }
        #expect(scene.contents("q") == [])
        #expect(scene.letters(in: "cola.parked.q").map { $0.deaths } == [["delivery_limit 1 q % q"]])
        #expect(scene.count("parked", of: "q") == 1)
    }

    @Test func aQuorumQueueMaySayAnotherLimitOrNone() {
        let scene = Scene(queues: ["dead"])
        scene.declare("one") { arguments in
            arguments.queueType = .quorum
            arguments.deliveryLimit = 1
            arguments.deadLetterExchange = ""
            arguments.deadLetterRoutingKey = "dead"
        }
        scene.declare("any") { arguments in
            arguments.queueType = .quorum
            arguments.deliveryLimit = -1
        }
        let channel = scene.attach()
        scene.publish("a", to: "one", from: channel)
        scene.publish("b", to: "any", from: channel)
        scene.rest()
        for _ in 0..<2 { #expect(fail("one", .release, in: scene)?.body == "a") }
        for _ in 0..<40 { #expect(fail("any", .release, in: scene)?.body == "b") }
        #expect(scene.letters(in: "dead").map(\.deaths) == [["delivery_limit 1 one % one"]])
        #expect(scene.contents("any") == ["b"])
    }

    @Test func aDelayedRetryWaitsLongerWithEachFailure() {
        let scene = Scene()
        let refused = scene.declare("wrong") { arguments in
            arguments.delayedRetryMin = 5
            arguments.delayedRetryMax = 4
        }
        #expect(refused == [.refused(code: "syntax")])
        scene.declare("q") { arguments in
            arguments.queueType = .quorum
            arguments.delayedRetryType = .all
            arguments.delayedRetryMin = 1_000
            arguments.delayedRetryMax = 2_500
        }
        let channel = scene.attach()
        scene.publish("m", to: "q", from: channel)
        scene.rest()
        for (failures, delay) in [(0, 1_000), (1, 2_000), (2, 2_500), (3, 2_500)] as [(Int, Int64)] {
            #expect(fail("q", .retry, in: scene)?.redelivered == (failures == 0 ? nil : failures))
            scene.pass(delay - 20)
            #expect(scene.contents("q") == [])
            scene.pass(40)
            #expect(scene.contents("q") == ["m"])
        }
    }

    // MARK: Declared again

    @Test func aClassicQueueIsWhatSaysNothingOfItsType() {
        let scene = Scene(queues: ["q"])
        #expect(scene.declare("q") { $0.queueType = .classic } == [.declared(messages: 0)])
        #expect(scene.declare("q") { $0.queueType = .quorum } == [.refused(code: "mismatch")])
    }

    @Test func whatChangesNothingOfTheQueueIsNotCompared() {
        let scene = Scene(queues: ["q"])
        let heard = scene.declare("q") { arguments in
            arguments.consumerTimeout = 5
            arguments.deadLetterStrategy = .atLeastOnce
        }
        #expect(heard == [.declared(messages: 0)])
    }

    @Test func theFirstDifferenceIsSaidInRabbitMQsWords() {
        let scene = Scene()
        scene.declare("q") { $0.maxLength = 5 }
        var sentences: [String] = []
        scene.broker.effectListener = { effect in
            if case .reply(_, _, .refused(let error)) = effect { sentences.append(error.description) }
        }
        scene.declare("q") { arguments in
            arguments.messageTimeToLive = 1000
            arguments.maxLength = 5
        }
        scene.declare("q")
        scene.declare("q", isDurable: false) { $0.maxLength = 5 }
        scene.broker.effectListener = nil
        let adopting = "changes it, and the setting redeclare=adopt takes what is declared last"
        #expect(
            sentences == [
                "inequivalent arg 'message-ttl' for queue 'q' in vhost '/': received '1000' but current is none; "
                    + "`cola set queue q --message-ttl 1000` \(adopting)",
                "inequivalent arg 'max-length' for queue 'q' in vhost '/': received none but current is '5'; "
                    + "`cola set queue q --clear max-length` \(adopting)",
                "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'; "
                    + "choose another name, or delete the queue first",
            ])
    }

    @Test func aBrokerThatAdoptsTakesWhatIsDeclaredAndKeepsTheRest() {
        var limits = Limits()
        limits.adoptsArguments = true
        let scene = Scene(limits: limits)
        scene.declare("q") { arguments in
            arguments.maxLength = 5
            arguments.maxPriority = 3
        }
        let first = scene.declare("q") { arguments in
            arguments.messageTimeToLive = 1000
            arguments.maxPriority = 2
            arguments.consumerTimeout = 77
        }
        #expect(first == [.declared(messages: 0)])
        #expect(scene.declare("q") { $0.retentionBytes = 5 } == [.refused(code: "syntax")])
        #expect(scene.declare("q", isAutoDelete: true) == [.refused(code: "mismatch")])
        scene.broker.crash()
        guard case .fields(let fields) = scene.describe("q")["arguments"] else {
            Issue.record("no arguments")
            return
        }
        let texts = fields.fields.map { field in
            if case .text(let text) = field.value { "\(field.name)=\(text)" } else { field.name }
        }
        #expect(texts == ["message-ttl=1000", "max-length=5", "consumer-timeout=77", "max-priority=3"])
    }
}
