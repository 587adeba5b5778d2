internal import ColaCore
internal import ColaWorkers
internal import NIOCore
internal import NIOPosix

/// Brings lines that workers write to whoever runs them, on a thread of its own, since a terminal may be slow.
///
/// Nothing is dropped: when much waits for it, the programs wait as well, as they would if the terminal was theirs.
final class LineRelay: OutputLog {
    private let eventLoop: any EventLoop
    private let receive: @Sendable ([WorkerRunner.Line]) -> Void
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private var gathering: [WorkerRunner.Line] = []
    private var gatheringBytes = 0
    private var isHandingOver = false
    private var emptied: EventLoopPromise<Void>?

    /// What gathers before programs have to wait. Bytes.
    private static let gatheringBytesMax = 256 << 10
    private static let farewellMilliseconds: Int64 = 1_000

    /// - Parameter receive: is called on another thread, with the oldest line first, and never twice at a time.
    init(on eventLoop: any EventLoop, receive: @escaping @Sendable ([WorkerRunner.Line]) -> Void) {
        self.eventLoop = eventLoop
        self.receive = receive
        pool.start()
    }

    var isFull: Bool { gatheringBytes >= Self.gatheringBytesMax }

    func taker(of worker: WorkerName) -> any OutputTaker { self }

    private func handOver() {
        guard !isHandingOver, !gathering.isEmpty else { return }
        isHandingOver = true
        let (lines, receive) = (gathering, receive)
        gathering = []
        gatheringBytes = 0
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        pool.runIfActive(eventLoop: eventLoop) { receive(lines) }.whenComplete { _ in bound.value.handedOver() }
    }

    private func handedOver() {
        isHandingOver = false
        handOver()
        guard !isHandingOver else { return }
        emptied?.succeed()
        emptied = nil
    }

    /// - Returns: done when all lines have been taken, or after a second.
    func close() -> EventLoopFuture<Void> {
        let done = eventLoop.makePromise(of: Void.self)
        let patience = eventLoop.scheduleTask(in: .milliseconds(Self.farewellMilliseconds)) { done.succeed() }
        let emptied = eventLoop.makePromise(of: Void.self)
        let (pool, eventLoop) = (pool, eventLoop)
        emptied.futureResult.whenSuccess {
            pool.shutdownGracefully { _ in
                eventLoop.execute {
                    patience.cancel()
                    done.succeed()
                }
            }
        }
        if isHandingOver { self.emptied = emptied } else { emptied.succeed() }
        return done.futureResult
    }
}

extension LineRelay: OutputTaker {
    var isOpen: Bool { true }

    func refill() {}

    func add(_ content: OutputLine.Content, _ source: OutputLine.Source, _ stream: ProgramStream) {
        // It is always open, so lines are all that comes.
        guard case .text(let text, let isCut) = content else { return }
        gathering.append(
            WorkerRunner.Line(
                worker: "\(source.worker)", instance: source.instance.rawValue, text: text, isCut: isCut))
        gatheringBytes += OutputLine.overheadBytes + text.utf8.count
        handOver()
    }
}
