import ColaCore
import ColaTesting
import Testing

/// Where messages go that nobody wants, or that waited too long.
@Suite struct BrokerDeadLetterTests {
    private func scene(
        limits: Limits = Limits(), exchange: String = "", key: String? = "dead",
        _ change: (inout Arguments) -> Void = { _ in }
    ) -> Scene {
        let scene = Scene(limits: limits)
        scene.declare("q") {
            $0.deadLetterExchange = exchange
            $0.deadLetterRoutingKey = key
            change(&$0)
        }
        scene.declare("dead")
        return scene
    }

    private func publish(_ scene: Scene, _ bodies: String..., ttl: Int64? = nil) {
        let channel = scene.attach()
        for body in bodies { scene.put(body, to: "q", ttl: ttl, from: channel) }
        scene.rest()
        scene.broker.detach(channel)
    }

    /// Takes the first messages and rejects them.
    private func reject(_ scene: Scene, _ count: UInt64 = 1, queue: String = "q") {
        let channel = scene.attach()
        scene.consume(queue, prefetch: Int(count), from: channel)
        scene.rest()
        scene.settle(1, count, .reject, from: channel)
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        scene.rest()
        scene.broker.detach(channel)
        scene.rest()
    }

    @Test func whatIsRejectedMovesAndSaysWhereItWas() {
        let scene = scene()
        publish(scene, "a", "b")
        reject(scene)
        #expect(scene.contents("q") == ["b"])
        let letters = scene.letters(in: "dead")
        #expect(letters.map(\.body) == ["a"])
        #expect(letters.first?.deaths == ["rejected 1 q % q"])
        #expect(letters.first?["cola-id"] == "1-1-0")
        #expect(letters.first?["cola-deliveries"] == "1")
        #expect(letters.first?["cola-exchange"] == nil)
        #expect(letters.first?.redelivered == nil)
        #expect(scene.count("rejected", of: "q") == 1)
        #expect(scene.count("dead-lettered", of: "q") == 1)
        #expect(scene.stored(1)?.state.ready == 1)
    }

    @Test func theMoveIsOneBatch() {
        let scene = scene()
        publish(scene, "a")
        let before = scene.broker.batches.count
        reject(scene)
        let moves = scene.broker.batches.dropFirst(before).filter { $0.logs.contains { $0.log == LogID(2) } }
        #expect(moves.count == 1)
        let source = moves.first?.logs.first { $0.log == LogID(1) }
        #expect(source?.state.ready == 0)
        #expect(source?.removed == [Offset(0)...Offset(0)])
        #expect(moves.first?.logs.first { $0.log == LogID(2) }?.appendedRecords?.entries.count == 1)
    }

    /// The process dies after each of the commits of the run in turn, with and without room for a cache.
    @Test(arguments: 0..<8, [0, 1 << 20])
    func wheneverTheProcessDiesItIsInOnePlace(commits: Int, cacheBytesMax: Int) {
        var limits = Limits()
        limits.cacheBytesMax = cacheBytesMax
        let scene = scene(limits: limits)
        publish(scene, "a", "b", "c")
        let channel = scene.attach()
        scene.consume("q", from: channel)
        scene.rest()
        scene.settle(2, nil, .reject, from: channel)
        for _ in 0..<commits {
            scene.broker.readNext()
            scene.broker.cut()
            scene.broker.commitNext()
        }
        scene.broker.crash()
        let all = scene.contents("q") + scene.contents("dead")
        #expect(all.sorted() == ["a", "b", "c"])
        // A decision that was committed is carried out in the next life.
        let wasDecided = scene.stored(1)?.released.contains { $0.fate != nil } ?? false
        let next = scene.attach()
        scene.consume("q", from: next)
        scene.rest()
        let delivered = scene.bodies(next)
        if wasDecided || commits >= 2 {
            #expect(delivered == ["a", "c"])
            #expect(scene.contents("dead") == ["b"])
        }
        #expect((delivered + scene.contents("dead")).sorted() == ["a", "b", "c"])
        scene.settle(1, UInt64(delivered.count), from: next)
        scene.rest()
        #expect(scene.stored(1)?.chunks == [])
        #expect(scene.stored(1)?.released == [])
        #expect(scene.stored(1)?.state.bytes == 0)
    }

    /// A decision of a life before is found with the chunk at the head, and cannot be carried out yet.
    @Test func aDecisionThatHasToWaitIsNotTriedForEver() {
        var limits = Limits()
        limits.cacheBytesMax = 0
        let scene = scene(limits: limits) { $0.messageTimeToLive = 1_000 }
        let publisher = scene.attach()
        scene.publish("a", "b", to: "q", from: publisher)
        scene.rest()
        let channel = scene.attach()
        scene.consume("q", from: channel)
        scene.rest()
        scene.settle(2, nil, .reject, from: channel)
        scene.broker.commit()
        scene.broker.crash()
        scene.broker.apply(.alarm(.disk, "the disk is full"))
        scene.broker.send(.get(name: "q", isAutoAck: false), from: scene.attach())
        scene.rest()
        #expect(scene.contents("dead") == [])
        scene.broker.apply(.alarm(.disk, nil))
        scene.rest()
        #expect(scene.contents("dead") == ["b"])
    }

    /// Each read would drive the other's chunk out of the cache, and none would help.
    @Test func whatCannotBeMovedIsNotReadAgainAndAgain() {
        var limits = Limits()
        limits.cacheBytesMax = 0
        let scene = scene(limits: limits) { $0.messageTimeToLive = 1_000 }
        publish(scene, "a", "b")
        let other = scene.attach()
        scene.put("c", to: "q", from: other)
        scene.rest()
        let channel = scene.attach()
        scene.consume("q", prefetch: 1, from: channel)
        scene.rest()
        scene.broker.apply(.alarm(.disk, "the disk is full"))
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        var reads = 0
        scene.broker.effectListener = { if case .read = $0 { reads += 1 } }
        scene.settle(1, nil, .reject, from: channel)
        scene.rest()
        #expect(reads <= 2)
        scene.broker.apply(.alarm(.disk, nil))
        scene.rest()
        #expect(scene.contents("dead") == ["a"])
    }

    @Test func whatExpiresMovesWithoutAnybody() {
        let scene = scene { $0.messageTimeToLive = 100 }
        publish(scene, "a")
        scene.pass(100)
        let letter = scene.letters(in: "dead").first
        #expect(letter?.deaths == ["expired 1 q % q"])
        #expect(letter?["cola-expires"] == nil)
        #expect(scene.count("expired", of: "q") == 1)
        // What has died lives on without its time.
        scene.pass(1_000)
        #expect(scene.contents("dead") == ["a"])
    }

    @Test func whatIsTooMuchMoves() {
        let scene = scene { $0.maxLength = 1 }
        publish(scene, "a", "b", "c")
        #expect(scene.letters(in: "dead").map(\.deaths) == [["maxlen 1 q % q"], ["maxlen 1 q % q"]])
        #expect(scene.contents("dead") == ["a", "b"])
        #expect(scene.contents("q") == ["c"])
    }

    @Test func theKeyIsKeptWhereNoneIsGiven() {
        let scene = scene(exchange: "amq.direct", key: nil)
        scene.bind("amq.topic", "q", key: "in.*")
        scene.bind("amq.direct", "dead", key: "in.1")
        let channel = scene.attach()
        scene.put("a", to: "in.1", exchange: "amq.topic", from: channel)
        scene.rest()
        reject(scene)
        let letter = scene.letters(in: "dead").first
        #expect(letter?.deaths == ["rejected 1 q amq.topic in.1"])
        #expect(letter?["cola-exchange"] == "amq.direct")
        #expect(letter?["cola-routing-key"] == "in.1")
    }

    @Test func aKeyThatIsGivenCounts() {
        let scene = scene(exchange: "amq.direct", key: "other")
        scene.bind("amq.direct", "dead", key: "other")
        publish(scene, "a")
        reject(scene)
        let letter = scene.letters(in: "dead").first
        #expect(letter?["cola-routing-key"] == "other")
    }

    @Test func deathsAreCountedAndTheFirstPlaceStays() {
        let scene = Scene()
        scene.declare("q") {
            $0.deadLetterExchange = ""; $0.deadLetterRoutingKey = "retry"
        }
        scene.declare("retry") {
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "q"
            $0.messageTimeToLive = 100
        }
        publish(scene, "a")
        for round in 1...3 {
            reject(scene)
            #expect(scene.contents("retry") == ["a"])
            scene.pass(100)
            let letter = scene.letters(in: "q").first
            #expect(letter?.deaths == ["rejected \(round) q % q", "expired \(round) retry % retry"])
            #expect(letter?["cola-id"] == "1-1-0")
        }
    }

    @Test func aCircleThatNobodyDrivesEndsInThePark() {
        let scene = Scene()
        scene.declare("q") {
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "b"
            $0.messageTimeToLive = 10
        }
        scene.declare("b") {
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "q"
            $0.messageTimeToLive = 10
        }
        publish(scene, "a")
        scene.pass(10)
        #expect(scene.contents("b") == ["a"])
        scene.pass(10)
        #expect(scene.contents("cola.parked.b") == ["a"])
        #expect(scene.letters(in: "cola.parked.b").first?.deaths == ["expired 1 q % q", "expired 1 b % b"])
        #expect(scene.count("parked", of: "b") == 1)
    }

    /// That it was rejected once, long ago and elsewhere, does not make the circle somebody's doing.
    @Test func aCircleAfterARejectionEndsToo() {
        let scene = scene(key: "b")
        scene.declare("b") {
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "c"
            $0.messageTimeToLive = 0
        }
        scene.declare("c") {
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "b"
            $0.messageTimeToLive = 0
        }
        publish(scene, "a")
        reject(scene)
        #expect(scene.contents("cola.parked.c") == ["a"])
    }

    @Test func aQueueThatIsItsOwnTargetDoesNotSpin() {
        let scene = scene(key: "q") { $0.messageTimeToLive = 0 }
        publish(scene, "a")
        #expect(scene.contents("cola.parked.q") == ["a"])
        #expect(scene.queue("q")?.number("messages") == 0)
    }

    @Test(arguments: ["nowhere", "amq.direct"])
    func whatLeadsNowhereIsParked(exchange: String) {
        let scene = scene(exchange: exchange, key: "unknown")
        publish(scene, "a")
        reject(scene)
        let letter = scene.letters(in: "cola.parked.q").first
        #expect(letter?.body == "a")
        #expect(letter?.deaths == ["rejected 1 q % q"])
        #expect(scene.count("parked", of: "q") == 1)
        #expect(scene.count("dead-lettered", of: "q") == 0)
    }

    @Test func withoutATargetItIsDroppedAndCounted() {
        let scene = Scene()
        scene.declare("q")
        publish(scene, "a")
        reject(scene)
        #expect(scene.queue("q")?.number("messages") == 0)
        #expect(scene.count("rejected", of: "q") == 1)
        #expect(scene.queue("cola.parked.q") == nil)
    }

    @Test func aTopicCanBeTheTarget() {
        let scene = scene(key: "log")
        let channel = scene.attach()
        scene.broker.send(.declareTopic(name: "log", partitions: nil, Arguments()), from: channel)
        scene.rest()
        publish(scene, "a")
        reject(scene)
        #expect(scene.letters(in: "log").first?.deaths == ["rejected 1 q % q"])
        #expect(scene.queue("q")?.number("messages") == 0)
    }

    @Test func theTargetsOwnLimitsCount() {
        let scene = scene()
        scene.alter("dead") { $0.maxLength = 1 }
        publish(scene, "a", "b")
        reject(scene, 2)
        #expect(scene.contents("dead") == ["b"])
        #expect(scene.count("dropped", of: "dead") == 1)
    }

    @Test func aTargetThatRefusesPublishesTakesDeadLettersAllTheSame() {
        let scene = scene()
        scene.alter("dead") {
            $0.maxLength = 1; $0.overflow = .rejectPublish
        }
        publish(scene, "a", "b")
        reject(scene, 2)
        #expect(scene.contents("dead") == ["a", "b"])
    }

    @Test func oneMessageCanGoToManyTargets() {
        let scene = scene(exchange: "amq.fanout", key: nil)
        scene.declare("more")
        scene.bind("amq.fanout", "dead")
        scene.bind("amq.fanout", "more")
        publish(scene, "a")
        reject(scene)
        #expect(scene.contents("dead") == ["a"])
        #expect(scene.contents("more") == ["a"])
        #expect(scene.count("dead-lettered", of: "q") == 1)
    }

    /// What dies in the park for want of room or time, and leads nowhere again, does not go round.
    @Test(arguments: [true, false])
    func aParkingQueueWithLimitsOfItsOwnDoesNotSpin(isDurable: Bool) {
        let scene = Scene()
        scene.declare("q", isDurable: isDurable) { $0.deadLetterExchange = "nowhere" }
        var arguments = Arguments()
        arguments.messageTimeToLive = 0
        arguments.deadLetterExchange = "nowhere"
        let channel = scene.attach()
        let policy = PolicyDefinition(name: "p", pattern: "parked", appliesTo: .queues, arguments: arguments)
        scene.broker.send(.setPolicy(policy), from: channel)
        scene.rest()
        publish(scene, "a")
        reject(scene)
        #expect(scene.queue("cola.parked.q")?.number("messages") == 0)
        #expect(scene.count("expired", of: "cola.parked.q") == 1)
    }

    @Test func aPurgeLeavesTheBytesRightForWhatIsStillMoving() {
        var limits = Limits()
        limits.cacheBytesMax = 0
        let scene = scene(limits: limits)
        publish(scene, "aaaa", "bb", "c")
        let channel = scene.attach()
        scene.consume("q", prefetch: 2, from: channel)
        scene.rest()
        scene.settle(1, nil, .reject, from: channel)
        #expect(scene.broker.reads.count == 1)
        scene.broker.send(.purge(name: "q"), from: channel)
        scene.rest()
        #expect(scene.counts("q") == Scene.Counts(ready: 0, unacknowledged: 1, bytes: 2, consumers: 1))
        #expect(scene.contents("dead") == ["aaaa"])
        scene.settle(2, from: channel)
        scene.rest()
        #expect(scene.stored(1)?.state.bytes == 0)
        #expect(scene.stored(1)?.chunks == [])
    }
}
