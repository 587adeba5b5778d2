internal import OrderedCollections

extension GroupCoordinator {
    /// JoinGroup. Answered when the next generation begins, or at once: with what there is if the member may have
    /// missed the answer, or with a refusal.
    ///
    /// A group of which the caller knows nothing is a new one, also for a member that brings an id: it is refused.
    package mutating func join(_ request: Join, waiter: GroupWaiter, at now: Instant) -> [Answer] {
        var request = request
        request.protocols = request.protocols.firstOfEachName()
        request.rebalanceTimeout = max(0, request.rebalanceTimeout)
        var answers: [Answer] = []
        do throws(GroupError) {
            guard (limits.sessionTimeoutMin...limits.sessionTimeoutMax).contains(request.sessionTimeout) else {
                throw .invalidSessionTimeout
            }
            guard request.protocols.byteCount <= limits.memberBytesMax else { throw .invalidRequest }
            if !hasRoom(for: request.memberID) {
                remove(request.memberID, &answers)
                throw .groupMaxSizeReached
            }
            guard state != .dead else { throw .coordinatorNotAvailable }
            guard supports(request) else { throw .inconsistentGroupProtocol }
            if request.memberID.isEmpty {
                try joinWithoutID(request, waiter, at: now, &answers)
            } else if pending.contains(request.memberID) {
                // Static members are never pending.
                guard request.instanceID == nil else { throw .unknownMemberID }
                add(request.memberID, request, waiter, at: now, &answers)
            } else {
                try check(request.memberID, request.instanceID)
                rejoin(request, waiter, at: now, &answers)
            }
        } catch {
            let id: String
            switch error {
            case .memberIDRequired: id = request.newMemberID
            case .groupMaxSizeReached: id = ""
            default: id = request.memberID
            }
            answers.append(.join(.refused(error, memberID: id), to: waiter))
        }
        completeJoinIfAllCame(at: now, &answers)
        return answers
    }

    /// Whether a member with that id, or a new one, is one too many. While members join, those that came first stay.
    private func hasRoom(for id: String) -> Bool {
        switch state {
        case .empty, .dead: true
        case .preparingRebalance: members[id]?.joinWaiter != nil || joinedCount < limits.membersMax
        case .completingRebalance, .stable: members[id] != nil || members.count < limits.membersMax
        }
    }

    /// Whether the member and all others have a protocol in common.
    private func supports(_ request: Join) -> Bool {
        guard state != .empty else { return !request.protocolType.isEmpty && !request.protocols.isEmpty }
        return request.protocolType == protocolType
            && request.protocols.contains { supporters[$0.name, default: 0] == members.count }
    }

    private mutating func joinWithoutID(
        _ request: Join, _ waiter: GroupWaiter, at now: Instant, _ answers: inout [Answer]
    ) throws(GroupError) {
        let id = request.newMemberID
        precondition(
            !id.isEmpty && members[id] == nil && !pending.contains(id), "member id '\(id)' was given out before")
        if let instance = request.instanceID, let before = instances[instance] {
            replace(before, request, waiter, at: now, &answers)
        } else if request.requiresKnownMember, request.instanceID == nil {
            pending.insert(id)
            timers.set(.session(id), at: now.advanced(byMilliseconds: request.sessionTimeout))
            throw .memberIDRequired
        } else {
            add(id, request, waiter, at: now, &answers)
        }
    }

    private mutating func add(
        _ id: String, _ request: Join, _ waiter: GroupWaiter, at now: Instant, _ answers: inout [Answer]
    ) {
        pending.remove(id)
        if members.isEmpty { protocolType = request.protocolType }
        if leader == nil { leader = id }
        if let instance = request.instanceID { instances[instance] = id }
        members[id] = GroupMember(
            instanceID: request.instanceID, clientID: request.clientID, clientHost: request.clientHost,
            sessionTimeout: request.sessionTimeout, rebalanceTimeout: request.rebalanceTimeout,
            protocols: request.protocols, joinWaiter: waiter)
        joinedCount += 1
        for supported in request.protocols { supporters[supported.name, default: 0] += 1 }
        initialJoin?.hasGrown = true
        timers.set(.session(id), at: now.advanced(byMilliseconds: limits.newMemberJoinTimeout))
        rebalance(at: now, &answers)
    }

    /// A member that is known joins.
    private mutating func rejoin(
        _ request: Join, _ waiter: GroupWaiter, at now: Instant, _ answers: inout [Answer]
    ) {
        let id = request.memberID
        let isSame = members[id]?.protocols == request.protocols
        switch state {
        case .completingRebalance where isSame:
            // It did not get the answer to its join.
            renewSession(of: id, at: now)
            answers.append(.join(.joined(joined(id, tellsAll: leader == id)), to: waiter))
        case .stable where isSame && leader != id:
            renewSession(of: id, at: now)
            answers.append(.join(.joined(joined(id, tellsAll: false)), to: waiter))
        case .preparingRebalance, .completingRebalance, .stable:
            // Also a leader with the same metadata: it joins again because topics have changed.
            update(id, request, waiter, at: now, &answers)
            rebalance(at: now, &answers)
        case .empty, .dead:
            answers.append(.join(.refused(.unknownMemberID, memberID: id), to: waiter))
        }
    }

    /// What a member says of itself is new, and it waits for the next generation.
    private mutating func update(
        _ id: String, _ request: Join, _ waiter: GroupWaiter, at now: Instant, _ answers: inout [Answer]
    ) {
        guard let index = members.index(forKey: id) else { return }
        for supported in members.values[index].protocols { forgetSupporter(of: supported.name) }
        for supported in request.protocols { supporters[supported.name, default: 0] += 1 }
        members.values[index].clientID = request.clientID
        members.values[index].clientHost = request.clientHost
        members.values[index].protocols = request.protocols
        members.values[index].sessionTimeout = request.sessionTimeout
        members.values[index].rebalanceTimeout = request.rebalanceTimeout
        if let before = members.values[index].joinWaiter {
            // Its connection is most likely gone; whoever still listens is to ask again.
            answers.append(.join(.refused(.rebalanceInProgress, memberID: id), to: before))
        } else {
            joinedCount += 1
        }
        members.values[index].joinWaiter = waiter
        if members.values[index].isNew {
            timers.set(.session(id), at: now.advanced(byMilliseconds: limits.newMemberJoinTimeout))
        } else {
            timers.cancel(.session(id))
        }
    }

    /// A static member comes in a new life: it takes the place of the old one, whose id means nothing from now on.
    ///
    /// In a stable group it takes the assignment as well, so nobody else has to know; unless what it supports now makes
    /// the members choose another protocol.
    private mutating func replace(
        _ before: String, _ request: Join, _ waiter: GroupWaiter, at now: Instant, _ answers: inout [Answer]
    ) {
        let id = request.newMemberID
        let formerLeader = leader
        fence(before, by: id, &answers)
        update(id, request, waiter, at: now, &answers)
        switch state {
        case .stable where selectProtocol() == protocolName:
            let isLeader = leader == id
            var result = joined(id, tellsAll: isLeader && request.supportsSkippingAssignment)
            result.skipsAssignment = isLeader && request.supportsSkippingAssignment
            // Who does not know how to skip would assign anew, and nobody would get it: with the old id as the leader's
            // it takes itself for a follower.
            if !request.supportsSkippingAssignment { result.leader = formerLeader ?? "" }
            answerJoin(of: id, .joined(result), at: now, &answers)
        case .stable, .completingRebalance:
            // While the leader assigns, it does so to the old id.
            prepareRebalance(at: now, &answers)
        case .preparingRebalance, .empty, .dead: break
        }
    }

    /// The member `old` is called `new` from now on, and all that waits in the old name is refused.
    private mutating func fence(_ old: String, by new: String, _ answers: inout [Answer]) {
        guard let index = members.index(forKey: old) else { return }
        var member = members.values[index]
        if let waiter = member.joinWaiter {
            answers.append(.join(.refused(.fencedInstanceID, memberID: old), to: waiter))
            member.joinWaiter = nil
            joinedCount -= 1
        }
        if let waiter = member.syncWaiter {
            answers.append(.sync(.refused(.fencedInstanceID), to: waiter))
            member.syncWaiter = nil
        }
        members.remove(at: index)
        members.updateValue(member, forKey: new, insertingAt: index)
        timers.cancel(.session(old))
        if let instance = member.instanceID { instances[instance] = new }
        if leader == old { leader = new }
        if unsynced.remove(old) != nil { unsynced.insert(new) }
    }

    /// - Parameter tellsAll: as the leader has to know them.
    func joined(_ id: String, tellsAll: Bool) -> Joined {
        Joined(
            memberID: id, generation: generation, protocolType: protocolType, protocolName: protocolName ?? "",
            leader: leader ?? "",
            members: tellsAll
                ? members.map { id, member in
                    Joined.Member(
                        id: id, instanceID: member.instanceID, metadata: member.metadata(of: protocolName))
                } : [])
    }

    /// If the member waits for it. Its session begins.
    mutating func answerJoin(of id: String, _ answer: JoinAnswer, at now: Instant, _ answers: inout [Answer]) {
        guard let index = members.index(forKey: id) else { return }
        if let waiter = members.values[index].joinWaiter {
            answers.append(.join(answer, to: waiter))
            members.values[index].joinWaiter = nil
            joinedCount -= 1
        }
        members.values[index].isNew = false
        renewSession(of: id, at: now)
    }
}

extension [GroupProtocol] {
    /// A name that comes again adds nothing: a member has one vote.
    fileprivate func firstOfEachName() -> [GroupProtocol] {
        var names: Set<String> = []
        return filter { names.insert($0.name).inserted }
    }

    /// Of names and metadata.
    fileprivate var byteCount: Int { reduce(0) { $0 + $1.name.utf8.count + $1.metadata.count } }
}
