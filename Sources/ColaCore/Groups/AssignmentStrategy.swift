/// How the partitions of a topic are shared out among the members of a consumer group.
///
/// Source: Kafka, "partition.assignment.strategy"
package enum AssignmentStrategy: String, CaseIterable, Sendable {
    /// Neighbouring partitions to the same member.
    case range
    /// One to each in turn.
    case roundRobin = "roundrobin"
    /// As even as round robin, with as few moves as possible when members come and go.
    case sticky
}
