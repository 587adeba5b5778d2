/// How far anything that a client can grow may grow.
package struct Limits: Equatable, Sendable {
    /// Queues and topics together.
    package var queuesMax = 100_000
    package var exchangesMax = 10_000
    package var bindingsMax = 1_000_000
    package var consumersPerChannelMax = 16_384
    /// A channel that holds so many is handed no more; who asks for a single one is refused.
    package var unackedPerChannelMax = 65_536
    /// Records kept in memory, over all logs, that are on the disk as well. Bytes.
    package var cacheBytesMax = 64 * 1024 * 1024
    /// Above this the gathering batch takes no more from publishers. Bytes.
    package var gatheringBytesMax = 4 * 1024 * 1024
    /// All copies of the messages of one publish together, where there are several: it is one transaction. Bytes.
    package var transactionBytesMax = 64 * 1024 * 1024
    /// The gathering batch never grows beyond this, however many publishers are ahead of a disk that does not answer.
    /// Bytes; well below what a segment can hold.
    package var gatheringBytesMost = 1024 * 1024 * 1024
    /// Whether a message that only one queue gets may be handed out before it is durable.
    package var isDeliveryEarly = false
    /// How far deliveries may run ahead of a channel's socket. Bytes.
    package var windowBytes = 1024 * 1024
    /// One batch of a producer, compressed or not. Bytes. Source: Kafka, `message.max.bytes`
    package var batchBytesMax = 1_048_588
    /// How often a partition is looked through for producers to forget. Milliseconds.
    package var producersLookMilliseconds: Int64 = 600_000
    /// What all answers to one fetch bring together, but for a single batch. Bytes.
    package var fetchBytesMax = 64 * 1024 * 1024
    /// How long a fetch may wait. Milliseconds.
    package var fetchMillisecondsMax: Int64 = 300_000
    /// How much one read from the store brings. Bytes.
    package var readBytesMax = 1024 * 1024
    /// Answers that wait for a commit, per channel, before the channel is not read from.
    package var heldAnswersMax = 10_000
    /// An acknowledgement that nothing waits for is committed at the latest after this. Milliseconds.
    package var lazyCommitMilliseconds: Int64 = 20
    /// Requests that have arrived in part, over all connections. Bytes.
    package var inboxBytesMax = 128 * 1024 * 1024
    /// All bodies of one `peek` together. Bytes.
    package var peekBytesMax = 16 * 1024 * 1024
    /// How many messages one turn moves or drops, besides those that clients take.
    package var sweepMax = 1_000
    /// How many records one turn passes over for readers that do not want them.
    package var skimMax = 10_000
    /// With more than this in the gathering batch nothing is moved: whoever publishes beside waits for that batch.
    /// Bytes.
    package var sweepBytesMax = 512 * 1024
    /// Records of queues that do not outlive the process: above this they are written to the disk. Bytes.
    package var pinnedBytesMax = 64 * 1024 * 1024
    /// What all exchanges keep of their last messages; beyond it an exchange gives up its own oldest. Bytes; less than
    /// a transaction, as it can all go to one queue that is bound.
    package var historyBytesMax = 32 * 1024 * 1024
    /// Messages of the schedule that are kept in memory; those that are due next.
    package var scheduledInMemoryMax = 10_000
    package var scheduledBytesMax = 16 * 1024 * 1024
    /// Message ids in all deduplication windows; beyond it the oldest of a window are forgotten early.
    package var seenMax = 1_000_000
    package var virtualHostsMax = 1_000
    package var policiesMax = 1_000
    package var usersMax = 10_000
    /// Of one user in one virtual host.
    package var topicPermissionsMax = 1_000
    package var partitionsMax = 1_000
    /// Consumer groups of one topic.
    package var groupsMax = 10_000
    /// Of groups whose members share out what they read by themselves.
    package var groups = GroupCoordinator.Limits()
    /// What a member of a group may say with an offset. Bytes. Source: Kafka, `offset.metadata.max.bytes`
    package var offsetMetadataMax = 4_096
    /// How many chunks of a log the store describes at a time.
    package var outlineMax = 256
    /// Keys whose last offset one pass of compaction notes, and the bytes of them; what comes after is for the next.
    package var compactionKeysMax = 100_000
    package var compactionBytesMax = 8 * 1024 * 1024
    /// Below so many new bytes a partition is not compacted: a pass reads all of it.
    package var compactionBytesMin = 4 * 1024
    /// Whether a queue or topic that is declared again with other arguments takes them; otherwise that is refused.
    package var adoptsArguments = false

    package init() {
        // Members of a group that start together are a moment apart; who waits for others waits no longer than that.
        groups.initialRebalanceDelay = 100
    }
}
