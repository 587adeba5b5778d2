/// A run of records of one log, in memory: what one commit appends, or what one read brought back.
///
/// All bytes stand in one array and the entries are plain numbers, so that a record costs no allocation and no
/// reference count, and the commit thread can encode a segment while the broker delivers from the same one.
///
/// Shape: `entries` in the order of their offsets; each names ranges of `data`. At most 4 GiB of data.
package struct RecordSegment: Equatable, Sendable {
    /// A part of `data`: `count` is -1 where the part is null.
    package struct Part: Equatable, Sendable, BitwiseCopyable {
        package var start: UInt32
        package var count: Int32

        @inlinable package init(start: UInt32, count: Int32) {
            self.start = start
            self.count = count
        }

        @inlinable package var range: Range<Int> { Int(start)..<Int(start) + max(0, Int(count)) }
        @inlinable package var isNull: Bool { count < 0 }
    }

    package struct Entry: Equatable, Sendable, BitwiseCopyable {
        package var offset: Offset
        /// When the broker took the record in, by its wall clock.
        package var timestamp: Timestamp
        /// When it expires; ``never`` if it does not.
        package var expires: Timestamp = Entry.never
        package var key: Part
        package var value: Part
        /// The encoded headers, without their count.
        package var headers: Part
        package var headerCount: Int32

        package static let never = Timestamp(.max)
    }

    package private(set) var data: [UInt8]
    package private(set) var entries: [Entry]
    /// Whether it was made record by record.
    private var isGrown = false

    package init() {
        data = []
        entries = []
    }

    /// For decoders: `entries` name ranges of `data`, and their offsets grow.
    package init(data: [UInt8], entries: [Entry]) {
        self.data = data
        self.entries = entries
    }

    /// How it was made makes no difference.
    package static func == (lhs: RecordSegment, rhs: RecordSegment) -> Bool {
        lhs.data == rhs.data && lhs.entries == rhs.entries
    }

    package var isEmpty: Bool { entries.isEmpty }

    /// What it takes in memory. Bytes.
    package var byteCount: Int { data.count + entries.count * MemoryLayout<Entry>.stride }

    /// About the same with what its arrays hold in advance, and what it costs to have it at all. Bytes.
    ///
    /// Not their capacities: those depend on what the allocator had at hand, and equal inputs must give equal outputs.
    package var allocatedBytes: Int {
        guard isGrown else { return byteCount + Self.overheadBytes }
        return Self.grown(data.count) + Self.grown(entries.count) * MemoryLayout<Entry>.stride + Self.overheadBytes
    }

    /// The heads of two arrays, what the allocator rounds them up by, and its place in a log and in the
    /// cache. Measured: a million segments of one record of 16 bytes take 285 bytes each.
    private static let overheadBytes = 210

    /// Arrays that grow double their capacity.
    private static func grown(_ count: Int) -> Int {
        count < 2 ? count : 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
    }

    /// Adds a copy of `message` as the record at `offset`, which is above every other of this segment.
    package mutating func append(
        _ message: Message, at offset: Offset, timestamp: Timestamp, expires: Timestamp = Entry.never
    ) {
        isGrown = true
        let value = message.value.map { store($0) } ?? Part(start: 0, count: -1)
        let key = message.key.map { store($0) } ?? Part(start: 0, count: -1)
        let headers = message.headers.count == 0 ? Part(start: 0, count: 0) : store(message.headers.encoded[...])
        entries.append(
            Entry(
                offset: offset, timestamp: timestamp, expires: expires, key: key, value: value, headers: headers,
                headerCount: Int32(message.headers.count)))
    }

    /// Adds records of another segment, whose offsets are above all of this one's.
    ///
    /// - Parameter chosen: some of its entries, in their order; nil: all.
    package mutating func append(contentsOf other: RecordSegment, entries chosen: [Entry]? = nil) {
        isGrown = true
        let chosen = chosen ?? other.entries
        for var entry in chosen {
            entry.key = copy(entry.key, of: other)
            entry.value = copy(entry.value, of: other)
            entry.headers = copy(entry.headers, of: other)
            entries.append(entry)
        }
    }

    private mutating func copy(_ part: Part, of other: RecordSegment) -> Part {
        part.count > 0 ? store(other.data[part.range]) : Part(start: 0, count: part.count)
    }

    private mutating func store(_ bytes: ArraySlice<UInt8>) -> Part {
        let start = data.count
        precondition(start + bytes.count <= Int(Int32.max), "a segment of \(start + bytes.count) bytes is too large")
        data.append(contentsOf: bytes)
        return Part(start: UInt32(start), count: Int32(bytes.count))
    }

    /// The index of the first record at or above `offset`; the number of entries if there is none.
    package func index(atOrAfter offset: Offset) -> Int {
        guard let first = entries.first, first.offset < offset else { return 0 }
        // Offsets are dense but where something was settled, so the first guess is nearly always right.
        let guess = offset.distance(from: first.offset)
        if guess < entries.count, entries[guess].offset == offset { return guess }
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The record at exactly `offset`, or nil.
    package func entry(at offset: Offset) -> Entry? {
        let index = index(atOrAfter: offset)
        return index < entries.count && entries[index].offset == offset ? entries[index] : nil
    }
}
