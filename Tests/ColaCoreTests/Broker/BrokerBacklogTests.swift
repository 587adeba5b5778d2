import ColaCore
import ColaTesting
import Testing

/// What waits in a queue, for whoever scales by it.
@Suite struct BrokerBacklogTests {
    @Test func itIsHowManyWaitAndForHowLong() {
        let scene = Scene(queues: ["q"])
        let backlog = { scene.broker.broker.backlog(of: "q", in: "/", at: scene.broker.now) }
        #expect(backlog() == Backlog(ready: 0, oldestMilliseconds: 0))
        let channel = scene.attach()
        scene.publish("a", to: "q", from: channel)
        scene.rest()
        scene.pass(700)
        scene.publish("b", to: "q", from: channel)
        scene.rest()
        scene.pass(300)
        #expect(backlog() == Backlog(ready: 2, oldestMilliseconds: 1_000))
        let consumer = scene.attach()
        scene.consume("q", prefetch: 1, from: consumer)
        scene.rest()
        #expect(backlog() == Backlog(ready: 1, oldestMilliseconds: 300))
        // What came back waits as well, and is the older one.
        scene.settle(1, nil, .failed(attempt, .suspect(attemptsMax: 3)), from: consumer)
        scene.broker.detach(consumer)
        scene.rest()
        #expect(backlog()?.ready == 2)
        #expect(scene.broker.broker.backlog(of: "other", in: "/", at: scene.broker.now) == nil)
        #expect(scene.broker.broker.backlog(of: "q", in: "other", at: scene.broker.now) == nil)
    }

    private var attempt: Attempt {
        Attempt(began: Timestamp(1), ended: Timestamp(2), end: .killed, worker: "w")
    }
}
