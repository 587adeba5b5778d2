internal import OrderedCollections

/// What members do beside joining, and how they go.
extension GroupCoordinator {
    /// What became of one that LeaveGroup named.
    package struct Left: Equatable, Sendable {
        package var member: Leaving
        /// Nil if it is gone now.
        package var error: GroupError?

        package init(member: Leaving, error: GroupError? = nil) {
            self.member = member
            self.error = error
        }
    }

    /// Heartbeat: the session goes on.
    ///
    /// - Throws: REBALANCE_IN_PROGRESS if the member is to join again: its session goes on all the same. The other
    ///   errors say that it is no member, or of another generation.
    package mutating func heartbeat(_ identity: Identity, at now: Instant) throws(GroupError) {
        guard state != .dead else { throw .coordinatorNotAvailable }
        try check(identity)
        renewSession(of: identity.memberID, at: now)
        if state == .preparingRebalance { throw .rebalanceInProgress }
    }

    /// LeaveGroup: each goes or does not, by itself.
    ///
    /// - Returns: what became of each, in the order of `leaving`, and answers to others.
    /// - Throws: if the group was deleted.
    package mutating func leave(
        _ leaving: [Leaving], at now: Instant
    ) throws(GroupError) -> (left: [Left], answers: [Answer]) {
        guard state != .dead else { throw .coordinatorNotAvailable }
        var answers: [Answer] = []
        var left: [Left] = []
        let before = members.count
        for member in leaving {
            do throws(GroupError) {
                remove(try idOfLeaving(member), &answers)
                left.append(Left(member: member))
            } catch {
                left.append(Left(member: member, error: error))
            }
        }
        goOn(after: before, at: now, &answers)
        return (left, answers)
    }

    private func idOfLeaving(_ member: Leaving) throws(GroupError) -> String {
        if member.memberID.isEmpty {
            guard let id = member.instanceID.flatMap({ instances[$0] }) else { throw .unknownMemberID }
            return id
        }
        if !pending.contains(member.memberID) { try check(member.memberID, member.instanceID) }
        return member.memberID
    }

    /// Whether offsets may be committed (OffsetCommit). It counts as a heartbeat.
    ///
    /// While the next generation is prepared they may: members commit before they join. Who is no member may, with
    /// generation -1, as long as the group has none.
    ///
    /// - Throws: REBALANCE_IN_PROGRESS while the leader assigns.
    package mutating func checkCommit(_ identity: Identity, at now: Instant) throws(GroupError) {
        try checkCommitter(identity)
        guard !identity.isNobody else {
            if state != .empty { throw .unknownMemberID }
            return
        }
        if state == .completingRebalance { throw .rebalanceInProgress }
        renewSession(of: identity.memberID, at: now)
    }

    /// Whether offsets may be committed in a transaction (TxnOffsetCommit). Who names no member may always: up to v2
    /// nobody does. It is no heartbeat.
    package func checkTransactionalCommit(_ identity: Identity) throws(GroupError) {
        try checkCommitter(identity)
    }

    private func checkCommitter(_ identity: Identity) throws(GroupError) {
        guard state != .dead else { throw .coordinatorNotAvailable }
        if identity.generation < 0, state == .empty { return }
        if !identity.isNobody { try check(identity) }
    }

    // MARK: Who is who

    /// - Throws: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION
    func check(_ identity: Identity) throws(GroupError) {
        guard state != .dead else { throw .coordinatorNotAvailable }
        try check(identity.memberID, identity.instanceID)
        guard identity.generation == generation else { throw .illegalGeneration }
    }

    func check(_ id: String, _ instance: String?) throws(GroupError) {
        if let instance {
            guard let current = instances[instance] else { throw .unknownMemberID }
            guard current == id else { throw .fencedInstanceID }
        }
        guard members[id] != nil else { throw .unknownMemberID }
    }

    // MARK: Sessions

    /// Whoever waits for an answer is not expected to be heard of; a first join has a time of its own.
    mutating func renewSession(of id: String, at now: Instant) {
        guard let member = members[id], !member.isNew, !member.isWaiting else { return }
        timers.set(.session(id), at: now.advanced(byMilliseconds: member.sessionTimeout))
    }

    /// Nothing was heard of a member, or of one that was given its id, for too long.
    mutating func endSession(of id: String, at now: Instant, _ answers: inout [Answer]) {
        let before = members.count
        remove(id, &answers)
        goOn(after: before, at: now, &answers)
    }

    /// Some were taken out. Who had been given an id and not come with it is missed only by those who join.
    ///
    /// - Parameter count: how many members there were before.
    private mutating func goOn(after count: Int, at now: Instant, _ answers: inout [Answer]) {
        if members.count < count {
            rebalance(at: now, &answers)
        } else {
            completeJoinIfAllCame(at: now, &answers)
        }
    }

    /// Takes out a member, or an id that nobody has come with. What waits for an answer in its name is told to join
    /// anew.
    mutating func remove(_ id: String, _ answers: inout [Answer]) {
        pending.remove(id)
        timers.cancel(.session(id))
        unsynced.remove(id)
        if unsynced.isEmpty { timers.cancel(.sync) }
        guard let member = members.removeValue(forKey: id) else { return }
        if let waiter = member.joinWaiter {
            answers.append(.join(.refused(.unknownMemberID, memberID: ""), to: waiter))
            joinedCount -= 1
        }
        if let waiter = member.syncWaiter { answers.append(.sync(.refused(.unknownMemberID), to: waiter)) }
        if let instance = member.instanceID { instances[instance] = nil }
        for supported in member.protocols { forgetSupporter(of: supported.name) }
        if leader == id { leader = members.keys.first }
    }

    mutating func forgetSupporter(of name: String) {
        guard let count = supporters[name] else { return }
        supporters[name] = count > 1 ? count - 1 : nil
    }
}

extension GroupCoordinator.Identity {
    /// Whoever commits offsets without being in a group.
    fileprivate var isNobody: Bool { memberID.isEmpty && instanceID == nil && generation < 0 }
}
