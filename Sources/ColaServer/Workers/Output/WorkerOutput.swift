internal import ColaCore
internal import ColaWorkers
internal import Logging
internal import NIOCore

/// What workers write: from their pipes into memory and onto the disk, and to those who read it.
///
/// It lives on the broker's loop, which is why it is bounded everywhere: of each worker so many bytes are kept in
/// memory and so many lines taken in a second, and so much waits for the disk. What is more is dropped, and counted in
/// its place.
final class WorkerOutput: OutputLog {
    /// What is kept of one worker.
    final class Worker: OutputTaker {
        private unowned let output: WorkerOutput
        fileprivate(set) var ring: OutputRing
        private var budget: OutputBudget

        fileprivate init(_ output: WorkerOutput) {
            self.output = output
            ring = OutputRing(bytesMax: output.memoryBytesMax)
            budget = OutputBudget(
                bytesPerSecond: WorkerOutput.bytesPerSecond, burstBytes: WorkerOutput.burstBytes,
                at: output.clock().monotonic)
        }

        var isOpen: Bool { budget.isOpen }

        func refill() { budget.refill(at: output.clock().monotonic) }

        func add(_ content: OutputLine.Content, _ source: OutputLine.Source, _ stream: ProgramStream) {
            let line = output.line(content, source, stream)
            budget.take(bytes: line.cost - OutputLine.overheadBytes)
            ring.append(line)
            output.added(line)
        }
    }

    let epoch: Epoch
    private(set) var workers: [WorkerName: Worker] = [:]
    /// Lines of all workers so far.
    private(set) var count: Int64 = 0
    let files: OutputWriter?
    let eventLoop: any EventLoop
    let memoryBytesMax: Int
    private let clock: () -> Now
    var readers: [OutputReader] = []
    var lastReader: UInt64 = 0
    private var isWakePending = false

    /// A worker may write so much in a second, after a burst.
    private static let bytesPerSecond = 2 << 20
    private static let burstBytes = 8 << 20
    /// How long lines are gathered for those who wait for them. Milliseconds.
    private static let gatherMilliseconds: Int64 = 10

    /// - Parameters:
    ///   - files: nil: what is written is kept in memory alone.
    ///   - memoryBytesMax: of the lines of one worker.
    init(
        epoch: Epoch, files: OutputFiles?, memoryBytesMax: Int, on eventLoop: any EventLoop, logger: Logger,
        clock: @escaping () -> Now
    ) {
        self.epoch = epoch
        self.memoryBytesMax = memoryBytesMax
        self.eventLoop = eventLoop
        self.clock = clock
        self.files = files.map { OutputWriter($0, on: eventLoop, logger: logger) }
    }

    /// What is still on its way to the disk is written, if the disk takes it.
    ///
    /// - Returns: done when nothing of it runs any more, or after a second.
    func close() -> EventLoopFuture<Void> {
        for reader in readers { reader.timer?.cancel() }
        readers = []
        return files?.close() ?? eventLoop.makeSucceededVoidFuture()
    }

    // MARK: From the processes

    /// What is too much it drops.
    var isFull: Bool { false }

    func taker(of worker: WorkerName) -> any OutputTaker { self.worker(worker) }

    private func worker(_ name: WorkerName) -> Worker {
        if let worker = workers[name] { return worker }
        let worker = Worker(self)
        workers[name] = worker
        return worker
    }

    private func line(
        _ content: OutputLine.Content, _ source: OutputLine.Source, _ stream: ProgramStream
    ) -> OutputLine {
        OutputLine(
            time: clock().wall, epoch: epoch, number: count, source: source, stream: stream, content: content)
    }

    private func added(_ line: OutputLine) {
        count += 1
        files?.write(line)
        guard !readers.isEmpty, !isWakePending else { return }
        isWakePending = true
        later(milliseconds: Self.gatherMilliseconds) { [weak self] in
            guard let self else { return }
            isWakePending = false
            wakeReaders()
        }
    }

    func later(milliseconds: Int64, _ body: @escaping () -> Void) {
        _ = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(milliseconds)) { body() }
    }
}
