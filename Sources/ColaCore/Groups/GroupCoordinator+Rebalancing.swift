internal import OrderedCollections

/// From one generation to the next.
extension GroupCoordinator {
    /// Begins to prepare the next generation. If that is going on, all may have come now.
    mutating func rebalance(at now: Instant, _ answers: inout [Answer]) {
        switch state {
        case .empty, .completingRebalance, .stable: prepareRebalance(at: now, &answers)
        case .preparingRebalance: completeJoinIfAllCame(at: now, &answers)
        case .dead: break
        }
    }

    mutating func prepareRebalance(at now: Instant, _ answers: inout [Answer]) {
        if state == .completingRebalance {
            for id in members.keys {
                members[id]?.assignment = []
                answerSync(of: id, .refused(.rebalanceInProgress), at: now, &answers)
            }
        }
        unsynced = []
        timers.cancel(.sync)
        let isInitial = state == .empty
        state = .preparingRebalance
        if isInitial, limits.initialRebalanceDelay > 0 {
            let wait = max(rebalanceTimeout, limits.initialRebalanceDelay)
            initialJoin = InitialJoin(latest: now.advanced(byMilliseconds: wait))
            timers.set(.join, at: now.advanced(byMilliseconds: limits.initialRebalanceDelay))
        } else if isInitial || haveAllCome {
            completeJoin(at: now, &answers)
        } else {
            timers.set(.join, at: now.advanced(byMilliseconds: rebalanceTimeout))
        }
    }

    /// Milliseconds: the most that a member wants to have.
    private var rebalanceTimeout: Int64 { members.values.reduce(0) { max($0, $1.rebalanceTimeout) } }

    private var haveAllCome: Bool { joinedCount == members.count && pending.isEmpty }

    mutating func completeJoinIfAllCame(at now: Instant, _ answers: inout [Answer]) {
        guard state == .preparingRebalance, initialJoin == nil, haveAllCome else { return }
        completeJoin(at: now, &answers)
    }

    /// The time to join in is over.
    mutating func endJoin(at now: Instant, _ answers: inout [Answer]) {
        if let initial = initialJoin, initial.hasGrown, now < initial.latest {
            let next = min(initial.latest, now.advanced(byMilliseconds: limits.initialRebalanceDelay))
            initialJoin?.hasGrown = false
            timers.set(.join, at: next)
        } else {
            completeJoin(at: now, &answers)
        }
    }

    /// The next generation begins with those that have come. Static members that have not are still expected.
    private mutating func completeJoin(at now: Instant, _ answers: inout [Answer]) {
        timers.cancel(.join)
        initialJoin = nil
        for id in members.keys where members[id]?.isStatic == false && members[id]?.joinWaiter == nil {
            remove(id, &answers)
        }
        guard members.isEmpty || electLeader() else {
            // Static members alone are left, and none has come: their sessions end, or one comes. Not looked at more
            // often than once in a second, whatever they want.
            timers.set(.join, at: now.advanced(byMilliseconds: max(rebalanceTimeout, 1_000)))
            return
        }
        generation = generation == .max ? 1 : generation + 1
        guard !members.isEmpty else {
            protocolName = nil
            state = .empty
            return
        }
        protocolName = selectProtocol()
        state = .completingRebalance
        unsynced = Set(members.keys)
        for id in members.keys {
            answerJoin(of: id, .joined(joined(id, tellsAll: leader == id)), at: now, &answers)
        }
        timers.set(.sync, at: now.advanced(byMilliseconds: rebalanceTimeout))
    }

    /// The leader stays if it has come; else it is the first of those that have.
    ///
    /// - Returns: false if nobody has come.
    private mutating func electLeader() -> Bool {
        if let leader, members[leader]?.joinWaiter != nil { return true }
        guard let first = members.values.firstIndex(where: { $0.joinWaiter != nil }) else { return false }
        leader = members.keys[first]
        return true
    }

    /// Each member votes for the first of its protocols that all support; among those with the most votes, the first
    /// that was voted for.
    func selectProtocol() -> String? {
        var votes: OrderedDictionary<String, Int> = [:]
        for member in members.values {
            guard let choice = member.protocols.first(where: { supporters[$0.name] == members.count }) else { continue }
            votes[choice.name, default: 0] += 1
        }
        var best: (name: String, votes: Int)?
        for (name, count) in votes where count > best?.votes ?? 0 { best = (name, count) }
        return best?.name
    }
}
