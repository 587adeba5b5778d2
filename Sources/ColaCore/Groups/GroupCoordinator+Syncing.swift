internal import OrderedCollections

extension GroupCoordinator {
    /// SyncGroup. The leader's says what each member gets; the others' wait for it.
    package mutating func sync(_ request: Sync, waiter: GroupWaiter, at now: Instant) -> [Answer] {
        var answers: [Answer] = []
        let id = request.identity.memberID
        do throws(GroupError) {
            try check(request.identity)
            guard request.protocolType ?? protocolType == protocolType,
                request.protocolName ?? protocolName == protocolName
            else { throw .inconsistentGroupProtocol }
            switch state {
            case .dead: throw .coordinatorNotAvailable
            case .empty: throw .unknownMemberID
            case .preparingRebalance: throw .rebalanceInProgress
            case .completingRebalance:
                let isLeader = leader == id
                guard !isLeader || request.assignments.allSatisfy({ $0.bytes.count <= limits.memberBytesMax }) else {
                    throw .invalidRequest
                }
                awaitSync(id, waiter, &answers)
                if isLeader { assign(request.assignments, at: now, &answers) }
            case .stable:
                hasSynced(id)
                renewSession(of: id, at: now)
                answers.append(.sync(.synced(synced(id)), to: waiter))
            }
        } catch {
            answers.append(.sync(.refused(error), to: waiter))
        }
        return answers
    }

    private mutating func awaitSync(_ id: String, _ waiter: GroupWaiter, _ answers: inout [Answer]) {
        if let before = members[id]?.syncWaiter {
            answers.append(.sync(.refused(.rebalanceInProgress), to: before))
        }
        members[id]?.syncWaiter = waiter
        timers.cancel(.session(id))
        hasSynced(id)
    }

    private mutating func assign(_ assignments: [Sync.Assignment], at now: Instant, _ answers: inout [Answer]) {
        for id in members.keys { members[id]?.assignment = [] }
        for assignment in assignments { members[assignment.memberID]?.assignment = assignment.bytes }
        state = .stable
        for id in members.keys { answerSync(of: id, .synced(synced(id)), at: now, &answers) }
    }

    private func synced(_ id: String) -> Synced {
        Synced(
            protocolType: protocolType, protocolName: protocolName ?? "", assignment: members[id]?.assignment ?? [])
    }

    private mutating func hasSynced(_ id: String) {
        unsynced.remove(id)
        if unsynced.isEmpty { timers.cancel(.sync) }
    }

    /// If the member waits for it. Its session goes on.
    mutating func answerSync(of id: String, _ answer: SyncAnswer, at now: Instant, _ answers: inout [Answer]) {
        guard let waiter = members[id]?.syncWaiter else { return }
        answers.append(.sync(answer, to: waiter))
        members[id]?.syncWaiter = nil
        renewSession(of: id, at: now)
    }

    /// Members have joined and then not synced: the group goes on without them.
    mutating func endSync(at now: Instant, _ answers: inout [Answer]) {
        guard !unsynced.isEmpty else { return }
        for id in members.keys where unsynced.contains(id) { remove(id, &answers) }
        prepareRebalance(at: now, &answers)
    }
}
