internal import HeapModule

/// The deadlines of many owners, of which each has one at most: leases, unused queues, waiting requests.
///
/// Deadlines are set and moved far more often than they are reached, so one that was moved or cancelled stays in the
/// heap until it comes to the top or until most of the heap is such remains, which is then built anew. So each step
/// costs O(log n), and memory follows the owners that have a deadline. Those that are due at the same instant come in
/// the order in which they were set, so that a run can be repeated.
package struct Timers<Key: Hashable & Sendable>: Sendable {
    private struct Entry: Comparable, Sendable {
        let deadline: Instant
        let number: UInt64
        let key: Key

        static func < (lhs: Entry, rhs: Entry) -> Bool {
            (lhs.deadline, lhs.number) < (rhs.deadline, rhs.number)
        }

        static func == (lhs: Entry, rhs: Entry) -> Bool { lhs.number == rhs.number }
    }

    private struct Setting: Sendable {
        let deadline: Instant
        let number: UInt64
    }

    /// Its top is never remains.
    private var heap = Heap<Entry>()
    private var settings: [Key: Setting] = [:]
    private var nextNumber: UInt64 = 0

    package init() {}

    /// How many owners have a deadline.
    package var count: Int { settings.count }
    package var isEmpty: Bool { settings.isEmpty }

    /// What is held in memory: at most twice the owners, and some.
    package var entryCount: Int { heap.count }

    /// The earliest deadline.
    package var next: Instant? { heap.min?.deadline }

    /// The deadline of `key`.
    package func deadline(of key: Key) -> Instant? { settings[key]?.deadline }

    /// The deadline of `key` is now `deadline`, whatever it was before.
    package mutating func set(_ key: Key, at deadline: Instant) {
        settings[key] = Setting(deadline: deadline, number: nextNumber)
        heap.insert(Entry(deadline: deadline, number: nextNumber, key: key))
        nextNumber += 1
        clear()
    }

    /// - Returns: whether it had a deadline.
    @discardableResult
    package mutating func cancel(_ key: Key) -> Bool {
        guard settings.removeValue(forKey: key) != nil else { return false }
        clear()
        return true
    }

    /// Takes out the first of those whose deadline is `now` or before.
    package mutating func popDue(at now: Instant) -> Key? {
        guard let first = heap.min, first.deadline <= now else { return nil }
        heap.removeMin()
        settings[first.key] = nil
        clear()
        return first.key
    }

    private mutating func clear() {
        while let first = heap.min, !isCurrent(first) { heap.removeMin() }
        if heap.count > 2 * settings.count + 16 {
            heap = Heap(heap.unordered.filter { isCurrent($0) })
        }
    }

    private func isCurrent(_ entry: Entry) -> Bool { settings[entry.key]?.number == entry.number }
}
