import ColaCore
import ColaTesting
import Testing

/// Parked and dead messages come back when somebody says so.
@Suite struct BrokerRedriveTests {
    /// A queue whose messages end in its park.
    private func scene(_ names: [String] = ["q"], sweepMax: Int = 1_000, isDurable: Bool = true) -> Scene {
        var limits = Limits()
        limits.sweepMax = sweepMax
        let scene = Scene(limits: limits)
        for name in names { scene.declare(name, isDurable: isDurable) { $0.deadLetterExchange = "nowhere" } }
        return scene
    }

    private func park(_ scene: Scene, _ bodies: [String], of queue: String = "q") {
        let channel = scene.attach()
        for body in bodies { scene.put(body, to: queue, from: channel) }
        scene.rest()
        scene.consume(queue, from: channel)
        scene.rest()
        for message in scene.messages(channel) { scene.settle(message.tag, nil, .reject, from: channel) }
        scene.rest()
        scene.broker.detach(channel)
        scene.rest()
    }

    private func redrive(_ scene: Scene, _ name: String, to target: String? = nil, count: Int? = nil) -> Heard.Answer? {
        let channel = scene.attach()
        defer { scene.broker.detach(channel) }
        scene.broker.send(.redrive(name: name, target: target, count: count), from: channel)
        scene.rest()
        return scene.answers(channel).last
    }

    @Test(arguments: [true, false])
    func eachGoesBackToTheQueueItDiedIn(isDurable: Bool) {
        let scene = scene(isDurable: isDurable)
        park(scene, ["a", "b"])
        #expect(scene.contents("cola.parked.q") == ["a", "b"])
        #expect(redrive(scene, "cola.parked.q") == .removed(messages: 2))
        #expect(scene.contents("q") == ["a", "b"])
        #expect(scene.queue("cola.parked.q")?.number("messages") == 0)
        #expect(scene.letters(in: "q").first?["cola-deliveries"] == nil)
    }

    @Test func oneQueueOfDeadLettersFeedsThemAllBack() {
        let scene = Scene()
        for name in ["x", "y"] {
            scene.declare(name) {
                $0.deadLetterExchange = ""; $0.deadLetterRoutingKey = "dead"
            }
        }
        scene.declare("dead")
        park(scene, ["a"], of: "x")
        park(scene, ["b"], of: "y")
        #expect(scene.contents("dead") == ["a", "b"])
        #expect(redrive(scene, "dead") == .removed(messages: 2))
        #expect(scene.contents("x") == ["a"])
        #expect(scene.contents("y") == ["b"])
    }

    @Test func allCanGoToOneTarget() {
        let scene = scene()
        scene.declare("other")
        park(scene, ["a", "b"])
        #expect(redrive(scene, "cola.parked.q", to: "other") == .removed(messages: 2))
        #expect(scene.contents("other") == ["a", "b"])
    }

    @Test func noMoreThanWereAskedForGo() {
        let scene = scene()
        park(scene, ["a", "b", "c"])
        #expect(redrive(scene, "cola.parked.q", count: 2) == .removed(messages: 2))
        #expect(scene.contents("q") == ["a", "b"])
        #expect(scene.contents("cola.parked.q") == ["c"])
        #expect(redrive(scene, "cola.parked.q", count: 0) == .removed(messages: 0))
    }

    @Test func whatHasNowhereToGoStays() {
        let scene = scene()
        park(scene, ["a", "b"])
        let channel = scene.attach()
        scene.publish("never died", to: "cola.parked.q", from: channel)
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: channel)
        scene.rest()
        #expect(redrive(scene, "cola.parked.q") == .removed(messages: 0))
        #expect(scene.contents("cola.parked.q") == ["a", "b", "never died"])
        let deaths = scene.letters(in: "cola.parked.q").map(\.deaths)
        #expect(deaths == [["rejected 1 q % q"], ["rejected 1 q % q"], []])
    }

    @Test func whatIsNotThereIsRefused() {
        let scene = scene()
        #expect(redrive(scene, "unknown") == .refused(code: "not_found"))
        #expect(redrive(scene, "q", to: "unknown") == .refused(code: "not_found"))
        #expect(redrive(scene, "q", to: "q") == .refused(code: "mismatch"))
        #expect(redrive(scene, "q") == .removed(messages: 0))
    }

    /// A turn moves a few; between the turns others go on.
    @Test func manyGoInSlicesWhileOthersPublish() {
        let scene = scene(sweepMax: 3)
        let bodies = (0..<50).map(String.init)
        park(scene, bodies)
        let channel = scene.attach()
        let other = scene.attach()
        scene.broker.send(.redrive(name: "cola.parked.q", target: nil, count: nil), from: channel)
        var published = 0
        var turns = 0
        for _ in 0..<200 {
            guard let deadline = scene.broker.broker.nextDeadline, deadline <= scene.broker.now.monotonic else { break }
            scene.broker.apply(.tick)
            turns += 1
            scene.put("new \(published)", to: "q", from: other)
            published += 1
        }
        #expect(turns > 5)
        scene.rest()
        #expect(scene.answers(channel) == [.removed(messages: 50)])
        let all = scene.takeAll("q")
        #expect(all.filter { !$0.hasPrefix("new") } == bodies)
        #expect(all.count == 50 + published)
    }

    /// What one turn moved is committed before more is moved, when it is much.
    @Test func itWaitsForTheCommitWhenMuchHasGathered() {
        var limits = Limits()
        limits.sweepBytesMax = 500
        let scene = Scene(limits: limits)
        scene.declare("q") { $0.deadLetterExchange = "nowhere" }
        let bodies = (0..<20).map { "\($0) " + String(repeating: "x", count: 100) }
        park(scene, bodies)
        let channel = scene.attach()
        scene.broker.send(.redrive(name: "cola.parked.q", target: nil, count: nil), from: channel)
        scene.tick(atMost: 3)
        #expect(scene.broker.broker.nextDeadline.map { $0 > scene.broker.now.monotonic } ?? true)
        #expect(scene.broker.broker.gatheringBytes < 1_500)
        #expect(scene.broker.broker.isCommitDue(at: scene.broker.now))
        scene.rest()
        #expect(scene.answers(channel) == [.removed(messages: 20)])
        #expect(scene.contents("q") == bodies)
    }

    @Test(arguments: 0..<6)
    func wheneverTheProcessDiesEachIsInOnePlace(commits: Int) {
        let scene = scene(sweepMax: 2)
        park(scene, ["a", "b", "c", "d"])
        let channel = scene.attach()
        scene.broker.send(.redrive(name: "cola.parked.q", target: nil, count: nil), from: channel)
        for _ in 0..<commits {
            scene.broker.cut()
            scene.broker.commitNext()
            scene.broker.apply(.tick)
        }
        scene.broker.crash()
        #expect((scene.contents("q") + scene.contents("cola.parked.q")).sorted() == ["a", "b", "c", "d"])
    }

    @Test func theQueueCanGoWhileItRuns() {
        let scene = scene(sweepMax: 2)
        park(scene, (0..<20).map(String.init))
        let channel = scene.attach()
        let other = scene.attach()
        scene.broker.send(.redrive(name: "cola.parked.q", target: nil, count: nil), from: channel)
        scene.broker.apply(.tick)
        scene.broker.send(.deleteQueue(name: "cola.parked.q", ifUnused: false, ifEmpty: false), from: other)
        scene.rest()
        guard case .removed(let moved)? = scene.answers(channel).last else {
            Issue.record("no answer")
            return
        }
        #expect(scene.queue("q")?.number("ready") == moved)
        #expect(scene.stored(2) == nil)
    }

    /// It goes on for who asked for it; without them it stops where it is.
    @Test func theConnectionCanGoWhileItRuns() {
        let scene = scene(sweepMax: 2)
        park(scene, (0..<20).map(String.init))
        let channel = scene.attach()
        scene.broker.send(.redrive(name: "cola.parked.q", target: nil, count: nil), from: channel)
        scene.broker.detach(channel)
        scene.rest()
        let all = (scene.queue("q")?.number("ready") ?? 0) + (scene.queue("cola.parked.q")?.number("ready") ?? 0)
        #expect(all == 20)
        #expect(scene.broker.broker.nextDeadline == nil)
    }

    @Test func requestsAfterItWaitForIt() {
        let scene = scene(sweepMax: 1)
        park(scene, ["a", "b", "c"])
        let channel = scene.attach()
        let first = scene.broker.send(.redrive(name: "cola.parked.q", target: nil, count: nil), from: channel)
        let second = scene.broker.send(.get(name: "q", isAutoAck: true), from: channel)
        scene.rest()
        #expect(scene.answered(channel) == [first, second])
    }

    @Test func whatDiesAgainIsCountedAgain() {
        let scene = scene()
        park(scene, ["a"])
        #expect(redrive(scene, "cola.parked.q") == .removed(messages: 1))
        let channel = scene.attach()
        scene.consume("q", from: channel)
        scene.rest()
        scene.settle(1, nil, .reject, from: channel)
        scene.rest()
        #expect(scene.letters(in: "cola.parked.q").first?.deaths == ["rejected 2 q % q"])
        #expect(scene.letters(in: "cola.parked.q").first?["cola-id"] == "1-1-0")
    }
}
