import ColaCore
import ColaTesting
import Testing

/// A queue's own rule for messages that come back.
@Suite(.timeLimit(.minutes(5))) struct QueueRetryTests {
    private func scene(
        _ rule: RetryRule?, bodies: [String] = ["a"], uncached: Bool = false,
        _ change: (inout Arguments) -> Void = { _ in }
    ) -> Scene {
        var limits = Limits()
        if uncached { limits.cacheBytesMax = 0 }
        let scene = Scene(limits: limits)
        scene.declare("q") {
            $0.retry = rule
            change(&$0)
        }
        let channel = scene.attach()
        for body in bodies { scene.publish(body, to: "q", from: channel) }
        scene.rest()
        scene.broker.detach(channel)
        return scene
    }

    private func consumer(_ scene: Scene) -> ChannelID {
        let channel = scene.attach()
        scene.consume("q", from: channel)
        scene.rest()
        return channel
    }

    /// Everyone who has the message says this, until there is none for so long.
    ///
    /// - Returns: after how many milliseconds it came each time.
    private func delays(_ scene: Scene, _ settlement: Settlement, within most: Int) -> [Int] {
        let channel = consumer(scene)
        var (delays, waited) = ([Int](), 0)
        while waited <= most {
            if let message = scene.messages(channel).first {
                #expect(message.redelivered ?? 0 == delays.count)
                delays.append(waited)
                waited = 0
                scene.settle(message.tag, nil, settlement, from: channel)
                scene.rest()
            } else {
                scene.pass(1)
                waited += 1
            }
        }
        scene.broker.detach(channel)
        return delays
    }

    @Test(arguments: [false, true])
    func eachTimeItWaitsAsLongAsTheRuleSaysAndThenItIsParked(uncached: Bool) {
        let scene = scene(RetryRule(pace: .list([10, 30]), attempts: 4), uncached: uncached)
        #expect(delays(scene, .retry, within: 100) == [0, 10, 30, 30])
        let letter = scene.letters(in: "cola.parked.q").first
        #expect(letter?.deaths == ["delivery_limit 1 q % q"])
        #expect(letter?["cola-deliveries"] == "4")
        let attempts = letter?.all("cola-attempt").compactMap { Attempt(Array($0.utf8)[...]) } ?? []
        #expect(attempts.map(\.end) == Array(repeating: .returned, count: 4))
        #expect(attempts.map(\.worker) == Array(repeating: "tester", count: 4))
        #expect(zip(attempts, attempts.dropFirst()).map { $1.began.rawValue - $0.ended.rawValue } == [10, 30, 30])
        #expect(scene.ends(of: "q") == ["returned": 4])
        #expect(scene.counts("q")?.ready == 0)
    }

    @Test func whereDeadLettersGoSomewhereTheyGoThere() {
        let scene = scene(RetryRule(pace: .fixed(5), attempts: 2)) {
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "dead"
        }
        scene.declare("dead")
        #expect(delays(scene, .retry, within: 20) == [0, 5])
        #expect(scene.letters(in: "dead").first?.deaths == ["delivery_limit 1 q % q"])
    }

    @Test func aClientCanSayOtherwiseForOneMessage() {
        let scene = scene(RetryRule(pace: .fixed(50), attempts: 3))
        #expect(delays(scene, .release, within: 60) == [0, 0, 0])
        let other = self.scene(RetryRule(pace: .fixed(50), attempts: 3))
        #expect(delays(other, .releaseLater(milliseconds: 7), within: 60) == [0, 7, 7])
    }

    @Test func withoutARuleItIsBackAtOnceAsOftenAsItTakes() {
        let scene = scene(nil)
        let channel = consumer(scene)
        for round in 0..<20 {
            let message = scene.messages(channel).first
            #expect(message?.redelivered ?? 0 == round)
            scene.settle(message?.tag ?? 0, nil, .retry, from: channel)
            scene.rest()
        }
    }

    @Test func aDelayOfZeroKeepsThePlace() {
        let scene = scene(RetryRule(pace: .fixed(0), attempts: 3), bodies: ["a", "b"])
        let channel = scene.attach()
        scene.consume("q", prefetch: 1, from: channel)
        scene.rest()
        var bodies: [String] = []
        while let message = scene.messages(channel).first {
            bodies.append(message.body)
            scene.settle(message.tag, nil, .retry, from: channel)
            scene.rest()
        }
        #expect(bodies == ["a", "a", "a", "b", "b", "b"])
    }

    @Test(arguments: [(2, 5, 3), (9, 2, 2)])
    func whicheverLimitComesFirstHolds(deliveryLimit: Int, attempts: Int, deliveries: Int) {
        let scene = scene(RetryRule(pace: .fixed(1), attempts: attempts)) { $0.deliveryLimit = deliveryLimit }
        #expect(delays(scene, .retry, within: 10).count == deliveries)
        #expect(scene.contents("cola.parked.q") == ["a"])
    }

    @Test func whatGrowsGrowsAndDiffersFromMessageToMessage() {
        let bodies = (0..<50).map { "\($0)" }
        let rule = RetryRule(
            pace: .exponential(ExponentialDelay(first: 100, most: 10_000, factor: 3, jitter: 0.5)), attempts: 9)
        func firstReturns() -> [Int] {
            let scene = scene(rule, bodies: bodies)
            let channel = consumer(scene)
            scene.settle(0, .max, .retry, from: channel)
            scene.rest()
            _ = scene.messages(channel)
            return (1...200).map { _ in
                scene.pass(1)
                return scene.messages(channel).count
            }
        }
        let returns = firstReturns()
        #expect(returns.reduce(0, +) == 50)
        #expect(returns.prefix(99).allSatisfy { $0 == 0 } && returns.dropFirst(151).allSatisfy { $0 == 0 })
        #expect(returns.filter { $0 > 0 }.count > 20)
        // And the same each time that the same happens.
        #expect(firstReturns() == returns)
        let times = delays(scene(rule), .retry, within: 2_000)
        #expect((100...150).contains(times[1]) && (300...450).contains(times[2]) && (900...1350).contains(times[3]))
    }

    @Test func whatIsLostWithItsConnectionIsBackAtOnceAndCounts() {
        let scene = scene(RetryRule(pace: .fixed(1_000), attempts: 2), bodies: ["a", "b"])
        let first = consumer(scene)
        scene.broker.detach(first, isLost: true)
        let second = consumer(scene)
        #expect(scene.messages(second).map(\.redelivered) == [1, 1])
        scene.settle(2, from: second)
        scene.broker.detach(second, isLost: true)
        scene.rest()
        let letter = scene.letters(in: "cola.parked.q").first
        #expect(letter?.body == "a" && letter?.deaths == ["delivery_limit 1 q % q"])
        let attempts = letter?.all("cola-attempt").compactMap { Attempt(Array($0.utf8)[...]) }
        #expect(attempts?.map(\.end) == [.connectionLost])
    }

    @Test func whoLeavesInOrderUsesUpNothing() {
        let scene = scene(RetryRule(pace: .fixed(1_000), attempts: 1))
        for _ in 0..<3 { scene.broker.detach(consumer(scene)) }
        let channel = consumer(scene)
        #expect(scene.messages(channel).map(\.redelivered) == [3])
    }

    @Test func aRejectionIsToldToo() {
        let scene = scene(RetryRule()) { $0.deadLetterExchange = "nowhere" }
        let channel = consumer(scene)
        scene.pass(25)
        scene.settle(1, nil, .reject, from: channel)
        scene.rest()
        let attempt = scene.letters(in: "cola.parked.q").first?["cola-attempt"].flatMap { Attempt(Array($0.utf8)[...]) }
        #expect(attempt?.end == .rejected)
        #expect(attempt.map { $0.ended.rawValue - $0.began.rawValue } == 25)
    }

    private func failure(isDefault: Bool) -> Settlement {
        let attempt = Attempt(began: Timestamp(1), ended: Timestamp(2), end: .exited, worker: "w")
        return .failed(attempt, .retry(milliseconds: 9, attemptsMax: 4, isDefault: isDefault))
    }

    @Test func aWorkersOwnRuleGoesFirstAndItsDefaultLast() {
        let rule = RetryRule(pace: .fixed(20), attempts: 2)
        #expect(delays(scene(rule), failure(isDefault: false), within: 50) == [0, 9, 9, 9])
        #expect(delays(scene(rule), failure(isDefault: true), within: 50) == [0, 20])
        #expect(delays(scene(nil), failure(isDefault: true), within: 50) == [0, 9, 9, 9])
        #expect(delays(scene(nil) { $0.deliveryLimit = 1 }, failure(isDefault: true), within: 50) == [0, 9])
    }

    @Test func whoDiesAloneIsTriedAsOftenAsTheQueueSays() {
        let scene = scene(RetryRule(pace: .fixed(20), attempts: 2))
        let attempt = Attempt(began: Timestamp(1), ended: Timestamp(2), end: .killed, worker: "w")
        for _ in 0..<2 {
            let channel = consumer(scene)
            #expect(scene.messages(channel).count == 1)
            scene.settle(1, nil, .failed(attempt, .suspect(attemptsMax: 9, isDefault: true)), from: channel)
            scene.broker.detach(channel)
            scene.rest()
        }
        #expect(scene.contents("cola.parked.q") == ["a"])
    }

    @Test func aPolicyAndAChangeHoldForWhatComesBackFromThenOn() {
        let scene = scene(nil)
        let channel = scene.attach()
        var arguments = Arguments()
        arguments.retry = RetryRule(pace: .fixed(15), attempts: 9)
        let policy = PolicyDefinition(
            name: "p", pattern: "^q$", appliesTo: .queues, priority: 0, arguments: arguments)
        scene.broker.send(.setPolicy(policy), from: channel)
        scene.rest()
        let holder = consumer(scene)
        scene.settle(1, nil, .retry, from: holder)
        scene.pass(14)
        #expect(scene.messages(holder).count == 1)
        scene.pass(2)
        #expect(scene.messages(holder).map(\.redelivered) == [1])
        scene.alter("q") { $0.retry = RetryRule(attempts: 1) }
        scene.settle(2, nil, .retry, from: holder)
        scene.rest()
        #expect(scene.contents("cola.parked.q") == ["a"])
    }

    @Test(arguments: [true, false])
    func aRestartForgetsNeitherTheRuleNorWhatWaits(isCrash: Bool) {
        let scene = scene(RetryRule(pace: .fixed(40), attempts: 2))
        scene.settle(1, nil, .retry, from: consumer(scene))
        scene.rest()
        if isCrash { scene.broker.crash() } else { scene.broker.stop() }
        #expect(scene.counts("q")?.ready == 0)
        scene.pass(50)
        let channel = consumer(scene)
        #expect(scene.messages(channel).map(\.redelivered) == [1])
        scene.settle(1, nil, .retry, from: channel)
        scene.rest()
        #expect(scene.contents("cola.parked.q") == ["a"])
        #expect(scene.letters(in: "cola.parked.q").first?.all("cola-attempt").count == 2)
    }
}
