/// Who is in one consumer group whose partitions the broker assigns, and who has which.
///
/// Each change of members or topics gives a new assignment at once and says what it takes from whom and gives to whom.
/// The generation grows with each, so that what a member does in the belief of an older one can be told. Committed
/// offsets are not here: they outlive the members.
package struct GroupMembership {
    package typealias Member = PartitionAssignor.Member
    package typealias Assignment = PartitionAssignor.Assignment

    /// What one member loses and gets. Take all that is revoked before giving what is assigned: a partition that moves
    /// is in two of these.
    package struct Change: Equatable, Sendable {
        package let member: String
        package let revoked: [TopicPartition]
        package let assigned: [TopicPartition]

        package init(member: String, revoked: [TopicPartition], assigned: [TopicPartition]) {
            self.member = member
            self.revoked = revoked
            self.assigned = assigned
        }
    }

    /// The member wants another assignor than the group has.
    package struct StrategyMismatch: Error, Equatable, Sendable, CustomStringConvertible {
        package let group: String
        package let member: String
        package let wanted: PartitionAssignor
        package let used: PartitionAssignor

        package init(group: String, member: String, wanted: PartitionAssignor, used: PartitionAssignor) {
            self.group = group
            self.member = member
            self.wanted = wanted
            self.used = used
        }

        package var description: String {
            "member '\(member)' wants its partitions by '\(wanted.rawValue)', but group '\(group)' shares them out by "
                + "'\(used.rawValue)', as its first member chose; join with '\(used.rawValue)', or when the group is "
                + "empty"
        }
    }

    package let group: String
    /// 0 before the first member, then one more with each change of members, their topics or the partitions.
    package private(set) var generation: Int64
    /// What the first member chose; nil while there is none.
    package private(set) var strategy: PartitionAssignor?
    /// In the order of their ids.
    package private(set) var members: [Member] = []
    /// One per member, in the same order.
    package private(set) var assignments: [Assignment] = []

    /// - Parameter generation: where a group goes on that was known before.
    package init(group: String, generation: Int64 = 0) {
        self.group = group
        self.generation = generation
    }

    package var isEmpty: Bool { members.isEmpty }

    /// What `member` has; nil if it is not in the group.
    package func assignment(of member: String) -> Assignment? {
        index(of: member).map { assignments[$0] }
    }

    /// `member` comes, or comes again with other topics. A topic that does not exist yet counts once `topicsChanged`
    /// says that it does.
    ///
    /// - Parameter partitionCounts: at least of the topics that the members want, as far as they exist.
    /// - Returns: what changes, in the order of the members' ids; nothing if all is as before.
    /// - Throws: if the group shares out by another strategy; it is then unchanged.
    package mutating func join(
        _ member: String, topics: [String], strategy: PartitionAssignor, partitionCounts: [String: Int]
    ) throws(StrategyMismatch) -> [Change] {
        let known = index(of: member)
        // The only member may change its mind.
        let others = members.count - (known == nil ? 0 : 1)
        if let used = self.strategy, used != strategy, others > 0 {
            throw StrategyMismatch(group: group, member: member, wanted: strategy, used: used)
        }
        let joining = Member(id: member, topics: topics.sorted())
        if let known, members[known] == joining, self.strategy == strategy {
            return rebalance(partitionCounts, isChanged: false)
        }
        self.strategy = strategy
        if let known {
            members[known] = joining
        } else {
            members.insert(joining, at: members.firstIndex { $0.id > member } ?? members.count)
        }
        return rebalance(partitionCounts, isChanged: true)
    }

    /// `member` goes.
    ///
    /// - Returns: what changes, its own loss included; nothing if it was not in the group.
    package mutating func leave(_ member: String, partitionCounts: [String: Int]) -> [Change] {
        guard let index = index(of: member) else { return [] }
        members.remove(at: index)
        if members.isEmpty { strategy = nil }
        return rebalance(partitionCounts, isChanged: true)
    }

    /// Topics were made or deleted, or have more partitions.
    ///
    /// - Returns: what changes; nothing if no member has to do with it.
    package mutating func topicsChanged(partitionCounts: [String: Int]) -> [Change] {
        rebalance(partitionCounts, isChanged: false)
    }

    private func index(of member: String) -> Int? { members.firstIndex { $0.id == member } }

    /// - Parameter isChanged: whether it is a new generation even if all partitions stay where they are.
    private mutating func rebalance(_ partitionCounts: [String: Int], isChanged: Bool) -> [Change] {
        let before = assignments
        assignments =
            strategy?.assign(members: members, partitionCounts: partitionCounts, previous: before) ?? []
        let changes = Self.changes(from: before, to: assignments)
        if isChanged || !changes.isEmpty { generation += 1 }
        return changes
    }

    /// Both are in the order of the members' ids.
    private static func changes(from before: [Assignment], to after: [Assignment]) -> [Change] {
        var changes: [Change] = []
        var (old, new) = (before[...], after[...])
        while let member = [old.first?.member, new.first?.member].compactMap({ $0 }).min() {
            let had = old.first?.member == member ? old.removeFirst().partitions : []
            let has = new.first?.member == member ? new.removeFirst().partitions : []
            let revoked = had.missing(in: has)
            let assigned = has.missing(in: had)
            if !revoked.isEmpty || !assigned.isEmpty {
                changes.append(Change(member: member, revoked: revoked, assigned: assigned))
            }
        }
        return changes
    }
}

extension [TopicPartition] {
    /// Those that are not in `other`; both are sorted.
    fileprivate func missing(in other: [TopicPartition]) -> [TopicPartition] {
        var rest = other[...]
        return filter { place in
            while let first = rest.first, first < place { rest.removeFirst() }
            return rest.first != place
        }
    }
}
