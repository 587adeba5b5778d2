import ColaCore
import ColaTesting
import Testing

/// Queues with priorities: a lane for each that is in use.
@Suite struct BrokerPriorityTests {
    private func scene(max: Int = 9, cacheBytesMax: Int? = nil) -> Scene {
        var limits = Limits()
        if let cacheBytesMax { limits.cacheBytesMax = cacheBytesMax }
        let scene = Scene(limits: limits)
        scene.declare("q") { $0.maxPriority = max }
        return scene
    }

    private func fill(_ scene: Scene, _ messages: [(body: String, priority: UInt8)]) {
        let channel = scene.attach()
        for message in messages { scene.put(message.body, to: "q", priority: message.priority, from: channel) }
        scene.broker.commit()
        scene.broker.detach(channel)
    }

    @Test(arguments: [0, 1 << 20])
    func theHighestGoesFirstAndEqualOnesInTheirOrder(cacheBytesMax: Int) {
        let scene = scene(cacheBytesMax: cacheBytesMax)
        fill(scene, [("a0", 0), ("a5", 5), ("b0", 0), ("a9", 9), ("b5", 5), ("b9", 9)])
        #expect(scene.contents("q") == ["a9", "b9", "a5", "b5", "a0", "b0"])
        #expect(scene.takeAll("q") == ["a9", "b9", "a5", "b5", "a0", "b0"])
        #expect(scene.queue("q")?.number("messages") == 0)
    }

    @Test func aPriorityAboveTheHighestIsTheHighest() {
        let scene = scene(max: 3)
        fill(scene, [("a", 3), ("b", 200), ("c", 3), ("d", 2)])
        #expect(scene.takeAll("q") == ["a", "b", "c", "d"])
    }

    @Test func aQueueWithoutPrioritiesKeepsTheOrderOfPublishing() {
        let scene = Scene(queues: ["q"])
        fill(scene, [("a", 0), ("b", 9), ("c", 5)])
        #expect(scene.takeAll("q") == ["a", "b", "c"])
    }

    @Test func whatComesBackGoesToItsOwnPlace() {
        let scene = scene()
        fill(scene, [("a0", 0), ("b0", 0), ("a7", 7), ("b7", 7)])
        let channel = scene.attach()
        scene.consume("q", prefetch: 3, from: channel)
        #expect(scene.messages(channel).map(\.body) == ["a7", "b7", "a0"])
        scene.settle(1, 3, .release, from: channel)
        #expect(scene.messages(channel).map(\.body) == ["a7", "b7", "a0"])
        scene.broker.detach(channel)
        #expect(scene.takeAll("q") == ["a7", "b7", "a0", "b0"])
    }

    @Test func aHigherOneThatComesLaterOvertakes() {
        let scene = scene()
        fill(scene, [("a", 0), ("b", 0)])
        let channel = scene.attach()
        scene.consume("q", prefetch: 1, from: channel)
        #expect(scene.messages(channel).map(\.body) == ["a"])
        fill(scene, [("high", 4)])
        scene.settle(1, from: channel)
        #expect(scene.messages(channel).map(\.body) == ["high"])
    }

    @Test(arguments: [true, false])
    func lanesAndTheirPlacesAreThereAfterARestart(isCrash: Bool) {
        let scene = scene()
        fill(scene, [("a0", 0), ("a5", 5), ("b5", 5), ("a9", 9)])
        let channel = scene.attach()
        scene.consume("q", prefetch: 2, from: channel)
        scene.settle(2, from: channel)
        scene.broker.commit()
        if isCrash { scene.broker.crash() } else { scene.broker.stop() }
        #expect(scene.queue("q")?.number("ready") == 3)
        fill(scene, [("b9", 9), ("c5", 5), ("a1", 1)])
        #expect(scene.takeAll("q") == ["a9", "b9", "b5", "c5", "a1", "a0"])
    }

    /// The lane's definition and its first message are one batch.
    @Test func aLaneThatWasNotCommittedIsGoneWithItsMessage() {
        let scene = scene()
        let channel = scene.attach()
        scene.put("a", to: "q", priority: 5, from: channel)
        scene.broker.cut()
        scene.broker.crash()
        #expect(scene.queue("q")?.number("ready") == 0)
        fill(scene, [("b", 5), ("c", 0)])
        scene.broker.crash()
        #expect(scene.takeAll("q") == ["b", "c"])
    }

    @Test func countsPurgeAndDeleteGoOverAllLanes() {
        let scene = scene()
        fill(scene, [("a", 0), ("bb", 5), ("ccc", 9)])
        #expect(scene.queue("q")?.number("ready") == 3)
        let channel = scene.attach()
        scene.consume("q", prefetch: 1, from: channel)
        _ = scene.broker.hear(channel)
        scene.broker.send(.purge(name: "q"), from: channel)
        scene.rest()
        #expect(scene.answers(channel) == [.removed(messages: 2)])
        #expect(scene.counts("q")?.ready == 0)
        #expect(scene.counts("q")?.unacknowledged == 1)
        fill(scene, [("d", 2), ("e", 0)])
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: channel)
        scene.rest()
        #expect(scene.answers(channel).last == .removed(messages: 3))
        for log in 1...4 { #expect(scene.stored(Int64(log)) == nil) }
    }

    @Test func theHighestPriorityCanBeRaisedAndNotLowered() {
        let scene = scene(max: 3)
        fill(scene, [("a", 9)])
        scene.alter("q") { $0.maxPriority = 9 }
        fill(scene, [("b", 9)])
        #expect(scene.contents("q") == ["b", "a"])
        let channel = scene.attach()
        scene.broker.send(.alter(name: "q", set: Arguments(), clear: [.maxPriority]), from: channel)
        #expect(scene.answers(channel) == [.refused(code: "mismatch")])
    }

    /// As with AMQP, the priority is the message's own, not that of the lane it happens to be in.
    @Test func theMessageKeepsThePriorityItWasPublishedWith() {
        let scene = scene(max: 3)
        scene.declare("plain") {
            $0.deadLetterExchange = ""; $0.deadLetterRoutingKey = "q"
        }
        let channel = scene.attach()
        scene.put("low", to: "plain", priority: 0, from: channel)
        scene.put("high", to: "plain", priority: 2, from: channel)
        scene.put("most", to: "q", priority: 200, from: channel)
        scene.broker.commit()
        #expect(scene.letters(in: "q").first?["cola-priority"] == "200")
        scene.consume("plain", from: channel)
        scene.settle(1, 2, .reject, from: channel)
        scene.rest()
        #expect(scene.takeAll("q") == ["most", "high", "low"])
    }
}
