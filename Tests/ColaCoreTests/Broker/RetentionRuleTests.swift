import ColaCore
import ColaTesting
import Testing

/// How topics let go of what is old or too much.
@Suite(.timeLimit(.minutes(5))) struct RetentionRuleTests {
    /// A topic with chunks of two records of ten bytes, one every 100 ms.
    private func filled(
        _ chunks: Int, _ texts: [Argument: String], partitions: Int = 1, limits: Limits = Limits()
    ) -> Scene {
        let scene = Scene(topic: "t", partitions: partitions, texts, limits: limits)
        let channel = scene.attach()
        for number in 0..<chunks {
            scene.publish(body(2 * number), body(2 * number + 1), to: "t", from: channel)
            scene.broker.commit()
            scene.settle(milliseconds: 100)
        }
        scene.broker.detach(channel)
        return scene
    }

    private func body(_ number: Int) -> String {
        let digits = "\(number)"
        return String(repeating: "0", count: 10 - digits.utf8.count) + digits
    }

    private func bodies(_ scene: Scene) -> [Int] {
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        scene.read(by: channel)
        scene.settle()
        return watcher.take(channel).compactMap { $0.body.flatMap { Int($0) } }
    }

    private func check(_ scene: Scene, first: Int, end: Int) {
        let topic = scene.topic()
        #expect(topic?.number("first") == first)
        #expect(topic?.number("next") == end)
        #expect(topic?.number("messages") == end - first)
        #expect(topic?.number("bytes") == 10 * (end - first))
        #expect(bodies(scene) == Array(first..<end))
    }

    @Test func whatIsTooOldGoesByChunksAndTheTimerGoesOn() {
        // Every chunk is there for a second.
        let scene = filled(30, [.retentionMilliseconds: "1000"])
        #expect(scene.topic()?.number("messages") ?? 99 <= 24)
        scene.settle(milliseconds: 300)
        let first = scene.topic()?.number("first") ?? 0
        #expect(first > 30)
        check(scene, first: first, end: 60)
        scene.settle(milliseconds: 2_000)
        check(scene, first: 60, end: 60)
        #expect(scene.stored()?.chunks == [])
        #expect(scene.describe(.topic("t"))?.number("trimmed") == 60)
        // It is empty, and what comes then goes as well.
        let channel = scene.attach()
        scene.publish(body(60), to: "t", from: channel)
        scene.settle(milliseconds: 500)
        check(scene, first: 60, end: 61)
        scene.settle(milliseconds: 1_000)
        check(scene, first: 61, end: 61)
        #expect(scene.broker.broker.nextDeadline == nil)
    }

    @Test(arguments: [1, 3, 256])
    func whatIsTooMuchGoesByChunks(outlineMax: Int) {
        var limits = Limits()
        limits.outlineMax = outlineMax
        let scene = filled(100, [.retentionBytes: "100"], limits: limits)
        scene.settle()
        // As many whole chunks go as leave no less than that.
        check(scene, first: 190, end: 200)
        #expect(scene.stored()?.chunks.count == 5)
        #expect(scene.stored()?.state.ready == 10)
    }

    @Test func aHundredChunksThatAreThereAlreadyGoAtOnceWhenThePolicyComes() {
        var limits = Limits()
        limits.outlineMax = 7
        let scene = filled(100, [:], limits: limits)
        check(scene, first: 0, end: 200)
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        scene.broker.send(
            .setPolicy(PolicyDefinition(name: "p", pattern: "", arguments: scene.arguments([.retentionBytes: "40"]))),
            from: channel)
        #expect(scene.settle(milliseconds: 10))
        #expect(watcher.queries <= 16)
        check(scene, first: 196, end: 200)
        scene.broker.send(.clearPolicy(name: "p"), from: channel)
        for number in 200..<220 { scene.publish(body(number), to: "t", from: channel) }
        scene.settle(milliseconds: 10)
        check(scene, first: 196, end: 220)
        // The topic's own argument counts as well, from when it is set.
        scene.broker.send(
            .alter(name: "t", set: scene.arguments([.retentionMilliseconds: "60000"]), clear: []), from: channel)
        scene.settle(milliseconds: 30_000)
        check(scene, first: 196, end: 220)
        scene.settle(milliseconds: 31_000)
        check(scene, first: 220, end: 220)
    }

    @Test(arguments: [true, false])
    func itGoesOnAfterARestart(isClean: Bool) {
        let scene = filled(10, [.retentionMilliseconds: "60000"])
        if isClean { scene.broker.stop() } else { scene.broker.crash() }
        check(scene, first: 0, end: 20)
        scene.settle(milliseconds: 58_000)
        check(scene, first: 0, end: 20)
        scene.settle(milliseconds: 4_000)
        check(scene, first: 20, end: 20)
        if isClean { scene.broker.stop() } else { scene.broker.crash() }
        check(scene, first: 20, end: 20)
        let channel = scene.attach()
        scene.publish(body(20), to: "t", from: channel)
        scene.settle()
        check(scene, first: 20, end: 21)
    }

    /// The trim was not on the disk: it is made again.
    @Test func aTrimThatWasLostIsMadeAgain() {
        let scene = filled(10, [.retentionBytes: "2000"])
        let channel = scene.attach()
        scene.broker.send(.alter(name: "t", set: scene.arguments([.retentionBytes: "40"]), clear: []), from: channel)
        scene.broker.commit()
        while scene.broker.readNext() {}
        #expect(scene.topic()?.number("first") == 16)
        scene.broker.crash()
        #expect(scene.settle(milliseconds: 100))
        check(scene, first: 16, end: 20)
    }

    @Test(arguments: [0, 1 << 20])
    func aReaderThatIsBehindGoesOnAtTheStart(cacheBytesMax: Int) {
        var limits = Limits()
        limits.cacheBytesMax = cacheBytesMax
        let scene = filled(10, [:], limits: limits)
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        scene.broker.send(
            .consume(Consume(name: "t", consumer: ConsumerTag(1), flow: .credit(3), position: .first)), from: channel)
        scene.settle()
        #expect(watcher.take(channel).map(\.offset) == [0, 1, 2])
        // The store has made one chunk of several meanwhile, and the trim is not committed.
        scene.broker.merge(LogID(1), Offset(2)...Offset(9))
        scene.broker.send(.alter(name: "t", set: scene.arguments([.retentionBytes: "60"]), clear: []), from: channel)
        while scene.broker.readNext() {}
        let start = scene.topic()?.number("first") ?? 0
        #expect(start > 3)
        scene.broker.send(.grant(ConsumerTag(1), count: 100), from: channel)
        scene.settle()
        #expect(watcher.take(channel).map(\.offset) == (Int64(start)..<20).map { $0 })
    }

    @Test func eachPartitionIsBoundedForItself() {
        let scene = Scene(topic: "t", partitions: 2, [.retentionBytes: "20"])
        let channel = scene.attach()
        for number in 0..<20 {
            scene.put(body(number), to: "t", .init(partition: number < 4 ? 0 : 1), from: channel)
            scene.settle()
        }
        guard case .list(let logs) = scene.describe(.topic("t"))?["logs"] else {
            Issue.record("no partitions")
            return
        }
        let rows = logs.compactMap { if case .fields(let row) = $0 { row } else { nil } }
        #expect(rows.map { $0.number("first") } == [2, 14])
        #expect(rows.map { $0.number("messages") } == [2, 2])
    }

    /// Somebody sets the clock by ten years, to and fro: nothing is older than it was.
    @Test(arguments: [315_360_000_000, -315_360_000_000])
    func aJumpOfTheClockTrimsNothing(jump: Int64) {
        let scene = filled(5, [.retentionMilliseconds: "600000"])
        scene.broker.setWallClock(forward: jump)
        #expect(scene.settle(milliseconds: 60_000))
        check(scene, first: 0, end: 10)
        scene.broker.setWallClock(forward: -2 * jump)
        #expect(scene.settle(milliseconds: 60_000))
        check(scene, first: 0, end: 10)
        scene.settle(milliseconds: 600_000)
        check(scene, first: 10, end: 10)
    }

    @Test func withoutRoomOnTheDiskItWaitsAndDoesNotSpin() {
        let scene = filled(5, [.retentionMilliseconds: "5000"])
        scene.broker.apply(.alarm(.disk, "no room"))
        scene.broker.pass(milliseconds: 10_000)
        #expect(scene.topic()?.number("first") == 0)
        // It looks again, but not at once.
        let next = scene.broker.broker.nextDeadline
        #expect(next.map { $0 >= scene.broker.now.monotonic.advanced(byMilliseconds: 500) } ?? true)
        scene.broker.apply(.alarm(.disk, nil))
        scene.settle(milliseconds: 2_000)
        check(scene, first: 10, end: 10)
    }

    /// The state says that there are records, and the store finds none.
    @Test func whereTheStoreHasNoChunksItIsNotAskedAgainAndAgain() {
        let scene = filled(3, [.retentionMilliseconds: "100000"])
        let query = Query.outline(LogID(1), from: Offset(0), countMax: 256)
        scene.broker.crash()
        let watcher = Watcher(scene.broker)
        scene.broker.apply(.tick)
        for _ in 0..<10 { scene.broker.apply(.answered(query, .outline([], isComplete: true))) }
        #expect(watcher.queries == 1)
        #expect(scene.broker.broker.nextDeadline == nil)
    }

    @Test func aFailedQuestionIsAskedAgainLater() {
        let scene = filled(3, [.retentionMilliseconds: "1000"])
        scene.broker.crash()
        scene.broker.apply(.tick)
        scene.broker.failNextRead("bad disk")
        #expect(scene.broker.queries.isEmpty)
        scene.settle(milliseconds: 3_000)
        check(scene, first: 6, end: 6)
    }
}
