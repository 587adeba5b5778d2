import ColaCore
import ColaTesting
import Testing

/// Every lease ends with a reason, and each queue counts them.
@Suite(.timeLimit(.minutes(5))) struct LeaseEndTests {
    private func scene(_ count: Int) -> (Scene, ChannelID) {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        for number in 0..<count { scene.publish("\(number)", to: "q", from: channel) }
        scene.rest()
        scene.consume("q", from: channel)
        scene.rest()
        return (scene, channel)
    }

    @Test func whatAClientSaysIsCounted() {
        let (scene, channel) = scene(8)
        scene.settle(1, 3, from: channel)
        scene.settle(4, nil, .release, from: channel)
        scene.settle(5, nil, .releaseLater(milliseconds: 10), from: channel)
        scene.settle(6, nil, .reject, from: channel)
        #expect(scene.ends(of: "q") == ["acknowledged": 3, "returned": 2, "rejected": 1])
    }

    @Test(arguments: [false, true])
    func whoLeavesInOrderIsToldFromWhoVanishes(isLost: Bool) {
        let (scene, channel) = scene(3)
        scene.settle(1, from: channel)
        scene.broker.detach(channel, isLost: isLost)
        scene.rest()
        #expect(scene.ends(of: "q") == ["acknowledged": 1, isLost ? "connection-lost" : "cancelled": 2])
        #expect(scene.counts("q")?.ready == 2)
    }

    @Test func aConsumerThatIsCancelledKeepsWhatItHolds() {
        let (scene, channel) = scene(2)
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        #expect(scene.ends(of: "q") == [:])
        scene.settle(0, .max, from: channel)
        #expect(scene.ends(of: "q") == ["acknowledged": 2])
    }

    @Test func whatCountsAsAcknowledgedWhenItIsSentIsCountedSo() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        for body in ["a", "b", "c"] { scene.publish(body, to: "q", from: channel) }
        scene.rest()
        scene.broker.send(.get(name: "q", isAutoAck: true), from: channel)
        scene.consume("q", isAutoAck: true, from: channel)
        scene.rest()
        #expect(scene.ends(of: "q") == ["acknowledged": 3])
    }

    @Test func eachEndOfAWorkerHasItsOwnNumber() {
        let ends = Attempt.End.allCases.dropFirst(5)
        let (scene, channel) = scene(ends.count)
        for (tag, end) in zip(UInt64(1)..., ends) {
            let attempt = Attempt(began: Timestamp(1), ended: Timestamp(2), end: end, worker: "w")
            scene.settle(tag, nil, .failed(attempt, .giveBack), from: channel)
        }
        #expect(scene.ends(of: "q") == Dictionary(uniqueKeysWithValues: ends.map { ($0.rawValue, 1) }))
    }

    @Test func ofATopicNothingIsTakenSoNothingEnds() {
        let scene = Scene()
        let channel = scene.attach()
        scene.broker.send(.declareTopic(name: "t", partitions: nil, Arguments()), from: channel)
        scene.publish("a", to: "t", from: channel)
        scene.rest()
        scene.consume("t", from: channel)
        scene.broker.detach(channel, isLost: true)
        #expect(scene.broker.broker.nextDeadline == nil)
    }
}
