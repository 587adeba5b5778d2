/// Wall time that never jumps: it begins where the wall clock stands and then goes with the monotonic clock.
///
/// Expiry and schedules are stored in wall time, because they outlive the process. Taken as it comes, a wall clock that
/// is set ten years ahead would expire everything at once, and one that is set back would stop every schedule. So the
/// wall clock is followed, but by no more than a twentieth of the time that passes: a correction of a second is made
/// within twenty, and a jump of years is not believed in the life of a process. The next start begins at the wall clock
/// again.
///
/// It never goes back, and stands still where monotonic time does. No input makes it trap.
package struct SteadyClock {
    /// The fastest that it goes is 21 seconds in 20, the slowest 19.
    package static let correctionShare: Int128 = 20

    private static let nanosecondsPerMillisecond: Int128 = 1_000_000

    /// In nanoseconds since 1970, because turns of the loop are far shorter than the millisecond of a timestamp.
    private var wall: Int128?
    private var monotonic = Instant(0)

    package init() {}

    /// - Returns: `now` with steady wall time; its monotonic time is handed through.
    package mutating func steady(_ now: Now) -> Now {
        let clock = Int128(now.wall.rawValue) * Self.nanosecondsPerMillisecond
        guard let before = wall else {
            wall = clock
            monotonic = now.monotonic
            return now
        }
        let elapsed = max(0, Int128(now.monotonic.rawValue) - Int128(monotonic.rawValue))
        monotonic = max(monotonic, now.monotonic)
        let uncorrected = before + elapsed
        // Within the millisecond that the wall clock shows there is nothing to correct.
        let nearest = min(max(uncorrected, clock), clock + Self.nanosecondsPerMillisecond - 1)
        let share = elapsed / Self.correctionShare
        let correction = min(max(nearest - uncorrected, -share), share)
        let after = min(uncorrected + correction, Int128(Int64.max) * Self.nanosecondsPerMillisecond)
        wall = after
        return Now(monotonic: now.monotonic, wall: Timestamp(Self.milliseconds(after)))
    }

    /// Rounded down, before 1970 too, so that it never goes back there.
    private static func milliseconds(_ nanoseconds: Int128) -> Int64 {
        let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: nanosecondsPerMillisecond)
        return Int64(clamping: remainder < 0 ? quotient - 1 : quotient)
    }
}
