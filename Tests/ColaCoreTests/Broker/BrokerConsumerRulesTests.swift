import ColaCore
import ColaTesting
import Testing

/// Who of several consumers gets a message.
@Suite struct BrokerConsumerRulesTests {
    private func consume(
        _ scene: Scene, prefetch: Int = 1, priority: Int = 0, isExclusive: Bool = false, from channel: ChannelID
    ) -> Heard.Answer? {
        var consume = Consume(name: "q", consumer: ConsumerTag(1), flow: .prefetch(prefetch))
        consume.priority = priority
        consume.isExclusive = isExclusive
        scene.broker.send(.consume(consume), from: channel)
        return scene.answers(channel).last
    }

    private func publish(_ scene: Scene, _ bodies: String...) {
        let channel = scene.attach()
        for body in bodies { scene.put(body, to: "q", from: channel) }
        scene.rest()
        scene.broker.detach(channel)
    }

    private func single() -> Scene {
        let scene = Scene()
        scene.declare("q") { $0.isSingleActiveConsumer = true }
        return scene
    }

    @Test func ofASingleActiveConsumerTheFirstGetsAll() {
        let scene = single()
        let (first, second) = (scene.attach(), scene.attach())
        #expect(consume(scene, from: first) == .done)
        #expect(consume(scene, prefetch: 10, from: second) == .done)
        publish(scene, "a", "b")
        #expect(scene.bodies(first) == ["a"])
        #expect(scene.bodies(second) == [])
        scene.settle(1, from: first)
        #expect(scene.bodies(first) == ["b"])
        #expect(scene.bodies(second) == [])
    }

    @Test func whenTheActiveOneGoesTheNextGoesOnInOrder() {
        let scene = single()
        let (first, second, third) = (scene.attach(), scene.attach(), scene.attach())
        for channel in [first, second, third] { #expect(consume(scene, prefetch: 10, from: channel) == .done) }
        publish(scene, "a", "b", "c")
        scene.settle(1, from: first)
        _ = scene.broker.hear(first)
        scene.broker.detach(first)
        #expect(scene.bodies(second) == ["b", "c"])
        #expect(scene.bodies(third) == [])
        scene.broker.send(.cancel(ConsumerTag(1)), from: second)
        publish(scene, "d")
        #expect(scene.bodies(third) == ["d"])
    }

    @Test func aSingleActiveConsumerCanBeAskedForAndGivenUpLater() {
        let scene = Scene()
        scene.declare("q")
        let (first, second) = (scene.attach(), scene.attach())
        _ = consume(scene, from: first)
        _ = consume(scene, prefetch: 10, from: second)
        scene.alter("q") { $0.isSingleActiveConsumer = true }
        publish(scene, "a", "b")
        #expect(scene.bodies(first) == ["a"])
        #expect(scene.bodies(second) == [])
        scene.alter("q", clear: [.isSingleActiveConsumer])
        scene.rest()
        #expect(scene.bodies(second) == ["b"])
    }

    @Test func theHighestPriorityIsServedFirstAndTheOthersWhenItIsFull() {
        let scene = Scene()
        scene.declare("q")
        let (low, high) = (scene.attach(), scene.attach())
        _ = consume(scene, prefetch: 10, from: low)
        _ = consume(scene, prefetch: 2, priority: 5, from: high)
        publish(scene, "a", "b", "c")
        #expect(scene.bodies(high) == ["a", "b"])
        #expect(scene.bodies(low) == ["c"])
        scene.settle(1, from: high)
        _ = scene.broker.hear(high)
        publish(scene, "d", "e")
        #expect(scene.bodies(high) == ["d"])
        #expect(scene.bodies(low) == ["e"])
    }

    @Test func consumersOfOnePriorityTakeTurns() {
        let scene = Scene()
        scene.declare("q")
        let (first, second) = (scene.attach(), scene.attach())
        for channel in [first, second] { _ = consume(scene, prefetch: 10, priority: 5, from: channel) }
        publish(scene, "a", "b", "c", "d")
        #expect(scene.bodies(first) == ["a", "c"])
        #expect(scene.bodies(second) == ["b", "d"])
    }

    @Test func whenTheOnlyOneWithAPriorityGoesTheOthersGoOn() {
        let scene = Scene()
        scene.declare("q")
        let (first, high, second) = (scene.attach(), scene.attach(), scene.attach())
        _ = consume(scene, prefetch: 2, from: first)
        _ = consume(scene, prefetch: 1, priority: 1, from: high)
        _ = consume(scene, prefetch: 2, from: second)
        publish(scene, "a")
        #expect(scene.bodies(high) == ["a"])
        scene.broker.detach(high)
        publish(scene, "b", "c", "d")
        #expect((scene.bodies(first) + scene.bodies(second)).sorted() == ["a", "b", "c", "d"])
    }

    @Test func anExclusiveConsumerIsAlone() {
        let scene = Scene()
        scene.declare("q")
        let (first, second) = (scene.attach(), scene.attach())
        #expect(consume(scene, isExclusive: true, from: first) == .done)
        #expect(consume(scene, from: second) == .refused(code: "in_use"))
        #expect(consume(scene, isExclusive: true, from: second) == .refused(code: "in_use"))
        scene.broker.detach(first)
        #expect(consume(scene, from: second) == .done)
        let third = scene.attach()
        #expect(consume(scene, isExclusive: true, from: third) == .refused(code: "in_use"))
        publish(scene, "a")
        #expect(scene.bodies(second) == ["a"])
    }
}
