internal import HeapModule

/// The part in memory of the messages that wait for their time: the next ones, up to a horizon.
///
/// All of them lie in the store, in the order of their keys, and most are due in days. What lies at or before the
/// horizon is here as well, so a turn of the loop finds the next one without a read; what lies beyond is read when the
/// memory runs low. When memory is full the last ones are let go and the horizon moves to before them. At least one is
/// kept, however large, so that the schedule always goes on.
///
/// A reading is answered turns later, and what was inserted or removed meanwhile may be in it or not. So between
/// `startLoading` and `loaded` all insertions are kept, as far as there is room, and all removals remembered; the
/// answer counts up to the first insertion for which there was no room.
package struct Schedule<Item> {
    package struct Entry {
        package let key: ScheduleKey
        /// What it counts for in the budget.
        package let bytes: Int
        package let item: Item

        package init(key: ScheduleKey, bytes: Int, item: Item) {
            self.key = key
            self.bytes = bytes
            self.item = item
        }
    }

    /// What to read from the store: the first entries after a key, at most so many and, but for the first, so many
    /// bytes.
    package struct Reading: Equatable, Sendable {
        package let after: ScheduleKey
        package let count: Int
        package let bytes: Int

        package init(after: ScheduleKey, count: Int, bytes: Int) {
            self.after = after
            self.count = count
            self.bytes = bytes
        }
    }

    private struct Load {
        let after: ScheduleKey
        /// What was removed since, and may be in the answer.
        var removed: Set<ScheduleKey> = []
        /// The first that was let go since: from here on the answer does not count.
        var end: ScheduleKey?
    }

    private var countMax: Int
    private var bytesMax: Int

    private var entries: [ScheduleKey: Entry] = [:]
    /// The keys of `entries`, and of some that were removed; but the first is never one of those.
    private var keys = Heap<ScheduleKey>()
    /// The bytes of what is in memory.
    package private(set) var byteCount = 0

    /// Whatever waits at or before this is in memory.
    private var horizon = ScheduleKey.first
    /// Whether all that waits is in memory, so that there is no horizon.
    private var isComplete: Bool
    private var load: Load?

    /// All that wait, in memory or not.
    package private(set) var storedCount: Int

    /// - Parameters:
    ///   - storedCount: what waits in the store already.
    ///   - countMax: how many are kept in memory, at least one.
    package init(storedCount: Int = 0, countMax: Int, bytesMax: Int) {
        self.storedCount = max(0, storedCount)
        self.countMax = max(1, countMax)
        self.bytesMax = bytesMax
        isComplete = storedCount <= 0
    }

    /// How many are in memory.
    package var count: Int { entries.count }

    /// How many keys are in memory: at most twice the messages, and some.
    package var keyCount: Int { keys.count }

    // MARK: Coming and going

    /// A message waits from now on; the same batch brings it to the store.
    ///
    /// - Returns: whether it is in memory; otherwise it is read when its time comes near.
    @discardableResult
    package mutating func insert(_ key: ScheduleKey, bytes: Int, item: Item) -> Bool {
        storedCount += 1
        guard isComplete || load != nil || key <= horizon else { return false }
        keep(Entry(key: key, bytes: bytes, item: item))
        shrink()
        return entries[key] != nil
    }

    /// Takes out the first of those that are due at `now`; the caller removes it from the store.
    package mutating func popDue(at now: Timestamp) -> (key: ScheduleKey, item: Item)? {
        guard let key = next, key.due <= now, let entry = drop(key) else { return nil }
        storedCount -= 1
        return (key, entry.item)
    }

    /// A message waits no longer; the caller removes it from the store. It must be one that waits: whether one that is
    /// not in memory does, is not known here.
    ///
    /// - Returns: what was in memory of it.
    @discardableResult
    package mutating func remove(_ key: ScheduleKey) -> Item? {
        let entry = drop(key)
        if entry != nil || (!isComplete && key > horizon) { storedCount = max(0, storedCount - 1) }
        if let after = load?.after, key > after { load?.removed.insert(key) }
        return entry?.item
    }

    /// The budget has changed.
    package mutating func setLimits(countMax: Int, bytesMax: Int) {
        self.countMax = max(1, countMax)
        self.bytesMax = bytesMax
        shrink()
    }

    /// When the next one is due: of what is in memory, or the horizon, where nothing is and more is stored. Nil while
    /// only an answer of the store can tell. Look at `needsLoading` first.
    package var nextDue: Timestamp? {
        if let next { return next.due }
        return isComplete || load != nil ? nil : horizon.due
    }

    // MARK: Reading on

    /// After which key to read on: set when a quarter of the memory or less is in use, the store has more, and no
    /// reading is under way.
    package var needsLoading: ScheduleKey? {
        guard !isComplete, load == nil, entries.count <= countMax / 4, byteCount <= bytesMax / 4 || entries.isEmpty
        else { return nil }
        return horizon
    }

    /// A reading begins. It must find all that was inserted and removed before this call, so begin it when the batch
    /// that is now gathering has been committed. What happens after this call it may find or not.
    package mutating func startLoading() -> Reading? {
        guard let after = needsLoading else { return nil }
        load = Load(after: after)
        return Reading(after: after, count: countMax - entries.count, bytes: max(1, bytesMax - byteCount))
    }

    /// The reading has ended. Where it failed, say so with no entries and not complete, and it is asked for again.
    ///
    /// - Parameters:
    ///   - read: the first entries after the key asked for, without a gap, in their order.
    ///   - isComplete: whether there are none after them.
    package mutating func loaded(_ read: [Entry], isComplete: Bool) {
        guard let load else { return }
        self.load = nil
        for entry in read where entry.key > load.after && !load.removed.contains(entry.key) {
            keep(entry)
        }
        if let end = load.end {
            horizon = isComplete ? end.previous : min(end.previous, max(load.after, read.last?.key ?? load.after))
        } else if isComplete {
            self.isComplete = true
            storedCount = entries.count
        } else {
            horizon = max(load.after, read.last?.key ?? load.after)
        }
        // What was inserted meanwhile or read beyond the horizon is not all that lies there.
        while !self.isComplete, let last = keys.max, last > horizon {
            keys.removeMax()
            if let entry = entries.removeValue(forKey: last) { byteCount -= entry.bytes }
        }
        shrink()
    }

    // MARK: Memory

    /// The first of all that wait, if it is in memory.
    private var next: ScheduleKey? {
        guard let first = keys.min, isComplete || first <= horizon else { return nil }
        return first
    }

    private mutating func keep(_ entry: Entry) {
        if let before = entries.updateValue(entry, forKey: entry.key) {
            byteCount -= before.bytes
        } else {
            keys.insert(entry.key)
        }
        byteCount += entry.bytes
    }

    private mutating func shrink() {
        while entries.count > 1, entries.count > countMax || byteCount > bytesMax, let last = keys.popMax() {
            guard let entry = entries.removeValue(forKey: last) else { continue }
            byteCount -= entry.bytes
            if isComplete || last <= horizon { horizon = last.previous }
            isComplete = false
            // They come from the back, but what is inserted later may be let go before what was.
            let end = load?.end ?? last
            load?.end = min(end, last)
        }
        tidy()
    }

    private mutating func drop(_ key: ScheduleKey) -> Entry? {
        guard let entry = entries.removeValue(forKey: key) else { return nil }
        byteCount -= entry.bytes
        tidy()
        return entry
    }

    /// Takes out the keys of removed entries where they are in the way or too many.
    private mutating func tidy() {
        while let first = keys.min, entries[first] == nil { keys.removeMin() }
        if keys.count > 2 * entries.count + 16 {
            keys = Heap(keys.unordered.filter { entries[$0] != nil })
        }
    }
}
