package import DequeModule
internal import OrderedCollections

/// The position of a queue in its log: a floor, plus the exceptions above it.
///
/// Everything below the floor is settled; everything at or above `fresh` was never handed out in this life. Between the
/// two lie the spans: the chunks that consumers have been given messages of, each with the set of what is settled. So
/// memory follows what is in flight, never the backlog. A message that comes back keeps its offset, and with it its
/// place.
///
/// It knows offsets only: bodies are the log's, consumers the queue's. It does no I/O and reads no clock.
package struct SharedCursor {
    private struct Span {
        let base: Offset
        let last: Offset
        var settled: SettledSet
        /// Whether the store has a row for this span.
        var isStored: Bool
        var isChanged = false

        var width: Int { last.distance(from: base) + 1 }
        var isFinished: Bool { settled.count == width }
    }

    /// Where the floor was when something was last cut.
    package private(set) var floor: Offset
    /// The first offset that was never handed out in this life.
    package private(set) var fresh: Offset
    /// Handed out and not settled.
    package private(set) var leasedCount = 0
    /// Came back and waits to be handed out again, in the order of the offsets.
    package private(set) var released: Deque<Release> = []
    /// Came back from a holder that died, and waits to be handed out alone: it may have been the reason. In the order
    /// of the offsets.
    package private(set) var suspects: Deque<Release> = []
    /// Neither waits nor is handed out: it has still to be read and moved to where its fate leads. In the order in
    /// which that was decided.
    private(set) var doomed: Deque<Release> = []

    private var spans: Deque<Span> = []
    /// How often messages have come back that are neither settled nor in `released`: leased ones and ones yet to be
    /// read.
    private var deliveries: [Offset: Int] = [:]
    /// Below this a message may have been handed out by the process before this one.
    private var recoveredBelow: Offset

    private var finished: [ClosedRange<Offset>] = []
    /// Per offset what is to be stored, with 0 deliveries where there is nothing to store any more.
    private var releaseChanges: OrderedDictionary<Offset, Release> = [:]
    /// Offsets whose fate a life before decided: they are not handed out.
    private var fated: Set<Offset> = []

    package init(floor: Offset, recoveredBelow: Offset) {
        self.floor = floor
        self.fresh = floor
        self.recoveredBelow = recoveredBelow
    }

    /// No message that waits lies below, but suspects. It moves on with each that is taken, and back with each that
    /// returns there.
    package var head: Offset { released.first?.offset ?? fresh }

    /// Every message handed out so far lies below.
    package var handedOut: Offset { max(fresh, recoveredBelow) }

    /// What a delivery of the message should say: nil if it was never handed out before, otherwise the deliveries known
    /// to have failed.
    package func redelivered(_ offset: Offset) -> Int? {
        if !deliveries.isEmpty, let count = deliveries[offset] { return count }
        return offset < recoveredBelow ? 0 : nil
    }

    // MARK: Handing out

    /// The handed-out region is about to enter a chunk: from here on its settlements are kept.
    ///
    /// - Parameter segment: its records; offsets between them that have none count as settled.
    package mutating func enter(
        base: Offset, last: Offset, segment: RecordSegment, settled: SettledSet, released: [Release]
    ) {
        if let end = spans.last?.last, end >= base {
            // The store has merged chunks since the last one was entered: what is new of them is the rest.
            guard end < last else { return }
            let rest = settled.shifted(by: end.next.distance(from: base))
            return enter(base: end.next, last: last, segment: segment, settled: rest, released: released)
        }
        var span = Span(base: base, last: last, settled: settled, isStored: !settled.isEmpty)
        // What lies between the last span and `fresh` is settled: its spans have gone.
        let known = max(floor, fresh)
        if known > base {
            for index in 0..<min(span.width, known.distance(from: base)) { span.settled.insert(index) }
        }
        if segment.entries.count != span.width || segment.entries.first?.offset != base {
            var index = 0
            for entry in segment.entries where entry.offset >= base && entry.offset <= last {
                let present = entry.offset.distance(from: base)
                while index < present {
                    span.settled.insert(index)
                    index += 1
                }
                index = present + 1
            }
            while index < span.width {
                span.settled.insert(index)
                index += 1
            }
        }
        for release in released where release.offset >= base && release.offset <= last {
            if span.settled.contains(release.offset.distance(from: base)) {
                forget(release.offset)  // damage took it
            } else if release.fate != nil {
                fated.insert(release.offset)
                doomed.append(release)
            } else {
                deliveries[release.offset] = release.deliveries
            }
        }
        // A chunk may have been entered and not a message of it taken before the store merged it with this one.
        let isNext = !hasEntered(fresh)
        if isNext { fresh = max(fresh, base) }
        if span.isFinished {
            finished.append(base...last)
            if isNext { fresh = max(fresh, last.next) }
        } else {
            spans.append(span)
        }
    }

    /// Whether the chunk that holds `offset` was entered.
    package func hasEntered(_ offset: Offset) -> Bool { spans.last.map { offset <= $0.last } ?? false }

    /// Whether there are chunks of which nothing is left, and that the store still has.
    package var hasFinishedChunks: Bool { !finished.isEmpty }

    /// Whether `offset`, of the span entered last, is settled already or not to be handed out.
    package func isTaken(_ offset: Offset) -> Bool {
        isSettled(offset) || !fated.isEmpty && fated.contains(offset)
    }

    /// Whether `offset`, of the span entered last, was settled already.
    package func isSettled(_ offset: Offset) -> Bool {
        guard let index = spanIndex(of: offset) else { return true }
        return spans[index].settled.contains(offset.distance(from: spans[index].base))
    }

    /// The message at `offset`, at or above `fresh`, is handed out.
    package mutating func take(_ offset: Offset) {
        fresh = offset.next
        leasedCount += 1
    }

    /// Nothing is to be found below `offset`.
    package mutating func skip(to offset: Offset) {
        fresh = max(fresh, offset)
    }

    /// The first of those that came back at or above `offset`.
    package func release(atOrAfter offset: Offset) -> Release? { Self.first(atOrAfter: offset, in: released) }

    /// The same of the suspects.
    package func suspect(atOrAfter offset: Offset) -> Release? { Self.first(atOrAfter: offset, in: suspects) }

    private static func first(atOrAfter offset: Offset, in releases: Deque<Release>) -> Release? {
        guard let first = releases.first, first.offset < offset else { return releases.first }
        let index = index(atOrAfter: offset, in: releases)
        return index < releases.count ? releases[index] : nil
    }

    private static func index(atOrAfter offset: Offset, in releases: Deque<Release>) -> Int {
        var (low, high) = (0, releases.count)
        while low < high {
            let middle = (low + high) / 2
            if releases[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// - Parameter offset: of one that is there; nil: the first.
    private static func remove(_ offset: Offset?, from releases: inout Deque<Release>) -> Release {
        guard let offset, releases[0].offset != offset else { return releases.removeFirst() }
        let index = index(atOrAfter: offset, in: releases)
        precondition(index < releases.count && releases[index].offset == offset, "\(offset) did not come back")
        return releases.remove(at: index)
    }

    /// The message that came back is handed out again; if none is named, the first in the order of the log.
    package mutating func takeReleased(_ offset: Offset? = nil) -> Release {
        let release = Self.remove(offset, from: &released)
        deliveries[release.offset] = release.deliveries
        leasedCount += 1
        return release
    }

    /// The message that came back cannot be read any more.
    package mutating func dropReleased(_ offset: Offset? = nil) {
        settle(takeReleased(offset).offset)
    }

    /// A chunk was read and lacks records: those of it that nobody was given yet are settled now.
    ///
    /// What is handed out can still be settled, and what came back is dropped when its turn comes.
    ///
    /// - Returns: how many there are.
    package mutating func lose(base: Offset, last: Offset, segment: RecordSegment, settled: SettledSet) -> Int {
        var lost = 0
        let isEntered = hasEntered(base)
        var offset = max(base, fresh)
        while offset <= last {
            if segment.entry(at: offset) == nil {
                if !isEntered {
                    // It will count as settled when the chunk is entered.
                    if !settled.contains(offset.distance(from: base)) { lost += 1 }
                } else if !isSettled(offset) {
                    if deliveries.removeValue(forKey: offset) != nil { forget(offset) }
                    mark(offset)
                    lost += 1
                }
            }
            offset = offset.next
        }
        return lost
    }

    /// The suspect is handed out; if none is named, the first.
    package mutating func takeSuspect(_ offset: Offset? = nil) -> Release {
        let suspect = Self.remove(offset, from: &suspects)
        deliveries[suspect.offset] = suspect.deliveries
        leasedCount += 1
        return suspect
    }

    /// The suspect cannot be read any more.
    package mutating func dropSuspect(_ offset: Offset? = nil) {
        settle(takeSuspect(offset).offset)
    }

    // MARK: Ending leases

    /// The message needs no further delivery.
    package mutating func settle(_ offset: Offset) {
        leasedCount -= 1
        if !deliveries.isEmpty, deliveries.removeValue(forKey: offset) != nil { forget(offset) }
        mark(offset)
    }

    /// Nothing more is to be stored of how often it came back.
    private mutating func forget(_ offset: Offset) {
        releaseChanges[offset] = Release(offset: offset, deliveries: 0)
    }

    /// How many deliveries of a message that is handed out have failed so far.
    package func failures(_ offset: Offset) -> Int { deliveries.isEmpty ? 0 : deliveries[offset] ?? 0 }

    /// The message will not be delivered again but moved; one more of its deliveries has ended.
    package mutating func doom(_ offset: Offset, _ fate: Fate) {
        leasedCount -= 1
        let release = Release(
            offset: offset, deliveries: (deliveries.removeValue(forKey: offset) ?? 0) + 1, fate: fate)
        releaseChanges[offset] = release
        doomed.append(release)
    }

    /// The message whose fate was decided first has been moved, or cannot be read any more.
    package mutating func settleDoomed() {
        let release = doomed.removeFirst()
        fated.remove(release.offset)
        forget(release.offset)
        mark(release.offset)
    }

    /// The message goes back to its place.
    ///
    /// - Parameter failed: whether the delivery counts as one that failed.
    package mutating func release(_ offset: Offset, failed: Bool = true) {
        leasedCount -= 1
        let count = deliveries.removeValue(forKey: offset) ?? 0
        let release = Release(offset: offset, deliveries: failed ? count + 1 : count)
        if failed { releaseChanges[offset] = release }
        Self.insert(release, into: &released)
    }

    /// The holder of the message died, and the message may be the reason.
    ///
    /// - Parameter failed: whether the delivery counts as one that failed.
    package mutating func suspect(_ offset: Offset, failed: Bool) {
        leasedCount -= 1
        let count = deliveries.removeValue(forKey: offset) ?? 0
        let suspect = Release(offset: offset, deliveries: failed ? count + 1 : count)
        if failed { releaseChanges[offset] = suspect }
        Self.insert(suspect, into: &suspects)
    }

    private static func insert(_ release: Release, into releases: inout Deque<Release>) {
        if releases.last.map({ $0.offset < release.offset }) ?? true { return releases.append(release) }
        releases.insert(release, at: index(atOrAfter: release.offset, in: releases))
    }

    private mutating func mark(_ offset: Offset) {
        guard let index = spanIndex(of: offset) else { return }
        spans[index].settled.insert(offset.distance(from: spans[index].base))
        spans[index].isChanged = true
        guard spans[index].isFinished else { return }
        finished.append(spans[index].base...spans[index].last)
        // What is left of the last span, if anything, was settled in a life before: it must not be entered again.
        if index == spans.count - 1, fresh >= spans[index].base { fresh = max(fresh, spans[index].last.next) }
        if index == 0 { spans.removeFirst() } else { spans.remove(at: index) }
    }

    private func spanIndex(of offset: Offset) -> Int? {
        guard let first = spans.first else { return nil }
        if offset <= first.last { return offset >= first.base ? 0 : nil }
        var (low, high) = (1, spans.count)
        while low < high {
            let middle = (low + high) / 2
            if spans[middle].last < offset { low = middle + 1 } else { high = middle }
        }
        return low < spans.count && spans[low].base <= offset ? low : nil
    }

    /// Settles all that is not handed out, up to `end`.
    ///
    /// - Returns: the whole chunks that go with it: those that begin in this range.
    package mutating func purge(to end: Offset) -> Range<Offset>? {
        for release in released + suspects {
            forget(release.offset)
            mark(release.offset)
        }
        released = []
        suspects = []
        guard fresh < end else { return nil }
        // With no span everything below is settled, but the chunk that the floor stands in after a restart may begin
        // anywhere below.
        var firstWhole = spans.isEmpty ? Offset(0) : fresh
        if let span = spans.last, fresh <= span.last {
            var offset = fresh
            while offset <= span.last {
                if !isTaken(offset) {
                    if deliveries.removeValue(forKey: offset) != nil { forget(offset) }
                    mark(offset)
                }
                offset = offset.next
            }
            firstWhole = span.last.next
        }
        fresh = max(fresh, end)
        return firstWhole < end ? firstWhole..<end : nil
    }

    // MARK: What the store has to know

    /// What changed since the last call.
    ///
    /// - Parameter unwritten: where the records begin of which the store knows nothing: what of them is settled needs
    ///   no word to it. ``didWrite(_:released:from:)`` says what became of them.
    package mutating func cut(unwritten: Offset = Offset(.max)) -> Changes {
        floor = currentFloor
        var changes = Changes(floor: floor)
        changes.removed = finished.filter { $0.lowerBound < unwritten }
        finished.removeAll(keepingCapacity: true)
        for index in spans.indices where spans[index].isChanged && spans[index].base < unwritten {
            spans[index].isChanged = false
            let isNeeded = spans[index].settled.containsAny(from: max(0, floor.distance(from: spans[index].base)))
            if isNeeded || spans[index].isStored {
                let set = isNeeded ? spans[index].settled : SettledSet()
                changes.settled.append(
                    ChunkSettlement(base: spans[index].base, last: spans[index].last, settled: set))
            }
            spans[index].isStored = isNeeded
        }
        for (offset, release) in releaseChanges {
            if release.deliveries > 0 {
                changes.released.append(release)
            } else if offset < unwritten {
                changes.releasesRemoved.append(offset)
            }
        }
        releaseChanges.removeAll(keepingCapacity: true)
        return changes
    }

    /// What was handed out before it was cut has become one chunk of the records that are not settled, or nothing.
    ///
    /// - Parameters:
    ///   - released: what of them came with deliveries of another place; none of it was handed out.
    ///   - base: no record that was written lies below.
    package mutating func didWrite(_ segment: RecordSegment?, released: [Release], from base: Offset) {
        var isEntered = false
        while let last = spans.last, last.base >= base {
            spans.removeLast()
            isEntered = true
        }
        guard isEntered, let first = segment?.entries.first?.offset, let last = segment?.entries.last?.offset else {
            return
        }
        var span = Span(base: first, last: last, settled: SettledSet(), isStored: false)
        var expected = first
        for entry in segment?.entries ?? [] {
            while expected < entry.offset {
                span.settled.insert(expected.distance(from: first))
                expected = expected.next
            }
            expected = entry.offset.next
        }
        for release in released { deliveries[release.offset] = release.deliveries }
        spans.append(span)
    }

    package struct Changes {
        package var floor: Offset
        package var settled: [ChunkSettlement] = []
        package var removed: [ClosedRange<Offset>] = []
        package var released: [Release] = []
        package var releasesRemoved: [Offset] = []
    }

    /// The first offset that is not settled.
    private var currentFloor: Offset {
        guard let first = spans.first else { return fresh }
        let start = max(0, floor.distance(from: first.base))
        return first.base.advanced(by: first.settled.firstMissing(from: start))
    }
}
