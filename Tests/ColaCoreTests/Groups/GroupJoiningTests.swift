import ColaCore
import Testing

@Suite struct GroupJoiningTests {
    // MARK: The first generation

    @Test func aNewGroupWaitsForMoreMembersAndLongerWhenTheyCome() throws {
        let scene = GroupScene { $0.initialRebalanceDelay = 3_000 }
        let first = scene.join(metadata: "a")
        scene.pass(milliseconds: 2_000)
        let second = scene.join(metadata: "b")
        scene.pass(milliseconds: 3_999)
        #expect(scene.isWaiting(first) && scene.isWaiting(second) && scene.group.state == .preparingRebalance)
        scene.pass(milliseconds: 1)
        let leader = try scene.joined(first)
        let follower = try scene.joined(second)
        #expect(leader.generation == 1 && leader.leader == leader.memberID)
        #expect(leader.members.map(\.id) == [leader.memberID, follower.memberID])
        #expect(leader.members.map(\.metadata) == [Array("a".utf8), Array("b".utf8)])
        #expect(leader.protocolType == "consumer" && leader.protocolName == "range" && !leader.skipsAssignment)
        #expect(follower.generation == 1 && follower.leader == leader.memberID && follower.members == [])
        #expect(scene.group.state == .completingRebalance && scene.group.leader == leader.memberID)
    }

    @Test func whoIsAloneWaitsOneDelay() throws {
        let scene = GroupScene { $0.initialRebalanceDelay = 3_000 }
        let only = scene.join()
        scene.pass(milliseconds: 2_999)
        #expect(scene.isWaiting(only))
        scene.pass(milliseconds: 1)
        #expect(try scene.joined(only).members.count == 1)
    }

    @Test func theFirstDelayIsNeverLongerThanTheRebalanceTimeout() throws {
        let scene = GroupScene { $0.initialRebalanceDelay = 3_000 }
        let first = scene.join { $0.rebalanceTimeout = 7_000 }
        for _ in 0..<6 {
            scene.pass(milliseconds: 1_000)
            _ = scene.join { $0.rebalanceTimeout = 7_000 }
        }
        scene.pass(milliseconds: 999)
        #expect(scene.isWaiting(first))
        scene.pass(milliseconds: 1)
        #expect(try scene.joined(first).members.count == 7)
    }

    @Test func withoutADelayTheFirstIsAnsweredAtOnceAndTheSecondMakesItJoinAgain() throws {
        let scene = GroupScene()
        let first = try scene.identity(scene.join())
        #expect(first.generation == 1)
        try scene.makeStable([first])
        let second = scene.join()
        #expect(scene.isWaiting(second))
        #expect(scene.heartbeat(first) == .rebalanceInProgress)
        let again = try scene.joined(scene.join(first.memberID))
        #expect(again.generation == 2 && again.memberID == first.memberID && again.members.count == 2)
        #expect(try scene.joined(second).generation == 2)
    }

    @Test func aGroupGoesOnWithTheGenerationItHad() throws {
        let scene = GroupScene(generation: 41)
        let before = GroupScene.Group.Identity(memberID: "m9", generation: 41)
        #expect(scene.heartbeat(before) == .unknownMemberID)
        #expect(scene.refusal(scene.sync(before)) == .unknownMemberID)
        #expect(scene.commit(before) == .unknownMemberID)
        let old = scene.join("m9")
        #expect(scene.refusal(old) == .unknownMemberID && scene.refusedID(old) == "m9")
        #expect(try scene.joined(scene.join()).generation == 42)
        let last = GroupScene(generation: .max)
        #expect(try last.joined(last.join()).generation == 1)
    }

    // MARK: Two steps

    @Test func anIDIsHandedOutFirstAndJoinedWithThen() throws {
        let scene = GroupScene()
        let waiter = scene.join(twoSteps: true) { $0.newMemberID = "consumer-7" }
        #expect(scene.refusal(waiter) == .memberIDRequired && scene.refusedID(waiter) == "consumer-7")
        #expect(scene.group.memberCount == 0 && !scene.group.isUnused)
        #expect(scene.group.state == .empty)
        let joined = try scene.joined(scene.join("consumer-7", twoSteps: true))
        #expect(joined.memberID == "consumer-7" && joined.generation == 1)
        #expect(scene.group.memberCount == 1)
    }

    @Test func anIDThatNobodyComesWithIsForgotten() throws {
        let scene = GroupScene()
        let waiter = scene.join(twoSteps: true) { $0.newMemberID = "consumer-7" }
        scene.pass(milliseconds: 9_999)
        #expect(!scene.group.isUnused)
        scene.pass(milliseconds: 1)
        #expect(scene.group.isUnused && scene.group.nextDeadline == nil)
        #expect(scene.refusal(waiter) == .memberIDRequired)
        #expect(scene.refusal(scene.join("consumer-7", twoSteps: true)) == .unknownMemberID)
    }

    @Test func aRebalanceWaitsForWhoeverWasGivenAnID() throws {
        let scene = GroupScene()
        let members = try scene.stable(1)
        _ = scene.join(twoSteps: true) { $0.newMemberID = "late" }
        #expect(scene.group.state == .stable, "an id alone is no reason for a rebalance")
        let leader = scene.join(members[0].memberID)
        #expect(scene.isWaiting(leader))
        scene.pass(milliseconds: 9_000)
        let late = scene.join("late", twoSteps: true)
        #expect(try scene.joined(leader).members.count == 2)
        #expect(try scene.joined(late).generation == 2)
    }

    @Test func aRebalanceGoesOnWhenThatIDHasExpired() throws {
        let scene = GroupScene()
        let members = try scene.stable(1)
        _ = scene.join(twoSteps: true)
        let leader = scene.join(members[0].memberID)
        scene.pass(milliseconds: 9_999)
        #expect(scene.isWaiting(leader))
        scene.pass(milliseconds: 1)
        #expect(try scene.joined(leader).members.count == 1)
    }

    @Test func anIDThatWasHandedOutIsNoStaticMembers() {
        let scene = GroupScene()
        _ = scene.join(twoSteps: true) { $0.newMemberID = "late" }
        #expect(scene.refusal(scene.join("late", instance: "i")) == .unknownMemberID)
    }

    // MARK: Who has to come

    @Test func whoDoesNotJoinWithinTheRebalanceTimeoutIsRemoved() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        // The longest that any member wants: 60 seconds.
        let newcomer = scene.join { $0.rebalanceTimeout = 1_000 }
        let leader = scene.join(members[0].memberID) { $0.rebalanceTimeout = 1_000 }
        for _ in 0..<11 {
            scene.pass(milliseconds: 5_000)
            #expect(scene.heartbeat(members[1]) == .rebalanceInProgress)
        }
        scene.pass(milliseconds: 4_999)
        #expect(scene.isWaiting(newcomer) && scene.isWaiting(leader))
        scene.pass(milliseconds: 1)
        #expect(try scene.joined(leader).members.map(\.id) == [members[0].memberID, scene.joined(newcomer).memberID])
        #expect(scene.heartbeat(members[1]) == .unknownMemberID)
        #expect(scene.refusal(scene.join(members[1].memberID)) == .unknownMemberID)
    }

    @Test func whoIsNotHeardOfIsNotWaitedForLonger() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        let leader = scene.join(members[0].memberID)
        scene.pass(milliseconds: 9_999)
        #expect(scene.isWaiting(leader))
        scene.pass(milliseconds: 1)
        #expect(try scene.joined(leader).members.count == 1)
    }

    @Test func whoWaitsForOthersDoesNotExpire() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        let leader = scene.join(members[0].memberID)
        for _ in 0..<11 {
            scene.pass(milliseconds: 5_000)
            #expect(scene.heartbeat(members[1]) == .rebalanceInProgress)
        }
        let follower = scene.join(members[1].memberID)
        #expect(try scene.joined(leader).members.count == 2)
        #expect(try scene.joined(follower).generation == 3)
        // From here on its session counts again.
        scene.pass(milliseconds: 10_000)
        #expect(scene.group.memberCount == 0 && scene.group.state == .empty && scene.group.generation == 4)
    }

    @Test func aFirstJoinIsGivenUpAfterATimeOfItsOwn() throws {
        let scene = GroupScene { $0.newMemberJoinTimeout = 20_000 }
        let members = try scene.stable(1)
        let newcomer = scene.join()
        for _ in 0..<3 {
            scene.pass(milliseconds: 6_000)
            #expect(scene.heartbeat(members[0]) == .rebalanceInProgress)
        }
        #expect(scene.isWaiting(newcomer))
        scene.pass(milliseconds: 2_000)
        #expect(scene.refusal(newcomer) == .unknownMemberID && scene.refusedID(newcomer) == "")
    }

    @Test func whoAsksTwiceGetsOneAnswerToEach() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        let first = scene.join(members[0].memberID)
        let second = scene.join(members[0].memberID)
        #expect(scene.refusal(first) == .rebalanceInProgress && scene.isWaiting(second))
        _ = scene.join(members[1].memberID)
        #expect(try scene.joined(second).members.count == 2)
    }

    // MARK: Joining again

    @Test func aFollowerOfAStableGroupThatJoinsAgainHearsWhatThereIs() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        let again = try scene.joined(scene.join(members[1].memberID))
        #expect(again.generation == 2 && again.leader == members[0].memberID && again.members == [])
        #expect(scene.group.state == .stable)
        #expect(try scene.assignment(scene.sync(members[1])) == members[1].memberID)
        let other = scene.join(members[1].memberID, metadata: "other topics")
        #expect(scene.isWaiting(other) && scene.group.state == .preparingRebalance)
    }

    @Test func aLeaderThatJoinsAgainMakesAllJoinAgain() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        let leader = scene.join(members[0].memberID)
        #expect(scene.isWaiting(leader) && scene.group.state == .preparingRebalance)
        #expect(scene.refusal(scene.sync(members[1])) == .rebalanceInProgress)
        _ = scene.join(members[1].memberID)
        #expect(try scene.joined(leader).members.count == 2)
        #expect(scene.group.generation == 3)
    }

    @Test func whoMissedTheAnswerGetsItAgainWhileTheLeaderAssigns() throws {
        let scene = GroupScene()
        let members = try scene.stable(2)
        let waiters = members.map { scene.join($0.memberID) }
        let leader = try scene.joined(waiters[0])
        let follower = try scene.joined(waiters[1])
        #expect(try scene.joined(scene.join(members[0].memberID)) == leader)
        #expect(try scene.joined(scene.join(members[1].memberID)) == follower)
        #expect(scene.group.state == .completingRebalance && scene.group.generation == 3)
    }

    @Test func otherMetadataWhileTheLeaderAssignsStartsAnew() throws {
        let scene = GroupScene()
        let members = try scene.stable(3)
        let waiters = members.map { scene.join($0.memberID) }
        let now = try waiters.map { try scene.identity($0) }
        let waiting = scene.sync(now[2])
        let changed = scene.join(now[1].memberID, metadata: "other")
        #expect(scene.refusal(waiting) == .rebalanceInProgress)
        #expect(scene.isWaiting(changed) && scene.group.state == .preparingRebalance)
    }

    // MARK: Protocols

    @Test func eachVotesForTheFirstOfItsProtocolsThatAllSupport() throws {
        let scene = GroupScene { $0.initialRebalanceDelay = 1 }
        let first = scene.join("", ["only-mine", "range", "sticky"])
        _ = scene.join("", ["sticky", "range"])
        _ = scene.join("", ["sticky", "range", "only-mine"])
        scene.pass(milliseconds: 2)
        #expect(try scene.joined(first).protocolName == "sticky")
    }

    @Test func ofAsManyVotesTheFirstCounts() throws {
        let scene = GroupScene { $0.initialRebalanceDelay = 1 }
        let first = scene.join("", ["range", "sticky"])
        _ = scene.join("", ["sticky", "range"])
        scene.pass(milliseconds: 2)
        #expect(try scene.joined(first).protocolName == "range")
    }

    @Test func whoHasNothingInCommonWithTheOthersIsRefused() throws {
        let scene = GroupScene()
        let members = try scene.stable(1)
        #expect(scene.refusal(scene.join("", ["sticky"])) == .inconsistentGroupProtocol)
        #expect(scene.refusal(scene.join { $0.protocolType = "connect" }) == .inconsistentGroupProtocol)
        #expect(scene.refusal(scene.join("", [])) == .inconsistentGroupProtocol)
        #expect(scene.group.state == .stable && scene.group.memberCount == 1)
        #expect(scene.heartbeat(members[0]) == nil)
        let empty = GroupScene()
        #expect(empty.refusal(empty.join("", [])) == .inconsistentGroupProtocol)
        #expect(empty.refusal(empty.join { $0.protocolType = "" }) == .inconsistentGroupProtocol)
    }

    @Test func aProtocolThatIsNamedTwiceCountsOnce() throws {
        let scene = GroupScene { $0.initialRebalanceDelay = 1 }
        let first = scene.join("", ["sticky", "sticky", "range"])
        #expect(scene.refusal(scene.join("", ["other"])) == .inconsistentGroupProtocol)
        _ = scene.join("", ["range"])
        scene.pass(milliseconds: 2)
        #expect(try scene.joined(first).protocolName == "range")
    }

    @Test func aProtocolCountsAgainWhenWhoDidNotKnowItHasGone() throws {
        let scene = GroupScene { $0.initialRebalanceDelay = 1 }
        let first = scene.join("", ["sticky", "range"])
        let second = scene.join("", ["range"])
        scene.pass(milliseconds: 2)
        #expect(try scene.joined(first).protocolName == "range")
        #expect(try scene.leave(scene.joined(second).memberID) == nil)
        let again = try scene.joined(scene.join(scene.joined(first).memberID, ["sticky", "range"]))
        #expect(again.protocolName == "sticky")
    }

    // MARK: Leaders

    @Test func theNextMemberLeadsWhenTheLeaderHasLeft() throws {
        let scene = GroupScene()
        let members = try scene.stable(3)
        #expect(try scene.leave(members[0].memberID) == nil)
        let waiters = [members[2], members[1]].map { scene.join($0.memberID) }
        #expect(try scene.joined(waiters[1]).leader == members[1].memberID)
        #expect(try scene.joined(waiters[1]).members.map(\.id) == members.dropFirst().map(\.memberID))
        #expect(try scene.joined(waiters[0]).members == [])
    }

    @Test func whoHasComeLeadsInThePlaceOfALeaderThatHasNot() throws {
        let scene = GroupScene()
        let members = try scene.stable(2, instances: ["i", "j"])
        let follower = scene.join(members[1].memberID, metadata: "other", instance: "j")
        for _ in 0..<6 {
            scene.pass(milliseconds: 10_000 - 1)
            _ = scene.heartbeat(members[0])
        }
        scene.pass(milliseconds: 6)
        // The leader is static, so it is still expected.
        let joined = try scene.joined(follower)
        #expect(joined.leader == members[1].memberID)
        #expect(joined.members.map(\.id) == members.map(\.memberID))
    }

    // MARK: Limits

    @Test func sessionTimeoutsHaveLimits() throws {
        let scene = GroupScene()
        for timeout: Int64 in [-1, 0, 5_999, 1_800_001, .max] {
            let waiter = scene.join { $0.sessionTimeout = timeout }
            #expect(scene.refusal(waiter) == .invalidSessionTimeout && scene.refusedID(waiter) == "")
        }
        #expect(scene.group.isUnused)
        _ = try scene.joined(scene.join { $0.sessionTimeout = 6_000 })
    }

    @Test func noTimeoutMakesTheClockTrapOrStandStill() throws {
        let scene = GroupScene { $0.sessionTimeoutMax = .max }
        let first = try scene.identity(
            scene.join {
                $0.sessionTimeout = .max
                $0.rebalanceTimeout = .max
            })
        try scene.makeStable([first])
        let second = try scene.joined(scene.join(first.memberID) { $0.rebalanceTimeout = .min })
        #expect(second.generation == 2)
        scene.pass(milliseconds: 1)
        #expect(scene.group.memberCount == 0, "it has had no time for its SyncGroup")
    }

    @Test func membersBringNoMoreThanTheyMay() throws {
        let scene = GroupScene { $0.memberBytesMax = 10 }
        #expect(scene.refusal(scene.join("", ["range"], metadata: "123456")) == .invalidRequest)
        let member = try scene.identity(scene.join("", ["range"], metadata: "12345"))
        #expect(scene.refusal(scene.sync(member, [member.memberID: "12345678901"])) == .invalidRequest)
        #expect(try scene.assignment(scene.sync(member, [member.memberID: "1234567890"])) == "1234567890")
    }

    @Test func aFullGroupTakesNobodyElse() throws {
        let scene = GroupScene { $0.membersMax = 2 }
        let members = try scene.stable(2)
        let third = scene.join()
        #expect(scene.refusal(third) == .groupMaxSizeReached && scene.refusedID(third) == "")
        #expect(scene.group.state == .stable)
        #expect(try scene.joined(scene.join(members[1].memberID)).generation == 2)
    }

    @Test func whileAllJoinThoseThatComeFirstStay() throws {
        let scene = GroupScene { $0.membersMax = 2 }
        let members = try scene.stable(2)
        let leader = scene.join(members[0].memberID)
        let newcomer = scene.join()
        #expect(scene.isWaiting(newcomer))
        let late = scene.join(members[1].memberID)
        #expect(scene.refusal(late) == .groupMaxSizeReached)
        #expect(try scene.joined(leader).members.map(\.id) == [members[0].memberID, scene.joined(newcomer).memberID])
        #expect(scene.heartbeat(members[1]) == .unknownMemberID)
    }

    @Test func anIDThatWasHandedOutIsNoPlaceInTheGroup() throws {
        let scene = GroupScene { $0.membersMax = 1 }
        let ids = ["x", "y"].map { id in scene.refusedID(scene.join(twoSteps: true) { $0.newMemberID = id }) ?? "" }
        _ = try scene.joined(scene.join(ids[0]))
        #expect(scene.refusal(scene.join(ids[1])) == .groupMaxSizeReached)
        #expect(scene.refusal(scene.join(ids[1])) == .groupMaxSizeReached)
        #expect(try scene.leave("x") == nil)
        #expect(scene.refusal(scene.join(ids[1])) == .unknownMemberID, "the refusal took its id")
    }
}
