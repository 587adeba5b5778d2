internal import ColaNative

/// A member of a group that shares a topic's partitions: what it is assigned, and the records of these partitions, in
/// the order in which they hold.
///
/// ```swift
/// let member = try await client.join("audit", of: "logins")
/// for try await event in member {
///     switch event {
///     case .assigned(let assignment): print("reads", assignment.partitions.keys)
///     case .record(let record):
///         handle(record)
///         try await member.commit(record)
///     }
/// }
/// ```
///
/// What was handled and not committed is read again by whoever gets the partition next. It ends, and comes back after a
/// lost connection, as ``TopicReader`` does; it is then assigned anew and begins at what is committed.
public final class GroupMember: AsyncSequence, Sendable {
    /// What it brings: a record, or what is assigned now.
    public typealias Element = Event
    /// A ``ColaError``.
    public typealias Failure = any Error

    /// What a member is told.
    public enum Event: Sendable {
        /// From here on records of these partitions come, and no others. Those of other partitions that were here and
        /// not taken are dropped.
        case assigned(Assignment)
        /// The next record of one of them.
        case record(StoredMessage)
    }

    /// What is read.
    public let topic: String
    /// What it is a member of.
    public let group: String
    private let connection: Link
    private let subscription: Subscription

    init(_ subscription: Subscription, of group: String, on topic: String, connection: Link) {
        self.subscription = subscription
        self.group = group
        self.topic = topic
        self.connection = connection
    }

    /// What the server assigned last; nil before it has.
    public var assignment: Assignment? { subscription.assignment }

    /// The group has done with this record and all before it in its partition. Returns when that is on the server's
    /// disk.
    /// - Throws: ``ColaError`` with ``ColaError/Code/mismatch`` if the partition is assigned to this member no longer:
    ///   whoever has it now decides.
    public func commit(_ record: StoredMessage) async throws {
        try await commit(record.offset + 1, partition: record.partition)
    }

    /// The same; `next` is the offset that the group will read next in the partition.
    public func commit(_ next: Int64, partition: Int) async throws {
        guard assignment?.partitions[partition] != nil else {
            throw ColaError(
                code: .mismatch,
                message: "partition \(partition) of '\(topic)' is not assigned to this member of '\(group)' any more; "
                    + "leave the commit to the member that reads it now",
                isRetryable: false)
        }
        let request = ClientRequest.commit(topic: topic, group: group, offset: next, partition: partition)
        _ = try await connection.ask(request, "commit of group '\(group)' of '\(topic)'")
    }

    /// What waiting for a limited time can bring.
    public enum Next: Sendable {
        case event(Event)
        /// Nothing came in time.
        case idle
        /// It has left.
        case ended
    }

    /// Whether an event is here already, so that ``next(within:)`` would not wait.
    public var isReady: Bool { subscription.isReady }

    /// The next event; `.idle` if none comes in time. Nil for the time waits for ever. Cancelling the task ends it.
    public func next(within milliseconds: Int64? = nil) async throws -> Next {
        while true {
            switch try await subscription.next(within: milliseconds) {
            case .event(.delivery(let delivery)): return .event(.record(delivery.message))
            case .event(.assigned(let assignment)): return .event(.assigned(assignment))
            case .event(.seeking): continue
            case .idle: return .idle
            case .ended: return .ended
            }
        }
    }

    /// Reads on from there, in that partition, or in all that are assigned if it is nil. Commits nothing.
    public func seek(to position: ReadingPosition, partition: Int? = nil) async throws {
        try await subscription.seek(to: position, partition: partition)
    }

    /// Leaves the group at once; the others get its partitions.
    public func leave() { subscription.giveBack() }

    /// All iterators share what comes; each element goes to one of them.
    public func makeAsyncIterator() -> Iterator { Iterator(member: self) }

    /// Takes one event after the other.
    public struct Iterator: AsyncIteratorProtocol {
        let member: GroupMember

        /// The next event; nil when the member has left.
        public mutating func next() async throws -> Event? {
            guard case .event(let event) = try await member.next() else { return nil }
            return event
        }
    }
}
