import ColaCore
import ColaTesting
import Testing

/// What happens while something is scarce.
@Suite(.timeLimit(.minutes(5))) struct AlarmRuleTests {
    @Test func everyChangeOfTheSentenceIsToldOnce() {
        let scene = Scene(queues: ["q"])
        let watcher = Watcher(scene.broker)
        func raise(_ alarm: Alarm, _ reason: String?) { scene.broker.apply(.alarm(alarm, reason)) }
        raise(.disk, nil)
        raise(.disk, "disk")
        raise(.disk, "disk")
        raise(.memory, "memory")  // they are held back already, and for the first reason
        raise(.disk, nil)
        raise(.storage, "storage")
        raise(.memory, "more memory")
        raise(.memory, nil)
        raise(.storage, nil)
        raise(.storage, nil)
        #expect(watcher.blocked == ["disk", "memory", "more memory", "storage", nil])
    }

    @Test func publishersAreHeldAndConsumersGoOn() {
        let scene = Scene(queues: ["q"])
        let (producer, consumer) = (scene.attach(), scene.attach())
        scene.publish("a", "b", to: "q", from: producer)
        scene.broker.commit()
        scene.consume("q", prefetch: 1, from: consumer)
        scene.broker.apply(.alarm(.disk, "full"))
        scene.broker.apply(.alarm(.memory, "full"))
        #expect(scene.broker.broker.holdsBack(producer))
        #expect(!scene.broker.broker.holdsBack(consumer))
        #expect(scene.bodies(consumer) == ["a"])
        scene.settle(1, from: consumer)
        scene.settle()
        #expect(scene.bodies(consumer) == ["b"])
        scene.broker.apply(.alarm(.disk, nil))
        #expect(scene.broker.broker.holdsBack(producer))
        scene.broker.apply(.alarm(.memory, nil))
        #expect(!scene.broker.broker.holdsBack(producer))
    }

    /// Whatever would write is left until there is room; and meanwhile nobody looks again and again.
    @Test func whatTheBrokerMovesByItselfWaits() {
        let scene = Scene()
        let channel = scene.attach()
        scene.declare(queue: "dead", from: channel)
        scene.declare(queue: "q", [.deadLetterExchange: "", .deadLetterRoutingKey: "dead"], from: channel)
        scene.declare(topic: "t", partitions: 1, [.retentionMilliseconds: "100"], from: channel)
        for number in 0..<5 {
            scene.put("\(number)", to: "q", .init(timeToLive: 100), from: channel)
            scene.put("late \(number)", to: "q", .init(delay: 100), from: channel)
            scene.publish("r", to: "t", from: channel)
        }
        scene.settle()
        scene.broker.apply(.alarm(.disk, "full"))
        for _ in 0..<20 {
            scene.broker.pass(milliseconds: 100)
            scene.broker.commit()
            let next = scene.broker.broker.nextDeadline
            #expect(next.map { $0 > scene.broker.now.monotonic } ?? true)
        }
        #expect(scene.counts("dead")?.ready == 0)
        #expect(scene.counts("q")?.ready == 5)
        #expect(scene.topic()?.number("messages") == 5)
        scene.broker.apply(.alarm(.disk, nil))
        #expect(scene.settle(milliseconds: 1_500))
        #expect(scene.counts("dead")?.ready == 5)
        #expect(scene.drain("q") == (0..<5).map { "late \($0)" })
        #expect(scene.topic()?.number("messages") == 0)
    }

    /// Acknowledgements give room: they are taken and written.
    @Test func acknowledgementsAreWritten() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", from: channel)
        scene.broker.apply(.alarm(.storage, "full"))
        scene.settle(1, from: channel)
        scene.settle(milliseconds: 25)
        #expect(scene.stored()?.state.ready == 0)
    }

    @Test func theStatisticsShowTheSentence() {
        let scene = Scene()
        #expect(scene.statistics()?["blocked"] == Description.Value.none)
        scene.broker.apply(.alarm(.memory, "too much"))
        #expect(scene.statistics()?["blocked"] == .text("too much"))
    }
}
