import ColaClient
import Histogram
import NIOPosix

/// Carries a load out: a thread for each connection, counters and processor time before and after.
struct BenchRun {
    let plan: BenchPlan
    /// The broker's process, if it is known.
    let broker: pid_t?
    /// The consumers begin when the producers are done.
    let drainsAfterwards: Bool
    /// With consumers alone: how many messages wait in the queues.
    let waiting: Int

    func run() async throws -> BenchReport {
        let pool = NIOThreadPool(numberOfThreads: plan.producers + plan.consumers)
        pool.start()
        defer { pool.shutdownGracefully { _ in } }
        let progress = BenchProgress()
        var report = BenchReport(plan: plan)
        let watch = BenchWatch(progress, broker: broker)
        let watching = Task { await watch.run() }
        defer { watching.cancel() }
        let clientBefore = ProcessUsage.ownCPUSeconds
        let brokerBefore = broker.flatMap { ProcessUsage(process: $0) }

        if drainsAfterwards {
            let produced = try await produce(pool, progress)
            let started = monotonicNanoseconds()
            add(produced, &report)
            add(try await consume(pool, progress), since: started, &report)
        } else {
            let started = monotonicNanoseconds()
            async let consumed = consume(pool, progress)
            add(try await produce(pool, progress), &report)
            add(try await consumed, since: started, &report)
        }

        watching.cancel()
        await watching.value
        report.backlogMax = watch.peaks.backlog
        report.brokerAnonymousBytesMax = watch.peaks.anonymousBytes
        report.clientCPUSeconds = ProcessUsage.ownCPUSeconds - clientBefore
        if let before = brokerBefore, let after = broker.flatMap({ ProcessUsage(process: $0) }) {
            report.brokerCPUSeconds = after.cpuSeconds - before.cpuSeconds
            report.brokerResidentBytesMax = after.residentBytesMax
            if let from = before.writtenBytes, let to = after.writtenBytes { report.brokerWrittenBytes = to - from }
        }
        return report
    }

    private func produce(_ pool: NIOThreadPool, _ progress: BenchProgress) async throws -> [BenchProducer.Outcome] {
        let plan = plan
        let outcomes = try await threads(plan.producers, pool, progress) { number in
            try BenchProducer(plan, number: number, progress: progress).run()
        }
        progress.expect(
            plan.producers > 0 ? outcomes.reduce(0) { $0 + $1.confirmed } : min(waiting, plan.count ?? waiting))
        return outcomes
    }

    private func consume(_ pool: NIOThreadPool, _ progress: BenchProgress) async throws -> [BenchConsumer.Outcome] {
        let plan = plan
        return try await threads(plan.consumers, pool, progress) { number in
            try BenchConsumer(plan, progress: progress).run(queues: plan.queues(of: number))
        }
    }

    /// Runs `body` on so many threads; the first failure stops all.
    private func threads<Outcome: Sendable>(
        _ count: Int, _ pool: NIOThreadPool, _ progress: BenchProgress,
        _ body: @escaping @Sendable (Int) throws -> Outcome
    ) async throws -> [Outcome] {
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            for number in 0..<count {
                group.addTask {
                    do {
                        return try await pool.runIfActive { try body(number) }
                    } catch {
                        progress.stop()
                        throw error
                    }
                }
            }
            var outcomes: [Outcome] = []
            for try await outcome in group { outcomes.append(outcome) }
            return outcomes
        }
    }

    private func add(_ outcomes: [BenchProducer.Outcome], _ report: inout BenchReport) {
        guard let started = outcomes.map(\.started).min(), let ended = outcomes.map(\.ended).max() else { return }
        report.publishSeconds = Double(ended - started) / 1e9
        for outcome in outcomes {
            report.published += outcome.confirmed
            report.confirm.add(outcome.confirmNanoseconds)
        }
    }

    private func add(_ outcomes: [BenchConsumer.Outcome], since started: Int64, _ report: inout BenchReport) {
        guard let last = outcomes.map(\.last).max() else { return }
        report.consumeSeconds = Double(max(0, last - started)) / 1e9
        for outcome in outcomes {
            report.consumed += outcome.consumed
            report.redelivered += outcome.redelivered
            report.delivery.add(outcome.deliveryNanoseconds)
        }
    }
}
