import ColaCore
import ColaTesting
import Testing

@Suite struct ScheduleTests {
    @Test func theNextOnesComeInTheOrderOfTheirTimes() {
        var schedule = Schedule<String>(countMax: 10, bytesMax: 1_000)
        #expect(schedule.nextDue == nil && schedule.needsLoading == nil)
        for (due, id, item) in [(30, 1, "c"), (10, 3, "b"), (10, 2, "a")] as [(Int64, Int64, String)] {
            let isKept = schedule.insert(key(due, id), bytes: 1, item: item)
            #expect(isKept)
        }
        #expect(schedule.nextDue == Timestamp(10))
        #expect(schedule.popDue(at: Timestamp(9)) == nil)
        #expect(schedule.popAll(at: 29) == ["a", "b"])
        #expect(schedule.storedCount == 1)
        #expect(schedule.nextDue == Timestamp(30))
        #expect(schedule.popAll(at: 30) == ["c"])
        #expect(schedule.nextDue == nil && schedule.needsLoading == nil && schedule.storedCount == 0)
    }

    @Test func theLastOnesAreLetGoWhenMemoryIsFull() {
        var schedule = Schedule<String>(countMax: 2, bytesMax: 1_000)
        let kept = [(10, "a"), (30, "c"), (20, "b"), (25, "beyond")].map { due, item in
            schedule.insert(key(due, due), bytes: 1, item: item)
        }
        #expect(kept == [true, true, true, false])
        #expect(schedule.count == 2)
        #expect(schedule.storedCount == 4)
        #expect(schedule.needsLoading == nil)
        #expect(schedule.popAll(at: 100) == ["a", "b"])
        #expect(schedule.nextDue.map { $0 <= Timestamp(25) } == true)
        let reading = schedule.startLoading()
        #expect(reading.map { key(20, 20) <= $0.after && $0.after < key(25, 25) } == true)
        #expect(schedule.nextDue == nil && schedule.needsLoading == nil)
        schedule.loaded([entry(25, "beyond"), entry(30, "c")], isComplete: true)
        #expect(schedule.popAll(at: 100) == ["beyond", "c"])
        #expect(schedule.needsLoading == nil && schedule.storedCount == 0)
    }

    @Test func bytesAreBoundedTooButOneIsAlwaysKept() {
        var schedule = Schedule<String>(countMax: 10, bytesMax: 100)
        for due in [5, 4, 3] as [Int64] { schedule.insert(key(due, due), bytes: 60, item: "\(due)") }
        #expect(schedule.count == 1)
        #expect(schedule.byteCount == 60)
        let isKept = schedule.insert(key(1, 1), bytes: 10_000, item: "1")
        #expect(isKept)
        #expect(schedule.popAll(at: 100) == ["1"])
        #expect(schedule.storedCount == 3)
        #expect(schedule.byteCount == 0)
    }

    @Test func whatIsStoredAtTheStartIsReadFirst() {
        var schedule = Schedule<String>(storedCount: 3, countMax: 8, bytesMax: 1_000)
        #expect(schedule.needsLoading == .first)
        #expect(schedule.startLoading() == .init(after: .first, count: 8, bytes: 1_000))
        schedule.loaded([entry(1, "a"), entry(2, "b")], isComplete: false)
        #expect(schedule.needsLoading == key(2, 2))
        #expect(schedule.popAll(at: 10) == ["a", "b"])
        _ = schedule.startLoading()
        schedule.loaded([entry(3, "c")], isComplete: true)
        #expect(schedule.popAll(at: 10) == ["c"])
        #expect(schedule.storedCount == 0)
    }

    @Test func aReadingThatFailedIsAskedForAgain() {
        var schedule = Schedule<String>(storedCount: 1, countMax: 4, bytesMax: 1_000)
        _ = schedule.startLoading()
        schedule.insert(key(5, 5), bytes: 1, item: "meanwhile")
        schedule.loaded([], isComplete: false)
        // It lies in the store, behind what could not be read.
        #expect(schedule.popAll(at: 100) == [])
        #expect(schedule.needsLoading == .first)
        _ = schedule.startLoading()
        schedule.loaded([entry(1, "a"), entry(5, "meanwhile")], isComplete: true)
        #expect(schedule.popAll(at: 100) == ["a", "meanwhile"])
    }

    @Test func whatComesDuringAReadingIsNeitherLostNorDoubled() {
        for isFound in [false, true] {
            var schedule = Schedule<String>(storedCount: 2, countMax: 8, bytesMax: 1_000)
            _ = schedule.startLoading()
            schedule.insert(key(2, 9), bytes: 1, item: "new")
            #expect(schedule.popAll(at: 100) == [])  // one before it may be in the store
            schedule.loaded(
                [entry(1, "a")] + (isFound ? [Schedule.Entry(key: key(2, 9), bytes: 1, item: "new")] : [])
                    + [entry(3, "c")], isComplete: true)
            #expect(schedule.popAll(at: 100) == ["a", "new", "c"])
            #expect(schedule.storedCount == 0)
        }
    }

    @Test func whatIsRemovedDuringAReadingDoesNotComeBack() {
        var schedule = Schedule<String>(storedCount: 2, countMax: 8, bytesMax: 1_000)
        _ = schedule.startLoading()
        let stored = schedule.remove(key(1, 1))
        schedule.insert(key(3, 3), bytes: 1, item: "c")
        let inMemory = schedule.remove(key(3, 3))
        #expect(stored == nil && inMemory == "c")
        schedule.loaded([entry(1, "a"), entry(2, "b"), entry(3, "c")], isComplete: true)
        #expect(schedule.storedCount == 1)
        #expect(schedule.popAll(at: 100) == ["b"])
    }

    @Test func anAnswerCountsOnlyUpToWhatWasLetGoMeanwhile() {
        var schedule = Schedule<String>(storedCount: 1, countMax: 1, bytesMax: 1_000)
        _ = schedule.startLoading()
        schedule.insert(key(20, 2), bytes: 1, item: "b")
        schedule.insert(key(10, 1), bytes: 1, item: "a")  // no room for b, which the reading may not find
        schedule.loaded([entry(30, "c")], isComplete: true)
        #expect(schedule.popAll(at: 100) == ["a"])
        let after = schedule.startLoading()?.after
        #expect(after.map { $0 < key(20, 2) } == true)
    }

    @Test func aSmallerBudgetLetsGoAtOnce() {
        var schedule = Schedule<String>(countMax: 100, bytesMax: 1_000)
        for due in 1...50 as ClosedRange<Int64> { schedule.insert(key(due, due), bytes: 10, item: "\(due)") }
        schedule.setLimits(countMax: 100, bytesMax: 55)
        #expect(schedule.count == 5 && schedule.byteCount == 50)
        schedule.setLimits(countMax: 0, bytesMax: 0)
        #expect(schedule.count == 1 && schedule.storedCount == 50)
        #expect(schedule.popAll(at: 100) == ["1"])
    }

    @Test func placesBeforeAnother() {
        #expect(key(5, 7).previous == key(5, 6))
        #expect(key(5, .min).previous == key(4, .max))
        #expect(ScheduleKey.first.previous == .first)
    }

    @Test func whatIsInsertedAndRemovedForeverTakesNoMemory() {
        var schedule = Schedule<Int>(countMax: 1_000, bytesMax: 1_000_000)
        schedule.insert(key(0, 0), bytes: 1, item: 0)
        for id in 1...20_000 as ClosedRange<Int64> {
            schedule.insert(key(id, id), bytes: 1, item: Int(id))
            schedule.remove(key(id, id))
        }
        #expect(schedule.count == 1 && schedule.storedCount == 1 && schedule.byteCount == 1)
        #expect(schedule.keyCount < 32)
    }
}

private func key(_ due: Int64, _ id: Int64) -> ScheduleKey { ScheduleKey(due: Timestamp(due), id: ScheduleID(id)) }

private func entry(_ due: Int64, _ item: String) -> Schedule<String>.Entry {
    Schedule.Entry(key: key(due, due), bytes: 1, item: item)
}

extension Schedule {
    fileprivate mutating func popAll(at now: Int64) -> [Item] {
        var items: [Item] = []
        while items.count < 1_000, let due = popDue(at: Timestamp(now)) { items.append(due.item) }
        return items
    }
}
