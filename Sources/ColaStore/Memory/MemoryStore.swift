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
        var reads: [(request: ReadRequest, completion: ReadQueue.Completion)] = []
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
            return contents.recovery()
        }
        guard let recovery else {
            pending.change { $0.phase = .closed }
            throw .inUse(path: "memory", by: "another store")
        }
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
        let isTaken = pending.change { pending in
            if pending.phase == .open { pending.reads.append((request, completion)) }
            return pending.phase == .open
        }
        if !isTaken { completion(.failure(.unexpected(operation: "read", code: 0, reason: "the store is closed"))) }
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
            pending.reads = []
        }
    }

    /// Commits the oldest batch that waits, and says so.
    ///
    /// - Returns: its number; nil if none waits.
    @discardableResult
    package func commitNext() -> BatchNumber? {
        let next = pending.change { pending -> (batch: Batch, events: StoreEvents?)? in
            guard pending.phase == .open || pending.phase == .closing, !pending.batches.isEmpty else { return nil }
            return (pending.batches.removeFirst(), pending.events)
        }
        guard let next else { return nil }
        let encoded = EncodedBatch(next.batch)
        disk.contents.change { $0.commit(encoded) }
        next.events?.committed(next.batch.number)
        return next.batch.number
    }

    /// Answers the oldest read that waits.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    package func readNext() -> Bool {
        let next = pending.change { pending in pending.reads.isEmpty ? nil : pending.reads.removeFirst() }
        guard let next else { return false }
        next.completion(.success(disk.contents.read { $0.read(next.request) }))
        return true
    }

    /// How many batches wait for their commit.
    package var batchesWaiting: Int { pending.read { $0.batches.count } }

    /// How many reads wait for their answer.
    package var readsWaiting: Int { pending.read { $0.reads.count } }

    private func run() {
        while pending.wait(for: { pending -> Bool? in
            if pending.phase != .open { return false }
            return pending.batches.isEmpty && pending.reads.isEmpty ? nil : true
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
