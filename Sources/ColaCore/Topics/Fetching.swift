/// A fetch that is being answered, or waits for records.
final class Fetching {
    let channel: Channel
    let request: RequestID
    let fetch: Fetch
    let deadline: Instant
    /// What was found of the parts before `next`.
    var found: [FetchedPart] = []
    /// How much may still be added. Bytes.
    var budget: Int
    /// The part that is looked at next, or that the store is read for.
    var next = 0
    var isReading = false
    /// Whether it was answered, or nobody wants it any more.
    var isOver = false
    /// Where the part that is looked at begins, if what was asked for is damaged.
    private var skipped: Offset?
    /// Whether all parts were looked at and there was too little: something new makes it look again.
    var isWaiting = false
    /// Whether it stands in the broker's list of those to look again.
    var isDue = false

    init(_ fetch: Fetch, _ request: RequestID, of channel: Channel, deadline: Instant, budget: Int) {
        self.fetch = fetch
        self.request = request
        self.channel = channel
        self.deadline = deadline
        self.budget = budget
    }

    /// What is looked for next.
    var part: Fetch.Part {
        var part = fetch.parts[next]
        if let skipped { part.from = max(part.from, skipped) }
        return part
    }

    func skip(to offset: Offset) { skipped = offset }

    func add(_ part: FetchedPart) {
        found.append(part)
        next += 1
        skipped = nil
    }

    var key: TimerKey { .fetch(channel.id, request) }

    var byteCount: Int { found.reduce(0) { $0 + $1.byteCount } }

    /// Begins anew.
    func reset(budget: Int) {
        found = []
        self.budget = budget
        next = 0
        skipped = nil
        isWaiting = false
    }

    /// Adds batches from the one on that holds the offset that was asked for, as far as there is room; the first of all
    /// whatever its size.
    ///
    /// - Parameters:
    ///   - bytes: whole batches, the first and the last of which may lie outside.
    ///   - offsets: nothing at or above its end is wanted, however small.
    /// - Returns: whether all of it was added.
    func add(_ bytes: [UInt8], _ offsets: Range<Offset>, to part: inout FetchedPart, bytesMax: Int) -> Bool {
        var position = 0
        var start: Int?
        var isAll = true
        bytes.withUnsafeBytes { bytes in
            // They were checked before they were stored, or when they were read.
            while let header = try? RecordBatch.nextHeader(in: bytes, at: &position) {
                if start == nil {
                    guard header.lastOffset >= offsets.lowerBound else { continue }
                    start = header.position
                }
                let size = header.end - (start ?? 0)
                let isFirst = found.allSatisfy(\.batches.isEmpty) && part.batches.isEmpty && header.position == start
                let hasRoom = isFirst || size <= budget && part.byteCount + size <= bytesMax
                guard hasRoom, header.baseOffset < offsets.upperBound else {
                    position = header.position
                    isAll = false
                    break
                }
            }
        }
        if let start, position > start {
            part.batches.append(bytes[start..<position])
            budget -= position - start
        }
        return isAll
    }
}
