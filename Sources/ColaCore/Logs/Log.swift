internal import DequeModule

/// An append-only sequence of records with growing offsets, and the part of it that is in memory.
///
/// In memory are: the records gathered for the next batch, those of batches under way, and a cache of committed chunks.
/// The rest is on the disk, and nothing here grows with it. What the records mean to their readers is not known here.
///
/// Source: ARCHITECTURE.md, section 1
final class Log {
    /// A run of records that is (or is about to be) one row of the store.
    struct Chunk {
        var base: Offset
        var last: Offset
        var segment: RecordSegment
        /// What the store had as settled, when the chunk was read from it.
        var settled: SettledSet
        /// What the store had as released, likewise.
        var released: [Release]
        var isCommitted: Bool
    }

    let id: LogID
    let name: String
    /// No record below can be read any more.
    var start: Offset
    /// The offset that the next record gets.
    private(set) var next: Offset
    /// Records below are durable.
    private(set) var committedEnd: Offset
    /// Records not settled (queue) or readable (topic), and their bytes.
    var messages: Int
    var bytes: Int
    /// In the order of their offsets. Chunks that are on the disk only are missing.
    private(set) var window: Deque<Chunk> = []
    /// What the gathering batch appends.
    private(set) var gathering = RecordSegment()
    /// The bases of chunks in which damage was found in this life.
    var damaged: Set<Offset> = []
    /// Whether the gathering batch holds a change of this log.
    var isTouched = false

    init(id: LogID, name: String, state: LogState) {
        self.id = id
        self.name = name
        start = state.start
        next = state.next
        committedEnd = state.next
        messages = state.ready
        bytes = state.bytes
    }

    /// - Returns: the bytes that the gathering batch grew by.
    func append(_ message: Message, at timestamp: Timestamp) -> Int {
        let before = gathering.byteCount
        gathering.append(message, at: next, timestamp: timestamp)
        next = next.next
        messages += 1
        bytes += message.byteCount
        return gathering.byteCount - before
    }

    /// Ends the gathering segment: it is part of a batch now.
    func cut() -> RecordSegment? {
        guard let base = gathering.entries.first?.offset, let last = gathering.entries.last?.offset else { return nil }
        let segment = gathering
        gathering = RecordSegment()
        window.append(
            Chunk(
                base: base, last: last, segment: segment, settled: SettledSet(), released: [], isCommitted: false))
        return segment
    }

    /// Forgets what was gathered: the log was purged before it was cut.
    func dropGathering() {
        gathering = RecordSegment()
    }

    /// - Returns: the chunks that became readable, by their bases and sizes.
    func commit(through end: Offset) -> [(base: Offset, bytes: Int)] {
        committedEnd = max(committedEnd, end)
        var committed: [(base: Offset, bytes: Int)] = []
        var index = window.count - 1
        while index >= 0, !window[index].isCommitted {
            if window[index].last < end {
                window[index].isCommitted = true
                committed.append((window[index].base, window[index].segment.allocatedBytes))
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
        /// There is no committed record at or above the offset.
        case end
    }

    func place(atOrAfter offset: Offset) -> Place {
        guard offset < committedEnd else { return .end }
        let index = windowIndex(endingAtOrAfter: offset)
        guard index < window.count else { return .stored(below: committedEnd) }
        guard window[index].base <= offset else { return .stored(below: window[index].base) }
        return window[index].isCommitted ? .cached(index) : .end
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

    /// - Returns: false if the chunk is in memory already.
    func insert(_ chunk: Chunk) -> Bool {
        let index = windowIndex(endingAtOrAfter: chunk.base)
        if index < window.count, window[index].base <= chunk.last { return false }
        window.insert(chunk, at: index)
        return true
    }

    /// Lets go of a committed chunk; the store has it, or it is not needed any more.
    ///
    /// - Returns: the bytes it took; nil if it is not in memory.
    func evict(base: Offset) -> Int? {
        let index = windowIndex(endingAtOrAfter: base)
        guard index < window.count, window[index].base == base, window[index].isCommitted else { return nil }
        return window.remove(at: index).segment.allocatedBytes
    }
}
