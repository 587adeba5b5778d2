internal import OrderedCollections

/// One classic consumer group: its members, and how they agree on who does what.
///
/// A *generation* begins when all members have joined: one of them, the leader, is told of all, and its SyncGroup says
/// what each gets. Until it has come, the others' SyncGroup waits. When members come, go or change their mind, the next
/// generation is prepared: all are told at their next heartbeat and have to join again, within the rebalance timeout.
/// The coordinator reads nothing of what members say of themselves or are assigned.
///
/// It is a machine without a clock: ``nextDeadline`` says when ``tick(at:)`` is due. Until then a deadline that has
/// passed has no effect, so a heartbeat that is handed in before the tick is in time. All that waits is answered by
/// what calls return, often several at once, and each exactly once.
///
/// Nothing of it is durable but, if the caller likes, the generation. Members are in memory only: after a restart, who
/// was a member gets UNKNOWN_MEMBER_ID for all it says, and joins anew. A group that goes on with the generation it had
/// lets nobody mistake an old one for the new one. Committed offsets are the caller's.
///
/// Source: Kafka protocol guide, "Group Membership"; KIP-62, KIP-134, KIP-345, KIP-394, KIP-559, KIP-814
package struct GroupCoordinator: Sendable {
    /// The raw value is the name that clients see.
    package enum State: String, CaseIterable, Sendable {
        /// No members; offsets may be committed by those who need no group.
        case empty = "Empty"
        /// All members have to join.
        case preparingRebalance = "PreparingRebalance"
        /// All have joined; the leader has to say who gets what.
        case completingRebalance = "CompletingRebalance"
        case stable = "Stable"
        /// Deleted, for good.
        case dead = "Dead"
    }

    /// Times in milliseconds.
    package struct Limits: Equatable, Sendable {
        /// `group.max.size`
        package var membersMax = Int(Int32.max)
        /// `group.min.session.timeout.ms`
        package var sessionTimeoutMin: Int64 = 6_000
        /// `group.max.session.timeout.ms`
        package var sessionTimeoutMax: Int64 = 1_800_000
        /// `group.initial.rebalance.delay.ms`: how long the first members wait for others.
        package var initialRebalanceDelay: Int64 = 3_000
        /// How long a member's first join may wait: nobody knows whether its client is still there.
        package var newMemberJoinTimeout: Int64 = 300_000
        /// What a member says of itself in all protocols together, and what it is assigned.
        package var memberBytesMax = 1 << 20

        package init() {}
    }

    /// What ends by itself.
    enum Deadline: Hashable, Sendable {
        /// The time to join in.
        case join
        /// The time in which all members have to send SyncGroup.
        case sync
        /// The time to hear of a member in, or of one that was given its id and has not come with it.
        case session(String)
    }

    /// The first generation of a group that had none: its members are waited for even when all who are known have
    /// joined.
    struct InitialJoin: Sendable {
        /// Whether somebody came since the delay was set.
        var hasGrown = false
        let latest: Instant
    }

    let limits: Limits
    package internal(set) var state = State.empty
    /// 0 before the first; one more each time that all have joined, or the last has gone.
    package internal(set) var generation: Int32
    /// What the members do, "consumer" or "connect"; that of the last ones when there are none.
    package internal(set) var protocolType = ""
    /// What was chosen for this generation.
    var protocolName: String?
    package internal(set) var leader: String?

    /// In the order in which they joined.
    var members: OrderedDictionary<String, GroupMember> = [:]
    /// The member of each instance id.
    var instances: [String: String] = [:]
    /// Ids that were given out and that nobody has joined with yet.
    var pending: Set<String> = []
    /// How many members support each protocol.
    var supporters: [String: Int] = [:]
    /// How many members wait for others to join.
    var joinedCount = 0
    /// Members of this generation that have not sent SyncGroup yet.
    var unsynced: Set<String> = []
    var initialJoin: InitialJoin?
    var timers = Timers<Deadline>()

    /// - Parameter generation: where a group goes on that was known before.
    package init(limits: Limits = Limits(), generation: Int32 = 0) {
        self.limits = limits
        self.generation = max(0, generation)
    }

    /// How many members there are, without those that were given an id and have not come with it.
    package var memberCount: Int { members.count }

    /// Whether nobody is in it or about to come. Without offsets, the caller may then forget it.
    package var isUnused: Bool { members.isEmpty && pending.isEmpty && state != .preparingRebalance }

    /// When ``tick(at:)`` is due; nil while nothing ends by itself.
    package var nextDeadline: Instant? { timers.next }

    /// Time has passed.
    package mutating func tick(at now: Instant) -> [Answer] {
        var answers: [Answer] = []
        while let due = timers.popDue(at: now) {
            switch due {
            case .join: endJoin(at: now, &answers)
            case .sync: endSync(at: now, &answers)
            case .session(let id): endSession(of: id, at: now, &answers)
            }
        }
        return answers
    }

    /// The connection of a request that waits is gone, so its answer would go nowhere.
    ///
    /// The member stays until its session ends, which begins now: its client may come back with its id. What it waited
    /// for is undone; a rebalance waits for it to join again, but no longer than that.
    package mutating func drop(_ waiter: GroupWaiter, at now: Instant) {
        guard let place = members.values.firstIndex(where: { $0.joinWaiter == waiter || $0.syncWaiter == waiter })
        else { return }
        let id = members.keys[place]
        if members.values[place].joinWaiter != nil {
            members.values[place].joinWaiter = nil
            joinedCount -= 1
        }
        members.values[place].syncWaiter = nil
        timers.set(.session(id), at: now.advanced(byMilliseconds: members.values[place].sessionTimeout))
    }

    package func describe() -> Description {
        let isStable = state == .stable
        return Description(
            state: state, protocolType: protocolType, protocolName: isStable ? protocolName ?? "" : "",
            members: members.map { id, member in
                Description.Member(
                    id: id, instanceID: member.instanceID, clientID: member.clientID, clientHost: member.clientHost,
                    metadata: isStable ? member.metadata(of: protocolName) : [],
                    assignment: isStable ? member.assignment : [])
            })
    }

    /// - Throws: NON_EMPTY_GROUP while there are members; GROUP_ID_NOT_FOUND if it was deleted before.
    package mutating func delete() throws(GroupError) {
        switch state {
        case .dead: throw .groupIDNotFound
        case .preparingRebalance, .completingRebalance, .stable: throw .nonEmptyGroup
        case .empty:
            state = .dead
            pending = []
            timers = Timers()
        }
    }
}
