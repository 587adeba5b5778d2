internal import DequeModule

/// An append-only sequence of records with growing offsets, and the part of it that is in memory.
///
/// In memory are: the records gathered for the next batch, those of batches under way, and a cache of committed chunks.
/// The rest is on the disk, and nothing here grows with it. What the records mean to their readers is not known here.
///
/// Source: ARCHITECTURE.md, section 1
final class Log {
    /// A run of records that is (or is about to be) one row of the store.
    ///
    /// An object, for it is looked at with each message, and a copy of all its parts would be one of many references.
    final class Chunk {
        var base: Offset
        var last: Offset
        var segment: RecordSegment
        /// What the store had as settled, when the chunk was read from it.
        var settled: SettledSet
        /// What the store had as released, likewise.
        var released: [Release]
        var isCommitted: Bool
        /// Whether no other copy of it exists: it is in no store, or on its way there.
        var isPinned: Bool
        /// How many of its records were settled before they were cut.
        var elided = 0
        /// Whether nobody needs it any more, though it is on its way to the store.
        var isFinished = false

        init(
            base: Offset, last: Offset, segment: RecordSegment, settled: SettledSet = SettledSet(),
            released: [Release] = [], isCommitted: Bool = false, isPinned: Bool = false
        ) {
            self.base = base
            self.last = last
            self.segment = segment
            self.settled = settled
            self.released = released
            self.isCommitted = isCommitted
            self.isPinned = isPinned
        }

        /// The part between two offsets of one that the store has; the bytes are shared.
        func part(_ range: ClosedRange<Offset>) -> Chunk {
            Chunk(
                base: range.lowerBound, last: range.upperBound,
                segment: RecordSegment(
                    data: segment.data, entries: segment.entries.filter { range.contains($0.offset) }),
                settled: settled.shifted(by: range.lowerBound.distance(from: base)),
                released: released.filter { range.contains($0.offset) }, isCommitted: isCommitted)
        }
    }

    let id: LogID
    let name: String
    /// Whether its records outlive the process. Those of a log that does not are readable at once, in memory alone,
    /// until they are spilled.
    let isDurable: Bool
    /// No record below can be read any more.
    var start: Offset
    /// The offset that the next record gets.
    private(set) var next: Offset
    /// Records below are durable.
    private(set) var committedEnd: Offset
    /// Records at or above gather for the next batch.
    private(set) var cutEnd: Offset
    /// Above the last record that nobody may see before it is durable.
    private var waitingEnd: Offset
    /// Above the last record that somebody was given before it was durable: it is needed again when it comes back.
    private var earlyEnd = Offset(0)
    /// Records not settled (queue) or readable (topic), and their bytes.
    var messages: Int
    var bytes: Int
    /// In the order of their offsets. Chunks that are on the disk only are missing; those at or above `cutEnd` were
    /// taken out of what gathers because somebody was given a record of them.
    private(set) var window: Deque<Chunk> = []
    /// What the gathering batch appends before the gathering segment: batches of producers, and the records before
    /// them. Only in the logs of topics.
    private var gatheringRuns: [AppendedRun] = []
    /// The youngest packed runs, in the order of their offsets: what somebody who follows the log reads without the
    /// store. Those at or above `committedEnd` are on their way to it.
    private(set) var tail: Deque<PackedRun> = []
    /// What the gathering batch appends, after the chunks of the window that gather.
    private(set) var gathering = RecordSegment()
    /// The bases of chunks in which damage was found in this life.
    var damaged: Set<Offset> = []
    /// Whether the gathering batch holds a change of this log.
    var isTouched = false
    /// Whether any of it went to the store though it does not outlive the process.
    var isSpilled = false
    /// Deliveries that records of the gathering segment bring with them.
    private var gatheringReleases: [Release] = []

    init(id: LogID, name: String, isDurable: Bool = true, state: LogState) {
        self.id = id
        self.name = name
        self.isDurable = isDurable
        start = state.start
        next = state.next
        committedEnd = state.next
        cutEnd = state.next
        waitingEnd = state.next
        messages = state.ready
        bytes = state.bytes
    }

    /// - Parameters:
    ///   - deliveries: how many deliveries of it have failed elsewhere.
    ///   - isEarly: whether it may be read before it is durable.
    /// - Returns: the bytes that the gathering batch, or what is in memory alone, grew by.
    func append(
        _ message: Message, at timestamp: Timestamp, expires: Timestamp = RecordSegment.Entry.never,
        deliveries: Int = 0, isEarly: Bool = false
    ) -> Int {
        defer {
            next = next.next
            messages += 1
            bytes += message.byteCount
        }
        guard isDurable else { return appendInMemory(message, at: timestamp, expires, deliveries) }
        if !isEarly { waitingEnd = next.next }
        let before = gathering.byteCount
        gathering.append(message, at: next, timestamp: timestamp, expires: expires)
        if deliveries > 0 { gatheringReleases.append(Release(offset: next, deliveries: deliveries)) }
        return gathering.byteCount - before
    }

    /// Appends the batches of a producer, whose offsets begin at `next`.
    func append(_ run: PackedRun) {
        if !gathering.isEmpty {
            gatheringRuns.append(.records(gathering))
            gathering = RecordSegment()
        }
        gatheringRuns.append(.packed(run))
        next = run.last.next
        waitingEnd = next
        messages += run.count
        bytes += run.data.count
    }

    /// The same as ``cut(where:)`` for the log of a topic, whose records nobody sees before they are durable.
    func cutRuns() -> [AppendedRun] {
        var runs = gatheringRuns
        if !gathering.isEmpty { runs.append(.records(gathering)) }
        gatheringRuns = []
        gathering = RecordSegment()
        cutEnd = next
        for run in runs {
            switch run {
            case .records(let segment):
                guard let base = segment.entries.first?.offset, let last = segment.entries.last?.offset else {
                    continue
                }
                window.append(Chunk(base: base, last: last, segment: segment))
            case .packed(let run): tail.append(run)
            }
        }
        return runs
    }

    /// Lets go of the oldest packed run that the store has.
    ///
    /// - Returns: the bytes it took; nil if there is none.
    func dropOldestOfTail() -> Int? {
        guard let first = tail.first, first.last < committedEnd else { return nil }
        tail.removeFirst()
        return first.data.count
    }

    /// The durable runs of the tail from the one that holds `offset` on, until `bytesMax` is reached; nil if the tail
    /// does not have that offset.
    func tail(from offset: Offset, bytesMax: Int) -> [PackedRun]? {
        guard let first = tail.first, first.base <= offset else { return nil }
        var (low, high) = (0, tail.count)
        while low < high {
            let middle = (low + high) / 2
            if tail[middle].last < offset { low = middle + 1 } else { high = middle }
        }
        guard low < tail.count, tail[low].base <= offset, tail[low].last < committedEnd else { return nil }
        var found = [tail[low]]
        var bytes = tail[low].data.count
        // Records that came one by one may stand between two: those the store has.
        while bytes < bytesMax, low + 1 < tail.count, tail[low + 1].base == tail[low].last.next,
            tail[low + 1].last < committedEnd
        {
            low += 1
            found.append(tail[low])
            bytes += tail[low].data.count
        }
        return found
    }

    /// Records below can be read. One that must not be seen early keeps back those around it that could.
    var readableEnd: Offset { waitingEnd > committedEnd ? max(committedEnd, earlyEnd) : next }

    /// Ends the gathering segments: what is left of them is part of a batch now, as one chunk.
    ///
    /// - Parameter isAlive: whether the record has still to be written.
    func cut(where isAlive: (Offset) -> Bool = { _ in true }) -> (segment: RecordSegment, released: [Release])? {
        var segment = takeEarly(where: isAlive)
        if segment.isEmpty { segment = gathering } else { segment.append(contentsOf: gathering) }
        let released = gatheringReleases
        gathering = RecordSegment()
        gatheringReleases = []
        cutEnd = next
        guard let base = segment.entries.first?.offset, let last = segment.entries.last?.offset else { return nil }
        window.append(Chunk(base: base, last: last, segment: segment, released: released))
        return (segment, released)
    }

    /// Takes the chunks that gather out of the window.
    private func takeEarly(where isAlive: (Offset) -> Bool) -> RecordSegment {
        var first = window.count
        while first > 0, window[first - 1].base >= cutEnd, !window[first - 1].isPinned { first -= 1 }
        var left = RecordSegment()
        for index in first..<window.count {
            let segment = window[index].segment
            let alive = segment.entries.filter { isAlive($0.offset) }
            guard !alive.isEmpty else { continue }
            if left.isEmpty, alive.count == segment.entries.count {
                left = segment
            } else {
                left.append(contentsOf: segment, entries: alive)
            }
        }
        window.removeLast(window.count - first)
        return left
    }

    /// Somebody is about to be given one of the records that gather: from here on their extent is fixed.
    private func sealGathering() {
        guard let base = gathering.entries.first?.offset, let last = gathering.entries.last?.offset else { return }
        window.append(Chunk(base: base, last: last, segment: gathering))
        gathering = RecordSegment()
    }

    /// A record that was handed out is settled before it was cut: it need never be written.
    func elide(_ offset: Offset) {
        let index = windowIndex(endingAtOrAfter: offset)
        guard index < window.count else { return }
        let chunk = window[index]
        guard chunk.base <= offset else { return }
        chunk.elided += 1
        if chunk.elided == chunk.segment.entries.count { window.remove(at: index) }
    }

    /// Forgets what was gathered: the log was purged before it was cut.
    func dropGathering() {
        gathering = RecordSegment()
        gatheringReleases = []
    }

    /// - Returns: the chunks that became readable, by their bases and sizes.
    func commit(through end: Offset) -> [(base: Offset, bytes: Int)] {
        committedEnd = max(committedEnd, end)
        var committed: [(base: Offset, bytes: Int)] = []
        var index = window.count - 1
        while index >= 0, !window[index].isCommitted {
            if window[index].last < end {
                window[index].isCommitted = true
                if window[index].isFinished {
                    window.remove(at: index)
                } else {
                    committed.append((window[index].base, window[index].segment.allocatedBytes))
                }
            }
            index -= 1
        }
        return committed
    }

    // MARK: Finding records

    enum Place {
        /// The chunk is in memory, at this index of the window; it ends at or above the offset that was asked for.
        case cached(Int)
        /// The store may have chunks from the offset up to this one.
        case stored(below: Offset)
        /// There is no record at or above the offset that can be read.
        case end
    }

    func place(atOrAfter offset: Offset) -> Place {
        guard offset < readableEnd else { return .end }
        let index = windowIndex(endingAtOrAfter: offset)
        if index < window.count, window[index].base <= offset || offset >= committedEnd { return .cached(index) }
        if offset < committedEnd {
            return .stored(below: index < window.count ? min(committedEnd, window[index].base) : committedEnd)
        }
        sealGathering()
        return index < window.count ? .cached(index) : .end
    }

    /// Somebody is given the record.
    func didHandOut(_ offset: Offset) {
        if offset >= committedEnd { earlyEnd = max(earlyEnd, offset.next) }
    }

    /// The index of the first chunk in the window whose last offset is at or above `offset`.
    func windowIndex(endingAtOrAfter offset: Offset) -> Int {
        guard let first = window.first, first.last < offset else { return 0 }
        var (low, high) = (1, window.count)
        while low < high {
            let middle = (low + high) / 2
            if window[middle].last < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: The cache

    /// Adds what is not in memory already of a chunk that was read. The store may have merged chunks since others were
    /// read, so what is new of it can be a part, or several.
    ///
    /// - Returns: what was added, by bases and sizes.
    func insert(_ chunk: Chunk) -> [(base: Offset, bytes: Int)] {
        var added: [(base: Offset, bytes: Int)] = []
        var rest = chunk.base
        while rest <= chunk.last {
            let index = windowIndex(endingAtOrAfter: rest)
            if index < window.count, window[index].base <= rest {
                rest = window[index].last.next
                continue
            }
            let last = index < window.count ? min(chunk.last, window[index].base.advanced(by: -1)) : chunk.last
            let isWhole = rest == chunk.base && last == chunk.last
            let part = isWhole ? chunk : chunk.part(rest...last)
            window.insert(part, at: index)
            added.append((part.base, part.segment.allocatedBytes))
            rest = last.next
        }
        return added
    }

    /// Nothing of the chunk is needed any more.
    ///
    /// - Returns: the bytes of the cache that it took; nil if it is not there.
    func drop(base: Offset) -> Int? {
        let index = windowIndex(endingAtOrAfter: base)
        if index < window.count, window[index].base == base, !window[index].isCommitted {
            window[index].isFinished = true
        }
        return evict(base: base)
    }

    /// Lets go of a committed chunk that the store has.
    ///
    /// - Returns: the bytes it took; nil if it is not in memory.
    func evict(base: Offset) -> Int? {
        let index = windowIndex(endingAtOrAfter: base)
        guard index < window.count, window[index].base == base, window[index].isCommitted,
            !window[index].isPinned
        else { return nil }
        return window.remove(at: index).segment.allocatedBytes
    }

    /// Of what is in memory of a run of offsets only the records of the change stay.
    ///
    /// What was read of the run stays known as read, so that nothing that the store is about to drop is read again.
    ///
    /// - Returns: how many bytes more it takes.
    func rewrite(_ change: ChunkRewrite) -> Int {
        var grown = 0
        var index = windowIndex(endingAtOrAfter: change.base)
        while index < window.count, window[index].base <= change.last {
            defer { index += 1 }
            guard window[index].isCommitted else { continue }
            let segment = window[index].segment
            let kept = segment.entries.filter {
                $0.offset < change.base || $0.offset > change.last || change.segment.entry(at: $0.offset) != nil
            }
            guard kept.count < segment.entries.count else { continue }
            window[index].segment = kept.isEmpty ? RecordSegment() : RecordSegment(data: segment.data, entries: kept)
            grown += window[index].segment.allocatedBytes - segment.allocatedBytes
        }
        return grown
    }

    // MARK: In memory alone

    /// A chunk takes no more records at this size, or once somebody was given one of them. Bytes.
    private static let openChunkBytes = 64 * 1024

    private var isOpen = false

    private func appendInMemory(
        _ message: Message, at timestamp: Timestamp, _ expires: Timestamp, _ deliveries: Int
    ) -> Int {
        let isNew = !isOpen
        if isNew {
            window.append(
                Chunk(base: next, last: next, segment: RecordSegment(), isCommitted: true, isPinned: true))
            isOpen = true
        }
        let index = window.count - 1
        let before = isNew ? 0 : window[index].segment.allocatedBytes
        window[index].segment.append(message, at: next, timestamp: timestamp, expires: expires)
        window[index].last = next
        if deliveries > 0 { window[index].released.append(Release(offset: next, deliveries: deliveries)) }
        if window[index].segment.byteCount >= Self.openChunkBytes { isOpen = false }
        committedEnd = next.next
        return window[index].segment.allocatedBytes - before
    }

    /// Whoever has been given a record of the chunk knows its extent: it grows no more.
    func seal(_ index: Int) {
        if isOpen, index == window.count - 1 { isOpen = false }
    }

    /// Lets go of chunks of which there is no other copy, because nothing of them is needed any more.
    ///
    /// - Returns: the bytes they took.
    func dropPinned(in range: ClosedRange<Offset>) -> Int {
        var bytes = 0
        var index = windowIndex(endingAtOrAfter: range.lowerBound)
        while index < window.count, window[index].base <= range.upperBound {
            if window[index].isPinned, window[index].base >= range.lowerBound, window[index].last <= range.upperBound {
                if index == window.count - 1 { isOpen = false }
                bytes += window.remove(at: index).segment.allocatedBytes
            } else {
                index += 1
            }
        }
        return bytes
    }

    /// The youngest chunks that are in memory alone, at least `bytes` of them if there are so many: they will be needed
    /// last. They stay pinned until ``unpin(base:)``.
    func spill(bytes: Int) -> [RecordSegment] {
        var spilled: [RecordSegment] = []
        var found = 0
        var index = window.count - 1
        isOpen = false
        while index >= 0, found < bytes {
            if window[index].isPinned, !spilling.contains(window[index].base), !window[index].segment.isEmpty {
                spilled.append(window[index].segment)
                spilling.insert(window[index].base)
                found += window[index].segment.allocatedBytes
            }
            index -= 1
        }
        if !spilled.isEmpty { isSpilled = true }
        return spilled.reversed()
    }

    /// On their way to the store.
    private var spilling: Set<Offset> = []

    /// The store has the chunk: it leaves the memory, as it is one that is needed late.
    ///
    /// - Returns: the bytes that it took; nil if it is gone.
    func unpin(base: Offset) -> Int? {
        spilling.remove(base)
        let index = windowIndex(endingAtOrAfter: base)
        guard index < window.count, window[index].base == base, window[index].isPinned else { return nil }
        return window.remove(at: index).segment.allocatedBytes
    }
}
