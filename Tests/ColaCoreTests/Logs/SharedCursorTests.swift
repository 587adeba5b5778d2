import ColaCore
import ColaTesting
import Testing

/// A queue's position: a floor, the spans above it, and what the store has to know of them.
@Suite struct SharedCursorTests {
    private func segment(_ offsets: some Sequence<Int64>) -> RecordSegment {
        var segment = RecordSegment()
        for offset in offsets {
            segment.append(Message(value: [1]), at: Offset(offset), timestamp: Timestamp(0))
        }
        return segment
    }

    private func settled(_ indexes: Int...) -> SettledSet {
        var set = SettledSet()
        for index in indexes { set.insert(index) }
        return set
    }

    /// A cursor that has entered a chunk of the offsets 0 to `last`, and handed all of it out.
    private func taken(through last: Int64, recoveredBelow: Int64 = 0) -> SharedCursor {
        var cursor = SharedCursor(floor: Offset(0), recoveredBelow: Offset(recoveredBelow))
        enter(&cursor, 0...last)
        for offset in 0...last { cursor.take(Offset(offset)) }
        return cursor
    }

    private func enter(
        _ cursor: inout SharedCursor, _ range: ClosedRange<Int64>, present: [Int64]? = nil,
        settled: SettledSet = SettledSet(), released: [Release] = []
    ) {
        cursor.enter(
            base: Offset(range.lowerBound), last: Offset(range.upperBound), segment: segment(present ?? Array(range)),
            settled: settled, released: released)
    }

    @Test func theFloorIsTheFirstThatIsNotSettled() {
        var cursor = taken(through: 4)
        cursor.settle(Offset(1))
        cursor.settle(Offset(2))
        #expect(cursor.cut().floor == Offset(0))
        cursor.settle(Offset(0))
        #expect(cursor.cut().floor == Offset(3))
        #expect(cursor.leasedCount == 2)
    }

    @Test func aSetIsStoredOnlyWhereSomethingAboveTheFloorIsSettled() {
        var cursor = taken(through: 4)
        cursor.settle(Offset(0))
        #expect(cursor.cut().settled == [])
        cursor.settle(Offset(2))
        #expect(cursor.cut().settled == [ChunkSettlement(base: Offset(0), last: Offset(4), settled: settled(0, 2))])
        #expect(cursor.cut().settled == [])  // nothing has changed since
        cursor.settle(Offset(1))
        #expect(cursor.cut().settled == [ChunkSettlement(base: Offset(0), last: Offset(4), settled: SettledSet())])
        #expect(cursor.floor == Offset(3))
    }

    @Test func aChunkOfWhichNothingIsLeftIsRemovedOnce() {
        var cursor = taken(through: 1)
        enter(&cursor, 2...3)
        for offset in 2...3 as ClosedRange<Int64> { cursor.take(Offset(offset)) }
        for offset in [3, 2] as [Int64] { cursor.settle(Offset(offset)) }
        #expect(cursor.cut().removed.map(\.lowerBound) == [Offset(2)])
        #expect(cursor.floor == Offset(0))
        for offset in [1, 0] as [Int64] { cursor.settle(Offset(offset)) }
        #expect(cursor.cut().removed.map(\.lowerBound) == [Offset(0)])
        #expect(cursor.cut().removed.map(\.lowerBound) == [])
        #expect(cursor.floor == Offset(4))
    }

    @Test func whatComesBackStandsInItsPlace() {
        var cursor = taken(through: 5)
        for offset in [4, 1, 3, 0] as [Int64] { cursor.release(Offset(offset)) }
        #expect(cursor.released.map(\.offset.rawValue) == [0, 1, 3, 4])
        #expect(cursor.takeReleased() == Release(offset: Offset(0), deliveries: 1))
        cursor.release(Offset(0))
        #expect(cursor.takeReleased() == Release(offset: Offset(0), deliveries: 2))
        #expect(cursor.leasedCount == 3)
        let changes = cursor.cut()
        #expect(Set(changes.released.map(\.offset.rawValue)) == [0, 1, 3, 4])
        #expect(changes.released.first { $0.offset == Offset(0) }?.deliveries == 2)
        cursor.settle(Offset(0))
        #expect(cursor.cut().releasesRemoved == [Offset(0)])
    }

    @Test func itKnowsWhatMayHaveBeenHandedOutBefore() {
        var cursor = SharedCursor(floor: Offset(0), recoveredBelow: Offset(2))
        #expect(cursor.handedOut == Offset(2))
        enter(&cursor, 0...4, released: [Release(offset: Offset(1), deliveries: 3)])
        #expect((0...3 as ClosedRange<Int64>).map { cursor.redelivered(Offset($0)) } == [0, 3, nil, nil])
        for offset in 0...2 as ClosedRange<Int64> { cursor.take(Offset(offset)) }
        #expect(cursor.handedOut == Offset(3))
        cursor.release(Offset(1))
        #expect(Array(cursor.released) == [Release(offset: Offset(1), deliveries: 4)])
    }

    @Test func holesAndWhatWasSettledBeforeCountAsSettled() {
        var cursor = SharedCursor(floor: Offset(11), recoveredBelow: Offset(0))
        enter(&cursor, 10...19, present: [10, 11, 12, 14, 15, 16, 17, 18], settled: settled(5, 6))
        let open = (10...19 as ClosedRange<Int64>).filter { !cursor.isSettled(Offset($0)) }
        #expect(open == [11, 12, 14, 17, 18])
        for offset in open { cursor.take(Offset(offset)) }
        for offset in open.dropLast() { cursor.settle(Offset(offset)) }
        #expect(cursor.cut().floor == Offset(18))
        cursor.settle(Offset(18))
        let changes = cursor.cut()
        #expect(changes.removed.map(\.lowerBound) == [Offset(10)])
        #expect(changes.floor == Offset(20))
    }

    @Test func aChunkOfWhichNothingIsLeftWhenItIsEnteredIsPassed() {
        var cursor = SharedCursor(floor: Offset(0), recoveredBelow: Offset(0))
        enter(&cursor, 0...1, settled: settled(0, 1))
        #expect(cursor.hasFinishedChunks)
        #expect(cursor.fresh == Offset(2))
        #expect(cursor.cut().removed.map(\.lowerBound) == [Offset(0)])
        #expect(cursor.floor == Offset(2))
    }

    @Test func enteringTwiceChangesNothing() {
        var cursor = taken(through: 3)
        cursor.settle(Offset(1))
        enter(&cursor, 0...3)
        #expect(cursor.isSettled(Offset(1)))
        #expect(cursor.fresh == Offset(4))
    }

    @Test func aPurgeLeavesWhatIsHandedOut() {
        var cursor = taken(through: 1)
        enter(&cursor, 2...5)
        cursor.take(Offset(2))
        cursor.release(Offset(0))
        #expect(cursor.purge(to: Offset(20)) == Offset(6)..<Offset(20))
        #expect(cursor.released.isEmpty)
        #expect(cursor.leasedCount == 2)
        #expect(cursor.fresh == Offset(20))
        var changes = cursor.cut()
        #expect(changes.floor == Offset(1))
        #expect(changes.releasesRemoved == [Offset(0)])
        cursor.settle(Offset(2))
        cursor.settle(Offset(1))
        changes = cursor.cut()
        #expect(changes.removed.map(\.lowerBound).sorted() == [Offset(0), Offset(2)])
        #expect(changes.floor == Offset(20))
        #expect(cursor.purge(to: Offset(20)) == nil)
    }

    @Test func lostRecordsAreSettledUnlessSomebodyHasThem() {
        var cursor = SharedCursor(floor: Offset(0), recoveredBelow: Offset(0))
        enter(&cursor, 0...5)
        cursor.take(Offset(0))
        cursor.take(Offset(1))
        cursor.release(Offset(1))
        let rest = segment([5])
        #expect(cursor.lose(base: Offset(0), last: Offset(5), segment: rest, settled: SettledSet()) == 3)
        #expect(!cursor.isSettled(Offset(0)))
        #expect(cursor.isSettled(Offset(4)))
        cursor.dropReleased()
        cursor.settle(Offset(0))
        cursor.take(Offset(5))
        cursor.settle(Offset(5))
        #expect(cursor.cut().removed.map(\.lowerBound) == [Offset(0)])
        #expect(cursor.lose(base: Offset(6), last: Offset(9), segment: rest, settled: settled(0)) == 3)
    }

    /// Settled in any order, with any of them coming back in between, the end is the same.
    @Test(arguments: Seeds.of(40))
    func anyOrderOfSettlingEndsAtTheSameFloor(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var cursor = SharedCursor(floor: Offset(0), recoveredBelow: Offset(0))
        var open: [Offset] = []
        var next: Int64 = 0
        var removed: [Offset] = []
        for _ in 0..<300 {
            switch Int.random(in: 0...9, using: &random) {
            case 0 where next < 200:
                let last = next + Int64.random(in: 0...9, using: &random)
                enter(&cursor, next...last)
                for offset in next...last { cursor.take(Offset(offset)) }
                open += (next...last).map { Offset($0) }
                next = last + 1
            case 1...6:
                guard let index = open.indices.randomElement(using: &random) else { continue }
                cursor.settle(open.remove(at: index))
            case 7, 8:
                guard let index = open.indices.randomElement(using: &random) else { continue }
                cursor.release(open[index])
                while !cursor.released.isEmpty { _ = cursor.takeReleased() }
            default: removed += cursor.cut().removed.map(\.lowerBound)
            }
            #expect(cursor.leasedCount == open.count)
        }
        for offset in open { cursor.settle(offset) }
        removed += cursor.cut().removed.map(\.lowerBound)
        #expect(cursor.floor == Offset(next))
        #expect(Set(removed).count == removed.count)
    }
}

/// The store may merge chunks between two reads.
@Suite struct MergedChunkTests {
    private func segment(_ offsets: ClosedRange<Int64>) -> RecordSegment {
        var segment = RecordSegment()
        for offset in offsets { segment.append(Message(value: [0x61]), at: Offset(offset), timestamp: Timestamp(0)) }
        return segment
    }

    private func enter(_ cursor: inout SharedCursor, _ offsets: ClosedRange<Int64>) {
        cursor.enter(
            base: Offset(offsets.lowerBound), last: Offset(offsets.upperBound), segment: segment(offsets),
            settled: SettledSet(), released: [])
    }

    /// What was looked at but not handed out stays the next one when its chunk comes back as part of a larger one.
    @Test func aMessageThatWasOnlyLookedAtIsNotSkipped() {
        var cursor = SharedCursor(floor: Offset(0), recoveredBelow: Offset(0))
        enter(&cursor, 0...1)
        cursor.take(Offset(0))
        enter(&cursor, 0...4)
        #expect(cursor.fresh == Offset(1))
        for offset in 1...4 as ClosedRange<Int64> {
            #expect(!cursor.isTaken(Offset(offset)))
            cursor.take(Offset(offset))
        }
        for offset in 0...4 as ClosedRange<Int64> { cursor.settle(Offset(offset)) }
        let changes = cursor.cut()
        #expect(changes.floor == Offset(5))
        #expect(changes.removed.map { $0.lowerBound.rawValue...$0.upperBound.rawValue } == [0...1, 2...4])
    }

    /// Nor where all that is new of the larger chunk was settled before.
    @Test func aMessageBeforeASettledRestIsNotSkipped() {
        var cursor = SharedCursor(floor: Offset(0), recoveredBelow: Offset(0))
        enter(&cursor, 0...1)
        var settled = SettledSet()
        for index in 2...4 { settled.insert(index) }
        cursor.enter(base: Offset(0), last: Offset(4), segment: segment(0...4), settled: settled, released: [])
        #expect(cursor.fresh == Offset(0))
        #expect(!cursor.isTaken(Offset(0)))
        #expect(cursor.isTaken(Offset(3)))
    }

    /// What was settled, so that its chunk has gone, does not come back with a chunk that it was merged into.
    @Test func whatWasSettledBehindALeaseDoesNotComeBack() {
        var cursor = SharedCursor(floor: Offset(0), recoveredBelow: Offset(0))
        enter(&cursor, 0...1)
        for offset in 0...1 as ClosedRange<Int64> { cursor.take(Offset(offset)) }
        enter(&cursor, 2...2)
        cursor.take(Offset(2))
        cursor.settle(Offset(2))
        enter(&cursor, 2...4)
        #expect(cursor.fresh == Offset(3))
        #expect(cursor.isTaken(Offset(2)))
        #expect(!cursor.isTaken(Offset(3)))
    }
}
