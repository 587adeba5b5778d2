import ColaCore
import ColaTesting
import Testing

@testable import ColaStore

/// What waits outside of logs: messages for their time, and ids that were seen.
@Suite(.timeLimit(.minutes(2)))
struct StoreScheduleTests {
    private func message(_ due: Int64, _ id: Int64, bytes: Int = 10) -> ScheduledMessage {
        var headers = RecordHeaders()
        headers.append(name: Array("h\(id)".utf8), value: Array("v".utf8))
        headers.append(name: Array("none".utf8), value: nil as [UInt8]?)
        let isEven = id % 2 == 0
        return ScheduledMessage(
            key: ScheduleKey(due: Timestamp(due), id: ScheduleID(id)),
            target: isEven ? .queue(LogID(id)) : .exchange(host: "/", name: "", routingKey: "q\(id)"),
            priority: UInt8(id % 10), timeToLive: isEven ? id * 1000 : nil,
            message: Message(
                key: isEven ? nil : Array("k".utf8)[...],
                value: id % 3 == 0 ? nil : [UInt8](repeating: UInt8(truncatingIfNeeded: id), count: bytes)[...],
                headers: headers))
    }

    @Test(arguments: StoreKind.allCases)
    func messagesComeBackInTheOrderInWhichTheyAreDue(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        #expect(open.recovery.nextSchedule == ScheduleID(1) && open.recovery.scheduledCount == 0)
        var random = SplitMix64(seed: 5)
        var all = (1...60).map { message([100, 200, 300].randomElement(using: &random)!, $0) }
        var batch = Batch(number: BatchNumber(1))
        batch.scheduled = all
        batch.nextSchedule = ScheduleID(61)
        try open.commit(batch)
        batch = Batch(number: BatchNumber(2))
        batch.unscheduled = all[10..<20].map(\.key)
        // One that is not there: nothing happens.
        batch.unscheduled.append(ScheduleKey(due: Timestamp(1), id: ScheduleID(3)))
        try open.commit(batch)
        all.removeSubrange(10..<20)
        all.sort { $0.key < $1.key }
        open.kill()
        open = try bench.open()
        #expect(open.recovery.nextSchedule == ScheduleID(61) && open.recovery.scheduledCount == 50)
        func ask(_ key: ScheduleKey?, _ countMax: Int, _ bytesMax: Int = .max) throws -> QueryResult {
            try open.ask(.schedule(after: key, countMax: countMax, bytesMax: bytesMax))
        }
        #expect(try ask(nil, 1000) == .schedule(all, isComplete: true))
        #expect(try ask(nil, 50) == .schedule(all, isComplete: true))
        #expect(try ask(nil, 49) == .schedule(Array(all[..<49]), isComplete: false))
        for index in [0, 7, 30, 48] {
            #expect(
                try ask(all[index].key, 3) == .schedule(Array(all[(index + 1)...].prefix(3)), isComplete: index >= 46))
        }
        #expect(try ask(all[49].key, 3) == .schedule([], isComplete: true))
        #expect(try ask(nil, 1000, 1) == .schedule(Array(all[..<1]), isComplete: false))
        let two = all[0].message.byteCount + 1
        #expect(try ask(nil, 1000, two) == .schedule(Array(all[..<2]), isComplete: false))
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aDamagedMessageIsToldOfAndPutAside(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        var batch = Batch(number: BatchNumber(1))
        batch.scheduled = (1...3).map { message(100, $0) }
        batch.nextSchedule = ScheduleID(4)
        try open.commit(batch)
        try bench.damage(ScheduleID(2))
        let rest = [message(100, 1), message(100, 3)]
        #expect(try open.ask(.schedule(after: nil, countMax: 9, bytesMax: .max)) == .schedule(rest, isComplete: true))
        try open.events.wait { $0.damaged.contains { $0.contains("message 2 ") } }
        try open.store.close()
        #expect(try bench.quarantined().map(\.log) == [LogID(0)])
        #expect(try bench.quarantined().map(\.base) == [Offset(2)])
        open = try bench.open()
        #expect(open.recovery.scheduledCount == 2)
        try open.store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func idsAreRememberedUntilTheyAreForgotten(kind: StoreKind) throws {
        let bench = try StoreBench(kind)
        var open = try bench.open()
        func entry(_ id: String, _ expires: Int64, _ log: Int64 = 1) -> DedupEntry {
            DedupEntry(log: LogID(log), id: Array(id.utf8), expires: Timestamp(expires))
        }
        var batch = Batch.declaring([1, 2])
        batch.seen = [entry("b", 30), entry("a", 30), entry("a", 20, 2), entry("", 40), entry("c", 10)]
        try open.commit(batch)
        batch = Batch(number: BatchNumber(2))
        batch.seen = [entry("c", 50)]
        // The old one of "c" may go, the new one not.
        batch.forgotten = [entry("b", 30), entry("c", 10), entry("x", 1)]
        try open.commit(batch)
        open.kill()
        open = try bench.open()
        #expect(open.recovery.seen == [entry("a", 20, 2), entry("a", 30), entry("", 40), entry("c", 50)])
        batch = Batch(number: BatchNumber(1))
        batch.definitions = [.remove(.queue(QueueDefinition(name: "q1", log: LogID(1))))]
        try open.commit(batch)
        open.kill()
        open = try bench.open()
        #expect(open.recovery.seen == [entry("a", 20, 2)])
        try open.store.close()
    }
}
