extension GroupCoordinator {
    /// What a request that may wait is answered with. Each is answered once.
    package enum Answer: Equatable, Sendable {
        case join(JoinAnswer, to: GroupWaiter)
        case sync(SyncAnswer, to: GroupWaiter)

        package var waiter: GroupWaiter {
            switch self {
            case .join(_, let waiter), .sync(_, let waiter): waiter
            }
        }
    }

    package enum JoinAnswer: Equatable, Sendable {
        case joined(Joined)
        /// The answer has generation -1, no protocol, no leader and no members.
        ///
        /// With MEMBER_ID_REQUIRED, `memberID` is the one to join with; else it is the one of the request, or empty.
        case refused(GroupError, memberID: String)
    }

    package struct Joined: Equatable, Sendable {
        package struct Member: Equatable, Sendable {
            package var id: String
            package var instanceID: String?
            /// In the protocol that was chosen.
            package var metadata: [UInt8]

            package init(id: String, instanceID: String? = nil, metadata: [UInt8]) {
                self.id = id
                self.instanceID = instanceID
                self.metadata = metadata
            }
        }

        package var memberID: String
        package var generation: Int32
        package var protocolType: String
        package var protocolName: String
        package var leader: String
        /// The leader keeps the assignment that there is (KIP-814).
        package var skipsAssignment: Bool
        /// All of them, for the leader; empty for everybody else.
        package var members: [Member]

        package init(
            memberID: String, generation: Int32, protocolType: String, protocolName: String, leader: String,
            skipsAssignment: Bool = false, members: [Member] = []
        ) {
            self.memberID = memberID
            self.generation = generation
            self.protocolType = protocolType
            self.protocolName = protocolName
            self.leader = leader
            self.skipsAssignment = skipsAssignment
            self.members = members
        }
    }

    package enum SyncAnswer: Equatable, Sendable {
        case synced(Synced)
        /// The answer has no protocol and no assignment.
        case refused(GroupError)
    }

    package struct Synced: Equatable, Sendable {
        package var protocolType: String
        package var protocolName: String
        /// Empty if the leader gave the member nothing.
        package var assignment: [UInt8]

        package init(protocolType: String, protocolName: String, assignment: [UInt8]) {
            self.protocolType = protocolType
            self.protocolName = protocolName
            self.assignment = assignment
        }
    }

    /// What DescribeGroups and ListGroups tell.
    package struct Description: Equatable, Sendable {
        package struct Member: Equatable, Sendable {
            package var id: String
            package var instanceID: String?
            package var clientID: String
            package var clientHost: String
            /// Empty unless the group is stable.
            package var metadata: [UInt8]
            /// Empty unless the group is stable.
            package var assignment: [UInt8]

            package init(
                id: String, instanceID: String?, clientID: String, clientHost: String, metadata: [UInt8],
                assignment: [UInt8]
            ) {
                self.id = id
                self.instanceID = instanceID
                self.clientID = clientID
                self.clientHost = clientHost
                self.metadata = metadata
                self.assignment = assignment
            }
        }

        package var state: State
        /// Empty before the first member.
        package var protocolType: String
        /// Empty unless the group is stable.
        package var protocolName: String
        /// In the order in which they joined.
        package var members: [Member]

        package init(state: State, protocolType: String, protocolName: String, members: [Member]) {
            self.state = state
            self.protocolType = protocolType
            self.protocolName = protocolName
            self.members = members
        }
    }
}
