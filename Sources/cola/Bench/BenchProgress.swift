import Synchronization

/// What the threads of a load tell one another: a few counters, written once per burst.
final class BenchProgress: Sendable {
    private let confirmedCount = Atomic<Int>(0)
    private let consumedCount = Atomic<Int>(0)
    private let expectedCount = Atomic<Int>(.max)
    private let isStopped = Atomic<Bool>(false)

    var confirmed: Int { confirmedCount.load(ordering: .relaxed) }
    var consumed: Int { consumedCount.load(ordering: .relaxed) }
    /// One thread failed: the others need not go on.
    var shouldStop: Bool { isStopped.load(ordering: .relaxed) }
    /// Whether everything was published.
    var isPublished: Bool { expectedCount.load(ordering: .relaxed) != .max }
    /// Whether everything that is to come has come.
    var isConsumed: Bool { consumed >= expectedCount.load(ordering: .relaxed) }

    func addConfirmed(_ count: Int) { confirmedCount.add(count, ordering: .relaxed) }
    func addConsumed(_ count: Int) { consumedCount.add(count, ordering: .relaxed) }
    /// How many the consumers wait for; known when the producers are done.
    func expect(_ count: Int) { expectedCount.store(count, ordering: .relaxed) }
    func stop() { isStopped.store(true, ordering: .relaxed) }
}
