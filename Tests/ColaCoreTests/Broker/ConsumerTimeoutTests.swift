import ColaCore
import ColaTesting
import Testing

/// Consumers that hold a message for longer than they may.
@Suite(.timeLimit(.minutes(5))) struct ConsumerTimeoutTests {
    private func consume(
        _ tag: UInt64 = 1, timeout: Int64? = nil, prefetch: Int = 10, from channel: ChannelID, in scene: Scene
    ) {
        var consume = Consume(name: "q", consumer: ConsumerTag(tag), flow: .prefetch(prefetch))
        consume.timeout = timeout
        scene.broker.send(.consume(consume), from: channel)
    }

    private func failures(_ channel: ChannelID, in scene: Scene) -> [Heard] {
        scene.broker.hear(channel).filter { if case .failed = $0 { true } else { false } }
    }

    @Test func whoHoldsAMessageForTooLongIsEndedAndAllThatItHeldGoesBack() {
        let scene = Scene()
        scene.declare("q") { $0.consumerTimeout = 10_000 }
        let (slow, other) = (scene.attach(), scene.attach())
        scene.publish("a", "b", "c", to: "q", from: slow)
        scene.rest()
        consume(1, prefetch: 2, from: slow, in: scene)
        consume(2, prefetch: 1, from: slow, in: scene)
        scene.rest()
        scene.pass(9_000)
        scene.settle(3, from: slow)
        scene.publish("d", to: "q", from: slow)
        scene.rest()
        #expect(failures(slow, in: scene) == [])
        scene.pass(2_000)
        #expect(failures(slow, in: scene) == [.failed(ConsumerTag(1), code: "cancelled")])
        #expect(scene.ends(of: "q") == ["acknowledged": 1, "timed-out": 2])
        #expect(scene.counts("q") == Scene.Counts(ready: 2, unacknowledged: 1, bytes: 3, consumers: 1))
        // The other one holds its message since later.
        scene.pass(6_000)
        #expect(failures(slow, in: scene) == [])
        scene.pass(2_000)
        #expect(failures(slow, in: scene) == [.failed(ConsumerTag(2), code: "cancelled")])
        consume(from: other, in: scene)
        scene.rest()
        #expect(scene.messages(other).map { "\($0.body) \($0.redelivered ?? 0)" } == ["a 1", "b 1", "d 1"])
    }

    @Test func aConsumerMaySayItsOwnTimeAndNoneAtAll() {
        let scene = Scene()
        scene.declare("q") { $0.consumerTimeout = 10_000 }
        let channel = scene.attach()
        scene.publish("a", "b", to: "q", from: channel)
        scene.rest()
        consume(1, timeout: 0, prefetch: 1, from: channel, in: scene)
        consume(2, timeout: 1_000, prefetch: 1, from: channel, in: scene)
        scene.rest()
        scene.pass(1_100)
        #expect(failures(channel, in: scene) == [.failed(ConsumerTag(2), code: "cancelled")])
        scene.pass(1_000_000)
        #expect(failures(channel, in: scene) == [])
        #expect(scene.counts("q")?.unacknowledged == 1)
    }

    @Test func aGetAndACancelledConsumerAreMeasuredToo() {
        let scene = Scene()
        scene.declare("q") { $0.consumerTimeout = 1_000 }
        let channel = scene.attach()
        scene.publish("a", "b", to: "q", from: channel)
        scene.rest()
        consume(prefetch: 1, from: channel, in: scene)
        scene.broker.send(.get(name: "q", isAutoAck: false), from: channel)
        scene.rest()
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        scene.rest()
        _ = scene.broker.hear(channel)
        scene.pass(1_100)
        #expect(
            failures(channel, in: scene) == [
                .failed(ConsumerTag(1), code: "cancelled"), .failed(ConsumerTag(0), code: "cancelled"),
            ])
        #expect(scene.counts("q")?.ready == 2)
    }

    @Test func aPolicyHoldsForWhatIsHeldAlready() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", to: "q", from: channel)
        scene.rest()
        consume(from: channel, in: scene)
        scene.rest()
        scene.pass(5_000)
        var arguments = Arguments()
        arguments.consumerTimeout = 6_000
        scene.broker.send(
            .setPolicy(PolicyDefinition(name: "p", pattern: "q", arguments: arguments)), from: channel)
        scene.rest()
        _ = scene.broker.hear(channel)
        scene.pass(500)
        #expect(failures(channel, in: scene) == [])
        scene.pass(700)
        #expect(failures(channel, in: scene) == [.failed(ConsumerTag(1), code: "cancelled")])
    }

    @Test func theTimerGoesOffSeldomHoweverManyMessagesPass() {
        let scene = Scene()
        scene.declare("q") { $0.consumerTimeout = 60_000 }
        let channel = scene.attach()
        consume(prefetch: 100, from: channel, in: scene)
        var ticks = 0
        for number in 1...2_000 {
            scene.publish("m", to: "q", from: channel)
            scene.rest()
            scene.settle(UInt64(number), from: channel)
            scene.rest()
            scene.broker.pass(milliseconds: 60)
            ticks += scene.tick()
        }
        // Two minutes, so two times.
        #expect(ticks <= 4)
        #expect(failures(channel, in: scene) == [])
    }

    @Test func aChannelThatEndsTakesItsTimerAlong() {
        let scene = Scene()
        scene.declare("q") { $0.consumerTimeout = 1_000 }
        let channel = scene.attach()
        scene.publish("a", to: "q", from: channel)
        scene.rest()
        consume(from: channel, in: scene)
        scene.rest()
        #expect(scene.broker.broker.nextDeadline != nil)
        scene.broker.detach(channel)
        scene.rest()
        #expect(scene.broker.broker.nextDeadline == nil)
    }
}
