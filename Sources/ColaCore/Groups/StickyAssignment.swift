/// The work of the sticky assignor: everyone keeps what is still theirs, what is free goes to whoever has least, and
/// then no more is moved than makes it even.
///
/// Where all subscribe to the same topics, the sizes differ by one at most and no assignment of such sizes moves fewer.
/// Where subscriptions differ, no single move would make it more even; a chain of moves sometimes might, which is left.
struct StickyAssignment {
    private let topics: [PartitionAssignor.Topic]
    private let memberCount: Int
    /// Per member and topic the partitions: those it had before first, the most recently given last.
    private var owned: [[[Int]]]
    /// Per member how many that is.
    private var loads: [Int]
    /// Per topic what nobody has.
    private var free: [[Int]]

    init(members: [String], topics: [PartitionAssignor.Topic], previous: [PartitionAssignor.Assignment]) {
        self.topics = topics
        memberCount = members.count
        owned = Array(repeating: Array(repeating: [], count: topics.count), count: memberCount)
        loads = Array(repeating: 0, count: memberCount)
        free = topics.map { Array(0..<$0.partitionCount) }
        keep(members, previous)
    }

    mutating func assign() -> [[TopicPartition]] {
        let isUniform = topics.allSatisfy { $0.subscribers.count == memberCount }
        if isUniform {
            release(toQuotas: quotas())
            handOutInTurn()
        } else {
            handOut()
            while let move = bestMove() { take(move.topic, from: move.from, to: move.to) }
        }
        return owned.map { byTopic in
            zip(topics, byTopic).flatMap { topic, partitions in
                partitions.map { TopicPartition(topic: topic.name, partition: $0) }
            }
        }
    }

    /// What was assigned before stays, as long as the topic has it and the member subscribes to it. Where two claim the
    /// same, the first has it.
    private mutating func keep(_ members: [String], _ previous: [PartitionAssignor.Assignment]) {
        var indices: [String: Int] = [:]
        for (index, member) in members.enumerated() { indices[member] = index }
        var topicIndices: [String: Int] = [:]
        for (index, topic) in topics.enumerated() { topicIndices[topic.name] = index }
        var isTaken = topics.map { Array(repeating: false, count: $0.partitionCount) }
        for assignment in previous {
            guard let member = indices[assignment.member] else { continue }
            for place in assignment.partitions {
                guard let topic = topicIndices[place.topic], isTaken[topic].indices.contains(place.partition),
                    !isTaken[topic][place.partition], isSubscribed(member, to: topic)
                else { continue }
                isTaken[topic][place.partition] = true
                give(place.partition, of: topic, to: member)
            }
        }
        for topic in topics.indices { free[topic].removeAll { isTaken[topic][$0] } }
    }

    private func isSubscribed(_ member: Int, to topic: Int) -> Bool {
        let subscribers = topics[topic].subscribers
        var (low, high) = (0, subscribers.count)
        while low < high {
            let middle = (low + high) / 2
            if subscribers[middle] < member { low = middle + 1 } else { high = middle }
        }
        return low < subscribers.count && subscribers[low] == member
    }

    // MARK: Equal subscriptions

    /// What each may keep at most. The ones with most have first claim to the extra one, so that most stays in place.
    private func quotas() -> [Int] {
        let total = topics.reduce(0) { $0 + $1.partitionCount }
        guard memberCount > 0 else { return [] }
        let (share, more) = total.quotientAndRemainder(dividingBy: memberCount)
        var quotas = Array(repeating: share, count: memberCount)
        let byLoad = (0..<memberCount).sorted { (-loads[$0], $0) < (-loads[$1], $1) }
        for member in byLoad.prefix(more) { quotas[member] += 1 }
        return quotas
    }

    private mutating func release(toQuotas quotas: [Int]) {
        for member in 0..<memberCount {
            // From the topic it has most of, so that it keeps some of each.
            while loads[member] > quotas[member] {
                let most = topics.indices.max { owned[member][$0].count < owned[member][$1].count }
                guard let topic = most, let partition = owned[member][topic].popLast() else { break }
                loads[member] -= 1
                free[topic].append(partition)
            }
        }
    }

    /// Each in turn takes one, as long as it has less than its share.
    private mutating func handOutInTurn() {
        guard memberCount > 0 else { return }
        var target = topics.reduce(0) { $0 + $1.partitionCount } / memberCount
        var member = 0
        for topic in topics.indices {
            for partition in free[topic].sorted() {
                var skipped = 0
                while loads[member] >= target {
                    member = (member + 1) % memberCount
                    skipped += 1
                    if skipped == memberCount { (target, skipped) = (target + 1, 0) }
                }
                give(partition, of: topic, to: member)
                member = (member + 1) % memberCount
            }
        }
    }

    // MARK: Different subscriptions

    /// What is free goes to the subscriber with the least; topics with the fewest subscribers first, since theirs have
    /// the least choice.
    private mutating func handOut() {
        let order = topics.indices.sorted { (topics[$0].subscribers.count, $0) < (topics[$1].subscribers.count, $1) }
        for topic in order {
            for partition in free[topic].sorted() {
                guard let member = leastLoaded(of: topic) else { break }
                give(partition, of: topic, to: member)
            }
        }
    }

    private mutating func give(_ partition: Int, of topic: Int, to member: Int) {
        owned[member][topic].append(partition)
        loads[member] += 1
    }

    private func leastLoaded(of topic: Int) -> Int? {
        topics[topic].subscribers.min { (loads[$0], $0) < (loads[$1], $1) }
    }

    /// The move that evens out most, if one does.
    ///
    /// - Complexity: all subscriptions are looked at, and each move makes the sum of the squares of the loads smaller.
    private func bestMove() -> (topic: Int, from: Int, to: Int)? {
        var best: (topic: Int, from: Int, to: Int)?
        var bestDifference = 1
        for topic in topics.indices {
            let owners = topics[topic].subscribers.filter { !owned[$0][topic].isEmpty }
            guard let to = leastLoaded(of: topic), let from = owners.max(by: { loads[$0] < loads[$1] }) else {
                continue
            }
            if loads[from] - loads[to] > bestDifference {
                best = (topic, from, to)
                bestDifference = loads[from] - loads[to]
            }
        }
        return best
    }

    private mutating func take(_ topic: Int, from: Int, to: Int) {
        guard let partition = owned[from][topic].popLast() else { return }
        loads[from] -= 1
        give(partition, of: topic, to: to)
    }
}
