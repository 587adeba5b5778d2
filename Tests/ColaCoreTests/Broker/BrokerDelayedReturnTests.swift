import ColaCore
import ColaTesting
import Testing

/// Messages that come back with a delay: through the schedule, to the end of their queue.
@Suite struct BrokerDelayedReturnTests {
    private func scene(uncached: Bool = false, isDurable: Bool = true, _ bodies: [String] = ["a", "b"]) -> Scene {
        var limits = Limits()
        if uncached { limits.cacheBytesMax = 0 }
        let scene = Scene(limits: limits)
        scene.declare("q", isDurable: isDurable) { $0.maxPriority = 5 }
        let channel = scene.attach()
        for body in bodies { scene.put(body, to: "q", from: channel) }
        scene.rest()
        scene.broker.detach(channel)
        return scene
    }

    /// Takes the first and gives it back for later.
    private func delay(_ scene: Scene, _ milliseconds: Int64) {
        let channel = scene.attach()
        scene.broker.send(.get(name: "q", isAutoAck: false), from: channel)
        scene.rest()
        scene.settle(1, nil, .releaseLater(milliseconds: milliseconds), from: channel)
        scene.rest()
        scene.broker.detach(channel)
    }

    @Test(arguments: [true, false], [true, false])
    func itComesBackAtTheEndWithItsFailuresCounted(uncached: Bool, isDurable: Bool) {
        let scene = scene(uncached: uncached, isDurable: isDurable)
        delay(scene, 100)
        #expect(scene.queue("q")?.number("messages") == 1)
        #expect(scene.statistics().number("scheduled") == 1)
        scene.pass(99)
        #expect(scene.contents("q") == ["b"])
        scene.pass(1)
        #expect(scene.contents("q") == ["b", "a"])
        #expect(scene.letters(in: "q").last?.redelivered == 1)
        #expect(scene.letters(in: "q").last?["cola-id"] == "1-1-0")
        #expect(scene.statistics().number("scheduled") == 0)
        let channel = scene.attach()
        scene.consume("q", from: channel)
        scene.rest()
        #expect(scene.messages(channel).map(\.redelivered) == [nil, 1])
    }

    @Test func failuresAddUp() {
        let scene = scene(["a"])
        for round in 1...3 {
            delay(scene, 10)
            scene.pass(10)
            #expect(scene.letters(in: "q").map(\.redelivered) == [round])
            #expect(scene.letters(in: "q").first?["cola-deliveries"] == "\(round)")
        }
    }

    @Test func itComesBackToItsPriority() {
        let scene = scene([])
        let channel = scene.attach()
        scene.put("high", to: "q", priority: 5, from: channel)
        scene.put("low", to: "q", from: channel)
        scene.rest()
        delay(scene, 10)
        #expect(scene.contents("q") == ["low"])
        scene.pass(10)
        #expect(scene.contents("q") == ["high", "low"])
    }

    /// The decision, the move to the schedule, and the move back are a commit each; the process dies after any of them.
    @Test(arguments: 0..<8, [true, false])
    func wheneverTheProcessDiesItIsInOnePlace(commits: Int, uncached: Bool) {
        let scene = scene(uncached: uncached)
        let channel = scene.attach()
        scene.broker.send(.get(name: "q", isAutoAck: false), from: channel)
        scene.rest()
        scene.settle(1, nil, .releaseLater(milliseconds: 10), from: channel)
        for step in 0..<commits {
            if step == 3 { scene.broker.pass(milliseconds: 10) }
            scene.broker.readNext()
            scene.broker.cut()
            scene.broker.commitNext()
        }
        scene.broker.crash()
        scene.rest()
        scene.pass(1_000)
        let taker = scene.attach()
        scene.consume("q", from: taker)
        // What was decided and not moved waits for its time from now on.
        for _ in 0..<5 { scene.pass(1_000) }
        #expect(scene.bodies(taker).sorted() == ["a", "b"])
        #expect(scene.statistics().number("scheduled") == 0)
        scene.settle(1, 2, from: taker)
        scene.rest()
        #expect(scene.stored(1)?.chunks == [])
        #expect(scene.stored(1)?.released == [])
    }

    @Test func aQueueThatIsGoneByThenIsCounted() {
        let scene = scene(["a"])
        delay(scene, 10)
        let channel = scene.attach()
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: true), from: channel)
        scene.rest()
        scene.pass(10)
        #expect(scene.statistics().number("undeliverable") == 1)
        #expect(scene.statistics().number("scheduled") == 0)
    }

    /// Many are due at once, a turn does a few, and nothing is done while the disk is full.
    @Test func manyComeBackInSlicesAndNeverSpin() {
        var limits = Limits()
        limits.sweepMax = 4
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        for number in 0..<40 { scene.put("\(number)", to: "q", delay: 10, from: channel) }
        scene.rest()
        scene.broker.apply(.alarm(.disk, "the disk is full"))
        scene.broker.pass(milliseconds: 10)
        scene.tick(atMost: 2)
        #expect(scene.statistics().number("scheduled") == 40)
        scene.broker.apply(.alarm(.disk, nil))
        #expect(scene.tick(atMost: 50) >= 9)
        scene.rest()
        #expect(scene.contents("q") == (0..<40).map(String.init))
    }

    /// Few of the schedule are in memory; the rest is read when the time comes.
    @Test func aScheduleLargerThanMemoryNeverSpins() {
        var limits = Limits()
        limits.scheduledInMemoryMax = 4
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        for number in 0..<30 { scene.put("\(number)", to: "q", delay: Int64(10 + number / 3), from: channel) }
        scene.broker.pass(milliseconds: 30)
        scene.tick(atMost: 20)
        scene.rest()
        #expect(scene.contents("q") == (0..<30).map(String.init))
    }
}
