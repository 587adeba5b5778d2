/// The records of a topic, as they come, in the order of each partition. Reading takes nothing away, and there is
/// nothing to acknowledge: whoever takes them slowly is sent them slowly.
///
/// It throws a ``ColaError`` when the topic is deleted or the connection is lost. With ``ClientOptions/reconnect`` it
/// reads on where it was; a partition of which no record has been taken begins again where the reader began, and with a
/// group all of them where the group has committed. Cancelling the task that waits for the next record ends it.
public final class TopicReader: AsyncSequence, Sendable {
    /// What it brings: a record.
    public typealias Element = StoredMessage
    /// A ``ColaError``.
    public typealias Failure = any Error

    private let subscription: Subscription

    init(_ subscription: Subscription) { self.subscription = subscription }

    /// Reads on from there, in that partition, or in all of them if it is nil.
    ///
    /// Records that were here and not taken are dropped. If it goes forward, and not to an offset, a few that were on
    /// their way may still come first.
    /// - Throws: ``ColaError``: with ``ColaError/Code/mismatch`` the partition is not read or the offset lies beyond
    ///   the end, and it reads on where it was.
    public func seek(to position: ReadingPosition, partition: Int? = nil) async throws {
        try await subscription.seek(to: position, partition: partition)
    }

    /// Ends it: the server sends no more.
    public func cancel() { subscription.giveBack() }

    /// All iterators share what comes; each element goes to one of them.
    public func makeAsyncIterator() -> Iterator { Iterator(subscription: subscription) }

    /// Takes one record after the other.
    public struct Iterator: AsyncIteratorProtocol {
        let subscription: Subscription

        /// The next record; nil when it was cancelled.
        public mutating func next() async throws -> StoredMessage? {
            while true {
                switch try await subscription.next() {
                case .event(.delivery(let delivery)): return delivery.message
                case .event(.assigned), .event(.seeking): continue
                case .idle, .ended: return nil
                }
            }
        }
    }
}
