/// A topic: logs that keep their records, and readers each at an offset of its own.
final class Topic {
    let definition: TopicDefinition
    let partitions: [Log]
    var readers: [Consumer] = []
    var quarantined: [Quarantine] = []
    var isDeleted = false
    /// The next offset of each group that has committed one. Topics have one partition so far.
    var groups: [String: Offset] = [:]

    init(definition: TopicDefinition, partitions: [Log]) {
        self.definition = definition
        self.partitions = partitions
    }

    var name: String { definition.name }
    var log: Log { partitions[0] }

    var state: LogState {
        LogState(
            start: log.start, next: log.next, ready: log.messages, bytes: log.bytes, floor: log.start,
            handedOut: Offset(0))
    }
}
