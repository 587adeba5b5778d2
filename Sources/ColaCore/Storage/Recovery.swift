/// What a start finds: definitions, one small row per log, and what the deduplication windows hold. Nothing here grows
/// with the number of messages.
package struct Recovery: Sendable {
    /// The epoch that this start begins; one above the last.
    package var epoch: Epoch
    /// Whether the process before this one stopped in order, so that `LogState.handedOut` is exact.
    package var wasStoppedCleanly: Bool
    package var virtualHosts: [VirtualHostDefinition] = []
    /// With the states of all logs of a queue, in the order of ``QueueDefinition/logs``.
    package var queues: [(definition: QueueDefinition, states: [LogState])]
    package var topics: [(definition: TopicDefinition, states: [LogState])]
    package var exchanges: [ExchangeDefinition]
    package var bindings: [BindingDefinition]
    package var policies: [PolicyDefinition] = []
    package var users: [UserDefinition] = []
    package var permissions: [PermissionDefinition] = []
    package var topicPermissions: [TopicPermissionDefinition] = []
    package var groupOffsets: [GroupOffset]
    package var seen: [DedupEntry] = []
    /// What the logs of topics know of producers.
    package var producers: [(log: LogID, state: ProducerState)] = []
    /// Transactions that were aborted.
    package var aborted: [(log: LogID, transaction: AbortedTransaction)] = []
    /// What is known of transactional ids.
    package var transactions: [ProducerTransaction] = []
    package var nextLog: LogID
    package var nextSchedule = ScheduleID(1)
    /// How many messages wait in the schedule.
    package var scheduledCount = 0

    package init(
        epoch: Epoch, wasStoppedCleanly: Bool = true,
        queues: [(definition: QueueDefinition, states: [LogState])] = [],
        topics: [(definition: TopicDefinition, states: [LogState])] = [],
        exchanges: [ExchangeDefinition] = [], bindings: [BindingDefinition] = [], groupOffsets: [GroupOffset] = [],
        nextLog: LogID = LogID(1)
    ) {
        self.epoch = epoch
        self.wasStoppedCleanly = wasStoppedCleanly
        self.queues = queues
        self.topics = topics
        self.exchanges = exchanges
        self.bindings = bindings
        self.groupOffsets = groupOffsets
        self.nextLog = nextLog
    }
}
