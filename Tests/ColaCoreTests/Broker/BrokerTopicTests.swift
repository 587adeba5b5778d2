import ColaCore
import ColaTesting
import Testing

/// Topics: reading takes nothing away, and everyone reads at an offset of his own.
@Suite struct BrokerTopicTests {
    private func read(
        _ scene: Scene, _ position: Consume.Position?, group: String? = nil, tag: UInt64 = 1, prefetch: Int = 100,
        isAutoAck: Bool = false, from channel: ChannelID
    ) {
        scene.broker.send(
            .consume(
                Consume(
                    name: "t", consumer: ConsumerTag(tag), flow: .prefetch(prefetch), isAutoAck: isAutoAck,
                    position: position, group: group)),
            from: channel)
        #expect(scene.broker.run())
    }

    private func filled(cacheBytesMax: Int = 1 << 20) -> Scene {
        var limits = Limits()
        limits.cacheBytesMax = cacheBytesMax
        let scene = Scene(topics: ["t"], limits: limits)
        let channel = scene.attach()
        for body in ["a", "b", "c"] {
            scene.publish(body, to: "t", from: channel)
            scene.broker.commit()
        }
        scene.broker.detach(channel)
        return scene
    }

    @Test(arguments: [1 << 20, 0])
    func readingBeginsWhereItWasAsked(cacheBytesMax: Int) {
        let positions: [(Consume.Position?, [String])] = [
            (.first, ["a", "b", "c"]), (.last, ["c"]), (.next, []), (nil, []), (.offset(Offset(1)), ["b", "c"]),
            (.offset(Offset(3)), []),
        ]
        for (position, expected) in positions {
            let scene = filled(cacheBytesMax: cacheBytesMax)
            let channel = scene.attach()
            read(scene, position, from: channel)
            #expect(scene.bodies(channel) == expected)
            scene.publish("d", to: "t", from: channel)
            #expect(scene.broker.hear(channel).isEmpty)  // what is not committed is not read
            #expect(scene.broker.run())
            #expect(scene.bodies(channel) == ["d"])
        }
    }

    @Test func anOffsetBeyondTheEndIsRefused() {
        let scene = filled()
        let channel = scene.attach()
        read(scene, .offset(Offset(4)), from: channel)
        scene.broker.send(.commitOffset(topic: "t", partition: 0, group: "g", next: Offset(4)), from: channel)
        #expect(scene.answers(channel) == [.refused(code: "mismatch"), .refused(code: "mismatch")])
    }

    @Test func acknowledgingGivesRoomAndTakesNothingAway() {
        let scene = filled(cacheBytesMax: 0)
        let (first, second) = (scene.attach(), scene.attach())
        read(scene, .first, prefetch: 1, from: first)
        #expect(scene.bodies(first) == ["a"])
        scene.settle(1, from: first)
        #expect(scene.broker.run())
        #expect(scene.bodies(first) == ["b"])
        scene.settle(2, nil, .release, from: first)
        #expect(scene.answers(first) == [.refused(code: "mismatch")])
        read(scene, .first, isAutoAck: true, from: second)
        #expect(scene.bodies(second) == ["a", "b", "c"])
        #expect(scene.stored()?.chunks.count == 3)
    }

    @Test func aGroupGoesOnWhereItCommitted() {
        let scene = filled()
        var channel = scene.attach()
        read(scene, nil, group: "g", from: channel)
        #expect(scene.bodies(channel) == ["a", "b", "c"])
        scene.broker.send(.commitOffset(topic: "t", partition: 0, group: "g", next: Offset(2)), from: channel)
        #expect(scene.answers(channel).isEmpty)  // durable first
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done])
        scene.broker.crash()
        channel = scene.attach()
        read(scene, .first, group: "g", from: channel)
        #expect(scene.bodies(channel) == ["c"])
        read(scene, .last, group: "other", tag: 2, from: channel)
        #expect(scene.bodies(channel) == ["c"])
    }

    @Test func aTopicIsNoQueueAndAQueueNoTopic() {
        let scene = filled()
        let channel = scene.attach()
        scene.broker.send(.declareQueue(QueueDeclaration(name: "q")), from: channel)
        scene.broker.commit()
        _ = scene.broker.hear(channel)
        scene.broker.send(.purge(name: "t"), from: channel)
        scene.broker.send(.get(name: "t", isAutoAck: true), from: channel)
        scene.broker.send(.declareQueue(QueueDeclaration(name: "t")), from: channel)
        scene.broker.send(.deleteQueue(name: "t", ifUnused: false, ifEmpty: false), from: channel)
        scene.broker.send(.declareTopic(name: "q", partitions: nil, Arguments()), from: channel)
        scene.broker.send(.deleteTopic(name: "q"), from: channel)
        scene.broker.send(.commitOffset(topic: "q", partition: 0, group: "g", next: Offset(0)), from: channel)
        scene.broker.send(
            .consume(Consume(name: "q", consumer: ConsumerTag(1), flow: .credit(1), position: .first)), from: channel)
        #expect(scene.answers(channel) == Array(repeating: .refused(code: "mismatch"), count: 8))
    }

    @Test func deletingATopicTellsItsReadersAndForgetsItsGroups() {
        let scene = filled()
        let channel = scene.attach()
        read(scene, .next, from: channel)
        scene.broker.send(.commitOffset(topic: "t", partition: 0, group: "g", next: Offset(3)), from: channel)
        scene.broker.commit()
        _ = scene.broker.hear(channel)
        scene.broker.send(.deleteTopic(name: "t"), from: channel)
        scene.broker.send(.declareTopic(name: "t", partitions: nil, Arguments()), from: channel)
        scene.publish("new", to: "t", from: channel)
        scene.broker.commit()
        #expect(
            scene.broker.hear(channel).first == .failed(ConsumerTag(1), code: "cancelled"))
        read(scene, nil, group: "g", tag: 2, from: channel)
        #expect(scene.bodies(channel) == ["new"])
    }
}
