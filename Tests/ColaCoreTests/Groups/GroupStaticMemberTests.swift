import ColaCore
import Testing

/// Members with an instance id, which keep their place from one life to the next (KIP-345, KIP-814).
@Suite struct GroupStaticMemberTests {
    private typealias Identity = GroupCoordinator.Identity
    private typealias Leaving = GroupCoordinator.Leaving

    @Test func aStaticMemberNeedsNoSecondStep() throws {
        let scene = GroupScene()
        #expect(try scene.joined(scene.join(instance: "i", twoSteps: true)).generation == 1)
    }

    @Test func aNewLifeTakesPlaceAndAssignmentWithoutARebalance() throws {
        let scene = GroupScene()
        let members = try scene.stable(2, instances: ["i", "j"])
        let old = members[1]
        let new = try scene.joined(scene.join(instance: "j") { $0.clientHost = "/10.0.0.2" })
        #expect(new.memberID != old.memberID && new.generation == old.generation)
        #expect(new.leader == members[0].memberID && new.members == [] && !new.skipsAssignment)
        #expect(scene.group.state == .stable && scene.group.describe().members[1].clientHost == "/10.0.0.2")
        let identity = Identity(memberID: new.memberID, instanceID: "j", generation: new.generation)
        #expect(try scene.assignment(scene.sync(identity)) == old.memberID, "what its former life was given")
        #expect(scene.heartbeat(identity) == nil && scene.heartbeat(members[0]) == nil)
        // The former life is told that there is another one.
        #expect(scene.heartbeat(old) == .fencedInstanceID && scene.commit(old) == .fencedInstanceID)
        #expect(scene.commitInTransaction(old) == .fencedInstanceID)
        #expect(scene.refusal(scene.sync(old)) == .fencedInstanceID)
        #expect(scene.refusal(scene.join(old.memberID, instance: "j")) == .fencedInstanceID)
        #expect(try scene.leave(Leaving(memberID: old.memberID, instanceID: "j")) == [.fencedInstanceID])
        #expect(scene.heartbeat(Identity(memberID: old.memberID, generation: 2)) == .unknownMemberID)
    }

    @Test func theNewLifeHasASessionOfItsOwn() throws {
        let scene = GroupScene()
        let members = try scene.stable(2, instances: ["i", "j"])
        scene.pass(milliseconds: 9_000)
        #expect(scene.heartbeat(members[0]) == nil)
        let new = try scene.identity(scene.join(instance: "j"), instance: "j")
        scene.pass(milliseconds: 9_999)
        #expect(scene.heartbeat(new) == nil)
        scene.pass(milliseconds: 10_000)
        #expect(scene.group.memberCount == 0)
    }

    @Test func aNewLifeOwesTheSyncOfTheFormerOne() throws {
        let scene = GroupScene()
        let before = try scene.stable(3, instances: ["i", "j", "k"])
        let members = try before.map { scene.join($0.memberID, instance: $0.instanceID) }.enumerated().map {
            try scene.identity($1, instance: before[$0].instanceID)
        }
        _ = scene.sync(members[0])
        var new = try ["j", "k"].map { try scene.identity(scene.join(instance: $0), instance: $0) }
        _ = try scene.assignment(scene.sync(new[0]))
        for _ in 0..<11 {
            scene.pass(milliseconds: 5_000)
            for member in [members[0]] + new { #expect(scene.heartbeat(member) == nil) }
        }
        scene.pass(milliseconds: 5_000)
        #expect(scene.heartbeat(new.removeLast()) == .unknownMemberID)
        #expect(scene.heartbeat(members[0]) == .rebalanceInProgress)
    }

    @Test func aNewLifeThatSyncsOwesNothing() throws {
        let scene = GroupScene()
        let before = try scene.stable(2, instances: ["i", "j"])
        let members = try before.map { scene.join($0.memberID, instance: $0.instanceID) }.enumerated().map {
            try scene.identity($1, instance: before[$0].instanceID)
        }
        _ = scene.sync(members[0])
        let new = try scene.identity(scene.join(instance: "j"), instance: "j")
        _ = try scene.assignment(scene.sync(new))
        for _ in 0..<20 {
            scene.pass(milliseconds: 5_000)
            #expect(scene.heartbeat(members[0]) == nil && scene.heartbeat(new) == nil)
        }
    }

    @Test func aLeadersNewLifeLeadsButAssignsNothing() throws {
        let scene = GroupScene()
        let members = try scene.stable(2, instances: ["i", "j"])
        let new = try scene.joined(scene.join(instance: "i"))
        #expect(new.skipsAssignment && new.leader == new.memberID && scene.group.leader == new.memberID)
        #expect(new.members.map(\.id) == [new.memberID, members[1].memberID])
        #expect(new.members.map(\.instanceID) == ["i", "j"])
    }

    @Test func oneThatCannotSkipTakesItselfForAFollower() throws {
        let scene = GroupScene()
        let members = try scene.stable(2, instances: ["i", "j"])
        let new = try scene.joined(scene.join(instance: "i") { $0.supportsSkippingAssignment = false })
        #expect(!new.skipsAssignment && new.leader == members[0].memberID && new.members == [])
        #expect(scene.group.leader == new.memberID)
        // It is the leader all the same: when it joins again, all do.
        _ = scene.join(new.memberID, instance: "i")
        #expect(scene.group.state == .preparingRebalance)
    }

    @Test func aNewLifeThatMakesAnotherProtocolTheChoiceMakesAllJoinAgain() throws {
        let scene = GroupScene { $0.initialRebalanceDelay = 1 }
        let waiters = ["i", "j"].map { scene.join("", ["range", "sticky"], instance: $0) }
        scene.pass(milliseconds: 1)
        scene.pass(milliseconds: 1)
        let members = try waiters.enumerated().map { try scene.identity($1, instance: ["i", "j"][$0]) }
        try scene.makeStable(members)
        let same = try scene.joined(scene.join("", ["sticky", "range"], instance: "j"))
        #expect(same.generation == 1 && scene.group.state == .stable)
        let other = scene.join("", ["sticky"], instance: "j")
        #expect(scene.isWaiting(other) && scene.group.state == .preparingRebalance)
        let leader = try scene.joined(scene.join(members[0].memberID, ["range", "sticky"], instance: "i"))
        #expect(leader.protocolName == "sticky" && leader.members.count == 2)
        #expect(try scene.joined(other).protocolName == "sticky")
    }

    @Test func whileTheLeaderAssignsANewLifeMakesAllJoinAgain() throws {
        let scene = GroupScene()
        let members = try scene.stable(2, instances: ["i", "j"])
        let waiters = members.map { scene.join($0.memberID, instance: $0.instanceID) }
        let follower = try scene.identity(waiters[1], instance: "j")
        let syncing = scene.sync(follower)
        let new = scene.join(instance: "j")
        #expect(scene.refusal(syncing) == .fencedInstanceID)
        #expect(scene.isWaiting(new) && scene.group.state == .preparingRebalance)
        let leader = try scene.joined(scene.join(members[0].memberID, instance: "i"))
        #expect(try leader.members.map(\.id) == [members[0].memberID, scene.joined(new).memberID])
    }

    @Test func whileAllJoinTheFormerLifeIsSentAway() throws {
        let scene = GroupScene()
        let members = try scene.stable(2, instances: ["i", "j"])
        let old = scene.join(members[1].memberID, metadata: "other", instance: "j")
        let new = scene.join(metadata: "other", instance: "j")
        #expect(scene.refusal(old) == .fencedInstanceID && scene.refusedID(old) == members[1].memberID)
        #expect(scene.isWaiting(new))
        _ = scene.join(members[0].memberID, instance: "i")
        #expect(try scene.joined(new).generation == 3)
    }

    @Test func aStaticMemberThatDoesNotJoinIsStillExpected() throws {
        let scene = GroupScene { $0.sessionTimeoutMax = 1_000_000 }
        let first = scene.join(instance: "i") { $0.sessionTimeout = 1_000_000 }
        let leader = try scene.identity(first, instance: "i")
        try scene.makeStable([leader])
        let second = scene.join { $0.rebalanceTimeout = 1_000 }
        scene.pass(milliseconds: 59_999)
        #expect(scene.isWaiting(second))
        scene.pass(milliseconds: 1)
        let joined = try scene.joined(second)
        #expect(joined.members.map(\.id) == [leader.memberID, joined.memberID])
        #expect(joined.leader == joined.memberID)
        // It may come back, and gets what was meant for it.
        let identity = Identity(memberID: joined.memberID, generation: 2)
        _ = scene.sync(identity, [leader.memberID: "kept"])
        let back = try scene.identity(scene.join(instance: "i"), instance: "i")
        #expect(try scene.assignment(scene.sync(back)) == "kept")
    }

    @Test func aRebalanceToWhichNobodyComesIsTriedAgain() throws {
        let scene = GroupScene { $0.sessionTimeoutMax = 1_000_000 }
        let waiter = scene.join(instance: "i") {
            $0.sessionTimeout = 1_000_000
            $0.rebalanceTimeout = 0
        }
        let member = try scene.identity(waiter, instance: "i")
        try scene.makeStable([member])
        let other = scene.join { $0.rebalanceTimeout = 0 }
        scene.drop(other)
        scene.pass(milliseconds: 30_000)
        #expect(scene.group.state == .preparingRebalance && scene.group.memberCount == 1)
        #expect(scene.group.generation == 1)
        #expect(try scene.joined(scene.join(member.memberID, instance: "i")).members.count == 1)
    }

    @Test func anOperatorRemovesAStaticMemberByItsInstance() throws {
        let scene = GroupScene()
        let members = try scene.stable(3, instances: ["i", "j", "k"])
        let errors = try scene.leave(
            Leaving(memberID: "", instanceID: "j"), Leaving(memberID: "", instanceID: "x"),
            Leaving(memberID: members[0].memberID, instanceID: "k"),
            Leaving(memberID: members[2].memberID, instanceID: "k"))
        #expect(errors == [nil, .unknownMemberID, .fencedInstanceID, nil])
        #expect(scene.group.describe().members.map(\.instanceID) == ["i"])
        #expect(scene.heartbeat(members[1]) == .unknownMemberID)
        // The instance id is free again.
        let again = scene.join(instance: "j")
        #expect(scene.isWaiting(again))
    }

    @Test func anInstanceThatWasNeverHereIsUnknown() throws {
        let scene = GroupScene()
        let members = try scene.stable(1)
        let claimed = Identity(memberID: members[0].memberID, instanceID: "i", generation: 1)
        #expect(scene.heartbeat(claimed) == .unknownMemberID)
        #expect(scene.refusal(scene.join(members[0].memberID, instance: "i")) == .unknownMemberID)
    }

    @Test func aFullGroupTakesNoStaticMemberMore() throws {
        let scene = GroupScene { $0.membersMax = 2 }
        _ = try scene.stable(2, instances: ["i", "j"])
        #expect(scene.refusal(scene.join(instance: "k")) == .groupMaxSizeReached)
    }
}
