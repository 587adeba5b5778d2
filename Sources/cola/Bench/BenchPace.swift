/// How many messages a consumer with a rate of its own may take, that works slowly on purpose.
struct BenchPace {
    private let started: Int64
    private let perSecond: Double?

    /// - Parameter perSecond: nil: as many as come.
    init(perSecond: Double?, at now: Int64) {
        started = now
        self.perSecond = perSecond
    }

    /// How many more it may take now, so many having been before.
    func allowance(taken: Int, at now: Int64) -> Int {
        guard let perSecond else { return .max }
        return max(0, Int(Double(now - started) / 1e9 * perSecond) - taken)
    }
}
