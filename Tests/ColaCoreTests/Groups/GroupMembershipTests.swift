import ColaCore
import ColaTesting
import Testing

@Suite struct GroupMembershipTests {
    private typealias Change = GroupMembership.Change

    @Test func theFirstHasAllAndTheNextTakeTheirShare() throws {
        var group = GroupMembership(group: "g")
        #expect(group.generation == 0 && group.isEmpty)
        let first = try group.join("b", topics: ["t"], strategy: .sticky, partitionCounts: ["t": 4])
        #expect(first == [Change(member: "b", revoked: [], assigned: places("t", 0, 1, 2, 3))])
        #expect(group.generation == 1 && group.strategy == .sticky)
        let second = try group.join("a", topics: ["t"], strategy: .sticky, partitionCounts: ["t": 4])
        #expect(
            second == [
                Change(member: "a", revoked: [], assigned: places("t", 2, 3)),
                Change(member: "b", revoked: places("t", 2, 3), assigned: []),
            ])
        #expect(group.generation == 2)
        #expect(group.members.map(\.id) == ["a", "b"])
        #expect(group.assignment(of: "a")?.partitions == places("t", 2, 3))
        #expect(group.assignment(of: "c") == nil)
    }

    @Test func whoLeavesLosesAllAndOthersGetIt() throws {
        var group = GroupMembership(group: "g", generation: 41)
        for member in ["a", "b"] {
            _ = try group.join(member, topics: ["t"], strategy: .range, partitionCounts: ["t": 3])
        }
        let changes = group.leave("a", partitionCounts: ["t": 3])
        #expect(
            changes == [
                Change(member: "a", revoked: places("t", 0, 1), assigned: []),
                Change(member: "b", revoked: [], assigned: places("t", 0, 1)),
            ])
        #expect(group.generation == 44)
        let nobody = group.leave("a", partitionCounts: ["t": 3])
        #expect(nobody.isEmpty && group.generation == 44)
        let last = group.leave("b", partitionCounts: ["t": 3])
        #expect(last == [Change(member: "b", revoked: places("t", 0, 1, 2), assigned: [])])
        #expect(group.isEmpty && group.strategy == nil && group.generation == 45)
    }

    @Test func joiningAgainWithTheSameChangesNothing() throws {
        var group = GroupMembership(group: "g")
        _ = try group.join("a", topics: ["t", "u"], strategy: .range, partitionCounts: ["t": 3])
        let again = try group.join("a", topics: ["u", "t"], strategy: .range, partitionCounts: ["t": 3])
        #expect(again.isEmpty && group.generation == 1)
        let other = try group.join("a", topics: ["u"], strategy: .range, partitionCounts: ["t": 3, "u": 1])
        #expect(other == [Change(member: "a", revoked: places("t", 0, 1, 2), assigned: places("u", 0))])
        #expect(group.generation == 2)
    }

    @Test func aMemberWithoutPartitionsIsAChangeOfMembers() throws {
        var group = GroupMembership(group: "g")
        _ = try group.join("a", topics: ["t"], strategy: .sticky, partitionCounts: ["t": 1])
        let changes = try group.join("b", topics: ["t"], strategy: .sticky, partitionCounts: ["t": 1])
        #expect(changes.isEmpty)
        #expect(group.generation == 2)
        #expect(group.assignment(of: "b")?.partitions == [])
    }

    @Test func theGroupKeepsTheStrategyOfItsFirstMember() throws {
        var group = GroupMembership(group: "orders")
        _ = try group.join("a", topics: ["t"], strategy: .range, partitionCounts: ["t": 3])
        let before = group.assignments
        let error = #expect(throws: GroupMembership.StrategyMismatch.self) {
            try group.join("b", topics: ["t"], strategy: .roundRobin, partitionCounts: ["t": 3])
        }
        #expect(
            error?.description
                == "member 'b' wants its partitions by 'roundrobin', but group 'orders' shares them out by 'range', as "
                + "its first member chose; join with 'range', or when the group is empty")
        #expect(group.members.map(\.id) == ["a"] && group.generation == 1 && group.assignments == before)
        // Alone it may change it, and so may the next first one.
        _ = try group.join("a", topics: ["t"], strategy: .sticky, partitionCounts: ["t": 3])
        #expect(group.strategy == .sticky && group.generation == 2)
        _ = group.leave("a", partitionCounts: ["t": 3])
        _ = try group.join("b", topics: ["t"], strategy: .roundRobin, partitionCounts: ["t": 3])
        #expect(group.strategy == .roundRobin)
    }

    @Test func topicsThatGrowComeAndGoAreSharedOut() throws {
        var group = GroupMembership(group: "g")
        let nothing = try group.join("a", topics: ["later"], strategy: .sticky, partitionCounts: [:])
        #expect(nothing.isEmpty && group.generation == 1)
        let made = group.topicsChanged(partitionCounts: ["later": 2, "other": 5])
        #expect(made == [Change(member: "a", revoked: [], assigned: places("later", 0, 1))])
        let same = group.topicsChanged(partitionCounts: ["later": 2])
        #expect(same.isEmpty && group.generation == 2)
        let grown = group.topicsChanged(partitionCounts: ["later": 3])
        #expect(grown == [Change(member: "a", revoked: [], assigned: places("later", 2))])
        let gone = group.topicsChanged(partitionCounts: [:])
        #expect(gone == [Change(member: "a", revoked: places("later", 0, 1, 2), assigned: [])])
        #expect(group.generation == 4)
    }

    /// Whoever follows the changes alone knows who has what, never sees a partition with two, and the generation grows
    /// with all that changes.
    @Test(arguments: Seeds.of(60)) func theChangesTellAll(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let strategy = PartitionAssignor.allCases.randomElement(using: &random)!
        var group = GroupMembership(group: "g")
        var counts = ["t": 5, "u": 2]
        var owners: [TopicPartition: String] = [:]
        for _ in 0..<80 {
            let before = (members: group.members, assignments: group.assignments, generation: group.generation)
            let member = "m\(Int.random(in: 0..<6, using: &random))"
            let changes: [GroupMembership.Change]
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1:
                let topics = ["t", "u", "v"].filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
                changes = try group.join(member, topics: topics, strategy: strategy, partitionCounts: counts)
            case 2, 3: changes = group.leave(member, partitionCounts: counts)
            default:
                counts[["t", "u", "v"].randomElement(using: &random)!] = Int.random(in: 0...9, using: &random)
                changes = group.topicsChanged(partitionCounts: counts)
            }
            for change in changes {
                for place in change.revoked { #expect(owners.removeValue(forKey: place) == change.member) }
            }
            for change in changes {
                for place in change.assigned { #expect(owners.updateValue(change.member, forKey: place) == nil) }
            }
            #expect(changes.map(\.member) == changes.map(\.member).sorted())
            for assignment in group.assignments {
                let told = owners.filter { $0.value == assignment.member }.keys.sorted()
                #expect(told == assignment.partitions)
            }
            #expect(owners.count == group.assignments.reduce(0) { $0 + $1.partitions.count })
            let isChanged = before.members != group.members || before.assignments != group.assignments
            #expect(group.generation == before.generation + (isChanged ? 1 : 0))
        }
        #expect(group.generation > 25)
    }
}

private func places(_ topic: String, _ partitions: Int...) -> [TopicPartition] {
    partitions.map { TopicPartition(topic: topic, partition: $0) }
}
