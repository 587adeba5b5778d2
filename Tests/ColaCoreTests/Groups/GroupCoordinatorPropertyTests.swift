import ColaCore
import ColaTesting
import Testing

/// Members that come, go, fall silent and start anew as the seed wants, and a watcher that believes only what they
/// hear.
@Suite struct GroupCoordinatorPropertyTests {
    @Test(arguments: Seeds.of(40)) func nobodyWaitsForEverAndAllOfAGenerationAgree(seed: UInt64) {
        var world = GroupWorld(seed: seed)
        for _ in 0..<400 { world.step() }
        world.finish()
    }
}

/// A group, its clients, and what the watcher knows.
private struct GroupWorld {
    /// What one client believes of itself.
    private struct Client {
        var id = ""
        var instance: String?
        var generation: Int32 = -1
        var waiter: GroupWaiter?
        var names = ["range"]
    }

    private struct Waiting {
        let client: Int
        let isJoin: Bool
        let latest: Instant
    }

    private var random: SplitMix64
    private var limits = GroupCoordinator.Limits()
    private let usesTwoSteps: Bool
    private var group: GroupCoordinator
    private var now = Instant(0)
    private var clients: [Client]
    private var waiting: [GroupWaiter: Waiting] = [:]
    /// Waiters whose connection is gone: they must never be answered.
    private var dropped: Set<GroupWaiter> = []
    private var lastWaiter: UInt64 = 0
    private var lastMember = 0
    private var lastGeneration: Int32 = 0
    /// Of each generation, what its leader was told that there are, and what each of them was assigned.
    private var told: [Int32: [String]] = [:]
    private var assigned: [Int32: [String: [UInt8]]] = [:]
    private var stableCount = 0

    private let sessionTimeout: Int64 = 10_000
    private let rebalanceTimeout: Int64 = 20_000

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        limits.initialRebalanceDelay = [0, 3_000].randomElement(using: &random)!
        usesTwoSteps = Bool.random(using: &random)
        limits.newMemberJoinTimeout = 30_000
        limits.membersMax = [3, 100].randomElement(using: &random)!
        group = GroupCoordinator(limits: limits)
        clients = []
        for number in 0..<Int.random(in: 1...6, using: &random) {
            clients.append(Client(instance: Int.random(in: 0..<3, using: &random) == 0 ? "i\(number)" : nil))
        }
    }

    mutating func step() {
        let number = Int.random(in: 0..<clients.count, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25: pass(milliseconds: Int64.random(in: 1...2_000, using: &random))
        case 25..<28: pass(milliseconds: Int64.random(in: 2_000...40_000, using: &random))
        case 28..<85: act(number)
        case 85..<88: leave(number)
        case 88..<92: drop(number)
        case 92..<95:
            // A new life, which knows its instance id at most.
            drop(number)
            clients[number].id = ""
            clients[number].generation = -1
        case 95..<98 where clients[number].waiter == nil:
            let names = [["range"], ["range", "sticky"], ["sticky", "range"], ["other"]]
            clients[number].names = names.randomElement(using: &random)!
            join(number)
        case 95..<99: impersonate(number)
        default: restart()
        }
        check()
    }

    /// In the end all clients do what they should, and so there is a stable group of them.
    mutating func finish() {
        for number in clients.indices { clients[number].names = ["range", "sticky"] }
        for number in clients.indices { drop(number) }
        pass(milliseconds: 100_000)
        #expect(group.memberCount == 0, "nobody was heard of")
        for _ in 0..<200 {
            for number in clients.indices { act(number, isCalm: true) }
            pass(milliseconds: 1_000)
            check()
        }
        #expect(group.state == .stable)
        #expect(group.memberCount == min(clients.count, limits.membersMax))
        #expect(stableCount > 0)
    }

    // MARK: Clients

    /// What a client does next by its own lights.
    private mutating func act(_ number: Int, isCalm: Bool = false) {
        let client = clients[number]
        guard client.waiter == nil else { return }
        if client.generation < 0 { return join(number) }
        let identity = identity(of: client)
        if assigned[client.generation]?[client.id] == nil || (!isCalm && Bool.random(using: &random)) {
            return sync(number)
        }
        do throws(GroupError) {
            if isCalm || Bool.random(using: &random) {
                try group.heartbeat(identity, at: now)
            } else {
                try group.checkCommit(identity, at: now)
            }
            #expect(client.generation == group.generation && group.state != .empty)
        } catch {
            hear(error, of: number)
        }
    }

    private mutating func join(_ number: Int) {
        guard clients[number].waiter == nil else { return }
        let client = clients[number]
        lastMember += 1
        let metadata = [UInt8.random(in: 0...1, using: &random)]
        let request = GroupCoordinator.Join(
            memberID: client.id, newMemberID: "m\(lastMember)", instanceID: client.instance,
            protocols: client.names.map { GroupProtocol(name: $0, metadata: metadata) },
            sessionTimeout: sessionTimeout, rebalanceTimeout: rebalanceTimeout,
            requiresKnownMember: usesTwoSteps && Bool.random(using: &random),
            supportsSkippingAssignment: Bool.random(using: &random))
        // A first join gives up; one that joins again waits for the rebalance, which the static members that
        // nobody hears of can make take longer by their sessions.
        let waiter = newWaiter(number, isJoin: true, milliseconds: 3 * rebalanceTimeout + sessionTimeout)
        take(group.join(request, waiter: waiter, at: now))
    }

    private mutating func sync(_ number: Int) {
        let client = clients[number]
        let members = told[client.generation] ?? []
        let assignments = members.map {
            GroupCoordinator.Sync.Assignment(memberID: $0, bytes: Array("\(client.generation) \($0)".utf8))
        }
        let waiter = newWaiter(number, isJoin: false, milliseconds: rebalanceTimeout)
        take(
            group.sync(
                GroupCoordinator.Sync(identity(of: client), assignments: assignments), waiter: waiter, at: now))
    }

    private mutating func leave(_ number: Int) {
        let client = clients[number]
        let leaving = GroupCoordinator.Leaving(memberID: client.id, instanceID: client.instance)
        do throws(GroupError) {
            take(try group.leave([leaving], at: now).answers)
        } catch {
            Issue.record("\(error)")
        }
        if clients[number].waiter == nil {
            clients[number].id = ""
            clients[number].generation = -1
        }
    }

    private mutating func drop(_ number: Int) {
        guard let waiter = clients[number].waiter else { return }
        group.drop(waiter, at: now)
        waiting[waiter] = nil
        dropped.insert(waiter)
        clients[number].waiter = nil
        clients[number].generation = -1
    }

    /// The broker is gone, and all connections with it; the generation is what it has kept.
    private mutating func restart() {
        for number in clients.indices { drop(number) }
        group = GroupCoordinator(limits: limits, generation: group.generation)
    }

    /// Somebody with a claim that is wrong: nobody else may suffer from it.
    private mutating func impersonate(_ number: Int) {
        let before = group.describe()
        let wrong = GroupCoordinator.Identity(memberID: "stranger", generation: group.generation)
        #expect(throws: GroupError.unknownMemberID) { try group.heartbeat(wrong, at: now) }
        let id = clients[number].id
        guard !id.isEmpty, before.members.contains(where: { $0.id == id }) else { return }
        let late = GroupCoordinator.Identity(memberID: id, generation: group.generation &- 1)
        #expect(throws: GroupError.self) { try group.checkCommit(late, at: now) }
        #expect(group.describe() == before)
    }

    private func identity(of client: Client) -> GroupCoordinator.Identity {
        GroupCoordinator.Identity(
            memberID: client.id, instanceID: client.instance, generation: client.generation)
    }

    private mutating func newWaiter(_ client: Int, isJoin: Bool, milliseconds: Int64) -> GroupWaiter {
        lastWaiter += 1
        let waiter = GroupWaiter(lastWaiter)
        clients[client].waiter = waiter
        waiting[waiter] = Waiting(
            client: client, isJoin: isJoin, latest: now.advanced(byMilliseconds: milliseconds))
        return waiter
    }

    // MARK: Answers

    private mutating func pass(milliseconds: Int64) {
        let end = now.advanced(byMilliseconds: milliseconds)
        var ticks = 0
        while let next = group.nextDeadline, next <= end {
            #expect(next >= now, "a deadline in the past was left behind")
            now = max(now, next)
            take(group.tick(at: now))
            ticks += 1
            guard ticks < 10_000 else {
                Issue.record("the clock stands still")
                return
            }
        }
        now = end
    }

    private mutating func take(_ answers: [GroupCoordinator.Answer]) {
        for answer in answers {
            #expect(!dropped.contains(answer.waiter))
            guard let waiting = waiting.removeValue(forKey: answer.waiter) else {
                Issue.record("\(answer.waiter) was answered and did not wait")
                continue
            }
            let number = waiting.client
            clients[number].waiter = nil
            switch answer {
            case .join(.joined(let joined), _):
                #expect(waiting.isJoin)
                hear(joined, number)
            case .join(.refused(let error, let id), _):
                #expect(waiting.isJoin)
                if error == .memberIDRequired {
                    #expect(clients[number].instance == nil && !id.isEmpty)
                    clients[number].id = id
                } else {
                    hear(error, of: number)
                }
            case .sync(.synced(let synced), _):
                #expect(!waiting.isJoin)
                hear(synced, number)
            case .sync(.refused(let error), _):
                #expect(!waiting.isJoin)
                hear(error, of: number)
            }
        }
    }

    private mutating func hear(_ joined: GroupCoordinator.Joined, _ number: Int) {
        #expect(joined.generation == group.generation)
        #expect(clients[number].names.contains(joined.protocolName))
        clients[number].id = joined.memberID
        clients[number].generation = joined.generation
        guard joined.leader == joined.memberID, !joined.skipsAssignment else { return }
        #expect(joined.members.contains { $0.id == joined.leader }, "the leader is a member")
        #expect(Set(joined.members.map(\.id)).count == joined.members.count)
        told[joined.generation] = joined.members.map(\.id)
    }

    /// All that is assigned in one generation was said by its leader in that generation, and nobody hears two things.
    private mutating func hear(_ synced: GroupCoordinator.Synced, _ number: Int) {
        let client = clients[number]
        #expect(client.generation == group.generation && group.state == .stable)
        let text = String(decoding: synced.assignment, as: UTF8.self)
        if !text.isEmpty { #expect(text.hasPrefix("\(client.generation) ")) }
        if let before = assigned[client.generation]?[client.id] { #expect(before == synced.assignment) }
        for (other, bytes) in assigned[client.generation] ?? [:] where other != client.id && !text.isEmpty {
            // Only a static member in a new life has what somebody else had, who is gone.
            let isHere = group.describe().members.contains { $0.id == other }
            #expect(bytes != synced.assignment || !isHere)
        }
        assigned[client.generation, default: [:]][client.id] = synced.assignment
        stableCount += 1
    }

    private mutating func hear(_ error: GroupError, of number: Int) {
        switch error {
        case .unknownMemberID, .fencedInstanceID, .groupMaxSizeReached:
            clients[number].id = ""
            clients[number].generation = -1
        case .rebalanceInProgress, .illegalGeneration, .inconsistentGroupProtocol: clients[number].generation = -1
        default: Issue.record("\(error)")
        }
    }

    // MARK: What is true at any time

    private mutating func check() {
        #expect(group.generation >= lastGeneration)
        lastGeneration = group.generation
        for waiting in waiting.values { #expect(waiting.latest > now, "it waits too long, \(waiting.isJoin)") }
        let description = group.describe()
        let ids = description.members.map(\.id)
        #expect(Set(ids).count == ids.count && ids.count == group.memberCount)
        let instances = description.members.compactMap(\.instanceID)
        #expect(Set(instances).count == instances.count)
        switch group.state {
        case .empty, .dead: #expect(ids.isEmpty && group.leader == nil)
        case .preparingRebalance:
            #expect(group.leader.map { ids.contains($0) } ?? ids.isEmpty)
            if limits.initialRebalanceDelay == 0, !usesTwoSteps {
                #expect(waiting.count < ids.count, "all have come, and still they wait")
            }
        case .completingRebalance, .stable: #expect(group.leader.map { ids.contains($0) } == true)
        }
        #expect(waiting.isEmpty || group.nextDeadline != nil, "somebody waits for ever")
        if group.state == .stable { #expect(waiting.isEmpty, "nothing to wait for") }
    }
}
