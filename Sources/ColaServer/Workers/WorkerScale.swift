internal import ColaCore
internal import ColaWorkers

/// When the backlogs of scaled workers are looked at, and how fast they are worked off.
struct WorkerScale {
    /// Those whose number of processes follows the backlog.
    var workers: [WorkerDefinition] = []
    private var isLooking = false
    private var lastLook: Instant?
    private var counts: [WorkerName: Int] = [:]
    private var rates: [WorkerName: Double] = [:]

    /// Between two looks, in milliseconds.
    private static let interval: Int64 = 200

    mutating func settled(_ worker: WorkerName, _ count: Int) { counts[worker, default: 0] += count }

    /// - Returns: after how many milliseconds to look; nil: somebody is about to.
    mutating func begin(at now: Instant) -> Int64? {
        guard !isLooking else { return nil }
        isLooking = true
        guard let lastLook else { return 0 }
        return max(0, Self.interval - (now.rawValue - lastLook.rawValue) / 1_000_000)
    }

    /// - Returns: each worker, and how many messages it has settled in a second of late.
    mutating func look(at now: Instant) -> [(worker: WorkerDefinition, rate: Double)] {
        isLooking = false
        let seconds = lastLook.map { max(0.001, Double(now.rawValue - $0.rawValue) / 1e9) } ?? 1
        lastLook = now
        return workers.map { worker in
            let rate = Double(counts.removeValue(forKey: worker.name) ?? 0) / seconds
            // A quarter each time: about a second of memory.
            let smooth = rates[worker.name].map { $0 + (rate - $0) / 4 } ?? rate
            rates[worker.name] = smooth
            return (worker, smooth)
        }
    }
}
