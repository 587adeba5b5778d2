import ColaCore
import ColaTesting
import Testing

/// Whatever happens in between, and wherever the process dies: the last record of each key is there.
@Suite(.timeLimit(.minutes(2))) struct CompactionPropertyTests {
    @Test(arguments: Seeds.of(60))
    func noKeyIsLostAndNoneComesBack(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
        var limits = Limits()
        limits.compactionBytesMin = [0, 0, 200].randomElement(using: &random) ?? 0
        limits.compactionKeysMax = [1, 3, 1_000].randomElement(using: &random) ?? 1
        limits.cacheBytesMax = [0, 500, 1 << 20].randomElement(using: &random) ?? 0
        limits.readBytesMax = [1, 1 << 20].randomElement(using: &random) ?? 1
        let retention = ["0", "1000", "100000"].randomElement(using: &random) ?? "0"
        let scene = Scene(topic: "t", [.cleanup: "compact", .deleteRetention: retention], limits: limits)
        let broker = scene.broker
        var channel = scene.attach()
        /// What was published in this life, and whether it is committed, by offset.
        var published: [(offset: Int64, key: String?, body: String?)] = []
        var next: Int64 = 0
        var committed: Int64 = 0
        var cuts: [Int64] = []
        for step in 0..<400 {
            switch draw(0...99) {
            case 0..<45:
                let key = draw(0...9) == 0 ? nil : "k\(draw(0...7))"
                let body = key != nil && draw(0...5) == 0 ? nil : "v\(step)"
                scene.put(body, to: "t", .init(key: key), from: channel)
                published.append((next, key, body))
                next += 1
            case 45..<60: if broker.cut() != nil { cuts.append(next) }
            case 60..<75: if broker.commitNext(), !cuts.isEmpty { committed = cuts.removeFirst() }
            case 75..<90: broker.readNext()
            case 90..<93:
                let chunks = scene.stored()?.chunks ?? []
                if let first = chunks.randomElement(using: &random) {
                    broker.merge(LogID(1), first...first.advanced(by: draw(1...10)))
                }
            case 93..<97: broker.pass(milliseconds: Int64(draw(1...500)))
            default:
                guard draw(0...2) == 0 else { continue }
                broker.crash()
                published.removeAll { $0.offset >= committed }
                next = committed
                cuts = []
                channel = scene.attach()
            }
            _ = broker.hear(channel)
        }
        #expect(scene.settle(), "seed \(seed)")
        let watcher = Watcher(broker)
        for life in 0..<2 {
            let reader = scene.attach()
            scene.read(by: reader)
            scene.settle()
            let records = watcher.take(reader)
            broker.detach(reader)
            #expect(zip(records, records.dropFirst()).allSatisfy { $0.offset < $1.offset }, "seed \(seed)")
            // Each is one that was published, under its offset.
            for record in records {
                let source = published[Int(record.offset)]
                #expect(source.key == record.key && source.body == record.body, "seed \(seed)")
            }
            var last: [String: String?] = [:]
            for record in records { if let key = record.key { last[key] = record.body } }
            for key in Set(published.compactMap(\.key)).sorted() {
                let wanted = published.last { $0.key == key }?.body
                // A key that is gone has no record, or one that says so.
                #expect((last[key] ?? nil) == wanted, "seed \(seed), key \(key)")
            }
            #expect(
                records.filter { $0.key == nil }.map(\.offset) == published.filter { $0.key == nil }.map(\.offset),
                "seed \(seed)")
            if let end = published.last?.offset { #expect(records.last?.offset == end, "seed \(seed)") }
            #expect(scene.topic()?.number("messages") == records.count, "seed \(seed), life \(life)")
            #expect(scene.stored()?.state.ready == records.count, "seed \(seed), life \(life)")
            broker.crash()
        }
    }
}
