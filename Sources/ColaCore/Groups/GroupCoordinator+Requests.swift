/// A request to a group that may have to wait for its answer. The caller chooses them, each once in the life of the
/// process, and the coordinator hands them back.
package struct GroupWaiter: Identifier {
    package var rawValue: UInt64
    @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// A way to share out the work that a member supports, for consumers the name of an assignor, and what the member says
/// of itself to whoever does it that way. The coordinator reads neither.
package struct GroupProtocol: Hashable, Sendable {
    package var name: String
    package var metadata: [UInt8]

    package init(name: String, metadata: [UInt8]) {
        self.name = name
        self.metadata = metadata
    }
}

extension GroupCoordinator {
    /// JoinGroup. Times in milliseconds.
    package struct Join: Equatable, Sendable {
        /// Empty for a member that has no id yet.
        package var memberID: String
        /// What the member is called if it has no id yet: never given to anyone before, in no earlier life of the
        /// process either, since its clients outlive it. As the core has no randomness, the caller makes it, for
        /// example of the client id (of a static member the instance id), the epoch and a counter.
        package var newMemberID: String
        /// Of a static member (v5 and later, KIP-345).
        package var instanceID: String?
        package var protocolType: String
        /// By preference.
        package var protocols: [GroupProtocol]
        package var sessionTimeout: Int64
        /// Up to v0 there is none: the session timeout stands for it.
        package var rebalanceTimeout: Int64
        package var clientID: String
        package var clientHost: String
        /// v4 and later: a member without an id is given one and has to join with it (KIP-394).
        package var requiresKnownMember: Bool
        /// v9 and later: a leader can be told to assign nothing (KIP-814).
        package var supportsSkippingAssignment: Bool

        package init(
            memberID: String = "", newMemberID: String, instanceID: String? = nil, protocolType: String = "consumer",
            protocols: [GroupProtocol], sessionTimeout: Int64, rebalanceTimeout: Int64, clientID: String = "",
            clientHost: String = "", requiresKnownMember: Bool = true, supportsSkippingAssignment: Bool = true
        ) {
            self.memberID = memberID
            self.newMemberID = newMemberID
            self.instanceID = instanceID
            self.protocolType = protocolType
            self.protocols = protocols
            self.sessionTimeout = sessionTimeout
            self.rebalanceTimeout = rebalanceTimeout
            self.clientID = clientID
            self.clientHost = clientHost
            self.requiresKnownMember = requiresKnownMember
            self.supportsSkippingAssignment = supportsSkippingAssignment
        }
    }

    /// Who speaks, and of which generation: what Heartbeat, SyncGroup and OffsetCommit begin with.
    package struct Identity: Equatable, Sendable {
        /// Empty where the request has none.
        package var memberID: String
        package var instanceID: String?
        /// -1 where the request has none.
        package var generation: Int32

        package init(memberID: String, instanceID: String? = nil, generation: Int32) {
            self.memberID = memberID
            self.instanceID = instanceID
            self.generation = generation
        }
    }

    /// SyncGroup.
    package struct Sync: Equatable, Sendable {
        package struct Assignment: Equatable, Sendable {
            package var memberID: String
            package var bytes: [UInt8]

            package init(memberID: String, bytes: [UInt8]) {
                self.memberID = memberID
                self.bytes = bytes
            }
        }

        package var identity: Identity
        /// v5 and later.
        package var protocolType: String?
        /// v5 and later.
        package var protocolName: String?
        /// Only of the leader. Where a member is in there twice, the last counts.
        package var assignments: [Assignment]

        package init(
            _ identity: Identity, protocolType: String? = nil, protocolName: String? = nil,
            assignments: [Assignment] = []
        ) {
            self.identity = identity
            self.protocolType = protocolType
            self.protocolName = protocolName
            self.assignments = assignments
        }
    }

    /// One of those that a LeaveGroup names.
    package struct Leaving: Equatable, Sendable {
        /// Empty where an operator removes a static member by its instance id.
        package var memberID: String
        package var instanceID: String?

        package init(memberID: String, instanceID: String? = nil) {
            self.memberID = memberID
            self.instanceID = instanceID
        }
    }
}
