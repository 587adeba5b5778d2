internal import ColaCore

/// How many processes may be started: so many at once, and then so many in a second, over all workers.
///
/// What turns out well gives its start back. So a storm of crashes costs little, and a worker that starts a process for
/// each of a thousand good messages a second is not held up.
struct StartBudget: Sendable {
    /// Nanoseconds of waiting that a start is worth.
    private let cost: Int64
    private let creditMost: Int64
    private var credit: Int64
    private var filledAt: Instant

    init(perSecond: Int, burst: Int, at now: Instant) {
        precondition(perSecond > 0 && burst > 0, "\(perSecond) starts a second, \(burst) at once")
        cost = 1_000_000_000 / Int64(perSecond)
        creditMost = cost * Int64(burst)
        credit = creditMost
        filledAt = now
    }

    /// - Returns: false, and nothing is taken, if it is used up.
    mutating func take(at now: Instant) -> Bool {
        let elapsed = max(0, now.rawValue - filledAt.rawValue)
        credit = elapsed >= creditMost - credit ? creditMost : credit + elapsed
        filledAt = max(filledAt, now)
        guard credit >= cost else { return false }
        credit -= cost
        return true
    }

    mutating func giveBack() { credit = min(creditMost, credit + cost) }

    /// When there is enough for a start; it may be past.
    var next: Instant { Instant(filledAt.rawValue + max(0, cost - credit)) }
}
