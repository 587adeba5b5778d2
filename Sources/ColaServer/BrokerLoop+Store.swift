internal import ColaCore
internal import ColaStore
internal import Logging
internal import NIOCore

// What the store is asked for, and what it says. It calls from threads of its own.
extension BrokerLoop {
    // MARK: Asking

    func read(_ request: ReadRequest) {
        let loop = NIOLoopBound(self, eventLoop: eventLoop)
        let eventLoop = eventLoop
        store.read(request) { result in
            eventLoop.execute { loop.value.loaded(request, result) }
        }
    }

    func fetch(_ request: ReadRequest) {
        let loop = NIOLoopBound(self, eventLoop: eventLoop)
        let eventLoop = eventLoop
        store.fetch(request) { result in
            eventLoop.execute { loop.value.fetched(request, result) }
        }
    }

    func ask(_ query: Query) {
        let loop = NIOLoopBound(self, eventLoop: eventLoop)
        let eventLoop = eventLoop
        store.ask(query) { result in
            eventLoop.execute { loop.value.answered(query, result) }
        }
    }

    func backUp(_ order: BackupOrder) {
        logger.info("a backup begins", metadata: ["path": "\(order.path)"])
        let loop = NIOLoopBound(self, eventLoop: eventLoop)
        let eventLoop = eventLoop
        store.backUp(order) { progress in
            eventLoop.execute { loop.value.backingUp(progress) }
        } completion: { result in
            eventLoop.execute { loop.value.backedUp(order, result) }
        }
    }

    // MARK: Answers

    func committed(_ number: BatchNumber) {
        committed = max(committed, number)
        guard !isStopping else { return }
        let now = now
        broker.apply(.committed(number), at: now, into: &effects)
        releaseHeld()
        finishTurnLater()
    }

    func loaded(_ request: ReadRequest, _ result: Result<ReadResult, StoreError>) {
        guard !isStopping else { return }
        let now = now
        switch result {
        case .success(let result): broker.apply(.loaded(result), at: now, into: &effects)
        case .failure(let error):
            logger.error("a read failed", metadata: ["log": "\(request.log)", "reason": "\(error)"])
            broker.apply(.loadFailed(request, reason: error.description), at: now, into: &effects)
        }
        releaseHeld()
        finishTurnLater()
    }

    func fetched(_ request: ReadRequest, _ result: Result<PackedRead, StoreError>) {
        guard !isStopping else { return }
        let now = now
        switch result {
        case .success(let result): broker.apply(.fetched(result), at: now, into: &effects)
        case .failure(let error):
            logger.error("a read failed", metadata: ["log": "\(request.log)", "reason": "\(error)"])
            broker.apply(.fetchFailed(request, reason: error.description), at: now, into: &effects)
        }
        finishTurnLater()
    }

    func answered(_ query: Query, _ result: Result<QueryResult, StoreError>) {
        guard !isStopping else { return }
        let now = now
        switch result {
        case .success(let result): broker.apply(.answered(query, result), at: now, into: &effects)
        case .failure(let error):
            logger.error("a query failed", metadata: ["query": "\(query)", "reason": "\(error)"])
            broker.apply(.queryFailed(query, reason: error.description), at: now, into: &effects)
        }
        finishTurnLater()
    }

    func storageBlocked(_ reason: String?) {
        guard !isStopping else { return }
        if let reason { logger.warning("the disk is full", metadata: ["reason": "\(reason)"]) }
        let now = now
        // What clients are told names no path of this machine.
        let sentence = "the disk is full: publishers wait until messages are consumed or disk space is freed"
        raise(.storage, reason.map { _ in sentence }, at: now)
        if reason == nil { committed(committed) }
        finishTurnLater()
    }

    private func backingUp(_ progress: BackupProgress) {
        guard !isStopping else { return }
        let now = now
        broker.apply(.backingUp(progress), at: now, into: &effects)
        finishTurnLater()
    }

    private func backedUp(_ order: BackupOrder, _ result: Result<Int, BackupFailure>) {
        switch result {
        case .success(let bytes):
            logger.info("a backup was made", metadata: ["path": "\(order.path)", "bytes": "\(bytes)"])
        case .failure(let failure): logger.warning("no backup was made", metadata: ["reason": "\(failure)"])
        }
        guard !isStopping else { return }
        let now = now
        broker.apply(.backedUp(result), at: now, into: &effects)
        finishTurnLater()
    }
}
