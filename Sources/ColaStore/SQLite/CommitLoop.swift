internal import ColaCore
internal import Glibc

/// What the commit thread does for the whole of its life: takes what was submitted, commits it, and tidies up when
/// nobody waits.
///
/// All that gathered while the last commit synced goes into one transaction: the batch forms by itself, without a
/// timer.
final class CommitLoop: @unchecked Sendable {
    // Unchecked: made by the thread that opens the store, then used by the commit thread alone.
    private let committer: Committer
    private let queue: Monitor<CommitQueue>
    private let reserve: ReserveFile
    private let events: StoreEvents
    private let epoch: Epoch
    private let path: String
    private var isOutOfRoom = false
    /// Monotonic nanoseconds of the last try to get out of it.
    private var lastRoomTry: Int64 = 0
    private var wantsToShrink = true
    /// Nobody has wanted anything for a while.
    private var isQuiet = false
    /// A visitor's transaction is in the way of tidying up.
    private var isObstructed = false
    /// The last work was a visit: batches come first now.
    private var wasVisited = false

    private static let retryMilliseconds = 250
    private static let retryMillisecondsMax = 1000
    /// How long nobody must have wanted anything before the file is made smaller.
    private static let quietMilliseconds = 50
    /// How long nobody must have wanted anything before a checkpoint that could wait: a producer that waits for each
    /// confirm leaves the queue empty after every commit, and would wait for the checkpoint next.
    private static let breathMilliseconds = 20
    private static let busyMillisecondsMax = 10_000
    /// How long a close waits for room.
    private static let closeMillisecondsMax = 2000
    /// One transaction takes no more batches once it has this much. Bytes.
    private static let transactionBytes = 8 << 20

    init(
        committer: Committer, queue: Monitor<CommitQueue>, reserve: ReserveFile, events: StoreEvents, epoch: Epoch,
        path: String
    ) {
        self.committer = committer
        self.queue = queue
        self.reserve = reserve
        self.events = events
        self.epoch = epoch
        self.path = path
    }

    private enum Work {
        case batches([Batch])
        case damaged([ScheduleID])
        case giveBack
        case visit(@Sendable (Connection) -> Void)
        case nothing
        case stop(CommitQueue.Stop)
    }

    /// - Parameter shortage: why the store begins without a reserve.
    func run(shortage: String?) {
        if let shortage { enterShortage(shortage) }
        while true {
            do {
                switch next() {
                case .batches(let batches):
                    isQuiet = false
                    try commit(batches)
                case .damaged(let ids): try whenThereIsRoom { try committer.quarantine(ids) }
                case .giveBack: try giveBack()
                case .visit(let body): admit(body)
                case .nothing: try tidyUp()
                case .stop(.atOnce): return
                case .stop(.inOrder):
                    try close()
                    return
                }
            } catch {
                fail(error)
                return
            }
        }
    }

    private func next() -> Work {
        let pause = pause()
        let wasVisited = wasVisited
        self.wasVisited = false
        let work = queue.wait(milliseconds: pause) { queue -> Work? in
            if queue.stop == .atOnce, !queue.hasVisitor { return .stop(.atOnce) }
            // Visitors and batches take turns: neither waits for more than one of the other.
            if let visit = queue.visit, !wasVisited || queue.batches.isEmpty || queue.stop == .atOnce {
                queue.visit = nil
                queue.isVisited = true
                return .visit(visit)
            }
            if queue.stop == .atOnce { return nil }
            if !queue.batches.isEmpty {
                let batches = queue.batches
                queue.batches = []
                return .batches(batches)
            }
            if !queue.damaged.isEmpty {
                let ids = queue.damaged
                queue.damaged = []
                return .damaged(ids)
            }
            if queue.wantsRoom {
                queue.wantsRoom = false
                return .giveBack
            }
            return queue.hasVisitor ? nil : queue.stop.map { .stop($0) }
        }
        if work == nil, pause ?? 0 > 0 { isQuiet = true }
        return work ?? .nothing
    }

    /// How long to sleep if nothing is submitted; nil: until something is.
    private func pause() -> Int? {
        if isOutOfRoom || isObstructed { return Self.retryMilliseconds }
        if committer.hasGarbage { return 0 }
        if committer.checkpointer.isDue(isIdle: true) { return isQuiet ? 0 : Self.breathMilliseconds }
        if committer.merger.hasWork { return isQuiet ? 0 : Self.quietMilliseconds }
        return wantsToShrink ? Self.quietMilliseconds : nil
    }

    private func admit(_ visit: @Sendable (Connection) -> Void) {
        visit(committer.connection)
        wasVisited = true
        queue.change { $0.isVisited = false }
    }

    private func commit(_ batches: [Batch]) throws {
        var encoded: [EncodedBatch] = []
        var bytes = 0
        for batch in batches {
            if bytes >= Self.transactionBytes {
                try commitForCertain(encoded)
                encoded = []
                bytes = 0
            }
            encoded.append(EncodedBatch(batch))
            bytes += encoded[encoded.count - 1].dataBytes
        }
        try commitForCertain(encoded)
    }

    /// Tries until the batches are durable. The core never takes a batch back, so there is no other way on.
    private func commitForCertain(_ encoded: [EncodedBatch]) throws {
        guard let last = encoded.last else { return }
        try untilThereIsRoom { try committer.commit(encoded) }
        wantsToShrink = wantsToShrink || encoded.contains { $0.batch.logs.contains { !$0.removed.isEmpty } }
        events.committed(last.batch.number)
        if isOutOfRoom { try lookForRoom() }
        let isIdle = queue.read { $0.batches.isEmpty }
        try whenThereIsRoom {
            // Small rows that nobody consumes must not pile up only because there is never a moment of quiet.
            if !isOutOfRoom, committer.merger.isPressed(isIdle: isIdle) { try committer.merge() }
            try committer.checkpointer.runIfDue(isIdle: false)
        }
    }

    private func untilThereIsRoom(_ body: () throws -> Void) throws {
        let start = monotonicNanoseconds()
        var closingSince: Int64?
        var pause = Self.retryMilliseconds
        while true {
            do {
                return try body()
            } catch let failure as SQLiteFailure where failure.kind == .outOfRoom {
                let wasOutOfRoom = isOutOfRoom
                enterShortage(failure.description)
                try whenThereIsRoom { try committer.checkpointer.truncate() }
                if !wasOutOfRoom { continue }
                let now = monotonicNanoseconds()
                if queue.read({ $0.stop != nil }), closingSince == nil { closingSince = now }
                if let closingSince, now - closingSince > Int64(Self.closeMillisecondsMax) * 1_000_000 { throw failure }
                try sleep(pause, or: failure)
                // Each try writes all of the batch that fits.
                pause = min(2 * pause, Self.retryMillisecondsMax)
            } catch let failure as SQLiteFailure where failure.kind == .busy {
                guard monotonicNanoseconds() - start < Int64(Self.busyMillisecondsMax) * 1_000_000 else {
                    throw failure
                }
                try sleep(10, or: failure)
            }
        }
    }

    /// Waits, or gives up if the store is left as it is.
    private func sleep(_ milliseconds: Int, or failure: SQLiteFailure) throws {
        if queue.wait(milliseconds: milliseconds, for: { $0.stop == .atOnce ? true : nil }) == true { throw failure }
    }

    /// Runs what can as well be done later: no room, or someone in the way, is then no reason to stop.
    private func whenThereIsRoom(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let failure as SQLiteFailure where failure.kind == .outOfRoom {
            enterShortage(failure.description)
        } catch let failure as SQLiteFailure where failure.kind == .busy {
            // Whoever reads or writes there is a visitor and will be gone the next time.
            isObstructed = true
        }
    }

    private func tidyUp() throws {
        if isOutOfRoom { return try lookForRoom() }
        isObstructed = false
        try whenThereIsRoom {
            if committer.checkpointer.isDue(isIdle: true) {
                try committer.checkpointer.runIfDue(isIdle: true)
                isObstructed = committer.checkpointer.isObstructed
            } else if committer.hasGarbage {
                try committer.trim()
                wantsToShrink = true
            } else if committer.merger.hasWork {
                try committer.merge()
                wantsToShrink = true
            } else if try committer.hasFreePages() {
                try committer.shrink()
            } else {
                wantsToShrink = false
            }
        }
    }

    private func enterShortage(_ reason: String) {
        guard !isOutOfRoom else { return }
        isOutOfRoom = true
        lastRoomTry = monotonicNanoseconds()
        reserve.release()
        events.outOfRoom(
            "no room left for \(path) (\(reason)): publishers wait until messages are consumed or disk space is freed")
    }

    /// Shrinks the file, and takes the reserve back if the file system has it again.
    private func lookForRoom() throws {
        let now = monotonicNanoseconds()
        guard now - lastRoomTry >= Int64(Self.retryMilliseconds) * 1_000_000 else { return }
        lastRoomTry = now
        try giveBack()
        if reserve.make() == nil {
            isOutOfRoom = false
            events.roomFound()
        }
    }

    /// A slice of what is free in our files goes back to the file system.
    private func giveBack() throws {
        try whenThereIsRoom {
            for _ in 0..<16 where committer.hasGarbage { try committer.trim() }
            for _ in 0..<16 where try committer.hasFreePages(over: 0) { try committer.shrink() }
        }
        // Also if that found no room, or just then.
        try whenThereIsRoom { try committer.checkpointer.truncate() }
    }

    private func close() throws {
        try untilThereIsRoom { try committer.setMeta("clean_epoch", epoch.rawValue) }
        // What cannot be moved now is moved after the next start.
        try? committer.checkpointer.truncate()
    }

    private func fail(_ error: any Error) {
        let failure: StoreError
        do {
            failure = try StoreError.converting(path: path) { throw error }
        } catch {
            failure = error
        }
        let isClosing = queue.change { queue in
            queue.failure = failure
            queue.batches = []
            return queue.stop != nil
        }
        // A close reports it itself.
        if !isClosing { events.failed(failure) }
    }

    private func monotonicNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
