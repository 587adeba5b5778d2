/// How the partitions of topics are shared out among the members of a consumer group: each to one member that
/// subscribes to its topic, or to none where nobody does.
///
/// Pure: the same members, topics and former assignment give the same result on every machine.
///
/// Source: Apache Kafka, `RangeAssignor`, `RoundRobinAssignor` and the aims of `StickyAssignor` (KIP-54)
package enum PartitionAssignor: String, CaseIterable, Sendable {
    /// Topic by topic: neighbouring partitions to neighbouring members, one more for the first ones where it does not
    /// come out even. Members of the same topics get the same partition numbers of each; many small topics all burden
    /// the first.
    case range
    /// All partitions of all topics in turn, one for each member.
    case roundRobin = "roundrobin"
    /// As even as it can be, and each member keeps what it has as far as that allows.
    case sticky

    package struct Member: Equatable, Sendable {
        package let id: String
        package let topics: [String]

        package init(id: String, topics: [String]) {
            self.id = id
            self.topics = topics
        }
    }

    package struct Assignment: Equatable, Sendable {
        package let member: String
        /// In the order of topics and partitions.
        package let partitions: [TopicPartition]

        package init(member: String, partitions: [TopicPartition]) {
            self.member = member
            self.partitions = partitions
        }
    }

    /// - Parameters:
    ///   - members: in the order of their ids, each id once.
    ///   - partitionCounts: of each topic that exists.
    ///   - previous: who had what before; only `sticky` looks at it.
    /// - Returns: one assignment per member, in the order of `members`.
    package func assign(
        members: [Member], partitionCounts: [String: Int], previous: [Assignment] = []
    ) -> [Assignment] {
        let topics = Self.subscribedTopics(members, partitionCounts)
        var owned: [[TopicPartition]]
        switch self {
        case .range: owned = Self.range(members.count, topics)
        case .roundRobin: owned = Self.roundRobin(members.count, topics)
        case .sticky:
            var sticky = StickyAssignment(members: members.map(\.id), topics: topics, previous: previous)
            owned = sticky.assign()
        }
        for index in owned.indices { owned[index].sort() }
        return zip(members, owned).map { Assignment(member: $0.id, partitions: $1) }
    }

    /// A topic that exists and that somebody subscribes to.
    struct Topic {
        let name: String
        let partitionCount: Int
        /// Indices of members, ascending.
        let subscribers: [Int]
    }

    /// By name.
    private static func subscribedTopics(_ members: [Member], _ partitionCounts: [String: Int]) -> [Topic] {
        var subscriptions: [(name: String, member: Int)] = []
        for (index, member) in members.enumerated() {
            for name in member.topics { subscriptions.append((name, index)) }
        }
        subscriptions.sort { ($0.name, $0.member) < ($1.name, $1.member) }
        var topics: [Topic] = []
        var start = 0
        while start < subscriptions.count {
            let name = subscriptions[start].name
            var subscribers: [Int] = []
            while start < subscriptions.count, subscriptions[start].name == name {
                if subscribers.last != subscriptions[start].member { subscribers.append(subscriptions[start].member) }
                start += 1
            }
            if let count = partitionCounts[name], count > 0 {
                topics.append(Topic(name: name, partitionCount: count, subscribers: subscribers))
            }
        }
        return topics
    }

    private static func range(_ memberCount: Int, _ topics: [Topic]) -> [[TopicPartition]] {
        var owned = [[TopicPartition]](repeating: [], count: memberCount)
        for topic in topics {
            let (share, more) = topic.partitionCount.quotientAndRemainder(dividingBy: topic.subscribers.count)
            var partition = 0
            for (position, member) in topic.subscribers.enumerated() {
                for _ in 0..<share + (position < more ? 1 : 0) {
                    owned[member].append(TopicPartition(topic: topic.name, partition: partition))
                    partition += 1
                }
            }
        }
        return owned
    }

    private static func roundRobin(_ memberCount: Int, _ topics: [Topic]) -> [[TopicPartition]] {
        var owned = [[TopicPartition]](repeating: [], count: memberCount)
        var turn = 0
        for topic in topics {
            // Whose turn it is among those that subscribe to this topic.
            var position = topic.subscribers.firstIndex { $0 >= turn } ?? 0
            for partition in 0..<topic.partitionCount {
                let member = topic.subscribers[position]
                owned[member].append(TopicPartition(topic: topic.name, partition: partition))
                position = (position + 1) % topic.subscribers.count
                turn = member + 1
            }
        }
        return owned
    }
}
