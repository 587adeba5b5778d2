import ColaCore
import ColaTesting
import Testing

/// What the broker says about waiting messages is true in each state.
@Suite struct BrokerWhyTests {
    private func scene() -> Scene {
        let scene = Scene()
        scene.declare("q") { $0.maxPriority = 5 }
        return scene
    }

    private func because(_ scene: Scene, _ offset: Int64? = nil) -> String {
        scene.why("q", offset).text("because") ?? ""
    }

    @Test func ofAQueueItNamesWhatIsWaitedFor() {
        let scene = scene()
        #expect(because(scene) == "the queue is empty")
        let channel = scene.attach()
        scene.put("a", to: "q", from: channel)
        #expect(because(scene) == "what is there is on its way to the disk")
        scene.rest()
        #expect(because(scene) == "nobody consumes from the queue")
        scene.consume("q", prefetch: 1, from: channel)
        #expect(because(scene) == "every message is with a consumer")
        scene.put("b", to: "q", from: channel)
        scene.rest()
        #expect(because(scene) == "no consumer can take a message")
        guard case .list(let consumers)? = scene.why("q")["consumers"], case .fields(let row)? = consumers.first else {
            Issue.record("no consumers")
            return
        }
        #expect(row.text("because") == "it holds as many as its prefetch of 1 allows")
    }

    @Test func ofAMessageItNamesWhereItIs() {
        let scene = scene()
        let channel = scene.attach()
        #expect(scene.why("q", 0).text("state") == "unknown")
        scene.put("a", to: "q", from: channel)
        #expect(scene.why("q", 0).text("state") == "committing")
        scene.rest()
        #expect(scene.why("q", 0).text("state") == "ready")
        scene.consume("q", prefetch: 1, from: channel)
        let held = scene.why("q", 0)
        #expect(held.text("state") == "unacknowledged")
        #expect(held.number("connection") == Int(channel.rawValue))
        scene.broker.send(.cancel(ConsumerTag(1)), from: channel)
        scene.settle(1, nil, .release, from: channel)
        scene.rest()
        let back = scene.why("q", 0)
        #expect(back.text("state") == "ready")
        #expect(back.number("deliveries") == 1)
        scene.broker.send(.get(name: "q", isAutoAck: true), from: channel)
        scene.rest()
        #expect(scene.why("q", 0).text("state") == "settled")
    }

    /// It waits for a read before it can be moved.
    @Test func ofAMessageThatIsMovingItSaysSo() {
        var limits = Limits()
        limits.cacheBytesMax = 0
        let scene = Scene(limits: limits)
        scene.declare("q") {
            $0.deadLetterExchange = ""; $0.deadLetterRoutingKey = "dead"
        }
        scene.declare("dead")
        let channel = scene.attach()
        scene.put("a", to: "q", from: channel)
        scene.rest()
        scene.consume("q", from: channel)
        scene.rest()
        scene.settle(1, nil, .reject, from: channel)
        #expect(scene.why("q", 0).text("state") == "moving")
        #expect(because(scene) == "every message is about to be moved elsewhere")
        scene.rest()
        #expect(scene.why("q", 0).text("state") == "settled")
        #expect(because(scene) == "the queue is empty")
    }

    @Test func ofASingleActiveConsumerItNamesTheOneThatStandsBy() {
        let scene = Scene()
        scene.declare("q") { $0.isSingleActiveConsumer = true }
        let (first, second) = (scene.attach(), scene.attach())
        scene.consume("q", prefetch: 1, from: first)
        scene.consume("q", prefetch: 1, from: second)
        scene.put("a", to: "q", from: first)
        scene.put("b", to: "q", from: first)
        scene.rest()
        #expect(because(scene).hasPrefix("only one consumer is active"))
        guard case .list(let consumers)? = scene.why("q")["consumers"], case .fields(let row)? = consumers.last else {
            Issue.record("no consumers")
            return
        }
        #expect(row.text("because") == "it stands by: another one is the single active consumer")
        #expect(scene.describe("q").text("active") == "\(first)-1")
    }

    @Test func eachLaneIsDescribed() {
        let scene = scene()
        let channel = scene.attach()
        for priority in [0, 3, 3, 5] as [UInt8] { scene.put("a", to: "q", priority: priority, from: channel) }
        scene.rest()
        guard case .list(let lanes)? = scene.describe("q")["priorities"] else {
            Issue.record("no lanes")
            return
        }
        let rows = lanes.compactMap { if case .fields(let row) = $0 { row } else { nil } }
        #expect(rows.map { $0.number("priority") } == [5, 3, 0])
        #expect(rows.map { $0.number("ready") } == [1, 2, 1])
        #expect(scene.count("published", of: "q") == 4)
    }

    /// Each way out of a queue has its counter.
    @Test func everyMessageThatLeftIsCounted() {
        let scene = Scene()
        scene.declare("q") {
            $0.maxLength = 4; $0.messageTimeToLive = 100
        }
        let channel = scene.attach()
        for number in 0..<6 { scene.put("\(number)", to: "q", from: channel) }
        scene.rest()
        scene.broker.send(.get(name: "q", isAutoAck: true), from: channel)
        scene.broker.send(.get(name: "q", isAutoAck: false), from: channel)
        scene.rest()
        scene.settle(1, nil, .reject, from: channel)
        scene.rest()
        scene.pass(100)
        let names = ["published", "dropped", "acknowledged", "rejected", "expired"]
        #expect(names.map { scene.count($0, of: "q") } == [6, 2, 1, 1, 2])
        #expect(scene.queue("q")?.number("messages") == 0)
    }
}
