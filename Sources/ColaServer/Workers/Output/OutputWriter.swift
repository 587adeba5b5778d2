internal import ColaCore
internal import ColaWorkers
internal import Logging
internal import NIOCore
internal import NIOPosix

/// Brings lines from the broker's loop to the disk, on a thread of its own.
///
/// While one batch is written the next gathers, up to a bound; what is more is dropped, and counted in its place. A
/// disk that is full or slow costs lines of these files and nothing else.
final class OutputWriter {
    private let files: OutputFiles
    private let eventLoop: any EventLoop
    private let logger: Logger
    /// Nil: nothing had to be written or read yet, which a server without workers needs no thread for.
    private var pool: NIOThreadPool?
    private var gathering: [OutputLine] = []
    private var gatheringBytes = 0
    private var isWriting = false
    /// The last line of each worker that was not written, and how many there were since the last one that was.
    private var lost: [WorkerName: (last: OutputLine, count: Int)] = [:]
    /// Lines that were not written since the disk failed; nil: it does not.
    private var lostByFailure: Int?

    /// What gathers at most. Bytes.
    private static let gatheringBytesMax = 4 << 20
    private static let farewellMilliseconds: Int64 = 1_000

    init(_ files: OutputFiles, on eventLoop: any EventLoop, logger: Logger) {
        self.files = files
        self.eventLoop = eventLoop
        self.logger = logger
    }

    private func startedPool() -> NIOThreadPool {
        if let pool { return pool }
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        self.pool = pool
        return pool
    }

    func write(_ line: OutputLine) {
        guard gatheringBytes < Self.gatheringBytesMax else { return lose(line, 1) }
        gatherGap(of: line.source.worker)
        gather(line)
        writeNext()
    }

    private func gather(_ line: OutputLine) {
        gathering.append(line)
        gatheringBytes += line.cost
    }

    /// In the place of lines that are missing.
    private func gatherGap(of worker: WorkerName) {
        guard let gap = lost.removeValue(forKey: worker) else { return }
        gather(
            OutputLine(
                time: gap.last.time, epoch: gap.last.epoch, number: gap.last.number, source: gap.last.source,
                stream: gap.last.stream, content: .dropped(gap.count)))
    }

    private func lose(_ line: OutputLine, _ count: Int) {
        lost[line.source.worker] = (line, (lost[line.source.worker]?.count ?? 0) + count)
    }

    private func writeNext() {
        guard !isWriting, !gathering.isEmpty else { return }
        isWriting = true
        let (batch, files) = (gathering, files)
        gathering = []
        gatheringBytes = 0
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        startedPool().runIfActive(eventLoop: eventLoop) { files.write(batch) }.whenSuccess { lost, failure in
            bound.value.wrote(batch, lost, failure)
        }
    }

    private func wrote(_ batch: [OutputLine], _ lost: [WorkerName: Int], _ failure: OutputFiles.Failure?) {
        isWriting = false
        for (worker, count) in lost {
            if let last = batch.last(where: { $0.source.worker == worker }) { lose(last, count) }
        }
        if let failure {
            if lostByFailure == nil {
                logger.warning(
                    "what workers write is kept in memory alone: it cannot be written to the disk",
                    metadata: ["path": "\(failure.path)", "reason": "\(failure.reason)"])
            }
            lostByFailure = (lostByFailure ?? 0) + lost.values.reduce(0, +)
        } else if let count = lostByFailure {
            logger.notice("what workers write is written to the disk again", metadata: ["lines-lost": "\(count)"])
            lostByFailure = nil
        }
        if failure == nil { for worker in Array(self.lost.keys) { gatherGap(of: worker) } }
        writeNext()
    }

    /// The last lines that were asked for and were written before others; see ``OutputFiles``.
    func last(
        _ count: Int, of workers: [WorkerName], _ query: OutputQuery, before first: [WorkerName: OutputLine],
        _ take: @escaping ([OutputLine]) -> Void
    ) {
        let (files, behind) = (files, isWriting ? gathering : [])
        let bound = NIOLoopBound(take, eventLoop: eventLoop)
        startedPool().runIfActive(eventLoop: eventLoop) {
            files.last(count, of: workers, query) { first[$0] }
        }.whenComplete { result in
            // What still gathers is in no file, and may be in no memory any more.
            let late = behind.filter { line in
                workers.contains(line.source.worker) && line.isOf(query)
                    && first[line.source.worker].map { line.isBefore($0) } ?? true
            }
            let written = (try? result.get()) ?? []
            let lines = late.isEmpty ? written : (written + late).sorted { $0.isBefore($1) }.suffix(count)
            bound.value(lines)
        }
    }

    /// Writes what gathers, for a bounded time.
    func close() -> EventLoopFuture<Void> {
        guard let pool else { return eventLoop.makeSucceededVoidFuture() }
        let done = eventLoop.makePromise(of: Void.self)
        let patience = eventLoop.scheduleTask(in: .milliseconds(Self.farewellMilliseconds)) { done.succeed() }
        for worker in Array(lost.keys) { gatherGap(of: worker) }
        let (batch, files, eventLoop) = (gathering, files, eventLoop)
        gathering = []
        pool.runIfActive(eventLoop: eventLoop) { _ = files.write(batch) }.whenComplete { _ in
            pool.shutdownGracefully { _ in
                eventLoop.execute {
                    patience.cancel()
                    done.succeed()
                }
            }
        }
        return done.futureResult
    }
}
