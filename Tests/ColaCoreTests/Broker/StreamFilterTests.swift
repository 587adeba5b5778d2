import ColaTesting
import Testing

@testable import ColaCore

/// Readers of topics that want some records and not the others.
@Suite(.timeLimit(.minutes(5))) struct StreamFilterTests {
    private func headers(_ fields: (String, String?)...) -> RecordHeaders {
        var headers = RecordHeaders()
        for (name, value) in fields { headers.append(name: name.utf8, value: value?.utf8) }
        return headers
    }

    private func filter(_ values: String..., orNone: Bool = false) -> StreamFilter {
        StreamFilter(values: values.map { Array($0.utf8) }, matchesUnfiltered: orNone)
    }

    @Test func theWholeValueCounts() {
        func matches(_ filter: StreamFilter, _ headers: RecordHeaders) -> Bool {
            headers.encoded.withUnsafeBytes { filter.matches($0) }
        }
        let name = StreamFilter.header
        let record = headers(("a", "b"), ("n", nil), (name, "eu"), (name, "us"))
        #expect(matches(filter("eu"), record) && matches(filter("us", "eu"), record))
        #expect(!matches(filter("us"), record) && !matches(filter("e", "eur", "EU", ""), record))
        #expect(matches(filter(""), headers((name, ""))))
        #expect(!matches(filter(orNone: true), record) && !matches(filter(), record))
        for none in [headers(), headers(("a", "eu")), headers((name, nil), (name, "eu")), headers((name + "s", "eu"))] {
            #expect(!matches(filter("eu"), none) && matches(filter("eu", orNone: true), none))
        }
        var cut = record.encoded
        while cut.popLast() != nil { cut.withUnsafeBytes { _ = filter("eu").matches($0) } }
    }

    private func read(
        _ filter: StreamFilter, prefetch: Int, from position: Consume.Position = .first, in scene: Scene,
        by channel: ChannelID
    ) {
        var consume = Consume(
            name: "t", consumer: ConsumerTag(1), flow: .prefetch(prefetch), position: position)
        consume.filter = filter
        scene.broker.send(.consume(consume), from: channel)
    }

    /// What is passed over gives no room and takes none; it is all read, whatever has left the cache, and however
    /// little one turn does.
    @Test(arguments: Seeds.of(60))
    func everyRecordThatMatchesComesOnceInItsOrder(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var limits = Limits()
        limits.skimMax = [1, 3, 10_000].randomElement(using: &random) ?? 1
        limits.cacheBytesMax = [0, 2_000, 1 << 20].randomElement(using: &random) ?? 0
        limits.readBytesMax = [1, 500, 1 << 20].randomElement(using: &random) ?? 1
        let partitions = Int.random(in: 1...3, using: &random)
        let scene = Scene(topic: "t", partitions: partitions, limits: limits)
        let watcher = Watcher(scene.broker)
        let publisher = scene.attach()
        let values = ["eu", "us", "", nil]
        let wanted = filter("eu", "", orNone: Bool.random(using: &random))
        var expected: [[String]] = Array(repeating: [], count: partitions)
        let reader = scene.attach()
        let prefetch = Int.random(in: 1...5, using: &random)
        let first = Int.random(in: 0..<80, using: &random)
        var taken: [Watcher.Record] = []
        var settled: UInt64 = 0
        for number in 0..<120 {
            if number == first { read(wanted, prefetch: prefetch, in: scene, by: reader) }
            let value = values.randomElement(using: &random) ?? nil
            let partition = Int.random(in: 0..<partitions, using: &random)
            scene.put(
                "\(number)", to: "t",
                .init(partition: partition, headers: value.map { [(StreamFilter.header, $0)] } ?? []), from: publisher)
            if value.map({ $0 != "us" }) ?? wanted.matchesUnfiltered { expected[partition].append("\(number)") }
            if Int.random(in: 0..<4, using: &random) == 0 { scene.broker.commit() }
            guard number >= first, Int.random(in: 0..<3, using: &random) == 0 else { continue }
            scene.settle()
            let records = watcher.take(reader)
            taken += records
            #expect(taken.count - Int(settled) <= prefetch, "seed \(seed)")
            if taken.count > Int(settled) {
                settled = .random(in: settled + 1...UInt64(taken.count), using: &random)
                scene.settle(1, settled, from: reader)
            }
        }
        for _ in 0..<200 {
            scene.broker.commit()
            scene.settle()
            taken += watcher.take(reader)
            guard taken.count > Int(settled) else { break }
            settled = UInt64(taken.count)
            scene.settle(1, settled, from: reader)
        }
        for partition in 0..<partitions {
            let bodies = taken.filter { $0.partition == partition }.map { $0.body ?? "" }
            #expect(bodies == expected[partition], "partition \(partition), seed \(seed)")
        }
        #expect(watcher.refusals.isEmpty, "seed \(seed)")
    }

    /// Neither another reader nor a publisher waits until one has passed over everything.
    @Test func whoPassesOverMuchDoesItInTurns() {
        var limits = Limits()
        limits.skimMax = 10
        let scene = Scene(topic: "t", limits: limits)
        let publisher = scene.attach()
        for number in 0..<100 {
            scene.put("\(number)", to: "t", .init(headers: [(StreamFilter.header, "us")]), from: publisher)
        }
        scene.put("last", to: "t", .init(headers: [(StreamFilter.header, "eu")]), from: publisher)
        scene.broker.commit()
        _ = scene.broker.hear(publisher)
        let readers = (0..<3).map { _ in scene.attach() }
        for reader in readers { read(filter("eu"), prefetch: 1, in: scene, by: reader) }
        // Each command is one turn.
        var turns: [ChannelID: Int] = [:]
        for turn in 1...60 {
            #expect(scene.broker.broker.nextDeadline == (turns.count == 3 ? nil : Instant(0)))
            scene.publish("more", to: "t", from: publisher)
            for reader in readers where scene.bodies(reader) == ["last"] { turns[reader] = turn }
        }
        #expect(turns.count == 3 && turns.values.allSatisfy { (10...30).contains($0) }, "\(turns.values.sorted())")
        scene.broker.detach(readers[0])
    }

    @Test func whoLeavesWhilePassingOverIsForgotten() {
        var limits = Limits()
        limits.skimMax = 1
        let scene = Scene(topic: "t", limits: limits)
        let channel = scene.attach()
        for _ in 0..<50 { scene.publish("m", to: "t", from: channel) }
        scene.broker.commit()
        let (first, second) = (scene.attach(), scene.attach())
        read(filter("eu"), prefetch: 1, in: scene, by: first)
        read(filter("eu", orNone: true), prefetch: 1, in: scene, by: second)
        scene.broker.send(.cancel(ConsumerTag(1)), from: first)
        #expect(scene.bodies(second) == ["m"])
        scene.broker.send(.deleteTopic(name: "t"), from: channel)
        #expect(scene.settle())
    }

    @Test func aFilterGoesWithEveryPosition() {
        let scene = Scene(topic: "t")
        let channel = scene.attach()
        for number in 0..<10 {
            let value = number % 2 == 0 ? "even" : "odd"
            scene.put("\(number)", to: "t", .init(headers: [(StreamFilter.header, value)]), from: channel)
        }
        scene.broker.commit()
        let positions: [(Consume.Position, [String])] = [
            (.first, ["1", "3", "5", "7", "9"]), (.last, ["9"]), (.next, []), (.offset(Offset(4)), ["5", "7", "9"]),
            (.time(scene.broker.now.wall), ["1", "3", "5", "7", "9"]),
        ]
        for (position, expected) in positions {
            let reader = scene.attach()
            read(filter("odd"), prefetch: 100, from: position, in: scene, by: reader)
            scene.settle()
            #expect(scene.bodies(reader) == expected)
            scene.broker.send(.seek(ConsumerTag(1), partition: nil, .first), from: reader)
            scene.settle()
            #expect(scene.bodies(reader) == ["1", "3", "5", "7", "9"])
        }
    }
}
