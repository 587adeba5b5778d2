import ColaCore
import ColaTesting
import Testing

/// Channels of processes that somebody watches: what they hold may outlive them, and they are fed or not.
@Suite(.timeLimit(.minutes(5))) struct HoldingRuleTests {
    private func scene(_ bodies: String...) -> Scene {
        let scene = Scene()
        scene.declare("q")
        let channel = scene.attach()
        for body in bodies { scene.publish(body, to: "q", from: channel) }
        scene.rest()
        return scene
    }

    private func consumer(of scene: Scene, prefetch: Int = 2) -> ChannelID {
        let channel = scene.attach()
        scene.consume("q", prefetch: prefetch, from: channel)
        scene.rest()
        return channel
    }

    private let attempt = Attempt(
        began: Timestamp(0), ended: Timestamp(0), end: .killed, worker: "w", process: 7, detail: "by a test")

    @Test func whatAChannelHoldsStaysUntilItsEndIsSaid() {
        let scene = scene("a", "b")
        let first = consumer(of: scene)
        #expect(scene.bodies(first) == ["a", "b"])
        scene.broker.apply(.hold(first))
        let second = consumer(of: scene)
        #expect(scene.bodies(second) == [])
        scene.broker.detach(first)
        scene.rest()
        let messages = scene.messages(second)
        #expect(messages.map(\.body) == ["a", "b"])
        #expect(messages.map(\.redelivered) == [1, 1])
    }

    @Test func whatWasGivenBackCountsNoAttempt() {
        let scene = scene("a", "b")
        let first = consumer(of: scene)
        scene.broker.apply(.hold(first))
        scene.broker.apply(.abandon(first, attempt, .giveBack))
        let messages = scene.messages(consumer(of: scene))
        #expect(messages.map(\.body) == ["a", "b"])
        #expect(messages.allSatisfy { ($0.redelivered ?? 0) == 0 })
    }

    private func parts(of scene: Scene, _ numbers: UInt16...) -> (connection: ChannelID, parts: [ChannelID]) {
        let connection = scene.attach()
        let parts = numbers.map { ChannelID(of: connection, number: $0, incarnation: 0) }
        for part in parts { scene.broker.attach(part, isStrict: true) }
        return (connection, parts)
    }

    @Test func aChannelThatBeginsWhileItsConnectionIsNotFedGetsNothing() {
        let scene = scene("a")
        let connection = scene.attach()
        scene.broker.apply(.feed(connection, .paused))
        let part = ChannelID(of: connection, number: 1, incarnation: 0)
        scene.broker.attach(part, isStrict: true)
        scene.consume("q", from: part)
        scene.rest()
        #expect(scene.bodies(part) == [])
        scene.broker.apply(.feed(connection, .on))
        scene.rest()
        #expect(scene.bodies(part) == ["a"])
    }

    @Test func aStrictChannelKeepsItsConsumersWhenItIsToEnd() {
        let scene = scene("a", "b")
        let (connection, parts) = parts(of: scene, 1)
        scene.consume("q", prefetch: 1, from: parts[0])
        scene.rest()
        #expect(scene.bodies(parts[0]) == ["a"])
        scene.broker.apply(.feed(connection, .ended(reason: "it is over")))
        scene.broker.send(.settle(first: DeliveryTag(1), last: DeliveryTag(1), .acknowledge), from: parts[0])
        scene.rest()
        #expect(scene.broker.hear(parts[0]).filter { if case .failed = $0 { true } else { false } }.isEmpty)
        #expect(scene.counts("q")?.ready == 1)
    }

    @Test func whatAChannelHadCountsForItsConnectionWhenItHasEnded() {
        let scene = scene("a", "b", "c")
        let (connection, parts) = parts(of: scene, 1, 2)
        scene.consume("q", prefetch: 2, from: parts[0])
        scene.rest()
        scene.consume("q", prefetch: 1, from: parts[1])
        scene.rest()
        #expect(
            scene.broker.broker.work(of: connection).map { [Int($0.handedOut), $0.inHand, $0.consumers] } == [3, 3, 2])
        scene.broker.detach(parts[0])
        #expect(
            scene.broker.broker.work(of: connection).map { [Int($0.handedOut), $0.inHand, $0.consumers] } == [3, 1, 1])
    }

    @Test func anAttemptBeginsWhenItsMessageWasHandedOut() {
        let scene = scene("a")
        let channel = consumer(of: scene)
        scene.broker.pass(milliseconds: 700)
        scene.broker.apply(.abandon(channel, attempt, .bury))
        scene.rest()
        let words = scene.letters(in: "cola.parked.q").first?["cola-attempt"]?.split(separator: " ") ?? []
        let times = words.prefix(2).compactMap { Int($0) }
        #expect(times.count == 2 && times[1] - times[0] == 700)
    }

    @Test func whoIsPausedGetsNothingUntilItIsFedAgain() {
        let scene = scene("a", "b", "c")
        let channel = consumer(of: scene, prefetch: 1)
        #expect(scene.bodies(channel) == ["a"])
        scene.broker.apply(.feed(channel, .paused))
        scene.settle(1, from: channel)
        scene.rest()
        #expect(scene.bodies(channel) == [])
        scene.broker.apply(.feed(channel, .on))
        scene.rest()
        #expect(scene.bodies(channel) == ["b"])
    }

    @Test func whoIsPausedKeepsNoSuspectWaiting() {
        let scene = scene("a", "b")
        let first = consumer(of: scene)
        let idle = consumer(of: scene)
        scene.broker.apply(.feed(idle, .paused))
        scene.broker.apply(.abandon(first, attempt, .suspect(attemptsMax: 3)))
        scene.rest()
        #expect(scene.bodies(idle) == [])
        let other = consumer(of: scene)
        #expect(scene.bodies(other) == ["a"])
    }

    @Test func whoIsFedNoMoreIsToldAndKeepsWhatItHas() {
        let scene = scene("a", "b", "c")
        let channel = consumer(of: scene)
        _ = scene.bodies(channel)
        scene.broker.apply(.feed(channel, .ended(reason: "worker w is being stopped")))
        scene.rest()
        #expect(
            scene.broker.hear(channel).contains {
                if case .failed(_, code: let code) = $0 { code == "cancelled" } else { false }
            })
        scene.settle(1, 2, .acknowledge, from: channel)
        scene.rest()
        #expect(scene.contents("q") == ["c"])
        let work = scene.broker.broker.work(of: channel)
        #expect(work?.consumers == 0 && work?.handedOut == 2 && work?.inHand == 0 && work?.oldest == nil)
    }

    @Test func theOldestMessageInHandIsTold() {
        let scene = scene("a", "b")
        let channel = consumer(of: scene)
        let work = scene.broker.broker.work(of: channel)
        #expect(work?.inHand == 2 && work?.handedOut == 2 && work?.consumers == 1)
        #expect(work?.oldest?.name == "q" && work?.oldest?.offset == Offset(0))
        scene.settle(1, from: channel)
        #expect(scene.broker.broker.work(of: channel)?.oldest?.offset == Offset(1))
    }
}
