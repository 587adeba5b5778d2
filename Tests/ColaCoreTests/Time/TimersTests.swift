import ColaCore
import ColaTesting
import Testing

@Suite struct TimersTests {
    @Test func theEarliestDeadlineComesFirstAndNotBeforeItsTime() {
        var timers = Timers<String>()
        #expect(timers.next == nil && timers.isEmpty)
        timers.set("late", at: Instant(30))
        timers.set("soon", at: Instant(10))
        #expect(timers.next == Instant(10))
        #expect(timers.popDue(at: Instant(9)) == nil)
        #expect(timers.popDue(at: Instant(10)) == "soon")
        #expect(timers.popDue(at: Instant(10)) == nil)
        #expect(timers.next == Instant(30))
        #expect(timers.popDue(at: Instant(.max)) == "late")
        #expect(timers.next == nil && timers.isEmpty)
    }

    @Test func sameDeadlinesComeInTheOrderOfSetting() {
        var timers = Timers<Int>()
        for key in [5, 3, 9, 1] { timers.set(key, at: Instant(7)) }
        timers.set(3, at: Instant(7))  // set again: now the last
        var order: [Int] = []
        while let key = timers.popDue(at: Instant(7)) { order.append(key) }
        #expect(order == [5, 9, 1, 3])
    }

    @Test func settingAgainReplacesAndCancellingForgets() {
        var timers = Timers<String>()
        timers.set("a", at: Instant(10))
        timers.set("a", at: Instant(20))
        #expect(timers.count == 1)
        #expect(timers.next == Instant(20))
        #expect(timers.popDue(at: Instant(15)) == nil)
        timers.set("a", at: Instant(5))
        #expect(timers.deadline(of: "a") == Instant(5))
        let first = timers.cancel("a")
        let second = timers.cancel("a")
        #expect(first && !second)
        #expect(timers.next == nil)
        #expect(timers.popDue(at: Instant(.max)) == nil)
    }

    @Test func deadlinesThatMoveOnForeverTakeNoMemory() {
        var timers = Timers<Int>()
        timers.set(-1, at: Instant(1))  // stays at the top, so that nothing goes by being reached
        for turn in 0..<20_000 {
            timers.set(turn % 10, at: Instant(Int64(100 + turn)))
            #expect(timers.entryCount <= 2 * timers.count + 16)
        }
        #expect(timers.count == 11)
        #expect(timers.next == Instant(1))
    }

    @Test(arguments: Seeds.of(40)) func theyBehaveLikeASortedList(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var timers = Timers<Int>()
        /// In the order of setting.
        var model: [(key: Int, deadline: Int64)] = []
        let keys = [3, 20, 200].randomElement(using: &random)!
        var now: Int64 = 0
        for _ in 0..<500 {
            let key = Int.random(in: 0..<keys, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let deadline = now + Int64.random(in: -3...30, using: &random)
                timers.set(key, at: Instant(deadline))
                model.removeAll { $0.key == key }
                model.append((key, deadline))
            case 5:
                let cancelled = timers.cancel(key)
                #expect(cancelled == model.contains { $0.key == key })
                model.removeAll { $0.key == key }
            default:
                now += Int64.random(in: 0...4, using: &random)
                let first = model.indices.min { (model[$0].deadline, $0) < (model[$1].deadline, $1) }
                let expected = first.flatMap { model[$0].deadline <= now ? model.remove(at: $0).key : nil }
                #expect(timers.popDue(at: Instant(now)) == expected)
            }
            #expect(timers.count == model.count)
            #expect(timers.next?.rawValue == model.map(\.deadline).min())
            #expect(timers.deadline(of: key)?.rawValue == model.first { $0.key == key }?.deadline)
        }
    }
}
