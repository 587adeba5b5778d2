/// When a message that was not done is handed out again, and how often.
///
/// Of a queue it is the argument `retry`, of a worker a part of its definition.
package struct RetryRule: Hashable, Sendable {
    package enum Pace: Hashable, Sendable {
        /// Milliseconds.
        case fixed(Int64)
        case exponential(ExponentialDelay)
        /// As many times `step` as it has failed, and never more than `most`. Milliseconds.
        case linear(step: Int64, most: Int64)
        /// Milliseconds, one for each failure; the last holds for those beyond.
        case list([Int64])
    }

    package var pace: Pace
    /// How often a message is handed out in all, 1 or more; then it is dead-lettered.
    package var attempts: Int

    package init(pace: Pace = .exponential(growing), attempts: Int = 5) {
        self.pace = pace
        self.attempts = attempts
    }

    package static let attemptsMax = 1_000_000

    /// What holds where a rule grows and says nothing else.
    package static let growing = ExponentialDelay(first: 1_000, most: 3_600_000)

    /// - Parameters:
    ///   - failures: how often it has failed, 1 or more.
    ///   - random: any number; the same one leads to the same delay.
    /// - Returns: milliseconds until the next attempt; nil if that was the last.
    package func delay(after failures: Int, random: UInt64) -> Int64? {
        guard failures < attempts else { return nil }
        switch pace {
        case .fixed(let delay): return delay
        case .exponential(let delay): return delay.milliseconds(after: failures, random: random)
        case .linear(let step, let most):
            let (delay, overflow) = step.multipliedReportingOverflow(by: Int64(max(failures, 1)))
            return overflow ? most : min(delay, most)
        case .list(let delays): return delays.isEmpty ? 0 : delays[min(max(failures, 1), delays.count) - 1]
        }
    }
}
