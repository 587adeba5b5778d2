import ColaCore
import ColaTesting
import Testing

/// Topics with partitions: where records go, and how they are read.
@Suite(.timeLimit(.minutes(5))) struct PartitionRuleTests {
    private func filled(_ count: Int, partitions: Int, limits: Limits = Limits()) -> (Scene, Watcher) {
        let scene = Scene(topic: "t", partitions: partitions, limits: limits)
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        for number in 0..<count {
            scene.put("\(number)", to: "t", from: channel)
            if number % 3 == 0 { scene.broker.commit() }
        }
        scene.broker.commit()
        scene.broker.detach(channel)
        return (scene, watcher)
    }

    @Test func theKeyDecidesAsItDoesInKafka() {
        let scene = Scene(topic: "t", partitions: 7)
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        let keys = (0..<50).map { "key-\($0)" }
        for key in keys + keys { scene.put("v", to: "t", .init(key: key), from: channel) }
        scene.broker.commit()
        scene.read(by: channel)
        scene.settle()
        let records = watcher.take(channel)
        #expect(records.count == 100)
        for record in records {
            #expect(record.partition == Murmur2.partition(ofKey: Array((record.key ?? "").utf8)[...], count: 7))
        }
        #expect(Set(records.map(\.partition)).count == 7)
    }

    @Test func withoutAKeyTheyGoRoundAndAPartitionCanBeNamed() {
        let (scene, watcher) = filled(6, partitions: 3)
        let channel = scene.attach()
        scene.put("named", to: "t", .init(key: "any", partition: 2), from: channel)
        scene.put("none", to: "t", .init(partition: 3), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .refused(code: "mismatch")])
        scene.read(by: channel)
        scene.settle()
        let records = watcher.take(channel)
        #expect(records.filter { $0.partition == 0 }.map(\.body) == ["0", "3"])
        #expect(records.filter { $0.partition == 1 }.map(\.body) == ["1", "4"])
        #expect(records.filter { $0.partition == 2 }.map(\.body) == ["2", "5", "named"])
    }

    @Test(arguments: [0, 1 << 20])
    func eachPartitionKeepsItsOrderAndAReaderGetsThePartitionsItNames(cacheBytesMax: Int) {
        var limits = Limits()
        limits.cacheBytesMax = cacheBytesMax
        limits.readBytesMax = 1
        let (scene, watcher) = filled(60, partitions: 4, limits: limits)
        let channel = scene.attach()
        scene.read(by: channel)
        scene.read("t", 2, partitions: [3, 1, 3], by: channel)
        scene.read("t", 3, partitions: [], by: channel)
        scene.settle()
        let all = watcher.take(channel)
        #expect(all.count == 60)
        for partition in 0..<4 {
            let offsets = all.filter { $0.partition == partition }.map(\.offset)
            #expect(offsets == Array(0..<15))
        }
        let some = watcher.take(channel, 2)
        #expect(some.count == 30)
        #expect(Set(some.map(\.partition)) == [1, 3])
        #expect(watcher.take(channel, 3).isEmpty)
    }

    @Test func aPartitionThatIsNotThereCannotBeReadOrLookedAt() {
        let (scene, watcher) = filled(6, partitions: 3)
        let channel = scene.attach()
        scene.read(partitions: [0, 3], by: channel)
        scene.broker.send(.peek(name: "t", partition: 3, from: Offset(0), count: 1), from: channel)
        scene.broker.send(.commitOffset(topic: "t", partition: 3, group: "g", next: Offset(0)), from: channel)
        scene.settle()
        #expect(scene.answers(channel) == Array(repeating: .refused(code: "mismatch"), count: 3))
        #expect(watcher.refusals.allSatisfy { $0.description.contains("the partitions 0 to 2, so not 3") })
    }

    @Test func prefetchIsForAllPartitionsTogetherAndNoneIsLeftOut() {
        let (scene, _) = filled(60, partitions: 3)
        let channel = scene.attach()
        scene.broker.send(
            .consume(Consume(name: "t", consumer: ConsumerTag(1), flow: .prefetch(6), position: .first)), from: channel)
        scene.settle()
        var bodies = scene.bodies(channel)
        #expect(bodies.count == 6)
        #expect(Set(bodies.compactMap { Int($0) }.map { $0 % 3 }) == [0, 1, 2])
        var tag: UInt64 = 0
        for _ in 0..<54 {
            tag += 1
            scene.settle(tag, from: channel)
            scene.settle()
            bodies += scene.bodies(channel)
        }
        #expect(bodies.count == 60)
        #expect(Set(bodies).count == 60)
    }

    @Test func seekMovesOnePartitionOrAll() {
        let (scene, watcher) = filled(12, partitions: 2)
        let channel = scene.attach()
        scene.read(by: channel)
        scene.settle()
        #expect(watcher.take(channel).count == 12)
        scene.broker.send(.seek(ConsumerTag(1), partition: 1, .offset(Offset(4))), from: channel)
        scene.settle()
        #expect(watcher.take(channel).map(\.body) == ["9", "11"])
        scene.broker.send(.seek(ConsumerTag(1), partition: nil, .last), from: channel)
        scene.settle()
        #expect(Set(watcher.take(channel).map(\.body)) == ["10", "11"])
        scene.broker.send(.seek(ConsumerTag(1), partition: nil, .first), from: channel)
        scene.settle()
        #expect(watcher.take(channel).count == 12)
        scene.broker.send(.seek(ConsumerTag(1), partition: nil, .next), from: channel)
        scene.settle()
        #expect(watcher.take(channel).isEmpty)
        _ = scene.broker.hear(channel)
        scene.broker.send(.seek(ConsumerTag(1), partition: 2, .first), from: channel)
        scene.broker.send(.seek(ConsumerTag(2), partition: nil, .first), from: channel)
        scene.broker.send(.seek(ConsumerTag(1), partition: 0, .offset(Offset(7))), from: channel)
        #expect(
            scene.answers(channel) == [
                .refused(code: "mismatch"), .refused(code: "not_found"), .refused(code: "mismatch"),
            ])
    }

    /// The chunk that holds the time begins with records that are older: they are passed over.
    @Test(arguments: [0, 1 << 20])
    func aTimeIsFoundInsideOfAChunk(cacheBytesMax: Int) {
        var limits = Limits()
        limits.cacheBytesMax = cacheBytesMax
        let scene = Scene(topic: "t", limits: limits)
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        var times: [Timestamp] = []
        for number in 0..<9 {
            times.append(scene.broker.now.wall)
            scene.put("\(number)", to: "t", from: channel)
            scene.broker.pass(milliseconds: 10)
            if number % 3 == 2 { scene.broker.commit() }
        }
        for (number, time) in times.enumerated() {
            scene.read("t", UInt64(number + 1), from: .time(time), by: channel)
            scene.settle()
            #expect(watcher.take(channel, UInt64(number + 1)).map(\.body) == (number..<9).map { "\($0)" })
        }
        // Nothing is as young as that: it waits for what comes.
        scene.read("t", 20, from: .time(Timestamp(times[8].rawValue + 1_000)), by: channel)
        scene.settle()
        scene.put("too old", to: "t", from: channel)
        scene.settle(milliseconds: 2_000)
        scene.put("new", to: "t", from: channel)
        scene.settle()
        #expect(watcher.take(channel, 20).map(\.body) == ["new"])
        scene.broker.send(.seek(ConsumerTag(1), partition: nil, .time(times[7])), from: channel)
        scene.settle()
        #expect(watcher.take(channel, 1).suffix(4).map(\.body) == ["7", "8", "too old", "new"])
    }

    @Test func lookingAtAPartitionShowsItAlone() {
        let (scene, _) = filled(12, partitions: 3)
        let channel = scene.attach()
        scene.broker.send(.peek(name: "t", partition: 2, from: Offset(1), count: 2), from: channel)
        scene.settle()
        guard case .peeked(let found) = scene.answers(channel).first else {
            Issue.record("no answer")
            return
        }
        #expect(found.map(\.body) == ["5", "8"])
    }

    @Test func thePartitionsOfATopicAreFixedAndSurvive() {
        let (scene, watcher) = filled(12, partitions: 3)
        for restart in [scene.broker.crash, scene.broker.stop] {
            restart()
            let channel = scene.attach()
            scene.declare(topic: "t", partitions: 4, from: channel)
            scene.declare(topic: "t", partitions: 3, from: channel)
            scene.declare(topic: "t", partitions: nil, from: channel)
            #expect(
                scene.answers(channel) == [
                    .refused(code: "mismatch"), .declared(messages: 12), .declared(messages: 12),
                ])
            scene.read(by: channel)
            scene.settle()
            #expect(watcher.take(channel).map { "\($0.partition)-\($0.offset)" }.count == 12)
        }
        #expect(scene.topic()?.number("partitions") == 3)
        #expect(scene.topic()?.number("messages") == 12)
    }

    @Test func aTopicHasNoMorePartitionsThanTheLimit() {
        var limits = Limits()
        limits.partitionsMax = 3
        let scene = Scene(limits: limits)
        let channel = scene.attach()
        scene.declare(topic: "a", partitions: 4, from: channel)
        scene.declare(topic: "b", partitions: 0, from: channel)
        scene.declare(topic: "c", partitions: 3, from: channel)
        scene.broker.commit()
        #expect(
            scene.answers(channel) == [.refused(code: "limit"), .refused(code: "limit"), .declared(messages: 0)])
    }
}
