import ColaCore
import Testing

@Suite struct GroupMemberTests {
    private typealias Identity = GroupCoordinator.Identity
    private typealias Leaving = GroupCoordinator.Leaving

    // MARK: Sessions

    @Test func heartbeatsKeepAMember() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        for _ in 0..<5 {
            scene.pass(milliseconds: 9_999)
            #expect(scene.heartbeat(members[0]) == nil && scene.heartbeat(members[1]) == nil)
        }
        scene.pass(milliseconds: 9_999)
        #expect(scene.heartbeat(members[0]) == nil)
        scene.pass(milliseconds: 1)
        #expect(scene.group.describe().members.map(\.id) == [members[0].memberID], "the other was silent")
        #expect(scene.heartbeat(members[0]) == .rebalanceInProgress)
    }

    @Test func theSessionEndsAtItsTime() throws {
        let scene = GroupScene()
        let member = try scene.stable(1)[0]
        scene.pass(milliseconds: 9_999)
        #expect(scene.group.memberCount == 1)
        scene.pass(milliseconds: 1)
        #expect(scene.group.memberCount == 0 && scene.group.state == .empty && scene.group.leader == nil)
        #expect(scene.group.nextDeadline == nil && scene.group.isUnused)
        #expect(scene.heartbeat(member) == .unknownMemberID)
        #expect(scene.group.generation == 2, "that nobody is there is a generation of its own")
    }

    @Test func aHeartbeatMustFit() throws {
        let scene = GroupScene()
        var member = try scene.stable(1)[0]
        #expect(scene.heartbeat(Identity(memberID: "stranger", generation: 1)) == .unknownMemberID)
        #expect(scene.heartbeat(Identity(memberID: "", generation: 1)) == .unknownMemberID)
        member.generation = 0
        #expect(scene.heartbeat(member) == .illegalGeneration)
        member.generation = 2
        #expect(scene.heartbeat(member) == .illegalGeneration)
        // None of these was a sign of life.
        scene.pass(milliseconds: 10_000)
        #expect(scene.group.memberCount == 0)
    }

    @Test func joiningAndSyncingAgainAreSignsOfLife() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        for _ in 0..<3 {
            scene.pass(milliseconds: 9_000)
            _ = try scene.joined(scene.join(members[1].memberID))
            _ = try scene.assignment(scene.sync(members[0]))
        }
        #expect(scene.group.memberCount == 2 && scene.group.state == .stable)
    }

    // MARK: Leaving

    @Test func eachLeavesOrDoesNotByItself() throws {
        let scene = GroupScene()
        let members = try scene.stable(3)
        _ = scene.join(twoSteps: true) { $0.newMemberID = "late" }
        let errors = try scene.leave(
            Leaving(memberID: members[1].memberID), Leaving(memberID: "stranger"), Leaving(memberID: ""),
            Leaving(memberID: "late"), Leaving(memberID: members[2].memberID, instanceID: "i"))
        #expect(errors == [nil, .unknownMemberID, .unknownMemberID, nil, .unknownMemberID])
        #expect(scene.group.memberCount == 2 && scene.group.state == .preparingRebalance)
        #expect(scene.refusal(scene.join("late")) == .unknownMemberID)
    }

    @Test func severalThatLeaveMakeOneRebalance() throws {
        let scene = GroupScene()
        let members = try scene.stable(3)
        _ = try scene.leave(Leaving(memberID: members[0].memberID), Leaving(memberID: members[2].memberID))
        #expect(try scene.joined(scene.join(members[1].memberID)).generation == members[0].generation + 1)
    }

    @Test func theLastToLeaveLeavesItEmpty() throws {
        let scene = GroupScene()
        let member = try scene.stable(1)[0]
        #expect(try scene.leave(member.memberID) == nil)
        #expect(scene.group.state == .empty && scene.group.generation == 2 && scene.group.nextDeadline == nil)
        #expect(try scene.leave(member.memberID) == .unknownMemberID)
        #expect(scene.group.protocolType == "consumer", "what it was for is still known")
        let next = try scene.joined(scene.join { $0.protocolType = "connect" })
        #expect(next.protocolType == "connect" && next.generation == 3)
    }

    @Test func whoWasGivenAnIDAndLeavesDisturbsNobody() throws {
        let scene = GroupScene()
        let members = try scene.stable(1)
        _ = scene.join(twoSteps: true) { $0.newMemberID = "late" }
        #expect(try scene.leave("late") == nil)
        #expect(scene.group.state == .stable && scene.heartbeat(members[0]) == nil)
        _ = scene.join(twoSteps: true) { $0.newMemberID = "later" }
        let leader = scene.join(members[0].memberID)
        #expect(scene.isWaiting(leader))
        #expect(try scene.leave("later") == nil)
        #expect(try scene.joined(leader).members.count == 1)
    }

    @Test func whoLeavesIsWaitedForNoLonger() throws {
        let scene = GroupScene()
        let members = try scene.stable(3)
        let waiters = members.prefix(2).map { scene.join($0.memberID) }
        #expect(try scene.leave(members[2].memberID) == nil)
        #expect(try scene.joined(waiters[0]).members.count == 2)
    }

    @Test func whoWaitsAndLeavesIsAnswered() throws {
        let scene = GroupScene()
        let members = try scene.stable(3)
        let joining = scene.join(members[1].memberID, metadata: "other")
        #expect(try scene.leave(members[1].memberID) == nil)
        #expect(scene.refusal(joining) == .unknownMemberID)
        let now = try [members[0], members[2]].map { scene.join($0.memberID) }.map { try scene.identity($0) }
        let syncing = scene.sync(now[1])
        #expect(try scene.leave(now[1].memberID) == nil)
        #expect(scene.refusal(syncing) == .unknownMemberID)
    }

    // MARK: Connections that are gone

    @Test func whoseConnectionIsGoneIsWaitedForUntilItsSessionEnds() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        let follower = scene.join(members[1].memberID, metadata: "other")
        scene.pass(milliseconds: 5_000)
        #expect(scene.heartbeat(members[0]) == .rebalanceInProgress)
        scene.drop(follower)
        let leader = scene.join(members[0].memberID)
        scene.pass(milliseconds: 9_999)
        #expect(scene.isWaiting(leader))
        scene.pass(milliseconds: 1)
        #expect(try scene.joined(leader).members.count == 1)
        #expect(scene.isWaiting(follower), "nobody is there to be answered")
    }

    @Test func itMayComeBack() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        let follower = scene.join(members[1].memberID, metadata: "other")
        scene.drop(follower)
        scene.drop(follower)
        let leader = scene.join(members[0].memberID)
        scene.pass(milliseconds: 5_000)
        let back = scene.join(members[1].memberID, metadata: "other")
        #expect(try scene.joined(leader).members.count == 2)
        #expect(try scene.joined(back).generation == 3)
        #expect(scene.isWaiting(follower))
    }

    @Test func aNewMemberThatComesBackHasTheTimeOfANewMember() throws {
        let scene = GroupScene { $0.newMemberJoinTimeout = 40_000 }
        let members = try scene.stable(1)
        scene.drop(scene.join { $0.newMemberID = "new" })
        scene.pass(milliseconds: 5_000)
        let back = scene.join("new")
        for _ in 0..<5 {
            #expect(scene.heartbeat(members[0]) == .rebalanceInProgress)
            scene.pass(milliseconds: 6_000)
        }
        #expect(scene.isWaiting(back))
        _ = scene.join(members[0].memberID)
        #expect(try scene.joined(back).generation == 2)
    }

    @Test func whoWaitedForTheLeaderKeepsItsAssignment() throws {
        let scene = GroupScene()
        let before = try scene.stable(2).map { scene.join($0.memberID) }
        let members = try before.map { try scene.identity($0) }
        let follower = scene.sync(members[1])
        scene.drop(follower)
        _ = scene.sync(members[0], [members[1].memberID: "x"])
        #expect(scene.isWaiting(follower) && scene.group.state == .stable)
        #expect(try scene.assignment(scene.sync(members[1])) == "x")
    }

    @Test func aWaiterThatIsUnknownIsNobodys() throws {
        let scene = GroupScene()
        let members = try scene.stable(1)
        scene.drop(GroupWaiter(99))
        #expect(scene.heartbeat(members[0]) == nil)
    }

    // MARK: Commits

    @Test func membersCommitButNotWhileTheLeaderAssigns() throws {
        let scene = GroupScene()
        var members = try scene.stable(2)
        #expect(scene.commit(members[1]) == nil)
        let leader = scene.join(members[0].memberID)
        #expect(scene.group.state == .preparingRebalance)
        #expect(scene.commit(members[1]) == nil, "it commits what it has done, then it joins")
        let follower = scene.join(members[1].memberID)
        #expect(scene.group.state == .completingRebalance)
        #expect(scene.commit(members[1]) == .illegalGeneration)
        members = try [scene.identity(leader), scene.identity(follower)]
        #expect(scene.commit(members[1]) == .rebalanceInProgress)
        #expect(scene.commitInTransaction(members[1]) == nil)
        try scene.makeStable(members)
        #expect(scene.commit(members[1]) == nil)
    }

    @Test func aCommitIsAHeartbeatButNotInATransaction() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        scene.pass(milliseconds: 9_000)
        #expect(scene.commit(members[0]) == nil && scene.commitInTransaction(members[1]) == nil)
        scene.pass(milliseconds: 1_000)
        #expect(scene.group.describe().members.map(\.id) == [members[0].memberID])
    }

    @Test func whoIsNoMemberCommitsWhileThereAreNone() throws {
        let scene = GroupScene()
        let nobody = Identity(memberID: "", generation: -1)
        #expect(scene.commit(nobody) == nil && scene.commitInTransaction(nobody) == nil)
        #expect(scene.commit(Identity(memberID: "some", instanceID: "i", generation: -1)) == nil)
        #expect(scene.commit(Identity(memberID: "", generation: 0)) == .unknownMemberID)
        let members = try scene.stable(1)
        #expect(scene.commit(nobody) == .unknownMemberID)
        #expect(scene.commitInTransaction(nobody) == nil, "transactions of old versions name no member")
        #expect(scene.commit(Identity(memberID: members[0].memberID, generation: -1)) == .illegalGeneration)
        #expect(scene.commitInTransaction(Identity(memberID: "some", generation: 1)) == .unknownMemberID)
        #expect(scene.commit(Identity(memberID: "", generation: 1)) == .unknownMemberID)
        #expect(try scene.leave(members[0].memberID) == nil)
        #expect(scene.commit(nobody) == nil)
        #expect(scene.commit(members[0]) == .unknownMemberID)
    }

    // MARK: Looking at it

    @Test func aStableGroupTellsAll() throws {
        let scene = GroupScene()
        #expect(
            scene.group.describe()
                == GroupCoordinator.Description(state: .empty, protocolType: "", protocolName: "", members: []))
        let member = try scene.identity(
            scene.join("", ["range"], metadata: "topics", instance: "i") {
                $0.clientID = "app"
                $0.clientHost = "/10.0.0.1"
            }, instance: "i")
        let assigning = scene.group.describe()
        #expect(assigning.state == .completingRebalance && assigning.protocolType == "consumer")
        #expect(assigning.protocolName == "" && assigning.members[0].metadata == [])
        try scene.makeStable([member])
        let id = member.memberID
        #expect(
            scene.group.describe()
                == GroupCoordinator.Description(
                    state: .stable, protocolType: "consumer", protocolName: "range",
                    members: [
                        GroupCoordinator.Description.Member(
                            id: id, instanceID: "i", clientID: "app", clientHost: "/10.0.0.1",
                            metadata: Array("topics".utf8), assignment: Array(id.utf8))
                    ]))
        #expect(GroupCoordinator.State.preparingRebalance.rawValue == "PreparingRebalance")
    }

    @Test func onlyAnEmptyGroupIsDeleted() throws {
        let scene = GroupScene()
        let member = try scene.stable(1)[0]
        #expect(scene.delete() == .nonEmptyGroup)
        #expect(try scene.leave(member.memberID) == nil)
        _ = scene.join(twoSteps: true)
        #expect(scene.delete() == nil)
        #expect(scene.group.state == .dead && scene.group.nextDeadline == nil)
        #expect(scene.delete() == .groupIDNotFound)
        #expect(scene.refusal(scene.join()) == .coordinatorNotAvailable)
        #expect(scene.refusal(scene.sync(member)) == .coordinatorNotAvailable)
        #expect(scene.heartbeat(member) == .coordinatorNotAvailable)
        #expect(scene.commit(Identity(memberID: "", generation: -1)) == .coordinatorNotAvailable)
        #expect(scene.commitInTransaction(member) == .coordinatorNotAvailable)
        #expect(throws: GroupError.coordinatorNotAvailable) { try scene.leave("a") }
    }
}
