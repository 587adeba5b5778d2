import ColaCore
import ColaTesting
import Testing

/// Messages that are on the disk alone: reading them back, and requests that wait for it.
@Suite struct BrokerReadingTests {
    /// A scene whose queue holds one message per chunk and keeps none in memory.
    private func uncached(_ bodies: [String], readBytesMax: Int = 1) -> Scene {
        var limits = Limits()
        limits.cacheBytesMax = 0
        limits.readBytesMax = readBytesMax
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        for body in bodies {
            scene.publish(body, to: "q", from: channel)
            scene.broker.commit()
        }
        scene.broker.detach(channel)
        return scene
    }

    @Test func whatLeftTheCacheIsReadBackInOrder() {
        let bodies = (0..<20).map(String.init)
        let scene = uncached(bodies)
        let channel = scene.attach()
        scene.consume("q", prefetch: 3, from: channel)
        #expect(scene.bodies(channel).isEmpty)
        #expect(scene.broker.reads.count == 1)
        var seen: [Heard.Received] = []
        for _ in 0..<100 where seen.count < bodies.count {
            #expect(scene.broker.run())
            let next = scene.messages(channel)
            #expect(next.count <= 3)
            seen += next
            for message in next { scene.settle(message.tag, from: channel) }
        }
        #expect(seen.map(\.body) == bodies)
        #expect(scene.broker.run())
        #expect(scene.stored()?.chunks == [])
    }

    @Test func aReleasedMessageWhoseBodyLeftTheCacheIsReadAgain() {
        let scene = uncached(["a", "b", "c"])
        let channel = scene.attach()
        scene.consume("q", from: channel)
        #expect(scene.broker.run())
        #expect(scene.bodies(channel) == ["a", "b", "c"])
        scene.settle(1, 2, .release, from: channel)
        #expect(scene.broker.run())
        let again = scene.messages(channel)
        #expect(again.map(\.body) == ["a", "b"])
        #expect(again.map(\.redelivered) == [1, 1])
    }

    @Test func getWaitsForTheReadAndWhatComesBehindItKeepsItsPlace() {
        let scene = uncached(["a", "b"])
        let channel = scene.attach()
        let first = scene.broker.send(.get(name: "q", isAutoAck: false), from: channel)
        let second = scene.broker.send(.get(name: "q", isAutoAck: true), from: channel)
        let third = scene.broker.send(.get(name: "q", isAutoAck: true), from: channel)
        let last = scene.broker.send(.barrier, from: channel)
        #expect(scene.broker.hear(channel).isEmpty)
        #expect(scene.broker.run())
        #expect(
            scene.broker.hear(channel) == [
                .answer(first, .message(.init(consumer: 0, tag: 1, offset: 0, redelivered: nil, body: "a"))),
                .answer(second, .message(.init(consumer: 0, tag: 0, offset: 1, redelivered: nil, body: "b"))),
                .answer(third, .empty), .answer(last, .done),
            ])
        scene.settle(1, nil, .release, from: channel)
        scene.broker.send(.get(name: "q", isAutoAck: false), from: channel)
        #expect(scene.broker.run())
        let again = Heard.Received(consumer: 0, tag: 2, offset: 0, redelivered: 1, body: "a")
        #expect(scene.answers(channel) == [.done, .message(again)])
    }

    @Test func getFromAnEmptyQueueSaysSoAtOnce() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.broker.send(.get(name: "q", isAutoAck: true), from: channel)
        #expect(scene.answers(channel) == [.empty])
    }

    @Test func deletingAQueueAnswersThoseWhoWaitForItsMessages() {
        let scene = uncached(["a"])
        let (waiting, other) = (scene.attach(), scene.attach())
        scene.broker.send(.get(name: "q", isAutoAck: true), from: waiting)
        scene.broker.send(.barrier, from: waiting)
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: other)
        #expect(scene.broker.run())
        #expect(scene.answers(waiting) == [.refused(code: "cancelled"), .done])
        #expect(scene.answers(other) == [.removed(messages: 1)])
    }

    @Test func aFailedReadIsToldAndTheConnectionGoesOn() {
        let scene = uncached(["a"])
        let (getter, consumer, peeker) = (scene.attach(), scene.attach(), scene.attach())
        scene.broker.send(.get(name: "q", isAutoAck: true), from: getter)
        scene.consume("q", from: consumer)
        scene.broker.send(.peek(name: "q", partition: 0, from: Offset(0), count: 1), from: peeker)
        scene.broker.failNextRead("bad sector")
        #expect(scene.answers(getter) == [.refused(code: "storage")])
        #expect(scene.broker.hear(consumer).last == .failed(ConsumerTag(1), code: "storage"))
        scene.broker.failNextRead("bad sector")
        #expect(scene.answers(peeker) == [.refused(code: "storage")])
        scene.broker.send(.get(name: "q", isAutoAck: true), from: getter)
        #expect(scene.broker.run())
        let message = Heard.Received(consumer: 0, tag: 0, offset: 0, redelivered: nil, body: "a")
        #expect(scene.answers(getter) == [.message(message)])
    }

    // MARK: Peek

    @Test func peekTakesSeveralReadsAndTakesNothingAway() {
        let bodies = (0..<10).map(String.init)
        let scene = uncached(bodies)
        let channel = scene.attach()
        scene.broker.send(.peek(name: "q", partition: 0, from: Offset(2), count: 5), from: channel)
        var reads = 0
        while scene.broker.readNext(), reads < 100 { reads += 1 }
        #expect(reads == 5)
        guard case .peeked(let found) = scene.answers(channel).first else {
            Issue.record("peek was not answered")
            return
        }
        #expect(found.map(\.body) == ["2", "3", "4", "5", "6"])
        #expect(found.allSatisfy { $0.tag == 0 })
        #expect(scene.queue("q")?.number("ready") == 10)
    }

    @Test func peekShowsWhatIsHandedOutButNotWhatIsSettled() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.publish("a", "b", "c", "d", to: "q", from: channel)
        scene.broker.commit()
        scene.consume("q", prefetch: 3, from: channel)
        scene.settle(2, from: channel)
        scene.broker.commit()
        _ = scene.broker.hear(channel)
        scene.broker.send(.peek(name: "q", partition: 0, from: Offset(0), count: 10), from: channel)
        #expect(scene.broker.run())
        guard case .peeked(let found) = scene.answers(channel).first else {
            Issue.record("peek was not answered")
            return
        }
        #expect(found.map(\.body) == ["a", "c", "d"])
    }

    @Test func whoLeavesWhilePeekingIsForgotten() {
        let scene = uncached(["a", "b"])
        let channel = scene.attach()
        scene.broker.send(.peek(name: "q", partition: 0, from: Offset(0), count: 2), from: channel)
        scene.broker.send(.barrier, from: channel)
        scene.broker.detach(channel)
        #expect(scene.broker.run())
        #expect(scene.broker.hear(channel).isEmpty)
        let other = scene.attach()
        scene.broker.send(.peek(name: "q", partition: 0, from: Offset(9), count: 2), from: other)
        #expect(scene.answers(other) == [.peeked([])])
    }

    @Test func aDeletedQueueLooksEmptyToAPeekThatWasUnderWay() {
        let scene = uncached(["a"])
        let channel = scene.attach()
        scene.broker.send(.peek(name: "q", partition: 0, from: Offset(0), count: 2), from: channel)
        let other = scene.attach()
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: other)
        scene.broker.commit()
        #expect(scene.broker.run())
        #expect(scene.answers(channel) == [.peeked([])])
    }
}
