import ColaCore
import ColaTesting
import Testing

/// Messages that nobody can work with: after so many failed deliveries they go elsewhere.
@Suite struct BrokerDeliveryLimitTests {
    private func scene(limit: Int, target: Bool = true, uncached: Bool = false) -> Scene {
        var limits = Limits()
        if uncached { limits.cacheBytesMax = 0 }
        let scene = Scene(limits: limits)
        scene.declare("q") {
            $0.deliveryLimit = limit
            if target {
                $0.deadLetterExchange = ""
                $0.deadLetterRoutingKey = "dead"
            }
        }
        scene.declare("dead")
        let channel = scene.attach()
        scene.publish("a", to: "q", from: channel)
        scene.rest()
        scene.broker.detach(channel)
        return scene
    }

    /// Takes the first message and gives it back.
    ///
    /// - Returns: how often it had failed before; nil if there was none.
    @discardableResult
    private func fail(_ scene: Scene, _ settlement: Settlement = .release) -> Int? {
        let channel = scene.attach()
        scene.broker.send(.get(name: "q", isAutoAck: false), from: channel)
        scene.rest()
        guard case .message(let message)? = scene.answers(channel).last else { return nil }
        scene.settle(message.tag, nil, settlement, from: channel)
        scene.rest()
        scene.broker.detach(channel)
        return message.redelivered ?? 0
    }

    @Test(arguments: [false, true])
    func afterSoManyFailuresItIsDeadLettered(uncached: Bool) {
        let scene = scene(limit: 2, uncached: uncached)
        #expect(fail(scene) == 0)
        #expect(fail(scene) == 1)
        #expect(scene.contents("q") == ["a"])
        #expect(fail(scene) == 2)
        #expect(scene.contents("q") == [])
        let letter = scene.letters(in: "dead").first
        #expect(letter?.deaths == ["delivery_limit 1 q % q"])
        #expect(letter?["cola-deliveries"] == "3")
        #expect(scene.counts("q") == Scene.Counts(ready: 0, unacknowledged: 0, bytes: 0, consumers: 0))
    }

    @Test func aLimitOfNothingAllowsOneDelivery() {
        let scene = scene(limit: 0)
        #expect(fail(scene) == 0)
        #expect(scene.contents("dead") == ["a"])
    }

    @Test func withoutATargetItIsParkedAndNotDropped() {
        let scene = scene(limit: 1, target: false)
        fail(scene)
        fail(scene)
        #expect(scene.contents("q") == [])
        #expect(scene.letters(in: "cola.parked.q").first?.deaths == ["delivery_limit 1 q % q"])
        #expect(scene.count("parked", of: "q") == 1)
    }

    @Test(arguments: [true, false], [true, false])
    func failuresCountAcrossRestarts(isCrash: Bool, uncached: Bool) {
        let scene = scene(limit: 2, uncached: uncached)
        fail(scene)
        fail(scene)
        if isCrash { scene.broker.crash() } else { scene.broker.stop() }
        #expect(fail(scene) == 2)
        #expect(scene.contents("dead") == ["a"])
        #expect(scene.stored(1)?.released == [])
    }

    @Test func aConnectionThatEndsIsAFailure() {
        let scene = scene(limit: 1)
        for _ in 0..<2 {
            let channel = scene.attach()
            scene.consume("q", from: channel)
            scene.rest()
            scene.broker.detach(channel)
            scene.rest()
        }
        #expect(scene.contents("dead") == ["a"])
    }

    @Test func aReturnWithADelayIsAFailureToo() {
        let scene = scene(limit: 2)
        fail(scene, .releaseLater(milliseconds: 10))
        scene.pass(10)
        #expect(fail(scene, .releaseLater(milliseconds: 10)) == 1)
        scene.pass(10)
        #expect(fail(scene, .releaseLater(milliseconds: 10)) == 2)
        #expect(scene.contents("dead") == ["a"])
        #expect(scene.statistics().number("scheduled") == 0)
    }

    /// The decision is on the disk, the move is not: in the next life it is made, and nobody is given the message.
    @Test func aDecisionThatWasCommittedIsCarriedOutLater() {
        let scene = scene(limit: 0, uncached: true)
        let channel = scene.attach()
        scene.consume("q", from: channel)
        scene.rest()
        scene.settle(1, nil, .release, from: channel)
        #expect(scene.broker.reads.count == 1)
        scene.broker.commit()
        #expect(scene.stored(1)?.released == [Release(offset: Offset(0), deliveries: 1, fate: .deliveryLimit)])
        scene.broker.crash()
        let next = scene.attach()
        scene.consume("q", from: next)
        scene.rest()
        #expect(scene.bodies(next) == [])
        #expect(scene.letters(in: "dead").first?["cola-deliveries"] == "1")
        #expect(scene.stored(1)?.released == [])
        #expect(scene.stored(1)?.chunks == [])
        #expect(scene.counts("q")?.bytes == 0)
    }

    @Test func aLimitThatIsSetLaterCountsFailuresBefore() {
        let scene = scene(limit: 100)
        for _ in 0..<5 { fail(scene) }
        scene.alter("q") { $0.deliveryLimit = 3 }
        #expect(fail(scene) == 5)
        #expect(scene.contents("dead") == ["a"])
    }
}
