import ColaCore
import ColaTesting
import Testing

/// Some of the dead letters go back, and no faster than somebody says.
@Suite(.timeLimit(.minutes(5))) struct FilteredRedriveTests {
    private static let park = "cola.parked.q"

    /// A queue whose messages have all been rejected and parked.
    private func scene(_ bodies: [String], uncached: Bool = false, sweepMax: Int = 1_000) -> Scene {
        var limits = Limits()
        limits.sweepMax = sweepMax
        if uncached { limits.cacheBytesMax = 0 }
        let scene = Scene(limits: limits)
        scene.declare("q") { $0.deadLetterExchange = "nowhere" }
        let channel = scene.attach()
        for body in bodies { scene.put(body, to: "q", from: channel) }
        scene.rest()
        scene.consume("q", prefetch: 10_000, from: channel)
        scene.rest()
        for message in scene.messages(channel) { scene.settle(message.tag, nil, .reject, from: channel) }
        scene.rest()
        scene.broker.detach(channel)
        scene.rest()
        return scene
    }

    private func ask(_ scene: Scene, _ text: String? = nil, count: Int? = nil, rate: Int? = nil) -> ChannelID {
        var filter = DeathFilter()
        filter.text = text.map { Array($0.utf8) }
        let channel = scene.attach()
        let request = Request.redrive(name: Self.park, target: nil, count: count, filter: filter, rate: rate)
        scene.broker.send(request, from: channel)
        scene.rest()
        return channel
    }

    private func redrive(_ scene: Scene, _ text: String?, count: Int? = nil) -> Heard.Answer? {
        let channel = ask(scene, text, count: count)
        defer { scene.broker.detach(channel) }
        return scene.answers(channel).last
    }

    @Test(arguments: [false, true])
    func whatDoesNotFitKeepsItsPlace(uncached: Bool) {
        let scene = scene(["a1", "b1", "a2", "c1", "b2", "a3"], uncached: uncached)
        #expect(redrive(scene, "b") == .removed(messages: 2))
        #expect(scene.contents("q") == ["b1", "b2"])
        #expect(scene.contents(Self.park) == ["a1", "a2", "c1", "a3"])
        // Also when what stays has been looked at before.
        #expect(redrive(scene, "a", count: 2) == .removed(messages: 2))
        #expect(scene.contents(Self.park) == ["c1", "a3"])
        #expect(redrive(scene, "x") == .removed(messages: 0))
        #expect(scene.takeAll(Self.park) == ["c1", "a3"])
        #expect(scene.takeAll("q") == ["b1", "b2", "a1", "a2"])
        #expect(scene.queue(Self.park)?.number("bytes") == 0)
    }

    @Test(arguments: [false, true])
    func whatStaysIsThereAfterARestart(isCrash: Bool) {
        let scene = scene(["a", "b", "c"])
        #expect(redrive(scene, "b") == .removed(messages: 1))
        if isCrash { scene.broker.crash() } else { scene.broker.stop() }
        #expect(scene.contents("q") == ["b"])
        #expect(scene.takeAll(Self.park) == ["a", "c"])
    }

    @Test func whatIsWithSomebodyStaysWithThem() {
        let scene = scene(["a", "b", "c"])
        let holder = scene.attach()
        scene.consume(Self.park, prefetch: 2, from: holder)
        scene.rest()
        #expect(scene.bodies(holder) == ["a", "b"])
        #expect(redrive(scene, nil) == .removed(messages: 1))
        #expect(scene.contents("q") == ["c"])
        scene.broker.detach(holder)
        #expect(redrive(scene, "b") == .removed(messages: 1))
        #expect(scene.contents(Self.park) == ["a"])
    }

    @Test func whatIsToBeHandedOutAloneIsLookedAtToo() {
        let scene = scene(["a", "b", "c"])
        let worker = scene.attach()
        scene.consume(Self.park, from: worker)
        scene.rest()
        let attempt = Attempt(began: Timestamp(1), ended: Timestamp(2), end: .killed, worker: "w")
        scene.settle(0, .max, .failed(attempt, .suspect(attemptsMax: 9)), from: worker)
        scene.broker.detach(worker)
        scene.rest()
        #expect(redrive(scene, "b") == .removed(messages: 1))
        #expect(scene.contents("q") == ["b"])
        #expect(redrive(scene, nil) == .removed(messages: 2))
        #expect(scene.contents("q") == ["b", "a", "c"])
    }

    /// A consumer of the target that rejects again must not keep it going for ever.
    @Test func whatComesBackMeanwhileIsNotLookedAtAgain() {
        let scene = scene(["a", "b"], sweepMax: 2)
        let consumer = scene.attach()
        scene.consume("q", from: consumer)
        let channel = scene.attach()
        scene.broker.send(.redrive(name: Self.park, target: nil, count: nil), from: channel)
        for _ in 0..<20 {
            scene.rest()
            for message in scene.messages(consumer) { scene.settle(message.tag, nil, .reject, from: consumer) }
        }
        #expect(scene.answers(channel) == [.removed(messages: 2)])
        #expect(scene.contents(Self.park) == ["a", "b"])
    }

    @Test(arguments: [2, 50, 1_000])
    func noMoreThanTheRateMove(rate: Int) {
        let scene = scene((0..<2_500).map { "\($0)" })
        let channel = ask(scene, rate: rate)
        for second in 1...2 {
            for _ in 0..<100 { scene.pass(10) }
            let moved = scene.queue("q")?.number("ready") ?? 0
            #expect(abs(moved - second * rate) <= 1 + rate / 100, "\(moved) after \(second) s")
        }
        #expect(scene.answers(channel) == [])
        let before = scene.queue("q")?.number("ready") ?? 0
        // Who goes stops it.
        scene.broker.detach(channel)
        scene.pass(1_000)
        #expect(scene.queue("q")?.number("ready") == before)
        #expect(scene.broker.broker.nextDeadline == nil)
    }

    @Test func itIsAnsweredWhenTheLastHasMoved() {
        let scene = scene(["a", "b", "c"])
        let channel = ask(scene, rate: 10)
        var waited = 0
        var answers: [Heard.Answer] = []
        while answers.isEmpty, waited < 1_000 {
            scene.pass(5)
            waited += 5
            answers = scene.answers(channel)
        }
        #expect(answers == [.removed(messages: 3)])
        #expect((200...220).contains(waited))
        #expect(scene.contents("q") == ["a", "b", "c"])
    }

    /// What was held up does not come all at once.
    @Test func anAlarmIsNotMadeGoodFor() {
        let scene = scene((0..<500).map { "\($0)" })
        _ = ask(scene, rate: 100)
        scene.broker.apply(.alarm(.disk, "the disk is full"))
        for _ in 0..<10 { scene.pass(100) }
        #expect(scene.queue("q")?.number("ready") ?? 0 <= 2)
        scene.broker.apply(.alarm(.disk, nil))
        scene.rest()
        #expect((5...15).contains(scene.queue("q")?.number("ready") ?? 0))
    }

    @Test func prioritiesAreWalkedFromTheHighest() {
        let scene = Scene()
        scene.declare("dead") { $0.maxPriority = 2 }
        scene.declare("other")
        let channel = scene.attach()
        for priority in [0, 2, 1] as [UInt8] {
            for body in ["a\(priority)", "b\(priority)"] {
                scene.put(body, to: "dead", priority: priority, from: channel)
            }
        }
        scene.rest()
        var filter = DeathFilter()
        filter.text = Array("b".utf8)
        scene.broker.send(.redrive(name: "dead", target: "other", count: 2, filter: filter), from: channel)
        scene.rest()
        #expect(scene.contents("other") == ["b2", "b1"])
        #expect(scene.contents("dead") == ["a2", "a1", "a0", "b0"])
    }
}
