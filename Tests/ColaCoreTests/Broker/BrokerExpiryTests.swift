import ColaCore
import ColaTesting
import Testing

/// Messages that live for a time.
@Suite struct BrokerExpiryTests {
    private func scene(ttl: Int64? = nil, uncached: Bool = false) -> Scene {
        var limits = Limits()
        if uncached {
            limits.cacheBytesMax = 0
            limits.readBytesMax = 1
        }
        let scene = Scene(limits: limits)
        scene.declare("q") { $0.messageTimeToLive = ttl }
        return scene
    }

    private func publish(_ scene: Scene, _ body: String, ttl: Int64? = nil) {
        let channel = scene.attach()
        scene.put(body, to: "q", ttl: ttl, from: channel)
        scene.rest()
        scene.broker.detach(channel)
    }

    @Test(arguments: [false, true])
    func withoutConsumersItGoesWhenItsTimeHasCome(uncached: Bool) {
        let scene = scene(uncached: uncached)
        publish(scene, "a", ttl: 100)
        publish(scene, "b")
        scene.pass(99)
        #expect(scene.queue("q")?.number("ready") == 2)
        scene.pass(1)
        #expect(scene.queue("q")?.number("ready") == 1)
        #expect(scene.contents("q") == ["b"])
        #expect(scene.count("expired", of: "q") == 1)
        #expect(scene.broker.broker.nextDeadline == nil)
    }

    @Test func theShorterOfQueueAndMessageCounts() {
        let scene = scene(ttl: 100)
        publish(scene, "short", ttl: 50)
        publish(scene, "long", ttl: 500)
        publish(scene, "queue")
        scene.pass(50)
        #expect(scene.contents("q") == ["long", "queue"])
        scene.pass(50)
        #expect(scene.contents("q") == [])
        #expect(scene.count("expired", of: "q") == 3)
    }

    /// Behind one that lives longer it waits for its turn; then it is never handed out.
    @Test(arguments: [false, true])
    func whatExpiredBehindAnotherIsNeverHandedOut(uncached: Bool) {
        let scene = scene(uncached: uncached)
        publish(scene, "long")
        publish(scene, "short", ttl: 10)
        publish(scene, "last")
        scene.pass(20)
        #expect(scene.takeAll("q") == ["long", "last"])
        #expect(scene.count("expired", of: "q") == 1)
        #expect(scene.queue("q")?.number("messages") == 0)
    }

    @Test func whatCameBackStillExpires() {
        let scene = scene(ttl: 100)
        publish(scene, "a")
        let channel = scene.attach()
        scene.consume("q", prefetch: 1, from: channel)
        scene.rest()
        #expect(scene.bodies(channel) == ["a"])
        scene.pass(200)
        scene.settle(1, nil, .release, from: channel)
        scene.rest()
        #expect(scene.bodies(channel) == [])
        #expect(scene.count("expired", of: "q") == 1)
        #expect(scene.queue("q")?.number("messages") == 0)
    }

    @Test func whatCameBackInTimeExpiresLater() {
        let scene = scene(ttl: 100)
        publish(scene, "a")
        let channel = scene.attach()
        scene.consume("q", prefetch: 1, from: channel)
        scene.pass(50)
        scene.broker.detach(channel)
        scene.rest()
        #expect(scene.queue("q")?.number("ready") == 1)
        scene.pass(50)
        #expect(scene.queue("q")?.number("ready") == 0)
        #expect(scene.count("expired", of: "q") == 1)
    }

    @Test(arguments: [true, false], [true, false])
    func itExpiresAfterARestart(isCrash: Bool, uncached: Bool) {
        let scene = scene(uncached: uncached)
        publish(scene, "a", ttl: 100)
        publish(scene, "b")
        if isCrash { scene.broker.crash() } else { scene.broker.stop() }
        scene.pass(50)
        #expect(scene.queue("q")?.number("ready") == 2)
        scene.pass(50)
        #expect(scene.queue("q")?.number("ready") == 1)
        #expect(scene.takeAll("q") == ["b"])
    }

    @Test func whatExpiredWhileTheProcessWasGoneIsNotHandedOut() {
        let scene = scene(ttl: 100)
        publish(scene, "a")
        scene.broker.crash()
        scene.broker.setWallClock(forward: 1_000)
        #expect(scene.takeAll("q") == [])
        #expect(scene.count("expired", of: "q") == 1)
    }

    /// Ten years, either way, while it runs.
    @Test(arguments: [315_576_000_000, -315_576_000_000] as [Int64])
    func aClockThatJumpsExpiresNothing(jump: Int64) {
        let scene = scene(ttl: 1_000)
        publish(scene, "a")
        scene.pass(500)
        scene.broker.setWallClock(forward: jump)
        scene.rest()
        scene.pass(400)
        #expect(scene.queue("q")?.number("ready") == 1)
        // By the twentieth that a clock is followed, it may be later.
        scene.pass(200)
        #expect(scene.queue("q")?.number("ready") == 0)
        publish(scene, "b")
        scene.pass(900)
        #expect(scene.takeAll("q") == ["b"])
    }

    @Test func aTimeBeyondAllTimesNeverComes() {
        let scene = scene()
        publish(scene, "a", ttl: .max)
        scene.pass(1_000_000)
        #expect(scene.takeAll("q") == ["a"])
    }

    @Test(arguments: [true, false])
    func aTimeOfNothingExpiresAtOnce(isDurable: Bool) {
        let scene = Scene()
        scene.declare("q", isDurable: isDurable) { $0.messageTimeToLive = 0 }
        publish(scene, "a")
        #expect(scene.queue("q")?.number("messages") == 0)
        #expect(scene.count("expired", of: "q") == 1)
    }

    /// Source: RabbitMQ, "Time-to-Live": how clients say that only who waits for a message is to have it.
    @Test(arguments: [true, false], [true, false])
    func aTimeOfNothingIsEnoughForAConsumerThatWaits(isDurable: Bool, isEarly: Bool) {
        var limits = Limits()
        limits.isDeliveryEarly = isEarly
        let scene = Scene(limits: limits)
        scene.declare("q", isDurable: isDurable)
        let channel = scene.attach()
        scene.consume("q", prefetch: 2, from: channel)
        scene.rest()
        for body in ["a", "b", "c"] {
            scene.put(body, to: "q", ttl: 0, from: channel)
            // What is not handed out before may take its time to the disk.
            scene.pass(3)
        }
        #expect(scene.bodies(channel) == ["a", "b"])
        #expect(scene.count("expired", of: "q") == 1)
        // It is for one delivery: what comes back has had its time.
        scene.settle(1, 2, .release, from: channel)
        scene.rest()
        #expect(scene.bodies(channel) == [])
        #expect(scene.count("expired", of: "q") == 3)
    }

    /// A backlog with a time to live is not read again and again while it waits.
    @Test func theHeadIsReadOnceWhileItWaits() {
        let scene = scene(uncached: true)
        publish(scene, "a", ttl: 1_000)
        var reads = 0
        scene.broker.effectListener = { if case .read = $0 { reads += 1 } }
        for number in 0..<20 { publish(scene, "\(number)", ttl: 1_000) }
        #expect(reads <= 2)
        scene.pass(1_000)
        #expect(scene.queue("q")?.number("ready") == 0)
        #expect(scene.count("expired", of: "q") == 21)
    }

    @Test func aPolicyThatIsTakenBackLeavesNewMessagesAlone() {
        let scene = scene(ttl: 100)
        publish(scene, "a")
        scene.alter("q", clear: [.messageTimeToLive])
        publish(scene, "b")
        scene.pass(1_000)
        #expect(scene.takeAll("q") == ["b"])
    }

    /// A full disk stops publishers; what only makes room goes on.
    @Test func withoutATargetItGoesDuringAnAlarmToo() {
        let scene = scene()
        publish(scene, "a", ttl: 10)
        publish(scene, "b")
        scene.broker.apply(.alarm(.disk, "the disk is full"))
        scene.pass(20)
        #expect(scene.takeAll("q") == ["b"])
    }
}
