import ColaCore
import ColaTesting
import Testing

@Suite struct SteadyClockTests {
    private static let millisecond: Int64 = 1_000_000
    private static let second: Int64 = 1_000_000_000
    private static let tenYears: Int64 = 10 * 365 * 86_400_000
    private static let start: Int64 = 1_800_000_000_000

    /// A steady clock that was given its first time, and the time that it has shown since.
    private struct Watch {
        var clock = SteadyClock()
        var monotonic: Int64 = 5
        var wall = SteadyClockTests.start

        init() { read() }

        @discardableResult
        mutating func read() -> Int64 {
            clock.steady(Now(monotonic: Instant(monotonic), wall: Timestamp(wall))).wall.rawValue
        }

        /// Both clocks go on for `milliseconds`, in steps of one.
        mutating func run(milliseconds: Int64) -> Int64 {
            var last: Int64 = 0
            for _ in 0..<milliseconds {
                monotonic += SteadyClockTests.millisecond
                wall += 1
                last = read()
            }
            return last
        }
    }

    @Test func itBeginsWithTheWallClockAndGoesWithIt() {
        var clock = SteadyClock()
        let first = clock.steady(Now(monotonic: Instant(7), wall: Timestamp(-123)))
        #expect(first == Now(monotonic: Instant(7), wall: Timestamp(-123)))
        let later = clock.steady(Now(monotonic: Instant(7 + 40 * Self.millisecond), wall: Timestamp(-83)))
        #expect(later == Now(monotonic: Instant(7 + 40 * Self.millisecond), wall: Timestamp(-83)))
        // Half a millisecond on it is still the same one, before 1970 as after.
        let half = Instant(7 + 40 * Self.millisecond + 500_000)
        #expect(clock.steady(Now(monotonic: half, wall: Timestamp(-83))).wall == Timestamp(-83))
    }

    @Test func turnsShorterThanAMillisecondAddUp() {
        var clock = SteadyClock()
        var shown: Int64 = 0
        for turn in 0...1_000_000 where turn % 61 == 0 || turn == 1_000_000 {
            let nanoseconds = Int64(turn) * 30  // 30 ms in all
            let wall = Timestamp(nanoseconds / Self.millisecond)
            shown = clock.steady(Now(monotonic: Instant(nanoseconds), wall: wall)).wall.rawValue
            #expect(shown == wall.rawValue)
        }
        #expect(shown == 30)
    }

    @Test(arguments: [1, -1]) func aJumpOfTenYearsIsNotBelieved(direction: Int64) {
        var watch = Watch()
        watch.wall += direction * Self.tenYears
        #expect(watch.read() == Self.start)
        // A day, in hours: it may be wrong by a twentieth of the day and no more.
        for hour in 1...24 as ClosedRange<Int64> {
            watch.monotonic += 3_600 * Self.second
            watch.wall += 3_600_000
            let error = watch.read() - (Self.start + hour * 3_600_000)
            #expect(error * direction == hour * 3_600_000 / 20)
        }
    }

    @Test(arguments: [-500, -20, -1, 1, 20, 500]) func aSmallCorrectionIsMadeWithinTwentyTimesItsSize(by: Int64) {
        var watch = Watch()
        watch.wall += by
        let halfway = watch.run(milliseconds: abs(by) * 10)
        #expect(abs(halfway - watch.wall) <= (abs(by) + 1) / 2)
        let after = watch.run(milliseconds: abs(by) * 10 + 20)
        #expect(after == watch.wall)
        #expect(watch.run(milliseconds: 1_000) == watch.wall)
    }

    @Test func itStandsStillWithMonotonicTime() {
        var watch = Watch()
        for wall in [Self.start + 1_000, Self.start - 1_000, .max, .min, 0] {
            watch.wall = wall
            #expect(watch.read() == Self.start)
        }
        watch.monotonic = .min
        #expect(watch.read() == Self.start)
        // What went back and comes again is not counted twice.
        (watch.monotonic, watch.wall) = (5 + Self.millisecond, Self.start + 1)
        #expect(watch.read() == Self.start + 1)
    }

    @Test func theFarEndsDoNotTrap() {
        let ends: [Int64] = [.min, .min + 1, -1, 0, 1, .max - 1, .max]
        for first in ends {
            for second in ends {
                var clock = SteadyClock()
                var shown = clock.steady(Now(monotonic: Instant(first), wall: Timestamp(second))).wall
                #expect(shown.rawValue == second)
                for third in ends {
                    for fourth in ends {
                        let next = clock.steady(Now(monotonic: Instant(third), wall: Timestamp(fourth))).wall
                        #expect(next >= shown)
                        shown = next
                    }
                }
            }
        }
    }

    /// It never goes back, and never strays more than a twentieth from the time that has passed.
    @Test(arguments: Seeds.of(50)) func itNeverGoesBackWhateverTheClocksDo(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var watch = Watch()
        var shown = Self.start
        var passed: Int64 = 0
        for _ in 0..<500 {
            let step = Int64.random(
                in: 0...[10, Self.millisecond, 90 * Self.second].randomElement(using: &random)!, using: &random)
            watch.monotonic += step
            watch.wall += step / Self.millisecond
            passed += step
            switch Int.random(in: 0..<20, using: &random) {
            case 0: watch.wall = Int64.random(in: .min + Self.tenYears...(.max - Self.tenYears), using: &random)
            case 1: watch.wall = Self.start + passed / Self.millisecond
            case 2: watch.wall += Int64.random(in: -2_000...2_000, using: &random)
            default: break
            }
            let next = watch.read()
            #expect(next >= shown)
            shown = next
            let error = abs(shown - Self.start - passed / Self.millisecond)
            #expect(error <= passed / 20 / Self.millisecond + 1)
        }
        // Left alone it finds the wall clock again.
        watch.wall = shown + 3_000
        for _ in 0..<700 {
            watch.monotonic += 100 * Self.millisecond
            watch.wall += 100
            shown = watch.read()
        }
        #expect(shown == watch.wall)
    }
}
