import ColaCore
import Testing

/// A group coordinator with a clock of its own, which stops wherever a deadline is, and all answers by who waited.
///
/// Sessions take 10 seconds and rebalances 60 if nothing else is said, and there is no initial delay.
final class GroupScene {
    typealias Group = GroupCoordinator

    private(set) var group: GroupCoordinator
    private(set) var now = Instant(0)
    private var answers: [GroupWaiter: Group.Answer] = [:]
    private var lastWaiter: UInt64 = 0
    private var lastMember = 0

    init(generation: Int32 = 0, _ change: (inout Group.Limits) -> Void = { _ in }) {
        var limits = Group.Limits()
        limits.initialRebalanceDelay = 0
        change(&limits)
        group = GroupCoordinator(limits: limits, generation: generation)
    }

    /// The clock goes on, and each deadline on the way is met at its time.
    func pass(milliseconds: Int64) {
        let end = now.advanced(byMilliseconds: milliseconds)
        while let next = group.nextDeadline, next <= end {
            now = max(now, next)
            take(group.tick(at: now))
        }
        now = end
    }

    // MARK: What members do

    /// Any join; `change` has the last word.
    func join(
        _ id: String = "", _ names: [String] = ["range"], metadata: String = "", instance: String? = nil,
        twoSteps: Bool = false, _ change: (inout Group.Join) -> Void = { _ in }
    ) -> GroupWaiter {
        lastMember += 1
        var request = Group.Join(
            memberID: id, newMemberID: "m\(lastMember)", instanceID: instance,
            protocols: names.map { GroupProtocol(name: $0, metadata: Array(metadata.utf8)) }, sessionTimeout: 10_000,
            rebalanceTimeout: 60_000, clientID: "client", clientHost: "/127.0.0.1", requiresKnownMember: twoSteps)
        change(&request)
        let waiter = newWaiter()
        take(group.join(request, waiter: waiter, at: now))
        return waiter
    }

    func sync(_ identity: Group.Identity, _ assignments: [String: String] = [:]) -> GroupWaiter {
        sync(
            Group.Sync(
                identity,
                assignments: assignments.sorted { $0.key < $1.key }.map {
                    Group.Sync.Assignment(memberID: $0.key, bytes: Array($0.value.utf8))
                }))
    }

    func sync(_ request: Group.Sync) -> GroupWaiter {
        let waiter = newWaiter()
        take(group.sync(request, waiter: waiter, at: now))
        return waiter
    }

    func heartbeat(_ identity: Group.Identity) -> GroupError? { error { try group.heartbeat(identity, at: now) } }
    func commit(_ identity: Group.Identity) -> GroupError? { error { try group.checkCommit(identity, at: now) } }
    func commitInTransaction(_ identity: Group.Identity) -> GroupError? {
        error { try group.checkTransactionalCommit(identity) }
    }
    func delete() -> GroupError? { error { try group.delete() } }
    func drop(_ waiter: GroupWaiter) { group.drop(waiter, at: now) }

    func leave(_ members: Group.Leaving...) throws -> [GroupError?] {
        let (left, answers) = try group.leave(members, at: now)
        take(answers)
        #expect(left.map(\.member) == members)
        return left.map(\.error)
    }

    func leave(_ id: String) throws -> GroupError? { try leave(Group.Leaving(memberID: id))[0] }

    /// As many new members as `count`, all of them in a stable group, each with an assignment that is its own id.
    ///
    /// - Returns: who they are, the leader first.
    func stable(_ count: Int, instances: [String]? = nil) throws -> [Group.Identity] {
        var waiters: [GroupWaiter] = []
        for number in 0..<count {
            let before = waiters
            let waiter = join(instance: instances?[number])
            for (index, former) in before.enumerated() {
                let id = try joined(former).memberID
                waiters[index] = join(id, instance: instances?[index])
            }
            waiters.append(waiter)
        }
        let members = try waiters.enumerated().map { index, waiter in
            try identity(waiter, instance: instances?[index])
        }
        try makeStable(members)
        return members
    }

    /// All send SyncGroup, and get their ids for assignments.
    func makeStable(_ members: [Group.Identity]) throws {
        let assignments = Dictionary(uniqueKeysWithValues: members.map { ($0.memberID, $0.memberID) })
        let waiters = members.map { sync($0, $0.memberID == group.leader ? assignments : [:]) }
        for (member, waiter) in zip(members, waiters) { #expect(try assignment(waiter) == member.memberID) }
        #expect(group.state == .stable)
    }

    // MARK: What they hear

    /// The answer to a join that has succeeded.
    func joined(_ waiter: GroupWaiter, _ here: SourceLocation = #_sourceLocation) throws -> Group.Joined {
        guard case .join(.joined(let joined), _) = try #require(answers[waiter], sourceLocation: here) else {
            Issue.record("\(String(describing: answers[waiter]))", sourceLocation: here)
            throw NoSuchAnswer()
        }
        return joined
    }

    func identity(_ waiter: GroupWaiter, instance: String? = nil) throws -> Group.Identity {
        let joined = try joined(waiter)
        return Group.Identity(memberID: joined.memberID, instanceID: instance, generation: joined.generation)
    }

    /// The answer to a SyncGroup that has succeeded, as text.
    func assignment(_ waiter: GroupWaiter, _ here: SourceLocation = #_sourceLocation) throws -> String {
        guard case .sync(.synced(let synced), _) = try #require(answers[waiter], sourceLocation: here) else {
            Issue.record("\(String(describing: answers[waiter]))", sourceLocation: here)
            throw NoSuchAnswer()
        }
        #expect(synced.protocolType == group.protocolType)
        return String(decoding: synced.assignment, as: UTF8.self)
    }

    /// What was refused; nil while it waits or if it succeeded.
    func refusal(_ waiter: GroupWaiter) -> GroupError? {
        switch answers[waiter] {
        case .join(.refused(let error, _), _), .sync(.refused(let error), _): error
        case .join(.joined, _), .sync(.synced, _), nil: nil
        }
    }

    /// The member id of a join that was refused.
    func refusedID(_ waiter: GroupWaiter) -> String? {
        if case .join(.refused(_, let id), _) = answers[waiter] { id } else { nil }
    }

    func isWaiting(_ waiter: GroupWaiter) -> Bool { answers[waiter] == nil }

    private struct NoSuchAnswer: Error {}

    private func newWaiter() -> GroupWaiter {
        lastWaiter += 1
        return GroupWaiter(lastWaiter)
    }

    private func take(_ new: [Group.Answer]) {
        for answer in new {
            #expect(answers.updateValue(answer, forKey: answer.waiter) == nil, "\(answer.waiter) was answered twice")
        }
    }

    private func error(_ body: () throws -> Void) -> GroupError? {
        do {
            try body()
            return nil
        } catch {
            return error as? GroupError
        }
    }
}
