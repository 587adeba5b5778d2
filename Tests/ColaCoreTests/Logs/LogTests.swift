import Testing

@testable import ColaCore

/// The part of a log that is in memory: what gathers, what is under way, and the cache.
@Suite struct LogTests {
    private func log(next: Int64 = 0) -> Log {
        var state = LogState.empty
        state.next = Offset(next)
        return Log(id: LogID(1), name: "q", state: state)
    }

    private func append(_ count: Int, to log: Log) {
        for _ in 0..<count { _ = log.append(Message(value: [1, 2]), at: Timestamp(0)) }
    }

    private func chunk(_ range: ClosedRange<Int64>) -> Log.Chunk {
        var segment = RecordSegment()
        for offset in range { segment.append(Message(value: [1]), at: Offset(offset), timestamp: Timestamp(0)) }
        return Log.Chunk(
            base: Offset(range.lowerBound), last: Offset(range.upperBound), segment: segment, settled: SettledSet(),
            released: [], isCommitted: true)
    }

    private func name(_ place: Log.Place) -> String {
        switch place {
        case .cached(let index): "cached \(index)"
        case .stored(let below): "stored below \(below)"
        case .end: "end"
        }
    }

    @Test func appendingCountsAndGrows() {
        let log = log(next: 10)
        append(3, to: log)
        #expect(log.next == Offset(13))
        #expect(log.messages == 3)
        #expect(log.bytes == 6)
        #expect(log.committedEnd == Offset(10))
        #expect(log.gathering.entries.map(\.offset.rawValue) == [10, 11, 12])
    }

    @Test func aRecordIsFoundOnlyOnceItIsCommitted() {
        let log = log()
        append(2, to: log)
        #expect(name(log.place(atOrAfter: Offset(0))) == "end")
        #expect(log.cut()?.segment.entries.count == 2)
        #expect(log.cut()?.segment == nil)
        append(1, to: log)
        _ = log.cut()
        #expect(name(log.place(atOrAfter: Offset(0))) == "end")
        #expect(log.commit(through: Offset(2)).map(\.base) == [Offset(0)])
        #expect(name(log.place(atOrAfter: Offset(1))) == "cached 0")
        #expect(name(log.place(atOrAfter: Offset(2))) == "end")
        #expect(log.commit(through: Offset(3)).map(\.base) == [Offset(2)])
        #expect(name(log.place(atOrAfter: Offset(2))) == "cached 1")
        #expect(name(log.place(atOrAfter: Offset(3))) == "end")
    }

    @Test func whatIsNotInMemoryIsInTheStore() {
        let log = log(next: 100)
        #expect(name(log.place(atOrAfter: Offset(7))) == "stored below 100")
        #expect(log.insert(chunk(20...29)).map(\.base) == [Offset(20)])
        #expect(log.insert(chunk(40...49)).map(\.base) == [Offset(40)])
        #expect(log.insert(chunk(10...14)).map(\.base) == [Offset(10)])
        #expect(name(log.place(atOrAfter: Offset(7))) == "stored below 10")
        #expect(name(log.place(atOrAfter: Offset(14))) == "cached 0")
        #expect(name(log.place(atOrAfter: Offset(15))) == "stored below 20")
        #expect(name(log.place(atOrAfter: Offset(25))) == "cached 1")
        #expect(name(log.place(atOrAfter: Offset(50))) == "stored below 100")
        #expect(name(log.place(atOrAfter: Offset(100))) == "end")
    }

    @Test func aChunkThatIsThereIsNotInsertedAgain() {
        let log = log(next: 100)
        #expect(log.insert(chunk(20...29)).map(\.base) == [Offset(20)])
        #expect(log.insert(chunk(20...29)).isEmpty)
        #expect(log.window.count == 1)
    }

    @Test func onlyCommittedChunksAreEvicted() {
        let log = log(next: 100)
        append(2, to: log)
        _ = log.cut()
        #expect(log.evict(base: Offset(100)) == nil)
        _ = log.commit(through: Offset(102))
        #expect(log.insert(chunk(20...29)).map(\.base) == [Offset(20)])
        #expect(log.evict(base: Offset(21)) == nil)
        #expect((log.evict(base: Offset(100)) ?? 0) > 0)
        #expect(log.evict(base: Offset(100)) == nil)
        #expect(name(log.place(atOrAfter: Offset(100))) == "stored below 102")
        #expect(log.window.map(\.base) == [Offset(20)])
    }

    @Test func anOffsetCursorOnlyGoesOn() {
        var cursor = OffsetCursor(next: Offset(5))
        cursor.advance(past: Offset(3))
        cursor.skip(to: Offset(2))
        #expect(cursor.next == Offset(5))
        cursor.advance(past: Offset(5))
        #expect(cursor.next == Offset(6))
        cursor.skip(to: Offset(9))
        #expect(cursor == OffsetCursor(next: Offset(9)))
    }
}
