import ColaCore
import Testing

@Suite struct GroupSyncTests {
    /// Members that have joined and not synced, the leader first.
    private func joined(_ scene: GroupScene, _ count: Int) throws -> [GroupCoordinator.Identity] {
        let waiters = try scene.stable(count).map { scene.join($0.memberID) }
        #expect(scene.group.state == .completingRebalance)
        return try waiters.map { try scene.identity($0) }
    }

    @Test func followersWaitForTheLeader() throws {
        let scene = GroupScene()
        let members = try joined(scene, 3)
        let second = scene.sync(members[1])
        #expect(scene.isWaiting(second))
        let leader = scene.sync(
            members[0], [members[0].memberID: "left", members[1].memberID: "right", "stranger": "none"])
        #expect(try scene.assignment(leader) == "left")
        #expect(try scene.assignment(second) == "right")
        #expect(scene.group.state == .stable)
        // Who comes later hears it at once; who was left out has nothing.
        #expect(try scene.assignment(scene.sync(members[2])) == "")
        #expect(try scene.assignment(scene.sync(members[1])) == "right")
    }

    @Test func whatAFollowerAssignsCountsForNothing() throws {
        let scene = GroupScene()
        let members = try joined(scene, 2)
        let follower = scene.sync(members[1], [members[0].memberID: "mine", members[1].memberID: "mine"])
        #expect(scene.isWaiting(follower))
        #expect(try scene.assignment(scene.sync(members[0], [members[1].memberID: "given"])) == "")
        #expect(try scene.assignment(follower) == "given")
        // Neither does what the leader says once it is done.
        #expect(try scene.assignment(scene.sync(members[0], [members[1].memberID: "other"])) == "")
        #expect(try scene.assignment(scene.sync(members[1])) == "given")
    }

    @Test func ofTwoAssignmentsForOneMemberTheLastCounts() throws {
        let scene = GroupScene()
        let member = try scene.identity(scene.join())
        let assignments = ["first", "last"].map {
            GroupCoordinator.Sync.Assignment(memberID: member.memberID, bytes: Array($0.utf8))
        }
        let waiter = scene.sync(GroupCoordinator.Sync(member, assignments: assignments))
        #expect(try scene.assignment(waiter) == "last")
    }

    @Test func aSyncThatDoesNotFitIsRefused() throws {
        let scene = GroupScene()
        let members = try joined(scene, 2)
        var other = members[0]
        other.generation -= 1
        #expect(scene.refusal(scene.sync(other)) == .illegalGeneration)
        other.memberID = "stranger"
        #expect(scene.refusal(scene.sync(other)) == .unknownMemberID)
        for (type, name) in [("connect", "range"), ("consumer", "sticky"), ("connect", nil), (nil, "sticky")] {
            let sync = GroupCoordinator.Sync(members[0], protocolType: type, protocolName: name)
            #expect(scene.refusal(scene.sync(sync)) == .inconsistentGroupProtocol)
        }
        let sync = GroupCoordinator.Sync(members[0], protocolType: "consumer", protocolName: "range")
        #expect(try scene.assignment(scene.sync(sync)) == "")
    }

    @Test func whoSyncsTwiceGetsOneAnswerToEach() throws {
        let scene = GroupScene()
        let members = try joined(scene, 2)
        let first = scene.sync(members[1])
        let second = scene.sync(members[1])
        #expect(scene.refusal(first) == .rebalanceInProgress && scene.isWaiting(second))
        _ = scene.sync(members[0], [members[1].memberID: "x"])
        #expect(try scene.assignment(second) == "x")
    }

    @Test func whoJoinsAndDoesNotSyncIsRemoved() throws {
        let scene = GroupScene()
        let members = try joined(scene, 3)
        let second = scene.sync(members[1])
        for _ in 0..<11 {
            scene.pass(milliseconds: 5_000)
            // The leader is there, but does not assign. While it does not, all is well for heartbeats.
            #expect(scene.heartbeat(members[0]) == nil && scene.heartbeat(members[2]) == nil)
        }
        scene.pass(milliseconds: 4_999)
        #expect(scene.isWaiting(second))
        scene.pass(milliseconds: 1)
        #expect(scene.refusal(second) == .rebalanceInProgress)
        #expect(scene.heartbeat(members[0]) == .unknownMemberID && scene.heartbeat(members[2]) == .unknownMemberID)
        let alone = try scene.joined(scene.join(members[1].memberID))
        #expect(alone.leader == members[1].memberID && alone.members.count == 1)
    }

    @Test func alsoOfAStableGroup() throws {
        let scene = GroupScene()
        let members = try joined(scene, 2)
        _ = scene.sync(members[0], [:])
        #expect(scene.group.state == .stable)
        for _ in 0..<11 {
            scene.pass(milliseconds: 5_000)
            #expect(scene.heartbeat(members[0]) == nil && scene.heartbeat(members[1]) == nil)
        }
        scene.pass(milliseconds: 5_000)
        #expect(scene.heartbeat(members[0]) == .rebalanceInProgress)
        #expect(scene.heartbeat(members[1]) == .unknownMemberID)
    }

    @Test func whoHasSyncedIsNotRemovedLater() throws {
        let scene = GroupScene()
        let members = try joined(scene, 2)
        _ = scene.sync(members[0], [:])
        _ = scene.sync(members[1])
        for _ in 0..<30 {
            scene.pass(milliseconds: 5_000)
            #expect(scene.heartbeat(members[0]) == nil && scene.heartbeat(members[1]) == nil)
        }
        #expect(scene.group.state == .stable && scene.group.generation == members[0].generation)
    }

    @Test func whoWaitsForTheLeaderDoesNotExpire() throws {
        let scene = GroupScene()
        let members = try joined(scene, 2)
        let follower = scene.sync(members[1])
        for _ in 0..<6 {
            scene.pass(milliseconds: 9_000)
            #expect(scene.heartbeat(members[0]) == nil)
        }
        _ = scene.sync(members[0], [members[1].memberID: "x"])
        #expect(try scene.assignment(follower) == "x")
        // Its session goes on from there.
        scene.pass(milliseconds: 9_999)
        #expect(scene.heartbeat(members[1]) == nil)
    }

    @Test func aLeaderThatDiesBeforeItAssignsIsReplaced() throws {
        let scene = GroupScene()
        let members = try joined(scene, 2)
        let follower = scene.sync(members[1])
        scene.pass(milliseconds: 10_000)
        #expect(scene.refusal(follower) == .rebalanceInProgress)
        let joined = try scene.joined(scene.join(members[1].memberID))
        #expect(joined.leader == members[1].memberID && joined.members.count == 1)
    }
}
