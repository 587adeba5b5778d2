/// What a start finds: definitions and one small row per log. Nothing here grows with the number of messages.
package struct Recovery: Sendable {
    /// The epoch that this start begins; one above the last.
    package var epoch: Epoch
    /// Whether the process before this one stopped in order, so that `LogState.handedOut` is exact.
    package var wasStoppedCleanly: Bool
    package var queues: [(definition: QueueDefinition, state: LogState)]
    package var topics: [(definition: TopicDefinition, states: [LogState])]
    package var exchanges: [ExchangeDefinition]
    package var bindings: [BindingDefinition]
    package var groupOffsets: [GroupOffset]
    package var nextLog: LogID

    package init(
        epoch: Epoch, wasStoppedCleanly: Bool = true,
        queues: [(definition: QueueDefinition, state: LogState)] = [],
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
