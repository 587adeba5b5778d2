internal import ColaNative

/// Which partitions of a topic a member of a group reads from now on, and no others.
public struct Assignment: Hashable, Sendable {
    /// Grows with every change of the group while the server runs.
    public var generation: Int64
    /// By partition, the offset that is read first. Empty if there are more members than partitions.
    public var partitions: [Int: Int64]

    init(_ assigned: ServerLine.Assigned) {
        generation = assigned.generation
        partitions = Dictionary(assigned.partitions.map { (Int($0.partition), $0.next) }) { _, last in last }
    }
}

/// How a group shares the partitions of a topic out among its members. All members of a group join it the same way.
public enum AssignmentStrategy: String, Sendable, CaseIterable {
    /// Neighbouring partitions to the same member.
    case range
    /// One partition to each in turn.
    case roundRobin = "roundrobin"
    /// As even as can be with as few moves as possible.
    case sticky
}
