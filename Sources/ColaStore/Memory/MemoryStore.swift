package import ColaCore

/// A store without a disk: for simulations, which decide what is committed and what is lost, and for tests.
///
/// It keeps chunks encoded, as the SQLite store does, so what is read went through the record format. What is committed
/// stands in a ``Disk`` that outlives the store.
package final class MemoryStore: Store {
    package enum Mode: Sendable {
        /// A thread of the store's own commits and reads as soon as it is asked.
        case thread
        /// Nothing happens but by ``commitNext()`` and ``readNext()``, on the caller's thread.
        case manual
    }

    private enum Phase {
        case new
        case open
        case closing
        case closed
    }

    private struct Pending {
        var phase = Phase.new
        var batches: [Batch] = []
        var inquiries: [Inquiry] = []
        var epoch = Epoch(0)
        var events: StoreEvents?
        var thread: PermanentThread?
    }

    private let disk: Disk
    private let mode: Mode
    private let pending = Monitor(Pending())

    package init(disk: Disk = Disk(), mode: Mode = .thread) {
        self.disk = disk
        self.mode = mode
    }

    package func open(events: StoreEvents) throws(StoreError) -> Recovery {
        let isNew = pending.change { pending in
            guard pending.phase == .new else { return false }
            pending.phase = .open
            pending.events = events
            return true
        }
        guard isNew else { throw .unexpected(operation: "open the store", code: 0, reason: "it was opened before") }
        let recovery = disk.contents.change { contents -> Recovery? in
            guard !contents.isInUse else { return nil }
            contents.isInUse = true
            contents.epoch = Epoch(contents.epoch.rawValue + 1)
            contents.dropTransient()
            return contents.recovery()
        }
        guard let recovery else {
            pending.change { $0.phase = .closed }
            throw .inUse(path: "memory", by: "another store")
        }
        pending.change { $0.epoch = recovery.epoch }
        if mode == .thread {
            let thread = PermanentThread(name: "cola-memory") { [self] in run() }
            pending.change { $0.thread = thread }
        }
        return recovery
    }

    package func submit(_ batch: Batch) {
        pending.change { if $0.phase == .open { $0.batches.append(batch) } }
    }

    package func read(_ request: ReadRequest, completion: @escaping @Sendable (Result<ReadResult, StoreError>) -> Void)
    {
        take(.read(request, completion))
    }

    package func fetch(
        _ request: ReadRequest, completion: @escaping @Sendable (Result<PackedRead, StoreError>) -> Void
    ) {
        take(.fetch(request, completion))
    }

    package func ask(_ query: Query, completion: @escaping @Sendable (Result<QueryResult, StoreError>) -> Void) {
        take(.ask(query, completion))
    }

    private func take(_ inquiry: Inquiry) {
        let isTaken = pending.change { pending in
            if pending.phase == .open { pending.inquiries.append(inquiry) }
            return pending.phase == .open
        }
        if !isTaken { inquiry.refuse() }
    }

    package func close() throws(StoreError) {
        guard end(.closing) else { return }
        while commitNext() != nil {}
        while readNext() {}
        disk.contents.change { contents in
            contents.cleanEpoch = contents.epoch
            contents.isInUse = false
        }
        pending.change { $0.phase = .closed }
    }

    /// Ends it as a killed process would: what was not committed is lost.
    package func crash() {
        guard end(.closed) else { return }
        disk.contents.change { $0.isInUse = false }
        pending.change { pending in
            pending.batches = []
            pending.inquiries = []
        }
    }

    /// Commits the oldest batch that waits, and says so.
    ///
    /// - Returns: its number; nil if none waits.
    @discardableResult
    package func commitNext() -> BatchNumber? {
        let next = pending.change { pending -> (batch: Batch, epoch: Epoch, events: StoreEvents?)? in
            guard pending.phase == .open || pending.phase == .closing, !pending.batches.isEmpty else { return nil }
            return (pending.batches.removeFirst(), pending.epoch, pending.events)
        }
        guard let next else { return nil }
        let encoded = EncodedBatch(next.batch)
        let isOurs = disk.contents.change { contents in
            guard contents.epoch == next.epoch else { return false }
            contents.commit(encoded)
            return true
        }
        guard isOurs else {
            pending.change { $0.batches = [] }
            next.events?.failed(.epochIsOver(next.epoch))
            return nil
        }
        next.events?.committed(next.batch.number)
        return next.batch.number
    }

    /// Answers the oldest read or query that waits.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    package func readNext() -> Bool {
        let next = pending.change { pending in pending.inquiries.isEmpty ? nil : pending.inquiries.removeFirst() }
        switch next {
        case nil: return false
        case .read(let request, let completion): completion(.success(disk.contents.read { $0.read(request) }))
        case .fetch(let request, let completion): completion(.success(disk.contents.read { $0.fetch(request) }))
        case .ask(let query, let completion): completion(.success(answer(query)))
        }
        return true
    }

    private func answer(_ query: Query) -> QueryResult {
        switch query {
        case .outline(let log, let from, let countMax):
            return disk.contents.read { $0.outline(log, from: from, countMax: countMax) }
        case .time(let log, let time): return disk.contents.read { $0.outline(log, asYoungAs: time) }
        case .record(let log, let time): return disk.contents.read { .record($0.record(log, asYoungAs: time)) }
        case .youngest(let log): return disk.contents.read { .record($0.youngest(log)) }
        case .schedule(let key, let countMax, let bytesMax):
            let (result, damaged) = disk.contents.change {
                $0.schedule(after: key, countMax: countMax, bytesMax: bytesMax)
            }
            for key in damaged {
                pending.read { $0.events }?.damaged("the message \(key.id) in the schedule is damaged")
            }
            return result
        }
    }

    /// How many batches wait for their commit.
    package var batchesWaiting: Int { pending.read { $0.batches.count } }

    /// How many reads and queries wait for their answer.
    package var readsWaiting: Int { pending.read { $0.inquiries.count } }

    private func run() {
        while pending.wait(for: { pending -> Bool? in
            if pending.phase != .open { return false }
            return pending.batches.isEmpty && pending.inquiries.isEmpty ? nil : true
        }) == true {
            commitNext()
            readNext()
        }
    }

    /// - Returns: whether it was open.
    private func end(_ phase: Phase) -> Bool {
        let (wasOpen, thread) = pending.change { pending -> (Bool, PermanentThread?) in
            guard pending.phase == .open else { return (false, nil) }
            pending.phase = phase
            return (true, pending.thread)
        }
        thread?.join()
        return wasOpen
    }
}
