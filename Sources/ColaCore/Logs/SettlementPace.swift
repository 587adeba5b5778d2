/// How long consumers of a lane take from being given a message to its settlement: whether it is worth while to wait
/// for that before a message is written.
///
/// One delivery at a time is measured, so it costs next to nothing. Source: ARCHITECTURE.md, section 5
struct SettlementPace {
    /// A moving average, over about eight measurements. Nanoseconds; at first a guess.
    private(set) var average: Int64 = 250_000
    private var measured: (offset: Offset, begin: Instant)?

    /// Beyond this waiting costs more than a commit does. Nanoseconds.
    static let patienceMax: Int64 = 2_000_000

    mutating func didHandOut(_ offset: Offset, at now: Instant) {
        if measured == nil { measured = (offset, now) }
    }

    mutating func didEnd(_ offset: Offset, isSettled: Bool, at now: Instant) {
        guard let measured, offset >= measured.offset else { return }
        // Of one that came back nothing can be said.
        guard isSettled else { return self.measured = nil }
        let sample = min(now.rawValue - measured.begin.rawValue, 8 * Self.patienceMax)
        average += (sample - average) / 8
        self.measured = nil
    }

    /// How long a message may be kept from the disk after it was handed out: twice what it takes, or not at all where
    /// that is too long. Nanoseconds.
    func patience(at now: Instant) -> Int64 {
        let running = measured.map { now.rawValue - $0.begin.rawValue } ?? 0
        let expected = 2 * max(average, running)
        return expected <= Self.patienceMax ? expected : 0
    }
}
