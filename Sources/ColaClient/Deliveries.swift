/// The messages of one consumer, as they come.
///
/// No more than the prefetch are here and unacknowledged at a time, so whoever takes them slowly is sent them slowly.
/// It is meant for one reader.
///
/// It ends when it is cancelled, and when as many came as were asked for. It throws a ``ColaError`` when the queue is
/// deleted (``ColaError/Code/cancelled``) or the connection is lost. With ``ClientOptions/reconnect`` it begins again
/// on the next connection instead: what a lost connection had brought comes again then, and its old deliveries can be
/// acknowledged no more. Cancelling the task that waits for the next delivery ends it at once, and gives back to the
/// queue what was not taken.
public final class Deliveries: AsyncSequence, Sendable {
    /// What it brings: a message to acknowledge.
    public typealias Element = Delivery
    /// A ``ColaError``.
    public typealias Failure = any Error

    /// What waiting for a limited time can bring.
    public enum Next: Sendable {
        case delivery(Delivery)
        /// Nothing came in time.
        case idle
        /// Nothing will come any more.
        case ended
    }

    private let subscription: Subscription

    init(_ subscription: Subscription) { self.subscription = subscription }

    /// Whether a delivery is here already, so that ``next(within:)`` would not wait.
    public var isReady: Bool { subscription.isReady }

    /// The next delivery; `.idle` if none comes in time. Nil for the time waits for ever. Cancelling the task ends it.
    public func next(within milliseconds: Int64? = nil) async throws -> Next {
        while true {
            switch try await subscription.next(within: milliseconds) {
            case .event(.delivery(let delivery)): return .delivery(delivery)
            case .event(.assigned), .event(.seeking): continue
            case .idle: return .idle
            case .ended: return .ended
            }
        }
    }

    /// Tells the server to send no more. What is here already can still be taken and acknowledged; what was not goes
    /// back when the connection ends.
    public func cancel() async throws {
        do {
            try await subscription.cancel()
        } catch let unsent as Connection.NotSent {
            throw unsent.reason
        }
    }

    /// Ends it at once, without waiting: the server sends no more, and what was not taken goes back to its queue. What
    /// was taken can still be acknowledged.
    public func giveBack() { subscription.giveBack() }

    /// All iterators share what comes; each element goes to one of them.
    public func makeAsyncIterator() -> Iterator { Iterator(deliveries: self) }

    /// Takes one delivery after the other.
    public struct Iterator: AsyncIteratorProtocol {
        let deliveries: Deliveries

        /// The next delivery; nil when nothing will come any more.
        public mutating func next() async throws -> Delivery? {
            guard case .delivery(let delivery) = try await deliveries.next() else { return nil }
            return delivery
        }
    }
}
