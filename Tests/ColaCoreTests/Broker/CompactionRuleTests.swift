import ColaCore
import ColaTesting
import Testing

/// Topics that keep the last record of each key.
@Suite(.timeLimit(.minutes(5))) struct CompactionRuleTests {
    private static let compact: [Argument: String] = [.cleanup: "compact"]

    /// A pass whenever more than half is new, however little that is.
    private func limits(keysMax: Int = 1_000, cacheBytesMax: Int = 1 << 20) -> Limits {
        var limits = Limits()
        limits.compactionBytesMin = 0
        limits.compactionKeysMax = keysMax
        limits.cacheBytesMax = cacheBytesMax
        return limits
    }

    private func records(_ scene: Scene) -> [Watcher.Record] {
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        scene.read(by: channel)
        scene.settle()
        scene.broker.detach(channel)
        return watcher.take(channel)
    }

    /// Counts, cache and store say the same.
    private func checkCounts(_ scene: Scene, _ records: [Watcher.Record]) {
        #expect(scene.topic()?.number("messages") == records.count)
        let bytes = records.reduce(0) { $0 + ($1.key?.utf8.count ?? 0) + ($1.body?.utf8.count ?? 0) }
        #expect(scene.topic()?.number("bytes") == bytes)
        #expect(scene.stored()?.state.ready == records.count)
        #expect(scene.stored()?.state.bytes == bytes)
    }

    @Test(arguments: [0, 1 << 20])
    func theLastRecordOfEachKeyStaysAtItsOffset(cacheBytesMax: Int) {
        let scene = Scene(topic: "t", Self.compact, limits: limits(cacheBytesMax: cacheBytesMax))
        let channel = scene.attach()
        for number in 0..<40 {
            scene.put("v\(number)", to: "t", .init(key: "k\(number % 4)"), from: channel)
            if number % 3 == 0 { scene.broker.commit() }
        }
        scene.settle()
        // More than half is new again.
        for number in 40..<60 { scene.put("v\(number)", to: "t", .init(key: "k\(number % 4)"), from: channel) }
        scene.settle()
        let records = records(scene)
        #expect(records.map(\.offset) == [56, 57, 58, 59])
        #expect(records.map(\.body) == ["v56", "v57", "v58", "v59"])
        checkCounts(scene, records)
        #expect(scene.topic()?.number("next") == 60)
        #expect(scene.describe(.topic("t"))?.number("compacted") == 56)
        scene.broker.crash()
        #expect(self.records(scene) == records)
    }

    @Test func recordsWithoutAKeyStay() {
        let scene = Scene(topic: "t", Self.compact, limits: limits())
        let channel = scene.attach()
        for number in 0..<12 {
            scene.put("v\(number)", to: "t", .init(key: number % 3 == 0 ? nil : "k"), from: channel)
            scene.broker.commit()
        }
        scene.settle()
        #expect(Set([0, 3, 6, 9, 11]).isSubset(of: records(scene).map(\.offset)))
        scene.put("empty key", to: "t", .init(key: ""), from: channel)
        for _ in 0..<20 { scene.put("v", to: "t", .init(key: "k"), from: channel) }
        scene.settle()
        let records = records(scene)
        #expect(records.map(\.offset) == [0, 3, 6, 9, 12, 32])
        checkCounts(scene, records)
    }

    @Test func aRecordWithoutAValueTakesItsKeyAwayAndGoesWhenItsTimeIsOver() {
        let scene = Scene(
            topic: "t", [.cleanup: "compact", .deleteRetention: "60000"], limits: limits())
        let channel = scene.attach()
        for number in 0..<6 { scene.put("v\(number)", to: "t", .init(key: "gone"), from: channel) }
        scene.put(nil, to: "t", .init(key: "gone"), from: channel)
        scene.put("x", to: "t", .init(key: "other"), from: channel)
        scene.settle()
        #expect(records(scene).map(\.offset) == [6, 7])
        // It is old, and the next pass takes it.
        scene.settle(milliseconds: 61_000)
        #expect(records(scene).map(\.offset) == [6, 7])
        for _ in 0..<10 { scene.put("y", to: "t", .init(key: "other"), from: channel) }
        scene.settle()
        let records = records(scene)
        #expect(records.map(\.offset) == [17])
        checkCounts(scene, records)
    }

    @Test func theLastRecordOfTheLogStaysEvenIfItHasNoValue() {
        let scene = Scene(topic: "t", [.cleanup: "compact", .deleteRetention: "0"], limits: limits())
        let channel = scene.attach()
        for _ in 0..<6 { scene.put("v", to: "t", .init(key: "k"), from: channel) }
        scene.put(nil, to: "t", .init(key: "k"), from: channel)
        scene.settle(milliseconds: 1_000)
        #expect(records(scene).map(\.offset) == [6])
        #expect(records(scene).first?.body == nil)
    }

    @Test func aReaderGetsWhatIsLeftAndNothingOfWhatItHasPassedAgain() {
        let scene = Scene(topic: "t", Self.compact, limits: limits())
        let watcher = Watcher(scene.broker)
        let channel = scene.attach()
        for number in 0..<10 { scene.put("v\(number)", to: "t", .init(key: "k\(number % 2)"), from: channel) }
        scene.broker.cut()
        scene.broker.commitNext()
        scene.broker.send(
            .consume(Consume(name: "t", consumer: ConsumerTag(1), flow: .credit(3), position: .first)), from: channel)
        #expect(watcher.take(channel).map(\.offset) == [0, 1, 2])
        scene.settle()
        scene.broker.send(.grant(ConsumerTag(1), count: 100), from: channel)
        scene.settle()
        #expect(watcher.take(channel).map(\.offset) == [8, 9])
    }

    /// Where the keys do not fit, a pass covers what comes before, and the next one goes on.
    @Test(arguments: [2, 5])
    func fewKeysAtATimeTakeSeveralPasses(keysMax: Int) {
        let scene = Scene(topic: "t", Self.compact, limits: limits(keysMax: keysMax))
        let channel = scene.attach()
        for number in 0..<60 {
            scene.put("v\(number)", to: "t", .init(key: "k\(number % 6)"), from: channel)
            if number % 7 == 0 { scene.settle() }
        }
        // Each look is a commit.
        for number in 60..<100 {
            scene.put("v\(number)", to: "t", .init(key: "k\(number % 6)"), from: channel)
            #expect(scene.settle())
        }
        let records = records(scene)
        #expect(records.count < 50)
        for key in 0..<6 { #expect(records.last { $0.key == "k\(key)" }?.body == "v\(94 + (key + 2) % 6)") }
        checkCounts(scene, records)
    }

    /// The process dies after each step of the passes: what the store is asked next time gives the same.
    @Test(arguments: 0..<40)
    func aCrashInTheMiddleOfAPassLosesNothing(steps: Int) {
        let scene = Scene(topic: "t", [.cleanup: "compact", .deleteRetention: "0"], limits: limits())
        var channel = scene.attach()
        func body(_ number: Int) -> String? { number % 5 == 2 ? nil : "v\(number)" }
        for number in 0..<30 {
            scene.put(body(number), to: "t", .init(key: "k\(number % 5)"), from: channel)
            if number % 3 == 2 { scene.broker.commit() }
        }
        for _ in 0..<steps where !scene.broker.readNext() {
            scene.broker.cut()
            scene.broker.commitNext()
        }
        scene.broker.crash()
        for _ in 0..<2 {
            let records = records(scene)
            checkCounts(scene, records)
            for key in 0..<5 { #expect((records.last { $0.key == "k\(key)" }?.body) == body(25 + key)) }
            channel = scene.attach()
            for _ in 0..<12 { scene.put("end", to: "t", .init(key: "k4"), from: channel) }
            scene.put(body(29), to: "t", .init(key: "k4"), from: channel)
            #expect(scene.settle(milliseconds: 10))
        }
        #expect(records(scene).map(\.key) == ["k0", "k1", "k3", "k4"])
    }

    @Test func itIsIdleWhereNothingIsToBeDone() {
        let scene = Scene(topic: "t", Self.compact, limits: limits())
        let channel = scene.attach()
        for number in 0..<50 { scene.put("v", to: "t", .init(key: "\(number)"), from: channel) }
        scene.settle()
        let watcher = Watcher(scene.broker)
        // Less than half is new.
        for number in 50..<60 {
            scene.put("v", to: "t", .init(key: "\(number)"), from: channel)
            scene.settle()
        }
        #expect(watcher.reads == 0)
        #expect(scene.broker.broker.nextDeadline == nil)
        #expect(scene.broker.commitDeadline == nil)
        // And one without keys to compact has no use for it.
        let plain = Scene(topic: "t", limits: limits())
        let other = Watcher(plain.broker)
        let producer = plain.attach()
        for _ in 0..<50 { plain.put("v", to: "t", .init(key: "k"), from: producer) }
        plain.settle()
        #expect(other.reads == 0)
        #expect(plain.topic()?.number("messages") == 50)
    }

    @Test func aPolicyBeginsAndEndsIt() {
        let scene = Scene(topic: "t", limits: limits())
        let channel = scene.attach()
        for _ in 0..<9 { scene.put("v", to: "t", .init(key: "k"), from: channel) }
        scene.settle()
        #expect(records(scene).count == 9)
        scene.broker.send(
            .setPolicy(PolicyDefinition(name: "p", pattern: "t", arguments: scene.arguments(Self.compact))),
            from: channel)
        scene.settle()
        #expect(records(scene).map(\.offset) == [8])
        for _ in 0..<9 { scene.put("v", to: "t", .init(key: "k"), from: channel) }
        scene.broker.commit()  // a pass has begun and waits for its read
        scene.broker.send(.clearPolicy(name: "p"), from: channel)
        scene.settle()
        #expect(records(scene).count == 10)
    }

    @Test func aTopicThatIsDeletedInTheMiddleOfAPassIsGone() {
        let scene = Scene(topic: "t", Self.compact, limits: limits())
        let channel = scene.attach()
        scene.declare(topic: "u", partitions: 1, Self.compact, from: channel)
        for name in ["t", "u"] {
            for _ in 0..<9 { scene.put("v", to: name, .init(key: "k"), from: channel) }
        }
        scene.broker.commit()
        scene.broker.readNext()
        scene.broker.send(.deleteTopic(name: "t"), from: channel)
        #expect(scene.settle())
        // The other one's turn comes.
        #expect(scene.topic("u")?.number("messages") == 1)
    }

    @Test func aReadThatFailsEndsThePassAndTheNextCommitBeginsAnother() {
        let scene = Scene(topic: "t", Self.compact, limits: limits())
        let channel = scene.attach()
        for _ in 0..<9 { scene.put("v", to: "t", .init(key: "k"), from: channel) }
        scene.broker.commit()
        scene.broker.failNextRead("bad disk")
        scene.settle()
        #expect(scene.topic()?.number("messages") == 9)
        scene.put("v", to: "t", .init(key: "k"), from: channel)
        scene.settle()
        #expect(scene.topic()?.number("messages") == 1)
    }

    /// What cannot be read may hold an older record of any key: nothing is forgotten that hides it.
    @Test func whereAChunkIsDamagedRecordsWithoutAValueStay() {
        let scene = Scene(topic: "t", [.cleanup: "compact", .deleteRetention: "0"], limits: limits(cacheBytesMax: 0))
        let channel = scene.attach()
        scene.put("old", to: "t", .init(key: "k"), from: channel)
        scene.put("other", to: "t", .init(key: "o"), from: channel)
        scene.broker.cut()
        scene.broker.damage(LogID(1), Offset(0))
        scene.broker.commitNext()
        scene.broker.damage(LogID(1), Offset(0))
        scene.put(nil, to: "t", .init(key: "k"), from: channel)
        for _ in 0..<9 { scene.put("v", to: "t", .init(key: "x"), from: channel) }
        scene.settle(milliseconds: 10)
        for _ in 0..<9 { scene.put("v", to: "t", .init(key: "x"), from: channel) }
        scene.settle(milliseconds: 10)
        let records = records(scene)
        #expect(records.contains { $0.key == "k" && $0.body == nil })
        #expect(records.filter { $0.key == "x" }.count == 1)
    }

    @Test func itGoesTogetherWithRetention() {
        let scene = Scene(
            topic: "t", [.cleanup: "compact,delete", .retentionMilliseconds: "10000"], limits: limits())
        let channel = scene.attach()
        for number in 0..<200 {
            scene.put("v\(number)", to: "t", .init(key: "k\(number % 10)"), from: channel)
            if number % 4 == 3 { #expect(scene.settle(milliseconds: 400)) }
        }
        scene.settle()
        let records = records(scene)
        checkCounts(scene, records)
        for number in 190..<200 { #expect(records.last { $0.key == "k\(number % 10)" }?.body == "v\(number)") }
        scene.settle(milliseconds: 20_000)
        #expect(scene.topic()?.number("messages") == 0)
        #expect(scene.topic()?.number("bytes") == 0)
        #expect(scene.topic()?.number("first") == 200)
        #expect(scene.stored()?.chunks == [])
    }

    @Test func withMuchToCommitOrWithoutRoomItWaits() {
        let scene = Scene(topic: "t", Self.compact, limits: limits())
        let channel = scene.attach()
        for _ in 0..<9 { scene.put("v", to: "t", .init(key: "k"), from: channel) }
        scene.broker.cut()
        scene.broker.apply(.alarm(.disk, "full"))
        scene.settle()
        #expect(scene.topic()?.number("messages") == 9)
        scene.broker.apply(.alarm(.disk, nil))
        scene.settle()
        #expect(scene.topic()?.number("messages") == 1)
    }
}
