import ColaCore
import ColaTesting
import Testing

/// Messages with an id that is known already.
@Suite(.timeLimit(.minutes(5))) struct DedupRuleTests {
    private static let window: [Argument: String] = [.deduplicationWindow: "10000"]

    private func scene(_ texts: [Argument: String] = window, limits: Limits = Limits()) -> Scene {
        let scene = Scene(limits: limits)
        let channel = scene.attach()
        scene.declare(queue: "q", texts, from: channel)
        scene.declare(queue: "r", texts, from: channel)
        scene.declare(queue: "plain", from: channel)
        scene.declare(topic: "t", partitions: 2, texts, from: channel)
        for name in ["q", "r", "plain", "t"] {
            scene.broker.send(
                .bind(BindingDefinition(source: "amq.fanout", destination: name, routingKey: "")), from: channel)
        }
        scene.broker.commit()
        scene.broker.detach(channel)
        return scene
    }

    private func remembered(_ scene: Scene) -> Int? { scene.statistics()?.number("remembered") }

    @Test(arguments: ["q", "t"])
    func theSecondOfAnIdIsNotTakenAndSaysSoOnceTheFirstIsDurable(name: String) {
        let scene = scene()
        let (first, second) = (scene.attach(), scene.attach())
        scene.put("a", to: name, .init(id: "1"), from: first)
        scene.put("a", to: name, .init(id: "1"), from: second)
        scene.broker.cut()
        #expect(scene.answers(second).isEmpty)
        scene.put("a", to: name, .init(id: "1"), from: second)
        scene.put("b", to: name, .init(id: "2"), from: second)
        scene.broker.commit()
        #expect(scene.answers(first) == [.done])
        #expect(scene.answers(second) == [.duplicate, .duplicate, .done])
        // From now on there is nothing to wait for.
        scene.put("b", to: name, .init(id: "2"), from: first)
        #expect(scene.answers(first) == [.duplicate])
        let count = name == "q" ? scene.counts("q")?.ready : scene.topic()?.number("messages")
        #expect(count == 2)
    }

    @Test func aCopyGoesOnlyWhereItIsNew() {
        let scene = scene()
        let channel = scene.attach()
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.put("a", to: "", .init(exchange: "amq.fanout", id: "1"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done])
        #expect(["q", "r", "plain"].map { scene.counts($0)?.ready } == [1, 1, 1])
        #expect(scene.topic()?.number("messages") == 1)
        // One that has no window takes it each time.
        scene.put("a", to: "", .init(exchange: "amq.fanout", id: "1"), from: channel)
        scene.broker.commit()
        #expect(["q", "r", "plain"].map { scene.counts($0)?.ready } == [1, 1, 2])
        #expect(scene.topic()?.number("messages") == 1)
        #expect(scene.describe(.queue("q")).flatMap { counts($0)?.number("duplicates") } == 2)
    }

    private func counts(_ row: Description) -> Description? {
        if case .fields(let counts) = row["counts"] { counts } else { nil }
    }

    @Test func theWindowSurvivesAStartAndEndsInTime() {
        let scene = scene()
        var channel = scene.attach()
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.put("a", to: "t", .init(id: "1"), from: channel)
        scene.broker.commit()
        for restart in [scene.broker.crash, scene.broker.stop] {
            restart()
            channel = scene.attach()
            scene.settle(milliseconds: 4_000)
            scene.put("a", to: "q", .init(id: "1"), from: channel)
            scene.put("a", to: "t", .init(id: "1"), from: channel)
            scene.broker.commit()
            #expect(scene.answers(channel) == [.duplicate, .duplicate])
            #expect(remembered(scene) == 2)
        }
        scene.settle(milliseconds: 2_100)
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done])
        #expect(scene.counts("q")?.ready == 2)
    }

    @Test func whatIsOverIsForgottenInMemoryAndOnTheDisk() {
        var limits = Limits()
        limits.sweepMax = 4
        let scene = scene(limits: limits)
        let channel = scene.attach()
        for number in 0..<30 { scene.put("a", to: "q", .init(id: "\(number)"), from: channel) }
        scene.settle(milliseconds: 5_000)
        for number in 30..<40 { scene.put("a", to: "q", .init(id: "\(number)"), from: channel) }
        scene.broker.commit()
        #expect(remembered(scene) == 40)
        #expect(scene.settle(milliseconds: 7_000))
        #expect(remembered(scene) == 10)
        scene.broker.crash()
        #expect(remembered(scene) == 10)
        #expect(scene.settle(milliseconds: 10_000))
        #expect(remembered(scene) == 0)
        scene.broker.crash()
        #expect(remembered(scene) == 0)
        #expect(scene.broker.broker.nextDeadline == nil)
    }

    /// Forgotten in one turn and seen again in the next, in one batch: it is remembered after a start, too.
    @Test func anIdThatIsForgottenAndComesAgainIsRemembered() {
        let scene = scene()
        var channel = scene.attach()
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.broker.commit()
        scene.broker.pass(milliseconds: 11_500)
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done])
        scene.broker.crash()
        channel = scene.attach()
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.duplicate])
    }

    @Test func noMoreAreRememberedThanTheLimit() {
        var limits = Limits()
        limits.seenMax = 3
        let scene = scene(limits: limits)
        var channel = scene.attach()
        for number in 0..<5 {
            scene.broker.pass(milliseconds: 1)
            scene.put("a", to: "q", .init(id: "\(number)"), from: channel)
        }
        // The last one drove it out, and it comes again in the same moment and batch.
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.broker.commit()
        #expect(remembered(scene) == 3)
        scene.broker.crash()
        #expect(remembered(scene) == 3)
        channel = scene.attach()
        for number in [1, 3, 4, 0] { scene.put("a", to: "q", .init(id: "\(number)"), from: channel) }
        scene.broker.commit()
        #expect(scene.answers(channel) == [.duplicate, .duplicate, .duplicate, .done])
    }

    @Test func theWindowCanChangeWhileItRuns() {
        let scene = scene([:])
        let channel = scene.attach()
        func put(_ id: String) -> Heard.Answer? {
            scene.put("a", to: "q", .init(id: id), from: channel)
            scene.broker.commit()
            return scene.answers(channel).last
        }
        func alter(_ text: String?) {
            let set = text.map { scene.arguments([.deduplicationWindow: $0]) } ?? Arguments()
            scene.broker.send(
                .alter(name: "q", set: set, clear: text == nil ? [.deduplicationWindow] : []), from: channel)
        }
        #expect(put("1") == .done)
        #expect(put("1") == .done)
        alter("10000")
        #expect(put("1") == .done)
        #expect(put("1") == .duplicate)
        // What is in it keeps its time.
        alter("1000")
        #expect(put("2") == .done)
        scene.settle(milliseconds: 3_000)
        #expect(put("1") == .duplicate)
        #expect(put("2") == .done)
        alter(nil)
        #expect(put("1") == .done)
        alter("10000")
        #expect(put("1") == .duplicate)
    }

    @Test func aDeletedQueueForgets() {
        let scene = scene()
        let channel = scene.attach()
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.put("a", to: "t", .init(id: "1"), from: channel)
        scene.broker.commit()
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: channel)
        scene.broker.send(.deleteTopic(name: "t"), from: channel)
        scene.declare(queue: "q", Self.window, from: channel)
        #expect(remembered(scene) == 0)
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel).last == .done)
    }

    @Test func anIdCountsForAMessageWithADelayWhenItIsPublished() {
        let scene = scene()
        let channel = scene.attach()
        scene.put("a", to: "q", .init(delay: 1_000, id: "1"), from: channel)
        scene.put("a", to: "q", .init(delay: 1_000, id: "1"), from: channel)
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .duplicate, .duplicate])
        scene.settle(milliseconds: 1_000)
        #expect(scene.counts("q")?.ready == 1)
    }

    @Test func aMessageThatIsRefusedIsNotRemembered() {
        let scene = scene([.deduplicationWindow: "10000", .maxLength: "1", .overflow: "reject-publish"])
        let channel = scene.attach()
        scene.put("a", to: "q", .init(id: "1"), from: channel)
        scene.put("b", to: "q", .init(id: "2"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .refused(code: "full")])
        #expect(scene.drain("q") == ["a"])
        scene.put("b", to: "q", .init(id: "2"), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done])
    }
}
