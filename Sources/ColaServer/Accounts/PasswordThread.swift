internal import ColaCore
internal import NIOCore
internal import NIOPosix

/// Hashes passwords, on a thread of its own: on the broker's loop a tenth of a second would be everybody's.
///
/// There is one, and so many may wait for it: what somebody sends who wants to keep it busy costs one core at most.
final class PasswordThread {
    private let eventLoop: any EventLoop
    /// Nil: no password was hashed yet.
    private var pool: NIOThreadPool?
    private var waiting = 0

    /// At a tenth of a second each, the last of them has its answer before the time for a `hello` is over.
    static let waitingMax = 64

    init(on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    var isFull: Bool { waiting >= Self.waitingMax }

    /// - Parameters:
    ///   - work: is done on the thread.
    ///   - completion: is called on the loop.
    func run<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result, completion: @escaping (Result) -> Void
    ) {
        waiting += 1
        let pool = startedPool()
        let done = NIOLoopBound(completion, eventLoop: eventLoop)
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        let eventLoop = eventLoop
        pool.submit { _ in
            let result = work()
            eventLoop.execute {
                this.value.waiting -= 1
                done.value(result)
            }
        }
    }

    private func startedPool() -> NIOThreadPool {
        if let pool { return pool }
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        self.pool = pool
        return pool
    }

    func stop() {
        pool?.shutdownGracefully { _ in }
        pool = nil
    }
}
