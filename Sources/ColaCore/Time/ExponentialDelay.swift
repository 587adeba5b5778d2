/// Delays that grow by a factor, each a little different, so that what failed together does not come back together.
package struct ExponentialDelay: Hashable, Sendable {
    /// Milliseconds; no delay is shorter.
    package var first: Int64
    /// Milliseconds, at least ``first``; no delay is longer.
    package var most: Int64
    /// 1 or more.
    package var factor: Double
    /// By which part a delay may be longer than its due, 0 to 1.
    package var jitter: Double

    package init(first: Int64, most: Int64, factor: Double = 2, jitter: Double = 0.2) {
        self.first = first
        self.most = most
        self.factor = factor
        self.jitter = jitter
    }

    /// - Parameters:
    ///   - failures: how many there were in a row, 1 or more.
    ///   - random: any number; the same one leads to the same delay.
    /// - Returns: milliseconds from ``first`` to ``most``. Also the longest delays differ: their due is so much below
    ///   ``most`` that the jitter has room.
    package func milliseconds(after failures: Int, random: UInt64) -> Int64 {
        let ceiling = max(Double(first), Double(most) / (1 + jitter))
        var due = Double(first)
        var step = 1
        while step < failures, due < ceiling, factor > 1 {
            due *= factor
            step += 1
        }
        due = min(due, ceiling)
        let part = Double(random >> 11) / Double(UInt64(1) << 53)
        return max(first, min(most, Int64(due * (1 + jitter * part))))
    }
}
