internal import ColaNative
internal import DequeModule
internal import NIOCore
internal import Synchronization

/// The messages of one consumer, as they come. Ends when it is cancelled; throws when the queue is deleted or the
/// connection is lost.
///
/// No more than the prefetch are here and unacknowledged at a time, so whoever takes them slowly is sent them slowly.
/// It is meant for one reader.
public final class Deliveries: AsyncSequence, Sendable {
    public typealias Element = Delivery
    public typealias Failure = any Error

    /// What waiting for a limited time can bring.
    public enum Next: Sendable {
        case delivery(Delivery)
        /// Nothing came in time.
        case idle
        /// Nothing will come any more.
        case ended
    }

    private enum Waiter: Sendable {
        case none
        case one(id: UInt64, CheckedContinuation<Next, any Error>)
    }

    private struct State: Sendable {
        var ready = Deque<Delivery>()
        var waiter = Waiter.none
        var nextWaiter: UInt64 = 1
        var taken = 0
        /// Credit that may still be granted.
        var left: Int
        var isFinished = false
        var failure: (any Error)?
    }

    let consumer: Int64
    private let connection: Connection
    /// Without a prefetch nothing limits what is sent but credit: so many are granted whenever so many were taken.
    private let grant: Int?
    private let state: Mutex<State>

    /// - Parameter left: how many messages beyond the first credit may come.
    init(consumer: Int64, connection: Connection, grant: Int?, left: Int) {
        self.consumer = consumer
        self.connection = connection
        self.grant = grant
        state = Mutex(State(left: left))
    }

    /// Whether a delivery is here already, so that ``next(within:)`` would not wait.
    public var isReady: Bool { state.withLock { !$0.ready.isEmpty } }

    /// The next delivery; `.idle` if none comes in time. Nil for the time waits for ever. Cancelling the task ends it.
    public func next(within milliseconds: Int64? = nil) async throws -> Next {
        if let next = try take() { return next }
        let id = state.withLock { state -> UInt64 in
            defer { state.nextWaiter += 1 }
            return state.nextWaiter
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Next, any Error>) in
                state.withLock { $0.waiter = .one(id: id, continuation) }
                // It may have come, or been cancelled, between looking and waiting.
                wakeIfReady()
                if Task.isCancelled { wake(id, with: .ended) }
                if let milliseconds {
                    connection.channel.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) {
                        self.wake(id, with: .idle)
                    }
                }
            }
        } onCancel: {
            wake(id, with: .ended)
        }
    }

    /// Tells the server to send no more. What was not acknowledged goes back when the connection ends.
    public func cancel() async throws {
        connection.removeConsumer(consumer)
        finish(throwing: nil)
        _ = try await connection.ask(.cancel(consumer: consumer), "cancel of a consumer")
    }

    public func makeAsyncIterator() -> Iterator { Iterator(deliveries: self) }

    /// Takes one delivery after the other.
    public struct Iterator: AsyncIteratorProtocol {
        let deliveries: Deliveries

        public mutating func next() async throws -> Delivery? {
            guard case .delivery(let delivery) = try await deliveries.next() else { return nil }
            return delivery
        }
    }

    func append(_ delivery: Delivery) {
        state.withLock { if !$0.isFinished { $0.ready.append(delivery) } }
        wakeIfReady()
    }

    func finish(throwing error: (any Error)?) {
        state.withLock { state in
            guard !state.isFinished else { return }
            state.isFinished = true
            state.failure = error
        }
        wakeIfReady()
    }

    /// What there is without waiting: a delivery, the end, or nil.
    private func take() throws -> Next? {
        let (next, credit) = try state.withLock { state -> (Next?, Int) in
            if let delivery = state.ready.popFirst() {
                state.taken += 1
                guard let grant, state.taken.isMultiple(of: grant) else { return (.delivery(delivery), 0) }
                let credit = Swift.min(grant, state.left)
                state.left -= credit
                return (.delivery(delivery), credit)
            }
            if let failure = state.failure {
                state.failure = nil
                throw failure
            }
            return (state.isFinished ? .ended : nil, 0)
        }
        if credit > 0 { try? connection.tell(.credit(consumer: consumer, count: credit)) }
        return next
    }

    private func wakeIfReady() {
        let waiting = state.withLock { state -> CheckedContinuation<Next, any Error>? in
            guard case .one(_, let continuation) = state.waiter, !state.ready.isEmpty || state.isFinished else {
                return nil
            }
            state.waiter = .none
            return continuation
        }
        guard let waiting else { return }
        waiting.resume(with: Result { try take() ?? .ended })
    }

    private func wake(_ id: UInt64, with next: Next) {
        let waiting = state.withLock { state -> CheckedContinuation<Next, any Error>? in
            guard case .one(id, let continuation) = state.waiter else { return nil }
            state.waiter = .none
            return continuation
        }
        waiting?.resume(returning: next)
    }
}
