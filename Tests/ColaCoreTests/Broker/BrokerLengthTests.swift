import ColaCore
import ColaTesting
import Testing

/// Queues that hold no more than so much.
@Suite struct BrokerLengthTests {
    private func scene(uncached: Bool = false, _ change: (inout Arguments) -> Void) -> Scene {
        var limits = Limits()
        if uncached { limits.cacheBytesMax = 0 }
        let scene = Scene(limits: limits)
        scene.declare("q", change)
        return scene
    }

    private func publish(_ scene: Scene, _ bodies: String..., priority: UInt8 = 0) -> [Heard.Answer] {
        let channel = scene.attach()
        for body in bodies { scene.put(body, to: "q", priority: priority, from: channel) }
        scene.rest()
        defer { scene.broker.detach(channel) }
        return scene.answers(channel)
    }

    @Test(arguments: [false, true])
    func theOldestGo(uncached: Bool) {
        let scene = scene(uncached: uncached) { $0.maxLength = 2 }
        #expect(publish(scene, "a", "b", "c", "d", "e") == [.done, .done, .done, .done, .done])
        #expect(scene.contents("q") == ["d", "e"])
        #expect(scene.count("dropped", of: "q") == 3)
        #expect(scene.counts("q")?.ready == 2)
    }

    @Test func theOldestGoByTheirBytes() {
        let scene = scene { $0.maxLengthBytes = 5 }
        _ = publish(scene, "aa", "bb", "c")
        #expect(scene.contents("q") == ["aa", "bb", "c"])
        _ = publish(scene, "dd")
        #expect(scene.contents("q") == ["bb", "c", "dd"])
        _ = publish(scene, "more than it can hold")
        #expect(scene.contents("q") == [])
        #expect(scene.count("dropped", of: "q") == 5)
    }

    @Test func aLengthOfNothingKeepsNothing() {
        let scene = scene { $0.maxLength = 0 }
        _ = publish(scene, "a", "b")
        #expect(scene.queue("q")?.number("messages") == 0)
        #expect(scene.count("dropped", of: "q") == 2)
    }

    /// What a consumer holds does not wait, so it does not count.
    @Test func whatIsHandedOutDoesNotCount() {
        let scene = scene { $0.maxLength = 1 }
        let channel = scene.attach()
        scene.consume("q", prefetch: 2, from: channel)
        for body in ["a", "b", "c"] { #expect(publish(scene, body) == [.done]) }
        #expect(scene.bodies(channel) == ["a", "b"])
        #expect(scene.counts("q")?.ready == 1)
        #expect(scene.count("dropped", of: "q") == 0)
        scene.broker.detach(channel)
        scene.rest()
        // The older ones came back to their places, and the oldest go.
        #expect(scene.contents("q") == ["c"])
        #expect(scene.count("dropped", of: "q") == 2)
    }

    @Test(arguments: [false, true])
    func theLowestPriorityGoesFirst(uncached: Bool) {
        let scene = scene(uncached: uncached) {
            $0.maxLength = 2
            $0.maxPriority = 5
        }
        _ = publish(scene, "high", priority: 5)
        _ = publish(scene, "low")
        _ = publish(scene, "high too", priority: 5)
        #expect(scene.contents("q") == ["high", "high too"])
        _ = publish(scene, "low too")
        #expect(scene.contents("q") == ["high", "high too"])
        #expect(scene.count("dropped", of: "q") == 2)
    }

    /// Not even while the lower one is on its way to the disk.
    @Test func aHigherOneIsNotDroppedForALowerOne() {
        let scene = scene {
            $0.maxLength = 1
            $0.maxPriority = 5
        }
        _ = publish(scene, "high", priority: 5)
        let channel = scene.attach()
        scene.put("low", to: "q", from: channel)
        scene.tick()
        scene.rest()
        #expect(scene.contents("q") == ["high"])
    }

    @Test func rejectPublishRefusesAndKeeps() {
        let scene = scene {
            $0.maxLength = 2
            $0.overflow = .rejectPublish
        }
        #expect(publish(scene, "a", "b", "c") == [.done, .done, .refused(code: "full")])
        #expect(scene.takeAll("q") == ["a", "b"])
        #expect(publish(scene, "d") == [.done])
    }

    @Test func rejectPublishCountsBytes() {
        let scene = scene {
            $0.maxLengthBytes = 3
            $0.overflow = .rejectPublish
        }
        #expect(publish(scene, "aa", "bb", "c") == [.done, .refused(code: "full"), .done])
        #expect(scene.contents("q") == ["aa", "c"])
    }

    /// A message that one of its queues refuses is in none.
    @Test func aFanOutIsAllOrNothing() {
        let scene = scene {
            $0.maxLength = 1
            $0.overflow = .rejectPublish
        }
        scene.declare("other")
        scene.bind("amq.fanout", "other")
        scene.bind("amq.fanout", "q")
        let channel = scene.attach()
        scene.put("a", to: "", exchange: "amq.fanout", from: channel)
        scene.put("b", to: "", exchange: "amq.fanout", from: channel)
        scene.rest()
        #expect(scene.answers(channel) == [.done, .refused(code: "full")])
        #expect(scene.contents("other") == ["a"])
        #expect(scene.contents("q") == ["a"])
    }

    @Test func aBurstThatDoesNotFitIsRefusedWhole() {
        let scene = scene {
            $0.maxLength = 2
            $0.overflow = .rejectPublish
        }
        let channel = scene.attach()
        scene.publish("a", "b", "c", to: "q", from: channel)
        scene.rest()
        #expect(scene.answers(channel) == [.refused(code: "full")])
        #expect(scene.queue("q")?.number("messages") == 0)
    }

    @Test func rejectPublishToTheDeadLetterTargetMovesWhatIsNew() {
        let scene = scene {
            $0.maxLength = 1
            $0.overflow = .deadLetterPublish
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "dead"
        }
        scene.declare("dead")
        #expect(publish(scene, "a", "b") == [.done, .done])
        #expect(scene.contents("q") == ["a"])
        let letter = scene.letters(in: "dead").first
        #expect(letter?.body == "b")
        #expect(letter?.deaths == ["maxlen 1 q % q"])
        #expect(scene.count("dropped", of: "q") == 1)
    }

    /// Without a target there is nothing to do but to refuse.
    @Test func rejectPublishWithoutADeadLetterTargetRefuses() {
        let scene = scene {
            $0.maxLength = 1
            $0.overflow = .deadLetterPublish
        }
        #expect(publish(scene, "a", "b") == [.done, .refused(code: "full")])
        #expect(scene.contents("q") == ["a"])
    }

    @Test func aLimitThatIsSetLaterCountsForWhatIsThere() {
        let scene = scene { _ in }
        _ = publish(scene, "a", "b", "c")
        scene.alter("q") { $0.maxLength = 1 }
        scene.rest()
        #expect(scene.contents("q") == ["c"])
        scene.alter("q", clear: [.maxLength])
        _ = publish(scene, "d", "e")
        #expect(scene.contents("q") == ["c", "d", "e"])
    }

    @Test(arguments: [true, false])
    func aLimitCountsAfterARestart(isCrash: Bool) {
        let scene = scene { $0.maxLength = 2 }
        _ = publish(scene, "a", "b")
        if isCrash { scene.broker.crash() } else { scene.broker.stop() }
        _ = publish(scene, "c")
        #expect(scene.contents("q") == ["b", "c"])
    }

    /// What was dropped is dropped for good: with the same commit as what took its place, or later, but once.
    @Test func aDropIsCommittedWithoutAnybodyWaiting() {
        let scene = scene { $0.maxLength = 1 }
        _ = publish(scene, "a", "b")
        scene.broker.pass(milliseconds: 100)
        #expect(scene.broker.run())
        scene.broker.crash()
        #expect(scene.contents("q") == ["b"])
        #expect(scene.stored()?.state.ready == 1)
    }
}
