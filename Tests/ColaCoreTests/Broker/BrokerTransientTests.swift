import ColaCore
import ColaTesting
import Testing

/// Queues that do not outlive the process: in memory, and on the disk where memory is short.
@Suite struct BrokerTransientTests {
    private func scene(pinnedBytesMax: Int = 1 << 26, cacheBytesMax: Int = 1 << 26) -> Scene {
        var limits = Limits()
        limits.pinnedBytesMax = pinnedBytesMax
        limits.cacheBytesMax = cacheBytesMax
        let scene = Scene(limits: limits)
        scene.declare("t", isDurable: false)
        return scene
    }

    private static let bodies = (0..<300).map { "\($0) " + String(repeating: "x", count: 2_000) }

    private func fill(_ scene: Scene, to name: String = "t") {
        let channel = scene.attach()
        for body in Self.bodies { scene.put(body, to: name, from: channel) }
        scene.broker.detach(channel)
    }

    @Test func messagesAreHandedOutAtOnceAndNothingIsWritten() {
        let scene = scene()
        let channel = scene.attach()
        scene.consume("t", from: channel)
        let batches = scene.broker.batches.count
        scene.put("a", to: "t", from: channel)
        #expect(scene.bodies(channel) == ["a"])
        scene.settle(1, from: channel)
        scene.rest()
        #expect(scene.broker.batches.count == batches)
        #expect(scene.broker.broker.pinnedBytes == 0)
    }

    @Test func whatComesBackKeepsItsPlace() {
        let scene = scene()
        let channel = scene.attach()
        for body in ["a", "b", "c"] { scene.put(body, to: "t", from: channel) }
        scene.consume("t", prefetch: 2, from: channel)
        scene.settle(1, nil, .release, from: channel)
        let heard = scene.messages(channel)
        #expect(heard.map(\.body) == ["a", "b", "a"])
        #expect(heard.map(\.redelivered) == [nil, nil, 1])
    }

    @Test(arguments: [0, 1 << 26])
    func beyondTheLimitTheYoungestAreWrittenAndReadBackInOrder(cacheBytesMax: Int) {
        let scene = scene(pinnedBytesMax: 100_000, cacheBytesMax: cacheBytesMax)
        fill(scene)
        scene.rest()
        #expect(scene.broker.broker.pinnedBytes <= 100_000)
        #expect(scene.stored(1)?.chunks.isEmpty == false)
        #expect(scene.contents("t") == Self.bodies)
        #expect(scene.takeAll("t") == Self.bodies)
        scene.pass(20)
        #expect(scene.broker.broker.pinnedBytes == 0)
        #expect(scene.stored(1)?.chunks == [])
        #expect(scene.broker.broker.spillingBytes == 0)
    }

    /// A look at the first few sees those, wherever they are.
    @Test func aLookSeesTheFirstOnes() {
        let scene = scene(pinnedBytesMax: 100_000, cacheBytesMax: 0)
        fill(scene)
        scene.rest()
        let channel = scene.attach()
        scene.put("young", to: "t", from: channel)
        scene.broker.send(.peek(name: "t", partition: 0, from: Offset(0), count: 290), from: channel)
        scene.rest()
        guard case .peeked(let found)? = scene.answers(channel).last else {
            Issue.record("no look")
            return
        }
        #expect(found.map(\.body) == Array(Self.bodies.prefix(290)))
    }

    @Test(arguments: [true, false])
    func nothingOfThemIsThereAfterARestart(isCrash: Bool) {
        let scene = scene(pinnedBytesMax: 100_000)
        fill(scene)
        scene.rest()
        #expect(scene.stored(1) != nil)
        if isCrash { scene.broker.crash() } else { scene.broker.stop() }
        #expect(scene.queue("t") == nil)
        #expect(scene.stored(1) == nil)
        scene.declare("t", isDurable: false)
        #expect(scene.contents("t") == [])
    }

    @Test func aPurgeTakesAllOfIt() {
        let scene = scene(pinnedBytesMax: 100_000)
        fill(scene)
        scene.rest()
        let channel = scene.attach()
        scene.put("young", to: "t", from: channel)
        scene.broker.send(.purge(name: "t"), from: channel)
        scene.pass(20)
        #expect(scene.answers(channel).last == .removed(messages: 301))
        #expect(scene.broker.broker.pinnedBytes == 0)
        #expect(scene.stored(1)?.chunks == [])
    }

    /// Whether the disk has it, is about to have it, or was never told.
    @Test(arguments: 0..<3)
    func aDeletionLeavesNothing(state: Int) {
        let scene = scene(pinnedBytesMax: 100_000)
        scene.declare("other", isDurable: false)
        fill(scene)
        if state > 0 { scene.broker.cut() }
        if state > 1 { scene.rest() }
        let channel = scene.attach()
        scene.broker.send(.deleteQueue(name: "t", ifUnused: false, ifEmpty: false), from: channel)
        scene.rest()
        #expect(scene.answers(channel) == [.removed(messages: 300)])
        #expect(scene.broker.broker.pinnedBytes == 0)
        #expect(scene.broker.broker.spillingBytes == 0)
        #expect(scene.stored(1) == nil)
        // The budget is whole again.
        fill(scene, to: "other")
        scene.rest()
        #expect(scene.broker.broker.pinnedBytes <= 100_000)
        #expect(scene.takeAll("other") == Self.bodies)
        scene.pass(20)
        #expect(scene.broker.broker.pinnedBytes == 0)
    }

    @Test func settledOutOfOrderIsNeverHandedOutAgain() {
        let scene = scene(pinnedBytesMax: 10_000, cacheBytesMax: 0)
        let channel = scene.attach()
        scene.consume("t", prefetch: 1_000, from: channel)
        fill(scene)
        scene.rest()
        let first = scene.messages(channel)
        #expect(first.map(\.body) == Self.bodies)
        for message in first where message.tag % 3 != 0 { scene.settle(message.tag, from: channel) }
        scene.rest()
        scene.broker.detach(channel)
        scene.rest()
        let left = first.filter { $0.tag % 3 == 0 }.map(\.body)
        #expect(scene.contents("t") == left)
        #expect(scene.takeAll("t") == left)
        scene.pass(20)
        #expect(scene.broker.broker.pinnedBytes == 0)
    }

    @Test func deadLettersOfATransientQueueCanBeDurable() {
        let scene = Scene()
        scene.declare("dead")
        scene.declare("t", isDurable: false) {
            $0.deadLetterExchange = ""
            $0.deadLetterRoutingKey = "dead"
            $0.messageTimeToLive = 10
        }
        let channel = scene.attach()
        scene.put("a", to: "t", from: channel)
        scene.pass(10)
        scene.broker.crash()
        #expect(scene.contents("dead") == ["a"])
        #expect(scene.queue("t") == nil)
    }
}
