import ColaCore
import ColaTesting
import Testing

@Suite struct PartitionAssignorTests {
    private static let uneven = [
        PartitionAssignor.Member(id: "C0", topics: ["t0"]),
        PartitionAssignor.Member(id: "C1", topics: ["t0", "t1"]),
        PartitionAssignor.Member(id: "C2", topics: ["t0", "t1", "t2"]),
    ]

    /// Source: Apache Kafka, the documentation of `RangeAssignor`
    @Test func rangeIsKafkas() {
        let members = [member("C0", "t0", "t1"), member("C1", "t0", "t1")]
        let assignments = PartitionAssignor.range.assign(members: members, partitionCounts: ["t0": 3, "t1": 3])
        #expect(text(assignments) == ["C0: t0/0 t0/1 t1/0 t1/1", "C1: t0/2 t1/2"])
        let more = PartitionAssignor.range.assign(members: Self.uneven, partitionCounts: ["t0": 4, "t1": 1, "t2": 2])
        #expect(text(more) == ["C0: t0/0 t0/1", "C1: t0/2 t1/0", "C2: t0/3 t2/0 t2/1"])
    }

    /// Source: Apache Kafka, the documentation of `RoundRobinAssignor`
    @Test func roundRobinIsKafkas() {
        let members = [member("C0", "t0", "t1"), member("C1", "t0", "t1")]
        let assignments = PartitionAssignor.roundRobin.assign(members: members, partitionCounts: ["t0": 3, "t1": 3])
        #expect(text(assignments) == ["C0: t0/0 t0/2 t1/1", "C1: t0/1 t1/0 t1/2"])
        let skipping = PartitionAssignor.roundRobin.assign(
            members: Self.uneven, partitionCounts: ["t0": 1, "t1": 2, "t2": 3])
        #expect(text(skipping) == ["C0: t0/0", "C1: t1/0", "C2: t1/1 t2/0 t2/1 t2/2"])
    }

    @Test(arguments: PartitionAssignor.allCases) func nothingToShareIsNoMistake(assignor: PartitionAssignor) {
        #expect(assignor.assign(members: [], partitionCounts: ["t": 3]).isEmpty)
        let members = [member("a", "t", "t", "gone"), member("b")]
        #expect(text(assignor.assign(members: members, partitionCounts: [:])) == ["a:", "b:"])
        #expect(text(assignor.assign(members: members, partitionCounts: ["t": 0])) == ["a:", "b:"])
        #expect(text(assignor.assign(members: members, partitionCounts: ["t": 2, "x": 9])) == ["a: t/0 t/1", "b:"])
    }

    @Test func stickyGivesANewcomerItsShareAndMovesNoMore() {
        let members = ["a", "b", "c"].map { member($0, "t") }
        let two = PartitionAssignor.sticky.assign(members: Array(members.prefix(2)), partitionCounts: ["t": 6])
        #expect(text(two) == ["a: t/0 t/2 t/4", "b: t/1 t/3 t/5"])
        let three = PartitionAssignor.sticky.assign(members: members, partitionCounts: ["t": 6], previous: two)
        #expect(text(three) == ["a: t/0 t/2", "b: t/1 t/3", "c: t/4 t/5"])
    }

    @Test func stickyIgnoresClaimsThatDoNotHold() {
        let members = [member("a", "t"), member("b", "t", "u")]
        let previous = [
            PartitionAssignor.Assignment(
                member: "a",
                partitions: [
                    TopicPartition(topic: "u", partition: 0),  // not subscribed to
                    TopicPartition(topic: "t", partition: 7),  // does not exist
                    TopicPartition(topic: "t", partition: -1),
                    TopicPartition(topic: "t", partition: 1),
                    TopicPartition(topic: "t", partition: 1),  // twice
                ]),
            PartitionAssignor.Assignment(member: "gone", partitions: [TopicPartition(topic: "t", partition: 0)]),
            PartitionAssignor.Assignment(member: "b", partitions: [TopicPartition(topic: "t", partition: 1)]),
        ]
        let counts = ["t": 2, "u": 1]
        let assignments = PartitionAssignor.sticky.assign(members: members, partitionCounts: counts, previous: previous)
        #expect(text(assignments) == ["a: t/0 t/1", "b: u/0"])
    }

    @Test func stickyMakesUseOfTheChoiceThatOnlySomeHave() {
        let members = [member("a", "t"), member("b", "t", "u")]
        let previous = PartitionAssignor.sticky.assign(members: [member("b", "t")], partitionCounts: ["t": 4])
        let assignments = PartitionAssignor.sticky.assign(
            members: members, partitionCounts: ["t": 4, "u": 2], previous: previous)
        #expect(assignments.map(\.partitions.count) == [3, 3])
        #expect(text(assignments)[1].hasSuffix("u/0 u/1"))
    }

    // MARK: Properties

    /// Members with random subscriptions, or all with the same, and topics of random sizes, some of them missing.
    private struct Group {
        var members: [PartitionAssignor.Member] = []
        var counts: [String: Int] = [:]
        let isUniform: Bool

        init(using random: inout SplitMix64) {
            let topics = (0..<Int.random(in: 1...5, using: &random)).map { "t\($0)" }
            for topic in topics where Int.random(in: 0..<8, using: &random) > 0 {
                counts[topic] = Int.random(in: 0...12, using: &random)
            }
            isUniform = Bool.random(using: &random)
            for number in 0..<Int.random(in: 1...8, using: &random) {
                let chosen = isUniform ? topics : topics.filter { _ in Bool.random(using: &random) }
                members.append(PartitionAssignor.Member(id: "m\(number)", topics: chosen.shuffled(using: &random)))
            }
        }
    }

    /// Each partition of a topic that somebody subscribes to is given once, to one who does.
    private func expectComplete(_ assignments: [PartitionAssignor.Assignment], _ group: Group) {
        #expect(assignments.map(\.member) == group.members.map(\.id))
        for (member, assignment) in zip(group.members, assignments) {
            #expect(assignment.partitions.allSatisfy { member.topics.contains($0.topic) })
            #expect(assignment.partitions == assignment.partitions.sorted())
        }
        let subscribed = group.counts.filter { topic, _ in group.members.contains { $0.topics.contains(topic) } }
        let all = subscribed.flatMap { topic, count in (0..<count).map { TopicPartition(topic: topic, partition: $0) } }
        #expect(assignments.flatMap(\.partitions).sorted() == all.sorted())
    }

    /// Who subscribes to the same has the same, or one more.
    private func expectBalance(_ assignments: [PartitionAssignor.Assignment], _ group: Group) {
        for (first, one) in zip(group.members, assignments) {
            for (second, other) in zip(group.members, assignments) where first.topics.sorted() == second.topics.sorted()
            {
                #expect(abs(one.partitions.count - other.partitions.count) <= 1)
            }
        }
    }

    @Test(arguments: Seeds.of(100)) func eachPartitionGoesToOneSubscriber(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let group = Group(using: &random)
        for assignor in PartitionAssignor.allCases {
            let assignments = assignor.assign(members: group.members, partitionCounts: group.counts)
            expectComplete(assignments, group)
            if assignor == .sticky || (assignor == .roundRobin && group.isUniform) { expectBalance(assignments, group) }
            #expect(assignor.assign(members: group.members, partitionCounts: group.counts) == assignments)
        }
    }

    /// A chain of changes: members come and go, topics grow and vanish. After each the assignment is complete and even,
    /// and where all subscribe to the same, no more was moved than had to be.
    @Test(arguments: Seeds.of(100)) func stickyStaysEvenAndMovesAsLittleAsItCan(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var group = Group(using: &random)
        var before: [PartitionAssignor.Assignment] = []
        for step in 0..<30 {
            let after = PartitionAssignor.sticky.assign(
                members: group.members, partitionCounts: group.counts, previous: before)
            expectComplete(after, group)
            expectBalance(after, group)
            if group.isUniform {
                #expect(kept(before, after) == mostThatCanBeKept(before, group))
            }
            #expect(
                PartitionAssignor.sticky.assign(
                    members: group.members, partitionCounts: group.counts, previous: after) == after)
            before = after
            switch Int.random(in: 0..<4, using: &random) {
            case 0 where group.members.count > 1:
                group.members.remove(at: Int.random(in: 0..<group.members.count, using: &random))
            case 1:
                let topics = group.members.randomElement(using: &random)?.topics ?? []
                group.members.append(PartitionAssignor.Member(id: "n\(step)", topics: topics))
                group.members.sort { $0.id < $1.id }
            case 2: group.counts["t0"] = Int.random(in: 0...12, using: &random)
            default: group.counts["t1"] = (group.counts["t1"] ?? 0) + 1
            }
        }
    }

    @Test(arguments: Seeds.of(50)) func whenOneLeavesOnlyItsPartitionsMove(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var members = (0..<Int.random(in: 2...12, using: &random)).map { member("m\($0)", "t", "u") }
        members.sort { $0.id < $1.id }
        let counts = ["t": Int.random(in: 0...40, using: &random), "u": Int.random(in: 0...40, using: &random)]
        var before = PartitionAssignor.sticky.assign(members: members, partitionCounts: counts)
        while members.count > 1 {
            members.remove(at: Int.random(in: 0..<members.count, using: &random))
            let after = PartitionAssignor.sticky.assign(members: members, partitionCounts: counts, previous: before)
            for assignment in after {
                let had = before.first { $0.member == assignment.member }?.partitions ?? []
                #expect(had.allSatisfy { assignment.partitions.contains($0) })
            }
            before = after
        }
    }

    private func kept(_ before: [PartitionAssignor.Assignment], _ after: [PartitionAssignor.Assignment]) -> Int {
        after.reduce(0) { sum, assignment in
            let had = Set(before.first { $0.member == assignment.member }?.partitions ?? [])
            return sum + assignment.partitions.count { had.contains($0) }
        }
    }

    /// With even sizes each member keeps its share at most, and as many as there are odd ones one more.
    private func mostThatCanBeKept(_ before: [PartitionAssignor.Assignment], _ group: Group) -> Int {
        let subscribed = group.members[0].topics.reduce(0) { $0 + (group.counts[$1] ?? 0) }
        let (share, more) = subscribed.quotientAndRemainder(dividingBy: group.members.count)
        let had = group.members.map { member in
            (before.first { $0.member == member.id }?.partitions ?? []).count {
                $0.partition < group.counts[$0.topic] ?? 0
            }
        }
        return had.reduce(0) { $0 + min($1, share) } + min(more, had.count { $0 > share })
    }
}

private func member(_ id: String, _ topics: String...) -> PartitionAssignor.Member {
    PartitionAssignor.Member(id: id, topics: topics)
}

private func text(_ assignments: [PartitionAssignor.Assignment]) -> [String] {
    assignments.map { ([$0.member + ":"] + $0.partitions.map(\.description)).joined(separator: " ") }
}
