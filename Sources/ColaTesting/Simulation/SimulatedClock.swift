internal import ColaCore

/// The clocks of one machine: time that passes, and what the wall says, which jumps.
///
/// Unchecked: a simulation has one thread.
final class SimulatedClock: @unchecked Sendable {
    /// What is added to the time that passed for the date that people see. Milliseconds.
    var wallOffset: Int64 = 1_795_360_000_000

    /// - Parameters:
    ///   - time: nanoseconds since the world began.
    ///   - monotonicOffset: where a machine's clock stood then; each life of a process has its own.
    func now(at time: Int64, monotonicOffset: Int64) -> Now {
        Now(monotonic: Instant(time + monotonicOffset), wall: Timestamp(wallOffset + time / 1_000_000))
    }
}
