import ColaCore
import ColaTesting
import Testing

/// Messages whose holder died: each is tried again alone, and only one that was alone is to blame.
@Suite(.timeLimit(.minutes(5))) struct QuarantineRuleTests {
    private func scene(_ bodies: [String], uncached: Bool = false, _ change: (inout Arguments) -> Void = { _ in })
        -> Scene
    {
        var limits = Limits()
        if uncached { limits.cacheBytesMax = 0 }
        let scene = Scene(limits: limits)
        scene.declare("q", change)
        let channel = scene.attach()
        for body in bodies { scene.publish(body, to: "q", from: channel) }
        scene.rest()
        scene.broker.detach(channel)
        return scene
    }

    private func attempt(_ detail: String = "killed by SIGSEGV", output: [String] = []) -> Attempt {
        Attempt(
            began: Timestamp(1), ended: Timestamp(2), end: .killed, worker: "w", process: 7, detail: detail,
            output: output)
    }

    /// The process behind the channel dies with all that it holds.
    private func die(_ channel: ChannelID, of scene: Scene, attemptsMax: Int = 5) {
        scene.broker.apply(.abandon(channel, attempt(), .suspect(attemptsMax: attemptsMax)))
        scene.rest()
    }

    private func worker(_ scene: Scene, prefetch: Int = 50) -> ChannelID {
        let channel = scene.attach()
        scene.consume("q", prefetch: prefetch, from: channel)
        scene.rest()
        return channel
    }

    @Test(arguments: [false, true])
    func eachComesBackAloneAndItsNeighboursKeepTheirCount(uncached: Bool) {
        let scene = scene(["a", "b", "c"], uncached: uncached)
        let first = worker(scene)
        #expect(scene.bodies(first) == ["a", "b", "c"])
        die(first, of: scene)
        let channel = scene.attach()
        scene.publish("d", to: "q", from: channel)
        scene.rest()
        let second = worker(scene)
        for (tag, body) in zip(UInt64(1)..., ["a", "b", "c"]) {
            let messages = scene.messages(second)
            #expect(messages.map(\.body) == [body])
            #expect(messages.first?.redelivered == 0)
            scene.settle(tag, from: second)
            scene.rest()
        }
        // With the last of them it is like any other again.
        #expect(scene.bodies(second) == ["d"])
        scene.publish("e", "f", to: "q", from: channel)
        scene.rest()
        #expect(scene.bodies(second) == ["e", "f"])
    }

    @Test(arguments: [false, true])
    func theOneThatKillsIsParkedWithItsStoryAndTheOthersAreDone(uncached: Bool) {
        let bodies = (0..<20).map { $0 == 7 ? "poison" : "\($0)" }
        let scene = scene(bodies, uncached: uncached)
        var done: [String] = []
        var deaths = 0
        for _ in 0..<40 {
            let channel = worker(scene, prefetch: 5)
            var died = false
            while !died {
                let messages = scene.messages(channel)
                if messages.isEmpty { break }
                for message in messages {
                    if message.body == "poison" {
                        die(channel, of: scene, attemptsMax: 3)
                        deaths += 1
                        died = true
                        break
                    }
                    done.append(message.body)
                    scene.settle(message.tag, from: channel)
                }
                scene.rest()
            }
            if !died { break }
        }
        #expect(done.sorted() == bodies.filter { $0 != "poison" }.sorted())
        #expect(deaths == 4)
        let letter = scene.letters(in: "cola.parked.q").first
        #expect(letter?.body == "poison")
        #expect(letter?.deaths == ["delivery_limit 1 q % q"])
        #expect(letter?["cola-deliveries"] == "3")
        #expect(letter?.all("cola-attempt").count == 4)
        #expect(letter?.all("cola-attempt").first == "1 2 killed w 7 killed%20by%20SIGSEGV %")
        #expect(scene.ends(of: "q")["killed"] ?? 0 >= 4)
    }

    @Test func whoHoldsNothingElseIsToBlameAtOnce() {
        let scene = scene(["a"])
        let first = worker(scene)
        die(first, of: scene, attemptsMax: 2)
        let second = worker(scene)
        #expect(scene.messages(second).first?.redelivered == 1)
        die(second, of: scene, attemptsMax: 2)
        #expect(scene.contents("cola.parked.q") == ["a"])
    }

    @Test func othersGoOnMeanwhile() {
        let scene = scene(["a", "b"])
        let first = worker(scene)
        #expect(scene.bodies(first) == ["a", "b"])
        let (busy, other) = (worker(scene, prefetch: 3), worker(scene, prefetch: 1))
        let producer = scene.attach()
        for body in ["c", "d", "e", "f", "g", "h", "i", "j"] { scene.publish(body, to: "q", from: producer) }
        scene.rest()
        #expect(scene.bodies(busy).count == 3)
        #expect(scene.bodies(other).count == 1)
        die(first, of: scene)
        // Both are full: the one that holds less is to become free, and gets nothing more but what has to be alone.
        scene.settle(1, from: other)
        scene.rest()
        let alone = scene.messages(other)
        #expect(alone.map(\.redelivered) == [0])
        scene.settle(0, .max, from: busy)
        scene.rest()
        #expect(scene.messages(busy).allSatisfy { $0.redelivered == nil })
        #expect(scene.bodies(other) == [])
        scene.settle(2, from: other)
        scene.rest()
        #expect(scene.messages(other).map(\.redelivered) == [0])
    }

    @Test func whenTheFreeOneLeavesAnotherTakesItsPlace() {
        let scene = scene(["a", "b"])
        die(worker(scene), of: scene)
        let second = worker(scene)
        #expect(scene.bodies(second) == ["a"])
        let third = worker(scene)
        #expect(scene.bodies(third) == [])
        scene.broker.detach(second)
        scene.rest()
        // What came back from a holder that only left is no suspect: it has its place again.
        let messages = scene.messages(third)
        #expect(messages.map(\.body) == ["b"])
        scene.settle(messages[0].tag, from: third)
        scene.rest()
        #expect(scene.bodies(third) == ["a"])
    }

    @Test func aTryLaterTakesItsStoryAlongAndHasAnEnd() {
        let scene = scene(["a"])
        for round in 1...3 {
            let channel = worker(scene)
            let message = scene.messages(channel).first
            #expect(message?.redelivered ?? 0 == round - 1)
            scene.settle(
                message?.tag ?? 0, nil,
                .failed(attempt("exit code 75", output: ["line \(round)"]), .retry(milliseconds: 100, attemptsMax: 3)),
                from: channel)
            scene.rest()
            scene.broker.detach(channel)
            scene.pass(200)
        }
        let letter = scene.letters(in: "cola.parked.q").first
        #expect(letter?.deaths == ["delivery_limit 1 q % q"])
        #expect(
            letter?.all("cola-attempt").compactMap { Attempt(Array($0.utf8)[...])?.output }
                == [["line 1"], ["line 2"], ["line 3"]])
    }

    @Test func whatWasNotBegunCountsForNothing() {
        let scene = scene(["a", "b"]) { $0.deliveryLimit = 0 }
        for _ in 0..<3 {
            let channel = worker(scene)
            scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
            scene.settle(0, .max, .failed(attempt("stopped"), .giveBack), from: channel)
            scene.rest()
            scene.broker.detach(channel)
        }
        let messages = scene.messages(worker(scene))
        #expect(messages.map(\.body) == ["a", "b"])
        #expect(messages.map(\.redelivered) == [0, 0])
    }

    @Test(arguments: [false, true])
    func whatAWorkerCannotDoIsNeverDropped(hasTarget: Bool) {
        let scene = scene(["a"]) {
            if hasTarget {
                $0.deadLetterExchange = ""
                $0.deadLetterRoutingKey = "dead"
            }
        }
        scene.declare("dead")
        let channel = worker(scene)
        scene.settle(1, nil, .failed(attempt("exit code 1"), .bury), from: channel)
        scene.rest()
        let letter = scene.letters(in: hasTarget ? "dead" : "cola.parked.q").first
        #expect(letter?.deaths == ["rejected 1 q % q"])
        #expect(letter?.all("cola-attempt") == ["1 2 killed w 7 exit%20code%201 %"])
        #expect(scene.counts("q")?.ready == 0)
    }

    @Test(arguments: [true, false])
    func suspectsAreThereAfterARestart(isCrash: Bool) {
        let scene = scene(["a", "b", "c"])
        die(worker(scene), of: scene)
        let alone = worker(scene)
        #expect(scene.bodies(alone) == ["a"])
        die(alone, of: scene)
        if isCrash { scene.broker.crash() } else { scene.broker.stop() }
        #expect(scene.counts("q")?.ready == 3)
        let next = worker(scene)
        let messages = scene.messages(next)
        #expect(messages.map(\.body) == ["a", "b", "c"])
        #expect(messages.map(\.redelivered) == [1, 0, 0])
    }

    @Test func purgeTakesThemToo() {
        let scene = scene(["a", "b"])
        die(worker(scene), of: scene)
        let channel = scene.attach()
        scene.broker.send(.purge(name: "q"), from: channel)
        scene.rest()
        #expect(scene.answers(channel) == [.removed(messages: 2)])
        #expect(scene.counts("q") == Scene.Counts(ready: 0, unacknowledged: 0, bytes: 0, consumers: 0))
        #expect(scene.bodies(worker(scene)) == [])
    }

    @Test func anAttemptIsReadAsItWasWritten() {
        var attempt = attempt("exit code 3, \"50%\"\n", output: ["a b", "", "ü\u{1}"])
        #expect(Attempt(Array(attempt.text.utf8)[...]) == attempt)
        attempt.output = []
        attempt.detail = ""
        #expect(Attempt(Array(attempt.text.utf8)[...]) == attempt)
        #expect(Attempt(Array("1 2 killed w 7 x".utf8)[...]) == nil)
        #expect(Attempt(Array("1 2 vanished w 7 x %".utf8)[...]) == nil)
    }
}
