internal import HeapModule

/// The message ids that a queue or topic has seen lately, so that a publisher may send again what it got no answer for.
///
/// Each id is kept until a time of its own, because the window may be changed while ids are in it. What has expired
/// counts as unseen at once, whether or not it was taken out already; taking out is done in slices, by the owner, who
/// has rows of the store to delete with it. An id that comes again after it has expired takes the place of the old one,
/// which is then not reported as expired: in the store, too, the new row replaces it.
///
/// The oldest id is the one that expires first. While the window stays the same that is the order of insertion.
package struct DedupWindow: Sendable {
    private struct Entry: Comparable, Sendable {
        let expires: Timestamp
        /// Counts insertions: orders what expires together, and tells an entry from the one that replaced it.
        let number: UInt64
        let id: [UInt8]

        static func < (lhs: Entry, rhs: Entry) -> Bool { (lhs.expires, lhs.number) < (rhs.expires, rhs.number) }
        static func == (lhs: Entry, rhs: Entry) -> Bool { lhs.number == rhs.number }
    }

    private struct Seen: Sendable {
        let expires: Timestamp
        let number: UInt64
    }

    private var seen: [[UInt8]: Seen] = [:]
    /// Its top is never an entry that was replaced or removed.
    private var entries = Heap<Entry>()
    private var nextNumber: UInt64 = 0

    /// The bytes of all ids, without what it takes to keep them.
    package private(set) var byteCount = 0

    package init() {}

    /// How many ids are kept, those included that have expired and were not taken out yet.
    package var count: Int { seen.count }
    package var isEmpty: Bool { seen.isEmpty }

    /// When the first id expires.
    package var nextExpiry: Timestamp? { entries.min?.expires }

    /// What is held in memory: at most twice the ids, and some.
    package var entryCount: Int { entries.count }

    /// Keeps `id` until `expires`. At recovery, pass the earliest time as `now`: what is stored is kept as it is.
    ///
    /// - Returns: false if it was seen before and that has not expired: then it keeps the time that it had.
    package mutating func insert(id: ArraySlice<UInt8>, at now: Timestamp, expires: Timestamp) -> Bool {
        let id = Array(id)
        if let before = seen[id] {
            guard before.expires <= now else { return false }
        } else {
            byteCount += id.count
        }
        seen[id] = Seen(expires: expires, number: nextNumber)
        entries.insert(Entry(expires: expires, number: nextNumber, id: id))
        nextNumber += 1
        clear()
        return true
    }

    /// Whether `id` was seen and has not expired.
    package func contains(id: ArraySlice<UInt8>, at now: Timestamp) -> Bool {
        seen[Array(id)].map { $0.expires > now } ?? false
    }

    /// Takes out ids that have expired, at most `max` of them, in the order of their expiry.
    ///
    /// - Returns: fewer than `max` only if no more have expired.
    package mutating func expire(at now: Timestamp, max: Int) -> [[UInt8]] {
        var expired: [[UInt8]] = []
        while expired.count < max, let first = entries.min, first.expires <= now, let id = forgetOldest() {
            expired.append(id)
        }
        return expired
    }

    /// Takes out the id that expires first, for a window that is full.
    @discardableResult
    package mutating func forgetOldest() -> [UInt8]? {
        guard let first = entries.popMin() else { return nil }
        seen[first.id] = nil
        byteCount -= first.id.count
        clear()
        return first.id
    }

    /// Takes out `id`, whose message was not accepted after all.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    package mutating func remove(id: ArraySlice<UInt8>) -> Bool {
        guard seen.removeValue(forKey: Array(id)) != nil else { return false }
        byteCount -= id.count
        clear()
        return true
    }

    private mutating func clear() {
        while let first = entries.min, !isCurrent(first) { entries.removeMin() }
        if entries.count > 2 * seen.count + 16 {
            entries = Heap(entries.unordered.filter { isCurrent($0) })
        }
    }

    private func isCurrent(_ entry: Entry) -> Bool { seen[entry.id]?.number == entry.number }
}
