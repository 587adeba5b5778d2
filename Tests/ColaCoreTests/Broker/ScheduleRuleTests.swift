import ColaCore
import ColaTesting
import Testing

/// Messages that are published with a delay.
@Suite(.timeLimit(.minutes(5))) struct ScheduleRuleTests {
    private func scheduled(_ scene: Scene) -> Int? { scene.statistics()?.number("scheduled") }

    /// How many stand in the queue, without taking time to commit anything.
    private func ready(_ scene: Scene, _ name: String = "q") -> Int? { scene.counts(name)?.ready }

    @Test func noneComesBeforeItIsDueAndEachComesThen() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        for delay in [500, 100, 300, 100] { scene.put("\(delay)", to: "q", .init(delay: Int64(delay)), from: channel) }
        scene.broker.commit()
        #expect(scene.answers(channel) == [.done, .done, .done, .done])
        #expect(scheduled(scene) == 4)
        for (time, expected) in [(99, 0), (1, 2), (199, 2), (1, 3), (199, 3), (1, 4)] {
            scene.broker.pass(milliseconds: Int64(time))
            #expect(ready(scene) == expected)
        }
        #expect(scheduled(scene) == 0)
        scene.settle()
        #expect(scene.drain("q") == ["100", "100", "300", "500"])
        #expect(scene.broker.broker.nextDeadline == nil)
    }

    @Test func aConfirmedOneSurvivesACrashAndAnUnconfirmedOneIsGone() {
        let scene = Scene(queues: ["q"])
        var channel = scene.attach()
        scene.put("kept", to: "q", .init(delay: 1_000), from: channel)
        scene.broker.cut()
        #expect(scene.answers(channel).isEmpty)
        scene.broker.commitNext()
        #expect(scene.answers(channel) == [.done])
        scene.put("lost", to: "q", .init(delay: 1_000), from: channel)
        scene.broker.cut()
        scene.broker.crash()
        scene.settle(milliseconds: 999)
        #expect(ready(scene) == 0)
        // It is put into the queue, and the process dies before that is on the disk: it is done again.
        scene.broker.pass(milliseconds: 1)
        #expect(ready(scene) == 1)
        scene.broker.crash()
        #expect(ready(scene) == 0)
        scene.settle()
        #expect(ready(scene) == 1)
        scene.broker.crash()
        scene.settle(milliseconds: 5_000)
        #expect(scene.drain("q") == ["kept"])
        // What was given out before is not given out again.
        channel = scene.attach()
        scene.put("next", to: "q", .init(delay: 10), from: channel)
        scene.settle(milliseconds: 10)
        #expect(scene.drain("q") == ["next"])
    }

    @Test func whatLeadsNowhereIsRefusedWhenItIsPublishedAndCountedWhenItIsDue() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.put("a", to: "none", .init(delay: 10), from: channel)
        scene.put("b", to: "none", .init(delay: 10, isMandatory: false), from: channel)
        scene.put("c", to: "q", .init(exchange: "none", delay: 10), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.refused(code: "unroutable"), .done, .refused(code: "not_found")])
        #expect(scheduled(scene) == 0)
        scene.put("d", to: "q", .init(delay: 10), from: channel)
        scene.broker.send(.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), from: channel)
        scene.settle(milliseconds: 20)
        #expect(scene.statistics()?.number("undeliverable") == 1)
        #expect(scheduled(scene) == 0)
        scene.broker.crash()
        #expect(scheduled(scene) == 0)
    }

    @Test(arguments: [1, 2, 3, 7], [false, true])
    func withLittleMemoryTheyStillComeInTheOrderOfTheirTimes(inMemory: Int, restarts: Bool) {
        var limits = Limits()
        limits.scheduledInMemoryMax = inMemory
        let scene = Scene(queues: ["q"], limits: limits)
        var random = SplitMix64(seed: UInt64(inMemory))
        var channel = scene.attach()
        let start = scene.broker.now.wall
        var expected: [(due: Int64, number: Int)] = []
        var received: [String] = []
        for number in 0..<150 {
            let delay = Int64.random(in: 1...3_000, using: &random)
            expected.append((scene.broker.now.wall.rawValue + delay, number))
            scene.put("\(number)", to: "q", .init(delay: delay), from: channel)
            if number % 10 == 9 {
                #expect(scene.settle(milliseconds: Int64.random(in: 0...50, using: &random)))
                if restarts, number % 50 == 49 {
                    scene.broker.crash()
                    channel = scene.attach()
                }
            }
            if number % 40 == 39 { received += scene.drain("q") }
        }
        expected.sort { ($0.due, $0.number) < ($1.due, $1.number) }
        for _ in 0..<40 {
            #expect(scene.settle(milliseconds: 100))
            received += scene.drain("q")
            let due = expected.prefix { $0.due <= scene.broker.now.wall.rawValue }.count
            #expect(received.count <= due)
            #expect(due - received.count <= 1 + (restarts ? 2 : 0))
        }
        #expect(received == expected.map { "\($0.number)" })
        #expect(scheduled(scene) == 0)
        #expect(scene.broker.now.wall > start)
    }

    @Test func aRestartWithManyFindsThemAll() {
        var limits = Limits()
        limits.scheduledInMemoryMax = 16
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        for number in 0..<2_000 {
            scene.put("\(number)", to: "q", .init(delay: 1_000 + Int64(number % 7)), from: channel)
        }
        scene.broker.commit()
        scene.broker.stop()
        #expect(scheduled(scene) == 2_000)
        #expect(scene.settle(milliseconds: 999))
        #expect(ready(scene) == 0)
        #expect(scene.settle(milliseconds: 100))
        #expect(ready(scene) == 2_000)
        let received = scene.drain("q").compactMap { Int($0) }
        #expect(received == (0..<2_000).sorted { ($0 % 7, $0) < ($1 % 7, $1) })
    }

    @Test func timeToLiveCountsFromWhenItIsInTheQueueAndThePriorityIsKept() {
        let scene = Scene()
        let channel = scene.attach()
        scene.declare(queue: "q", [.maxPriority: "5"], from: channel)
        scene.put("low", to: "q", from: channel)
        scene.put("high", to: "q", .init(delay: 1_000, priority: 5), from: channel)
        scene.put("short", to: "q", .init(delay: 1_000, timeToLive: 200), from: channel)
        scene.settle(milliseconds: 1_199)
        #expect(ready(scene) == 3)
        scene.settle(milliseconds: 2)
        #expect(scene.drain("q") == ["high", "low"])
    }

    @Test(arguments: [315_360_000_000, -315_360_000_000])
    func aJumpOfTheClockChangesNothing(jump: Int64) {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.put("a", to: "q", .init(delay: 60_000), from: channel)
        scene.broker.commit()
        scene.broker.setWallClock(forward: jump)
        #expect(scene.settle(milliseconds: 50_000))
        #expect(ready(scene) == 0)
        // At the most a twentieth of the time is off.
        #expect(scene.settle(milliseconds: 15_000))
        #expect(ready(scene) == 1)
        scene.put("b", to: "q", .init(delay: 1_000), from: channel)
        scene.broker.setWallClock(forward: -jump)
        #expect(scene.settle(milliseconds: 1_100))
        #expect(ready(scene) == 2)
    }

    @Test func manyThatAreDueComeInSlices() {
        var limits = Limits()
        // A quarter of it.
        limits.sweepMax = 12
        let scene = Scene(queues: ["q"], limits: limits)
        let channel = scene.attach()
        for number in 0..<50 { scene.put("\(number)", to: "q", .init(delay: 100), from: channel) }
        scene.broker.commit()
        scene.broker.pass(milliseconds: 100)
        #expect(scene.broker.cut()?.unscheduled.count == 3)
        for turn in 2...17 {
            #expect(scene.broker.broker.nextDeadline.map { $0 <= scene.broker.now.monotonic } == true)
            scene.broker.pass(milliseconds: 0)
            #expect(scene.broker.cut()?.unscheduled.count == (turn == 17 ? 2 : 3))
        }
        #expect(scene.settle())
        #expect(scene.broker.broker.nextDeadline == nil)
        #expect(scene.drain("q") == (0..<50).map { "\($0)" })
    }

    /// What is due waits with everything else, and nobody asks again and again.
    @Test func withoutRoomOnTheDiskTheyWaitAndNothingSpins() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        for number in 0..<5 { scene.put("\(number)", to: "q", .init(delay: 100), from: channel) }
        scene.broker.commit()
        scene.broker.apply(.alarm(.disk, "full"))
        scene.broker.pass(milliseconds: 200)
        #expect(ready(scene) == 0)
        #expect(scene.broker.broker.nextDeadline.map { $0 > scene.broker.now.monotonic } ?? true)
        scene.broker.apply(.alarm(.disk, nil))
        #expect(scene.settle(milliseconds: 1))
        #expect(ready(scene) == 5)
    }

    @Test func withMuchToCommitTheyWaitForTheCommit() {
        var limits = Limits()
        limits.sweepBytesMax = 400
        let scene = Scene(queues: ["q", "r"], limits: limits)
        let channel = scene.attach()
        for number in 0..<50 {
            scene.put("\(number)", to: "q", .init(delay: 100), from: channel)
            scene.broker.commit()
        }
        scene.put(String(repeating: "x", count: 500), to: "r", from: channel)
        scene.broker.pass(milliseconds: 100)
        #expect(ready(scene) == 0)
        #expect(scene.broker.broker.nextDeadline.map { $0 > scene.broker.now.monotonic } ?? true)
        #expect(scene.settle(milliseconds: 1))
        #expect(ready(scene) == 50)
        #expect(scene.broker.batches.allSatisfy { $0.unscheduled.count < 40 })
    }

    @Test func aTopicTakesThemByTheirKeysAndAPartitionCannotBeNamed() {
        let scene = Scene(topic: "t", partitions: 4)
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        scene.put("a", to: "t", .init(partition: 1, delay: 10), from: channel)
        scene.put("b", to: "t", .init(key: "k", delay: 10), from: channel)
        scene.broker.commit()
        #expect(scene.answers(channel) == [.refused(code: "syntax"), .done])
        scene.read(by: channel)
        scene.settle(milliseconds: 10)
        let records = watcher.take(channel)
        #expect(records.map(\.body) == ["b"])
        #expect(records.first?.partition == Murmur2.partition(ofKey: Array("k".utf8)[...], count: 4))
    }

    @Test func itIsRoutedWhenItIsDueToAllPlacesAtOnce() {
        let scene = Scene(queues: ["q", "r"])
        let channel = scene.attach()
        for name in ["q", "r"] {
            scene.broker.send(
                .bind(BindingDefinition(source: "amq.topic", destination: name, routingKey: "a.*")), from: channel)
        }
        scene.put("x", to: "a.b", .init(exchange: "amq.topic", delay: 100), from: channel)
        scene.broker.send(
            .unbind(BindingDefinition(source: "amq.topic", destination: "r", routingKey: "a.*")), from: channel)
        scene.declare(queue: "s", from: channel)
        scene.broker.send(
            .bind(BindingDefinition(source: "amq.topic", destination: "s", routingKey: "#")), from: channel)
        scene.settle(milliseconds: 100)
        #expect(["q", "r", "s"].map { ready(scene, $0) } == [1, 0, 1])
    }

    @Test func aFailedQuestionIsAskedAgain() {
        let scene = Scene(queues: ["q"])
        let channel = scene.attach()
        scene.put("a", to: "q", .init(delay: 10), from: channel)
        scene.broker.commit()
        scene.broker.crash()
        scene.broker.apply(.tick)
        scene.broker.failNextRead("bad disk")
        #expect(scene.broker.queries.isEmpty)
        scene.settle(milliseconds: 2_000)
        #expect(scene.drain("q") == ["a"])
    }
}
