// Records of topics, alone or as a member of a group.
extension Client {
    /// Begins to read a topic. Reading takes nothing away, and nothing is to be acknowledged.
    ///
    /// - Parameters:
    ///   - from: where to begin; nil is `.next`, or with a group where that has committed and else `.first`.
    ///   - partitions: which to read, 0 to 999 each; nil is all.
    ///   - group: begins where this group has committed, without being a member of it.
    ///   - prefetch: how many come ahead of whoever takes them, 1 to 65,535.
    /// - Throws: ``ColaError``: ``ColaError/Code/notFound``, or ``ColaError/Code/mismatch`` if it is a queue, a
    ///   partition is not there or the offset lies beyond its end.
    public func read(
        _ topic: String, from: ReadingPosition? = nil, partitions: [Int]? = nil, group: String? = nil,
        prefetch: Int = 100
    ) async throws -> TopicReader {
        var plan = ConsumePlan(topic)
        plan.isTopic = true
        plan.isAutomatic = true
        plan.prefetch = prefetch
        // What is not said would be no different from a queue's; said, it is refused there.
        plan.from = (from ?? (group == nil ? .next : .first)).text
        plan.partitions = partitions
        plan.group = group
        return TopicReader(try await begin(plan))
    }

    /// Joins a group that shares the topic's partitions. What it is to read comes as the first event.
    ///
    /// - Parameters:
    ///   - strategy: how the group shares them; all members say the same.
    ///   - from: where it begins in partitions that the group has committed nothing of; nil is `.first`.
    ///   - prefetch: how many records come ahead of whoever takes them, 1 to 65,535.
    /// - Throws: ``ColaError``: ``ColaError/Code/notFound``, or ``ColaError/Code/mismatch`` if it is a queue or the
    ///   other members share by another strategy.
    public func join(
        _ group: String, of topic: String, strategy: AssignmentStrategy = .range, from: ReadingPosition? = nil,
        prefetch: Int = 100
    ) async throws -> GroupMember {
        var plan = ConsumePlan(topic)
        plan.isTopic = true
        plan.isAutomatic = true
        plan.prefetch = prefetch
        plan.from = from?.text
        plan.group = group
        plan.join = strategy.rawValue
        return GroupMember(try await begin(plan), of: group, on: topic, connection: connection)
    }
}
