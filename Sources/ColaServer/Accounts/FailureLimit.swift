internal import ColaCore
internal import OrderedCollections

/// How often somebody may be wrong about a password: from one address, and from all together.
///
/// Each failure takes one from what the address has left, and time gives it back. Whoever has nothing left is not
/// looked at. This machine's own addresses are: all its users share them, and one must not lock out the others.
struct FailureLimit {
    /// Failures that an address has at once, and how long it waits for each further one.
    static let burst: Double = 10
    static let secondsEach: Double = 6
    /// The same of all addresses together.
    static let burstOfAll: Double = 100
    static let secondsEachOfAll: Double = 0.2
    /// Addresses that are remembered; those that were wrong longest ago go first.
    static let addressesMax = 10_000

    private struct Budget {
        var left: Double
        var since: Instant

        mutating func refill(to most: Double, secondsEach: Double, at now: Instant) {
            left = min(most, left + Double(now.rawValue - since.rawValue) / 1_000_000_000 / secondsEach)
            since = now
        }
    }

    private var all: Budget?
    /// In the order in which they were last wrong.
    private var addresses: OrderedDictionary<String, Budget> = [:]

    /// - Returns: how many seconds the address has to wait; nil: it need not.
    mutating func wait(for address: String, at now: Instant) -> Int? {
        guard var budget = addresses[address] else { return nil }
        budget.refill(to: Self.burst, secondsEach: Self.secondsEach, at: now)
        if budget.left >= Self.burst {
            addresses[address] = nil
            return nil
        }
        addresses[address] = budget
        return budget.left >= 1 ? nil : max(1, Int(((1 - budget.left) * Self.secondsEach).rounded(.up)))
    }

    /// Whether so many are wrong everywhere that nobody unknown is looked at for the time being.
    mutating func isExhausted(at now: Instant) -> Bool {
        all?.refill(to: Self.burstOfAll, secondsEach: Self.secondsEachOfAll, at: now)
        return all.map { $0.left < 1 } ?? false
    }

    mutating func fail(from address: String, at now: Instant) {
        var budget = addresses.removeValue(forKey: address) ?? Budget(left: Self.burst, since: now)
        budget.refill(to: Self.burst, secondsEach: Self.secondsEach, at: now)
        budget.left = max(0, budget.left - 1)
        if addresses.count >= Self.addressesMax { addresses.removeFirst() }
        addresses[address] = budget
        var total = all ?? Budget(left: Self.burstOfAll, since: now)
        total.refill(to: Self.burstOfAll, secondsEach: Self.secondsEachOfAll, at: now)
        total.left = max(0, total.left - 1)
        all = total
    }
}
