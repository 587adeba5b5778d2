internal import ColaCore
internal import ColaWorkers

// How many processes a worker has, where that follows the backlog of its queue.
extension WorkerHost {
    /// Only where the number of processes follows the backlog somebody has to look at it.
    func seeWhoIsScaled() {
        let scaled = supervisor.status.filter { $0.range.count > 1 }.map(\.definition.name)
        scale.workers = fed.filter { scaled.contains($0.name) }
        guard !scale.workers.isEmpty else {
            broker.turnEnded = nil
            return
        }
        broker.turnEnded = { [weak self] in self?.lookSoon() }
        lookSoon()
    }

    func didSettle(_ worker: WorkerName, _ count: Int = 1) { scale.settled(worker, count) }

    /// Something happened in the broker: what waits may be more, or less.
    private func lookSoon() {
        guard let delay = scale.begin(at: now.monotonic) else { return }
        later(milliseconds: delay) { [weak self] in self?.look() }
    }

    private func look() {
        let now = now
        var isMore = false
        for (worker, rate) in scale.look(at: now.monotonic) {
            let backlog = worker.queue.flatMap { broker.backlog(of: $0, in: worker.virtualHost, at: now) }
            apply(
                .backlog(
                    worker.name, ready: backlog?.ready ?? 0, oldestMilliseconds: backlog?.oldestMilliseconds ?? 0,
                    ratePerSecond: rate))
            if let backlog, backlog.ready > 0 { isMore = true }
        }
        // As long as messages wait, time alone makes them older.
        if isMore { lookSoon() }
    }
}
