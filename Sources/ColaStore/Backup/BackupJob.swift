internal import ColaCore
internal import Glibc

/// One copy of the database, from the first page to its final name.
///
/// It runs on a thread of its own, which visits the commit thread for one slice of pages after the other, so a commit
/// waits for one slice at most. What is slow, syncing the copy, happens on this thread alone, and again and again: the
/// last sync, and those of the commits beside it, then find little to write.
final class BackupJob: Sendable {
    let order: BackupOrder
    private let commits: Monitor<CommitQueue>
    private let isCancelled = Monitor(false)
    private let progress: @Sendable (BackupProgress) -> Void

    /// Pages of 16 KiB in one slice: half a MiB is read and written in about a millisecond.
    private static let slicePages: Int32 = 32
    /// Slices between two syncs.
    private static let slicesPerSync = 16
    private static let busyMilliseconds = 10

    /// - Parameter progress: is called on the job's thread, before each sync.
    init(
        _ order: BackupOrder, commits: Monitor<CommitQueue>, progress: @escaping @Sendable (BackupProgress) -> Void
    ) {
        self.order = order
        self.progress = progress
        self.commits = commits
    }

    func cancel() { isCancelled.change { $0 = true } }

    /// - Returns: the size of the copy in bytes. In case of a failure nothing of it is left.
    func run() -> Result<Int, BackupFailure> {
        Result { () throws(BackupFailure) in
            let target = try BackupTarget(order)
            do {
                try copy(to: target)
                return try target.publish()
            } catch let error as BackupFailure {
                target.discard()
                throw error
            } catch let failure as SQLiteFailure {
                target.discard()
                throw failure.kind == .outOfRoom
                    ? .noRoom(path: order.path, reason: failure.description)
                    : .failed(path: order.path, reason: "cannot \(failure.operation): \(failure)")
            } catch {
                target.discard()
                throw .failed(path: order.path, reason: "\(error)")
            }
        }
    }

    private func copy(to target: BackupTarget) throws {
        let path = target.partial
        let copy = try visit { try DatabaseCopy(of: $0, at: path) }
        do {
            var slices = 0
            while true {
                guard !isCancelled.read({ $0 }) else { throw BackupFailure.cancelled(path: order.path) }
                switch try visit({ _ in try copy.step(pages: Self.slicePages) }) {
                case .done: return try visit { _ in try copy.finish() }
                case .more(let reached):
                    // The first, so that the size is known soon.
                    if slices % Self.slicesPerSync == 0 { progress(reached) }
                    slices += 1
                case .busy: _ = isCancelled.wait(milliseconds: Self.busyMilliseconds) { $0 ? true : nil }
                }
                if slices % Self.slicesPerSync == 0 { try target.sync() }
            }
        } catch {
            // Where the store itself has failed, nobody else uses the connection any more.
            if (try? visit { _ in copy.abandon() }) == nil { copy.abandon() }
            throw error
        }
    }

    /// Has the commit thread run `body` between two commits, and waits for it.
    private func visit<Answer: Sendable>(
        _ body: @escaping @Sendable (Connection) throws -> Answer
    ) throws -> Answer {
        let answer = Monitor<Result<Answer, any Error>?>(nil)
        commits.change { queue in
            queue.visit = { connection in answer.change { $0 = Result { try body(connection) } } }
        }
        _ = commits.wait { queue in
            queue.visit == nil && !queue.isVisited || queue.failure != nil ? true : nil
        }
        guard let answer = answer.read({ $0 }) else {
            throw BackupFailure.failed(path: order.path, reason: "the server's own disk has failed")
        }
        return try answer.get()
    }
}
