internal import OrderedCollections

/// A consumer group of one topic: where it reads on in each partition, and who its members are.
///
/// The offsets are durable and outlive the members; the members are those that are connected now.
struct ConsumerGroup {
    /// The next offset by partition, of those where one was committed.
    var offsets: OrderedDictionary<Int, CommittedOffset> = [:]
    var membership = GroupMembership(group: "")

    var isEmpty: Bool { offsets.isEmpty && membership.isEmpty }
}
